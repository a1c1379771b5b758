"""Claims on parameterisation: which model is better where, and the survey at small alpha."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hiercal.studies._claims import Claim, Finding, NotMeasured, above, below, each_part, every
from hiercal.studies._summaries import one, pick

if TYPE_CHECKING:
    import pandas as pd

NAMES = {"numpyro": "NumPyro", "pymc": "PyMC"}
CODINGS = ("centred", "noncentred")


def _better(tables: Mapping[str, pd.DataFrame]) -> Finding:
    ratios = pick(tables["map"], ess="worst", cost="gradient")
    parts, said = [], []
    for library, own in ratios.groupby("library", sort=False):
        most = pick(own, n=own["n"].max(), tau=own["tau"].max())
        few, near_zero = pick(own, n=own["n"].min()), pick(own, tau=own["tau"].min())
        for rows, rule, where in (
            (most, below, "most observations and largest tau"),
            (few, above, "fewest observations"),
            (near_zero, above, "smallest tau"),
        ):
            # NumPy's mean and sum do not pass over a cell without a number, as those of pandas do
            mean = float(rows["log2_ratio"].to_numpy().mean())
            se = float(np.sqrt((rows["log2_ratio_se"].to_numpy() ** 2).sum()) / len(rows))
            measure = f"log2 ratio of ESS per gradient, {where}, {NAMES[str(library)]}"
            parts.append(rule(mean, se, 0.0, measure))
        row = one(tables["crossover"], library=library, n="all")
        at = f"{row['crossover']:.2f} ({row['crossover_se']:.2f})"
        where = "nowhere on the map" if np.isnan(row["crossover"]) else f"at {at}"
        said.append(f"{where} in {NAMES[str(library)]}")
    return every(parts, f"They are equal at sqrt(n) tau / sigma: {', '.join(said)}.")


def _default(tables: Mapping[str, pd.DataFrame]) -> Finding:
    arms = tables["arms"]
    parts, said = [], []
    for library, own in arms.groupby("library", sort=False):
        name = NAMES[str(library)]
        worst, off = {}, {}
        for model in CODINGS:
            rows = pick(own, model=model).dropna(subset=["ess_per_gradient", "bias"])
            if rows.empty:
                raise NotMeasured(f"no fit of {name} {model} was finished")
            least = rows.loc[rows["ess_per_gradient"].idxmin()]
            log_se = least["ess_per_gradient_se"] / least["ess_per_gradient"] / np.log(2)
            worst[model] = np.log2(least["ess_per_gradient"]), log_se
            most = rows.loc[rows["bias"].abs().idxmax()]
            off[model] = abs(most["bias"]), most["bias_se"]
            said.append(
                f"{name} {model.replace('non', 'non-')} {least['ess_per_gradient']:.2g} at n = "
                f"{least['n']}, tau = {least['tau']:g}, bias {most['bias']:+.2f} at n = "
                f"{most['n']}, tau = {most['tau']:g}"
            )
        for (new, old), rule, what in (
            (
                (worst["noncentred"], worst["centred"]),
                above,
                "log2 ratio of least ESS per gradient",
            ),
            (
                (off["noncentred"], off["centred"]),
                below,
                "difference of largest bias of tau in sds",
            ),
        ):
            se = float(np.hypot(new[1], old[1]))
            parts.append(rule(float(new[0] - old[0]), se, 0.0, f"{what}, {name}"))
    return every(parts, f"Worst cases per thousand gradients: {'; '.join(said)}.")


def _learnt(tables: Mapping[str, pd.DataFrame]) -> Finding:
    (row,) = tables["survey_learnt"].to_dict("records")
    survey = tables["survey"]
    far = one(survey, model="collapsed", alpha=survey["alpha"].max())
    return below(
        row["contraction"],
        row["contraction_se"],
        0.5,
        "share of the prior variance of alpha gone",
        f"Of data simulated at alpha = {far['alpha']:g} its exact posterior mean is "
        f"{far['exact']:.1f} on average.",
    )


def _breaks(tables: Mapping[str, pd.DataFrame]) -> Finding:
    survey = tables["survey"]
    small, large = (
        one(survey, model="centred", alpha=alpha)
        for alpha in (survey["alpha"].min(), survey["alpha"].max())
    )
    measure = f"bias of centred alpha in posterior sds at alpha = {small['alpha']:g}"
    remark = (
        f"{100 * small['divergent_fits']:.0f} % of these fits have divergences; bias "
        f"{small['bias']:+.2f}, at alpha = {large['alpha']:g} {large['bias']:+.2f}."
    )
    gap = abs(small["bias"]) - abs(large["bias"])
    se = float(np.hypot(small["bias_se"], large["bias_se"]))
    return every(
        [
            above(abs(small["bias"]), small["bias_se"], 0.1, measure),
            above(gap, se, 0.0, f"{measure} beyond that at {large['alpha']:g}"),
        ],
        remark,
    )


def _small_alpha(tables: Mapping[str, pd.DataFrame]) -> Finding:
    return each_part({"Hard to learn": _learnt, "Breaks centred samplers": _breaks}, tables)


CLAIMS = (
    Claim(
        "C12",
        "L424",
        "Centred is better with abundant data per group and tau far from zero, non-centred "
        "with sparse data or tau near zero.",
        "In every library the worst bulk ESS per gradient is higher centred where observations "
        "and tau are largest; it is higher non-centred with the fewest observations, averaged "
        "over tau, and at the smallest tau, averaged over observations (log ratios).",
        _better,
    ),
    Claim(
        "C13",
        "L447, L452",
        "The non-centred model should be the default.",
        "In every library its worst case over the map is better: the least worst bulk ESS per "
        "thousand gradients of any cell (geometric mean), and the largest bias of tau, in "
        "posterior standard deviations off the exact mean.",
        _default,
    ),
    Claim(
        "C33",
        "",
        "The concentration alpha of the survey is hard to learn, and small alpha breaks centred "
        "samplers.",
        "Hard to learn: less than half of the prior variance of alpha is gone in the exact "
        "posterior, on average over data sets with alpha from its prior Exponential(1). Breaks "
        "centred samplers: at the smallest alpha of the study the centred posterior mean of alpha "
        "lies more than a tenth of a posterior standard deviation off the exact one, and further "
        "off than at the largest. Both must hold.",
        _small_alpha,
    ),
)
