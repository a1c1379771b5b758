"""Claims on priors of tau: few groups, a prior too near zero, one too diffuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hiercal.studies._claims import (
    Claim,
    Finding,
    NotMeasured,
    above,
    below,
    each_part,
    either,
    every,
)
from hiercal.studies._summaries import one, pick

if TYPE_CHECKING:
    import pandas as pd

NAMES = {"numpyro": "NumPyro", "pymc": "PyMC"}


def _dominated(tables: Mapping[str, pd.DataFrame]) -> Finding:
    contraction = tables["contraction"]
    few = contraction[(contraction["J"] < 5).to_numpy()]
    measure = "share of the prior variance of tau removed"
    said = []
    for noise, rows in contraction.groupby("noise", sort=False):
        past = rows.loc[(rows["contraction"] > 0.5).to_numpy(), "J"]
        where = f"from J = {past.min()}" if len(past) else f"at no J up to {rows['J'].max()}"
        said.append(f"{where} at {noise} standard errors")
    remark = f"More than half is removed {', '.join(said)}."
    if few.empty:
        raise NotMeasured("no J below 5 in the study")
    return every(
        [
            below(
                row["contraction"], row["contraction_se"], 0.5,
                f"{measure}, J = {row['J']}, {row['noise']} standard errors",
            )
            for row in few.to_dict("records")
        ],
        remark,
    )  # fmt: skip


def _over_shrinks(tables: Mapping[str, pd.DataFrame]) -> Finding:
    eight = pick(tables["priors"], J=8)
    row, right = one(eight, upper=eight["upper"].min()), one(eight, right=True)
    if row["right"]:
        raise NotMeasured("no prior of tau is nearer to zero than the right one")
    remark = (
        f"Under {row['prior']} estimates are shrunk by {row['shrinkage']:.2f} on average (right "
        f"prior {right['shrinkage']:.2f}), intervals cover {row['coverage']:.3f} and the mean "
        f"squared error is {row['mse_ratio']:.2f} times that under the right prior."
    )
    return every(
        [
            above(
                row["slope"], row["slope_se"], 1.0, f"slope of truth on estimate, {row['prior']}"
            ),
            below(row["coverage"], row["coverage_se"], 0.89, f"coverage, {row['prior']}"),
        ],
        remark,
    )


def _trouble(tables: Mapping[str, pd.DataFrame]) -> Finding:
    samplers = tables["samplers"]
    widest = pick(samplers, upper=samplers["upper"].max())
    if widest["right"].all():
        raise NotMeasured("no prior of tau is more diffuse than the right one")
    parts, said = [], []
    for row in widest.to_dict("records"):
        who = f"{NAMES[row['library']]} {row['model'].replace('non', 'non-')}"
        parts.append(
            either(
                [
                    above(
                        row["divergences_more"], row["divergences_more_se"], 1.0,
                        f"further divergent draws per thousand, {who}",
                    ),
                    below(row["ess_ratio"], row["ess_ratio_se"], 0.9, f"ratio of worst ESS, {who}"),
                ]
            )
        )  # fmt: skip
        said.append(f"{who} {row['divergences_more']:+.1f} and {row['ess_ratio']:.2f}")
    remark = (
        f"Further divergent draws per thousand and ratio of worst ESS under "
        f"{widest['prior'].iloc[0]}: {', '.join(said)}."
    )
    return every(parts, remark)


def _wrong_priors(tables: Mapping[str, pd.DataFrame]) -> Finding:
    parts = {"Too near zero over-shrinks": _over_shrinks, "Too diffuse gives trouble": _trouble}
    return each_part(parts, tables)


CLAIMS = (
    Claim(
        "C23",
        "L416",
        "With fewer than five groups tau is dominated by its prior.",
        "For every J below 5 of the study, at Rubin's standard errors and at a tenth of them, "
        "less than half of the prior variance of tau is gone in the exact posterior under the "
        "right prior, on average over data sets.",
        _dominated,
    ),
    Claim(
        "C24",
        "L431, L432",
        "A prior on tau too near zero over-shrinks, and one too diffuse gives sampling trouble.",
        "Too near zero: with eight schools, under the prior with the least 94.5 % quantile, the "
        "regression of true on estimated effects, both from their data set's mean, has a slope "
        "above 1, so that truths lie further apart than estimates; and 89 % intervals cover less "
        "often. Too diffuse: in every library and in either coding, under the prior with the "
        "largest 94.5 % quantile, more than one further draw in a thousand diverges than under "
        "the right prior, or the worst bulk ESS is more than a tenth less (geometric mean), data "
        "set by data set. Both must hold.",
        _wrong_priors,
    ),
)
