"""Claims on new groups: wider predictions, private schools, a contaminated slope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hiercal.studies._claims import Claim, Finding, NotMeasured, above, below, every
from hiercal.studies._predictions import LEVEL
from hiercal.studies._summaries import one, pick

if TYPE_CHECKING:
    import pandas as pd

FAR, NEAR = 0.5, 0.2
"""Mean absolute errors of a slope that are far off and near: a quarter and a tenth of 2."""
WIDER, MISSED = 0.9, LEVEL - 0.05


def _wider(tables: Mapping[str, pd.DataFrame]) -> Finding:
    schools = tables["rubin"]
    seen = schools[(schools["quantity"] != "theta_new").to_numpy()]
    least = seen.loc[seen["times_wider"].idxmin()]
    share = one(tables["unseen"], story="eight_schools")
    ratio = one(tables["textbook"], quantity="theta_new / theta[E]", statistic="width ratio")
    remark = (
        f"On Rubin's data {seen['times_wider'].min():.2f} to {seen['times_wider'].max():.2f} times "
        f"as wide; beside school E {ratio['exact']:.2f} times, printed {ratio['printed']:.2f}."
    )
    parts = [
        above(
            float(least["times_wider"]), 0.0, 1.0,
            f"width of a new school's interval over that of {least['quantity']}, Rubin's data",
        ),
        above(
            share["wider"], share["wider_se"], WIDER,
            "share of data sets and schools in which a new school's interval is wider",
        ),
    ]  # fmt: skip
    return every(parts, remark)


def _private(tables: Mapping[str, pd.DataFrame]) -> Finding:
    table = tables["private_schools"]
    with_it, without = (pick(table, model=model) for model in ("covariate", "exchangeable"))
    if 5.0 not in set(table["beta"]):
        raise NotMeasured("beta 5 is not among those that were simulated")
    truth, other = one(with_it, beta=5.0), one(without, beta=5.0)
    worse = [
        f"{row['beta']:g}"
        for row in without.to_dict("records")
        if above(row["excess_mse"], row["excess_mse_se"], 0.0, "").verdict == "holds"
    ]
    printed = one(tables["textbook"], quantity="beta", statistic="mean")
    remark = (
        f"Mean squared error without the covariate larger at beta = {', '.join(worse)}."
        if worse
        else "At no beta of the sweep is the mean squared error larger without the covariate."
    )
    remark += (
        f" On the textbook's data the exact posterior mean of beta is {printed['exact']:.2f}, "
        f"printed {printed['printed']:.2f}."
    )
    parts = [
        above(truth["beta_mean"], truth["beta_mean_se"], 2.5, "posterior mean of beta at beta 5"),
        above(
            other["excess_mse"], other["excess_mse_se"], 0.0,
            "squared error without the covariate less that with it, points squared, at beta 5",
        ),
        below(
            other["coverage"], other["coverage_se"], MISSED,
            "coverage of private schools without the covariate, at beta 5",
        ),
    ]  # fmt: skip
    return every(parts, remark)


def _contaminated(tables: Mapping[str, pd.DataFrame]) -> Finding:
    slopes = tables["slopes"]
    cells = {}
    for row in slopes.to_dict("records"):
        cells.setdefault((row["noise"], row["contamination"]), {})[row["model"]] = row
    holds = [
        f"noise {noise:g} with contamination {contamination:g}"
        for (noise, contamination), cell in cells.items()
        if contamination != 0
        and cell["no_pooling"]["error"] > FAR
        and cell["hierarchical"]["error"] < NEAR
    ]
    remark = f"It holds at {'; '.join(holds)}." if holds else "It holds nowhere in the sweep."
    noise = min(slopes["noise"], key=lambda value: abs(value - 0.1))
    far = [
        c
        for (n, c), cell in sorted(cells.items())
        if n == noise and c != 0 and cell["no_pooling"]["error"] > FAR
    ]
    measure = f"mean absolute error of the small group's slope, noise {noise:g}"
    if not far:
        raise NotMeasured(f"no contamination puts the {measure}, without pooling, above {FAR:g}")
    cell = cells[noise, far[0]]
    parts = [
        above(
            cell["no_pooling"]["error"], cell["no_pooling"]["error_se"], FAR,
            f"{measure}, contamination {far[0]:g}, no pooling",
        ),
        below(
            cell["hierarchical"]["error"], cell["hierarchical"]["error_se"], NEAR,
            f"{measure}, contamination {far[0]:g}, hierarchical",
        ),
    ]  # fmt: skip
    return every(parts, remark)


CLAIMS = (
    Claim(
        "C21",
        "L674 to L676",
        "A new group's predictive is wider than a seen group's posterior.",
        "On Rubin's data the exact 89 % interval of a ninth school is wider than that of each "
        "of the eight; and in Eight Schools data simulated at the prior it is wider than a "
        "seen school's in more than 90 % of data sets and schools.",
        _wider,
    ),
    Claim(
        "C22",
        "L646, L707 to L709",
        "The effect of private schools is recovered with a covariate, and pooling without it "
        "misleads.",
        "At the textbook's truths (beta 5) the posterior mean of beta is on average above 2.5; "
        "and without the covariate the mean squared error of the private schools' effects is "
        "larger and their 89 % intervals cover less than 84 %.",
        _private,
    ),
    Claim(
        "C31",
        "A",
        "A contaminated small group's slope is far off without pooling, and near 2 in the "
        "hierarchy.",
        "With the noise nearest to its prior mean of 0.1, at the smallest contamination whose "
        "mean absolute error without pooling is above 0.5, that of the hierarchical slope is "
        "below 0.2.",
        _contaminated,
    ),
)
