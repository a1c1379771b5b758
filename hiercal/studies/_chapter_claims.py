"""Claims of the chapter that arithmetic and exact posteriors settle, with no sampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS, EightSchools
from hiercal.studies._claims import Claim, Finding, below, near
from hiercal.studies._summaries import one, pick

if TYPE_CHECKING:
    import pandas as pd

PLUG_IN = {"mu": 8.0, "tau": 6.0}
WEIGHTS = {"E": (9.0, 0.692), "H": (18.0, 0.900), "A": (15.0, 0.862), "new": (5.0, 0.410)}
"""Standard error and printed shrinkage weight."""
ESTIMATES = {"E": (9.0, -1.0, 5.2, 1), "H": (18.0, 12.0, 8.4, 1), "A": (15.0, 28.0, 10.77, 2)}
"""Standard error, effect, printed estimate and its decimals."""
REPLICATED = (16.2, 11.3, 17.4, 12.2, 10.4, 12.3, 11.5, 19.3)
"""Printed standard deviations of replicated effects."""


def arithmetic() -> pd.DataFrame:
    """What the chapter computes from Rubin's data, beside exact values.

    Returns
    -------
    DataFrame
        ``what, school, printed, exact``, and ``unit``, one in the last digit printed (NaN where
        nothing is printed): the shrinkage ``weight`` and plug-in ``estimate`` at mu = 8, tau = 6;
        the share of a school's deviation from the mean that its posterior mean ``retained``, with
        that of the plug-in formula as ``printed``; and the standard deviation of ``replicated``
        data.
    """
    import pandas as pd

    story = EightSchools()
    exact = story.exact({"y": np.array(RUBIN_EFFECTS)})
    mu, tau2 = PLUG_IN["mu"], PLUG_IN["tau"] ** 2
    rows: list[tuple[str, str, float, float, float]] = []
    for school, (sigma, printed) in WEIGHTS.items():
        rows.append(("weight", school, printed, sigma**2 / (sigma**2 + tau2), 1e-3))
    for school, (sigma, y, printed, decimals) in ESTIMATES.items():
        weight = sigma**2 / (sigma**2 + tau2)
        estimate = weight * mu + (1 - weight) * y
        rows.append(("estimate", school, printed, estimate, 10.0**-decimals))
    labels = story.coords["school"]
    schools = zip(labels, RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS, REPLICATED, strict=True)
    for school, y, sigma, printed in schools:
        name = f"theta[{school}]"
        grand = exact.mean("mu")
        retained = (exact.mean(name) - grand) / (y - grand)
        rows.append(("retained", school, tau2 / (sigma**2 + tau2), retained, np.nan))
        rows.append(("replicated", school, printed, np.hypot(exact.sd(name), sigma), 0.1))
    table = pd.DataFrame(rows, columns=["what", "school", "printed", "exact", "unit"])
    sigma = dict(zip(labels, RUBIN_STANDARD_ERRORS, strict=True))
    table["sigma"] = table["school"].map(sigma)
    return table


def _weights(tables: Mapping[str, pd.DataFrame]) -> Finding:
    table = tables["arithmetic"]
    own = table[table["what"].isin(["weight", "estimate"])]
    off = ((own["printed"] - own["exact"]).abs() / own["unit"]).to_numpy()
    worst = own.iloc[int(off.argmax())]
    right = int((off <= 0.5).sum())
    return below(
        float(off.max()),
        0.0,
        0.5,
        "largest error, in units of the last digit printed",
        f"{right} of {len(own)} right; farthest: {worst['what']} {worst['school']}, printed "
        f"{worst['printed']:g}, by the formula {worst['exact']:.4f}.",
    )


def _shrinkage(tables: Mapping[str, pd.DataFrame]) -> Finding:
    own = pick(tables["arithmetic"], what="retained")
    ratio = (own["exact"] / own["printed"]).to_numpy()
    measure = "exact over plug-in share of the deviation retained, largest of eight schools"
    return below(float(ratio.max()), 0.0, 1.0, measure)


def _printed_means(tables: Mapping[str, pd.DataFrame]) -> Finding:
    row = one(tables["hypotheses"], example="eight_schools", stated=True)
    measure = "root mean square of printed minus exact means, in posterior sd"
    others = pick(tables["hypotheses"], example="eight_schools", stated=False)
    best = others.loc[others["rms"].idxmin()]
    remark = f"{best['rms']:.2f} under {best['hypothesis']}."
    return below(row["rms"], 0.0, 0.05, measure, remark)


def _replicated(tables: Mapping[str, pd.DataFrame]) -> Finding:
    own = pick(tables["arithmetic"], what="replicated")
    ratio = (own["exact"] / own["sigma"]).to_numpy()
    off = (own["printed"] - own["exact"]).abs().max()
    return below(
        float(ratio.max() - 1),
        0.0,
        0.1,
        "largest excess of the replicated sd over the standard error, as a share",
        f"Exact sd are {ratio.min():.2f} to {ratio.max():.2f} times the standard errors; printed "
        f"ones are up to {off:.1f} points from exact.",
    )


def _alpha(tables: Mapping[str, pd.DataFrame]) -> Finding:
    row = one(tables["comparison"], example="survey", quantity="alpha", statistic="mean")
    sd = one(tables["comparison"], example="survey", quantity="alpha", statistic="sd")
    return near(
        row["exact"],
        0.0,
        row["printed"],
        4 * row["se"],
        "exact posterior mean of alpha, with the printed counts",
        f"Printed {row['printed']:g} (sd {sd['printed']:g}), exact {row['exact']:.2f} "
        f"({sd['exact']:.2f}).",
    )


CLAIMS = (
    Claim(
        "C03",
        "L497 to L505, L508",
        "Shrinkage weights are sigma^2 / (sigma^2 + tau^2), and the estimates follow from them.",
        "Every printed weight and estimate at mu = 8, tau = 6 is the formula's to within half a "
        "unit of the last digit printed.",
        _weights,
    ),
    Claim(
        "C04",
        "L506",
        "Real shrinkage is stronger than the plug-in formula's, as tau is uncertain and skewed.",
        "Every school's exact posterior mean retains a smaller share of the school's deviation "
        "from the mean than the plug-in estimate at mu = 8, tau = 6.",
        _shrinkage,
    ),
    Claim(
        "C05",
        "L154 to L163",
        "The printed Eight Schools posterior means are those of the stated model.",
        "The root mean square of printed minus exact means is below 0.05 posterior sd.",
        _printed_means,
    ),
    Claim(
        "C14",
        "L222 to L225",
        "Replicated standard deviations match the standard errors.",
        "The exact sd of replicated effects exceeds the standard error by less than 10 % in every "
        "school.",
        _replicated,
    ),
    Claim(
        "C15",
        "L295 to L301",
        "The printed survey posterior: alpha has mean 10.32 under Exponential(1).",
        "The exact posterior mean of alpha, with the printed counts, is within 4 Monte Carlo "
        "standard errors of the printed one.",
        _alpha,
    ),
)
