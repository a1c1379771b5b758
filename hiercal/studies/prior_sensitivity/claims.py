"""Claims on priors of tau: few groups, a prior too near zero, one too diffuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hiercal.studies._claims import (
    BEFORE,
    Claim,
    Finding,
    NotMeasured,
    above,
    all_of,
    any_of,
    below,
    by_regime,
)
from hiercal.studies.prior_sensitivity.design import RUBINS
from hiercal.tables.estimates import one, pick
from hiercal.words import coding

if TYPE_CHECKING:
    import pandas as pd


def _dominated(tables: Mapping[str, pd.DataFrame]) -> Finding:
    contraction = tables["contraction"]
    few = contraction[(contraction["J"] < 5).to_numpy()]
    if few.empty:
        raise NotMeasured("no J below 5 in the study")
    rubin = pick(contraction, noise=RUBINS)
    said = [
        "At Rubin's standard errors the data remove "
        + ", ".join(f"{row['contraction']:.2f} (J = {row['J']})" for _, row in rubin.iterrows())
        + " of it."
    ]
    for n_groups in sorted(few["J"].unique()):
        past = few[((few["J"] == n_groups) & (few["contraction"] > 0.5)).to_numpy()]
        where = f"from {past['times'].max():g} times Rubin's down" if len(past) else "at none"
        said.append(f"J = {n_groups}: more than half {where}.")
    return by_regime(
        {
            f"J = {row['J']}, {row['noise']} standard errors": below(
                row["contraction"],
                row["contraction_se"],
                0.5,
                f"share of the prior variance of tau removed, J = {row['J']}, {row['noise']} "
                "standard errors",
            )
            for row in few.to_dict("records")
        },
        "contraction.csv and figures/contraction.png",
        " ".join(said),
    )


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
    return all_of(
        [
            above(
                row["slope"], row["slope_se"], 1.0, f"slope of truth on estimate, {row['prior']}"
            ),
            below(row["coverage"], row["coverage_se"], 0.89, f"coverage, {row['prior']}"),
        ],
        remark,
    )


def _trouble(tables: Mapping[str, pd.DataFrame]) -> Finding:
    samplers, doubling = tables["samplers"], tables["doubling"]
    widest = pick(samplers, upper=samplers["upper"].max())
    if widest.empty or widest["right"].all():
        raise NotMeasured("no prior of tau is more diffuse than the right one")
    parts = []
    for row in widest.to_dict("records"):
        who = f"{coding(row['library'], row['model'])}, J = {row['J']}, {row['prior']}"
        parts += [
            above(
                row["divergences_more"],
                row["divergences_more_se"],
                1.0,
                f"further divergent draws per thousand, {who}",
            ),
            below(
                row["ess_ratio"],
                row["ess_ratio_se"],
                0.5,
                f"worst ESS over that under the right prior, {who}",
            ),
        ]
    sensitive = pick(doubling, upper=doubling["upper"].max())
    parts += [
        above(
            row["from_right"],
            row["from_right_se"],
            0.0,
            "growth of log E tau by doubling the prior's scale, beyond that under the right prior, "
            f"J = {row['J']}, {row['prior']}",
        )
        for row in sensitive.to_dict("records")
    ]
    said = [
        f"{coding(row['library'], row['model'])} J = {row['J']} {row['divergences_more']:+.2g} "
        f"({row['divergences_more_se']:.2g}) and {row['ess_ratio']:.2f} ({row['ess_ratio_se']:.2g})"
        for row in widest.to_dict("records")
    ]
    diffuse = samplers[(samplers["upper"] > pick(samplers, right=True)["upper"].max()).to_numpy()]
    said += [
        f"under {prior} at most {own['divergences_more'].max():+.2g} and at least "
        f"{own['ess_ratio'].min():.2f}"
        for prior, own in diffuse.groupby("prior", sort=False)
        if prior != widest["prior"].iloc[0]
    ]
    growth = "; ".join(
        f"{prior} "
        + ", ".join(f"{100 * row['more']:.2g} % (J = {row['J']})" for _, row in own.iterrows())
        for prior, own in doubling.groupby("prior", sort=False)
        if own["right"].all() or prior in set(diffuse["prior"])
    )
    return any_of(
        parts,
        f"Further divergent draws per thousand and ratio of worst ESS under "
        f"{widest['prior'].iloc[0]}: {', '.join(said)}. Doubling the scale makes E tau larger by: "
        f"{growth}.",
    )


CLAIMS = (
    Claim(
        "C23",
        "L416",
        "With fewer than five groups there is very little information on tau: its posterior is "
        "dominated by the hyperprior.",
        "For each J below 5, at Rubin's standard errors and at smaller ones: less than half of the "
        "prior variance of tau is gone in the exact posterior under the right prior, on average "
        "over data sets. More than half gone is the data's say rather than the prior's.",
        _dominated,
        "after it was known to hold at Rubin's standard errors and not at a tenth of them",
    ),
    Claim(
        "C24a",
        "L431",
        "A prior on tau that is too concentrated near zero forces excessive shrinkage, even when "
        "the groups are genuinely different.",
        "With eight schools, under the prior with the least 94.5 % quantile, the regression of "
        "true on estimated effects, both from their data set's mean, has a slope above 1, so that "
        "truths lie further apart than estimates; and 89 % intervals cover less often. Both must "
        "hold.",
        _over_shrinks,
        BEFORE,
    ),
    Claim(
        "C24b",
        "L432",
        "A prior on tau that is too diffuse may cause sampling difficulties or yield posteriors "
        "that are overly sensitive to the scale of tau.",
        "Under the prior with the largest 94.5 % quantile, ten times as wide as the chapter's "
        "default HalfCauchy(25) (L433), any one of: in some library, coding and number of schools "
        "more than one further draw in a thousand diverges than under the right prior, or the "
        "worst bulk ESS of a parameter is less than half (geometric mean), data set by data set: "
        "twice the draws are needed; or for some number of schools doubling the prior's scale "
        "raises the exact posterior mean of tau by more than doubling the right prior's does.",
        _trouble,
        "after the worst ESS under HalfCauchy(25), .81 and .72 of that under the right prior, was "
        "known, and the growth of E tau; before NUTS had met HalfCauchy(250), or three schools",
    ),
)
