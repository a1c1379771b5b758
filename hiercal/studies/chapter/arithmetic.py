"""What the chapter computes by hand, beside exact values; no model is fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from hiercal.runs.streams import stream
from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS, EightSchools
from hiercal.simulators.survey import Survey
from hiercal.studies.chapter.examples import examples, observed

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.exact.posterior import Posterior

MU, TAU = 8.0, 6.0
"""Values that the chapter plugs in."""
SCHOOLS = tuple(EightSchools().coords["school"])
SIGMA = dict(zip(SCHOOLS, RUBIN_STANDARD_ERRORS, strict=True))
EFFECT = dict(zip(SCHOOLS, RUBIN_EFFECTS, strict=True))
PRINTED_DRAWS = 8000
"""Draws behind the printed summaries: 4 chains of 2,000."""
WEIGHTS = {
    "A": 0.862, "B": 0.735, "C": 0.877, "D": 0.771, "E": 0.692, "F": 0.771, "G": 0.735, "H": 0.900,
    "new": 0.410,
}  # fmt: skip
"""Printed shrinkage weights (L479 to L486, L508); the new school has a standard error of 5."""
ESTIMATES = {
    "A": 10.77, "B": 8.00, "C": 6.49, "D": 7.77, "E": 5.23, "F": 6.46, "G": 10.65, "H": 8.40,
}  # fmt: skip
"""Printed plug-in estimates (L498 to L505)."""
REPLICATED = dict(zip(SCHOOLS, (16.2, 11.3, 17.4, 12.2, 10.4, 12.3, 11.5, 19.3), strict=True))
"""Printed standard deviations of replicated effects (L224)."""
ESS = dict(zip(SCHOOLS, (3415, 4102, 4315, 4008, 3987, 4121, 3618, 3798), strict=True))
"""Printed effective sample sizes of the school effects (L156 to L163)."""
ESS_OF_MU = 2914
"""Printed effective sample size of mu (L154), the smallest but that of tau."""
SEPARATE_WIDTHS = {"SA": 0.241, "A": 0.268, "D": 0.248, "SD": 0.209}
"""Printed widths without pooling of the region with 35 respondents (L331 to L334)."""


def rubin() -> Posterior:
    """Exact posterior of the stated model on Rubin's data."""
    return EightSchools().exact({"y": np.array(RUBIN_EFFECTS)})


def arithmetic() -> pd.DataFrame:
    """Shrinkage weights and plug-in estimates at mu = 8, tau = 6.

    Returns
    -------
    DataFrame
        A row per printed number: ``what`` (``weight``, sigma^2 / (sigma^2 + tau^2), or
        ``estimate``, weight mu + (1 - weight) y), ``school, sigma, printed, exact``, ``unit``, one
        in the last digit printed, and ``off``, how many of them it is off by.
    """
    import pandas as pd

    rows = []
    for school, printed in WEIGHTS.items():
        sigma = SIGMA.get(school, 5.0)
        rows.append(("weight", school, sigma, printed, 1 - _retained(sigma, TAU), 1e-3))
    for school, printed in ESTIMATES.items():
        sigma = SIGMA[school]
        estimate = MU + _retained(sigma, TAU) * (EFFECT[school] - MU)
        rows.append(("estimate", school, sigma, printed, estimate, 1e-2))
    columns = ["what", "school", "sigma", "printed", "exact", "unit"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(off=(table["printed"] - table["exact"]).abs() / table["unit"])


def _retained(sigma: float, tau: float) -> float:
    """Share of its deviation from the mean that a school keeps, by the plug-in formula."""
    return tau**2 / (sigma**2 + tau**2)


def plug_in() -> pd.DataFrame:
    """Posterior means of the schools beside the plug-in formula's, at several tau.

    Returns
    -------
    DataFrame
        A row per ``place`` and ``school``. Places are what is compared: the exact posterior with
        the formula at tau = 6, at the posterior mean and at the posterior mode of tau, and the
        printed posterior means with the formula at tau = 6. Columns: ``posterior`` (``exact`` or
        ``printed``), ``tau``; ``below``, the exact posterior probability of a smaller one;
        ``plug_in``, the share of its deviation from mu that the school keeps
        by the formula; ``retained``, the share that its posterior mean keeps of its deviation from
        the posterior mean of mu; ``expected``, the posterior mean of the formula's share (exact
        posterior only); ``points``, by how many points the posterior mean lies farther out on the
        school's side of mu than the formula would have it, positive where shrinkage is weaker; and
        ``mean_se``, the Monte Carlo standard error of the mean of ``points`` over schools: 0 of the
        exact posterior, with the printed ESS of mu else. Shares near the mean are a ratio of two
        small numbers; points are not.
    """
    import pandas as pd

    exact, places = rubin(), _values_of_tau()
    printed = printed_statistics("mean")
    at = [
        (words, "exact", tau, {s: exact.mean(f"theta[{s}]") for s in SCHOOLS})
        for words, tau in places.items()
    ]
    at.append(
        (
            f"the printed posterior at tau = {TAU:g}",
            "printed",
            TAU,
            {s: printed[f"theta[{s}]"] for s in SCHOOLS},
        )
    )
    rows = []
    for place, posterior, tau, means in at:
        mu = exact.mean("mu") if posterior == "exact" else printed["mu"]
        se = 0.0 if posterior == "exact" else _se_of_mean_points(mu, tau)
        for school in SCHOOLS:
            deviation, share = EFFECT[school] - mu, _retained(SIGMA[school], tau)
            kept = (means[school] - mu) * np.sign(deviation)
            rows.append(
                {
                    "place": place,
                    "posterior": posterior,
                    "tau": tau,
                    "below": float(exact.cdf("tau", tau)),
                    "school": school,
                    "sigma": SIGMA[school],
                    "plug_in": share,
                    "retained": kept / abs(deviation),
                    "expected": _expected_share(SIGMA[school]) if posterior == "exact" else np.nan,
                    "points": kept - share * abs(deviation),
                    "mean_se": se,
                }
            )
    return pd.DataFrame(rows)


def _se_of_mean_points(mu: float, tau: float) -> float:
    draws = rubin().draws(40_000, stream(42, "chapter", "plug-in"))
    effect, sigma = np.array(RUBIN_EFFECTS), np.array(RUBIN_STANDARD_ERRORS)
    share = tau**2 / (sigma**2 + tau**2)
    centre = draws["mu"][:, None]
    points = np.sign(effect - mu) * (draws["theta"] - centre - share * (effect - centre))
    return float(points.mean(axis=1).std() / np.sqrt(ESS_OF_MU))


def printed_statistics(statistic: str) -> dict[str, float]:
    """Printed Eight Schools summaries, by quantity."""
    (schools,) = (each for each in examples() if each.name == "eight_schools")
    return {q: value for q, name, value, _ in schools.printed if name == statistic}


def _masses() -> tuple[np.ndarray, np.ndarray]:
    """Cells of tau up to 100, a hundredth wide: their middles and exact probabilities."""
    edges = np.linspace(0, 100, 10_001)
    below = rubin().cdf("tau", edges)
    return (edges[1:] + edges[:-1]) / 2, np.diff(below)


def _values_of_tau() -> dict[str, float]:
    """Values of tau to plug in, and what they are called."""
    middles, masses = _masses()
    densest = int(masses.argmax())
    mode = float(middles[densest]) if densest else 0.0
    mean = rubin().mean("tau")
    return {
        f"tau = {TAU:g}": TAU,
        f"tau's mean {mean:.2f}": mean,
        f"tau's mode {mode:.2g}": mode,
    }


def _expected_share(sigma: float) -> float:
    middles, masses = _masses()
    return float(masses @ (middles**2 / (middles**2 + sigma**2)))


def replicated() -> pd.DataFrame:
    """Printed standard deviations of replicated data, beside exact and implied ones.

    Returns
    -------
    DataFrame
        A row per school: ``sigma, printed``; ``exact``, that of the stated model; ``implied``, by
        the printed posterior sd: sqrt(sd^2 + sigma^2); ``se``, the Monte Carlo standard error of
        such a standard deviation from 8,000 draws of the school effect, with the ESS that is
        printed, and of the noise; ``z`` and ``z_implied``, the distance of the printed one from
        exact and from implied in standard errors, rounding included.
    """
    import pandas as pd

    exact, sds = rubin(), printed_statistics("sd")
    draws = exact.draws(40_000, stream(42, "chapter", "replicated"))["theta"]
    rows = []
    for i, school in enumerate(SCHOOLS):
        sigma, printed = SIGMA[school], REPLICATED[school]
        sd = exact.sd(f"theta[{school}]")
        kurtosis = float(stats.kurtosis(draws[:, i], fisher=False))
        variance = (
            (kurtosis - 1) * sd**4 / ESS[school]
            + (2 * sigma**4 + 4 * sd**2 * sigma**2) / PRINTED_DRAWS
        )  # fmt: skip
        whole = float(np.hypot(sd, sigma))
        se = float(np.hypot(np.sqrt(variance) / (2 * whole), 0.1 / np.sqrt(12)))
        implied = float(np.hypot(sds[f"theta[{school}]"], sigma))
        # the printed sd of the effect comes from the same draws: only the noise is left
        noise = np.sqrt((2 * sigma**4 + 4 * sd**2 * sigma**2) / PRINTED_DRAWS) / (2 * whole)
        rows.append(
            {
                "school": school,
                "sigma": sigma,
                "printed": printed,
                "exact": whole,
                "implied": implied,
                "se": se,
                "z": (printed - whole) / se,
                "z_implied": (printed - implied) / float(np.hypot(noise, 0.1 / np.sqrt(12))),
            }
        )
    return pd.DataFrame(rows)


def separate_widths() -> pd.DataFrame:
    """Printed widths without pooling of the survey's smallest region, beside exact ones.

    Returns
    -------
    DataFrame
        A row per category: its ``count`` among ``n`` respondents, ``printed``; ``exact``, the
        89 % central width of Beta(1 + count, 3 + n - count), which the chapter draws from; ``se``,
        the standard error of that width from 8,000 draws (asymptotic); and ``z``, rounding
        included.
    """
    import pandas as pd

    story = Survey()
    smallest = int(np.argmin(story.n))
    counts, n = observed(story)["counts"][smallest], story.n[smallest]
    rows = []
    for (category, printed), count in zip(SEPARATE_WIDTHS.items(), counts, strict=True):
        law = stats.beta(1 + count, len(counts) - 1 + n - count)
        tail = 0.055
        low, high = law.ppf([tail, 1 - tail])
        f, g = law.pdf([low, high])
        # variances and covariance of two sample quantiles (Serfling 1980, section 2.3.3)
        variance = tail * (1 - tail) * (1 / f**2 + 1 / g**2) - 2 * tail**2 / (f * g)
        se = float(np.hypot(np.sqrt(variance / PRINTED_DRAWS), 1e-3 / np.sqrt(12)))
        exact = float(high - low)
        rows.append((category, int(count), n, printed, exact, se, (printed - exact) / se))
    return pd.DataFrame(rows, columns=["category", "count", "n", "printed", "exact", "se", "z"])
