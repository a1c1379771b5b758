"""Claims on James-Stein: bias against variance, order of shrinkage, dominance, mixtures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hiercal.exact.shrinkage_rules import COMPLETE, EMPIRICAL, NO_POOLING
from hiercal.studies._claims import (
    BEFORE,
    Claim,
    Finding,
    NotMeasured,
    above,
    all_of,
    below,
    by_regime,
)
from hiercal.studies.james_stein.design import APART, DESIGNS
from hiercal.studies.james_stein.tables import BOCK, ONE, RUBIN, USUAL
from hiercal.tables.estimates import one, pick

if TYPE_CHECKING:
    import pandas as pd


def _between(tables: Mapping[str, pd.DataFrame]) -> Finding:
    groups, means = tables["groups"], tables["tradeoff"]
    partial = _bayes(groups)[0]
    parts = []
    for spread in groups["spread"].unique():
        for _, row in pick(groups, rule=partial, spread=spread).iterrows():
            for rule, bound in ((COMPLETE, above), (NO_POOLING, below)):
                other = one(groups, rule=rule, spread=spread, school=row["school"])
                parts.append(
                    bound(
                        row["variance"],
                        row["variance_se"],
                        other["exact_variance"],
                        f"variance of school {row['school']} in points², spread {spread:g}, "
                        f"against {rule}",
                    )
                )
        row = one(means, rule=partial, spread=spread)
        for rule, bound in ((NO_POOLING, above), (COMPLETE, below)):
            other = one(means, rule=rule, spread=spread)
            measure = f"mean squared bias in points², spread {spread:g}, against {rule}"
            parts.append(
                bound(
                    row["squared_bias"],
                    row["squared_bias_se"],
                    other["exact_squared_bias"],
                    measure,
                )
            )
    failed = [part for part in parts if part.verdict == "fails"]
    remark = "" if not failed else f"{len(failed)} of {len(parts)} comparisons fail."
    return all_of(parts, remark)


def _larger_errors_shrunk_more(tables: Mapping[str, pd.DataFrame]) -> Finding:
    order, weights = tables["order"], tables["weights"]
    rubin = pick(weights, data=RUBIN).set_index("school")
    if rubin.empty:
        raise NotMeasured(f"no weights on {RUBIN}")
    largest = rubin["sigma"].nlargest(3).index.sort_values()
    moved = pick(tables["estimates"], rule=_bayes(tables["estimates"])[0]).set_index("school")
    moved = (moved["y"] - moved["estimate"]).abs()
    remark = (
        f"On {RUBIN} B is "
        + ", ".join(f"{rubin['weight'][school]:.3f} ({school})" for school in largest)
        + f", at most {rubin['weight'].drop(largest).max():.3f} of the others. How many points an "
        "estimate moves depends on its distance from mu too: "
        + ", ".join(f"{school} {moved[school]:.1f}" for school in moved.index)
        + "."
    )
    parts = [
        above(
            row["least_difference"],
            0.0,
            0.0,
            f"least difference of B, the larger standard error first, {row['data']}, "
            f"{row['n']} data set{'s' if row['n'] > 1 else ''}",
        )
        # exact parts are equally strong: the least comes first, and is reported
        for row in order.sort_values("least_difference").to_dict("records")
    ]
    return all_of(parts, remark)


def _dominates(tables: Mapping[str, pd.DataFrame]) -> Finding:
    dominance = tables["dominance"]
    large = _some(dominance[(dominance["n_groups"] >= 3).to_numpy()], "3 groups or more")
    parts, said = {}, []
    targets = {"zero": ("to 0", "J - 2"), "mean": ("to the mean", "J - 3")}
    for (design, words), (towards, (target, usual)) in itertools.product(
        reversed(DESIGNS.items()), targets.items()
    ):
        own = pick(large, design=design, towards=towards)
        own = _some(own[(own["constant"] > 0).to_numpy()], f"3 groups or more, {words}, {target}")
        names = {USUAL: f"{usual} {target}, {words}"}
        if design == "equal":
            names[ONE] = f"J = 3 {target} (constant 1)"
        else:
            names[BOCK] = f"tr/max - 2 {target}, {words}"
        for kind, name in names.items():
            rows = pick(own, kind=kind)
            if rows.empty:
                continue
            worst = rows.loc[rows["ratio"].idxmax()]
            parts[name] = below(
                worst["ratio"],
                0.0,
                1.0,
                f"exact squared error over that of no pooling, {name}, J = {worst['n_groups']}, "
                f"{worst['distance']:g} errors from the target",
            )
            more = 100 * (worst["ratio"] - 1)
            said.append(f"{name} {more:+.2g} % (J = {worst['n_groups']})")
    return by_regime(
        parts,
        "dominance.csv and figures/dominance.png",
        f"Worst of all configurations against no pooling: {'; '.join(said)}.",
        most=len(parts),
    )


def _mixed(tables: Mapping[str, pd.DataFrame]) -> Finding:
    mixture = tables["mixture"]
    apart = mixture[(mixture["separation"] >= APART).to_numpy()]
    bayes = _bayes(apart)
    parts = {
        f"{DESIGNS[row['design']]}, J = {row['n_groups']}, {row['separation']:g} apart": above(
            row["ratio"],
            row["ratio_se"],
            1.0,
            f"squared error over that of no pooling, {DESIGNS[row['design']]}, "
            f"J = {row['n_groups']}, {row['separation']:g} errors apart",
        )
        for row in pick(apart, rule=bayes[0]).to_dict("records")
    }
    said = []
    for rule in (*bayes, EMPIRICAL):
        own = _some(pick(apart, rule=rule), rule)
        low, high = own.loc[own["ratio"].idxmin()], own.loc[own["ratio"].idxmax()]
        said.append(f"{rule}: {_cell(low)} to {_cell(high)}")
    return by_regime(
        parts,
        "mixture.csv and figures/mixture.png",
        f"Worse than no pooling, {bayes[0]}: {_worse_from(pick(mixture, rule=bayes[0]))}. "
        f"Squared error over that of no pooling, {APART:g} or more apart: {'; '.join(said)}.",
    )


def _worse_from(mixture: pd.DataFrame) -> str:
    """From which separation on each number of groups is worse off, by 3 standard errors."""
    said = []
    for cell in mixture[["design", "n_groups"]].drop_duplicates().to_dict("records"):
        own = pick(mixture, **cell)
        not_worse = own["ratio"] - 3 * own["ratio_se"] <= 1
        beyond = own["separation"] > own.loc[not_worse, "separation"].max()
        first = own.loc[beyond | ~not_worse.any(), "separation"].min()
        where = "nowhere" if math.isnan(first) else f"from {first:g} apart"
        said.append(f"{where} at J = {cell['n_groups']}, {DESIGNS[cell['design']]}")
    return "; ".join(said)


def _cell(row: pd.Series) -> str:
    return (
        f"{row['ratio']:.3f} ({row['ratio_se']:.3f}; J = {row['n_groups']}, "
        f"{row['separation']:g} apart)"
    )


def _bayes(table: pd.DataFrame) -> list[str]:
    """Names of hierarchical Bayes in a table, that under the story's prior first."""
    own = table[table["rule"].str.startswith("hierarchical").to_numpy()]
    return list(_some(own, "hierarchical Bayes")["rule"].unique())


def _some(rows: pd.DataFrame, what: str) -> pd.DataFrame:
    """The same rows; `NotMeasured` if there are none."""
    if rows.empty:
        raise NotMeasured(f"no rows of {what}")
    return rows


CLAIMS = (
    Claim(
        "C02",
        "L14, L17, L22, L394 to L401",
        "No pooling is unbiased for each group, at the cost of variance; complete pooling trades "
        "bias for precision; partial pooling is an adaptive compromise, of small bias and moderate "
        "variance.",
        "On Eight Schools, at group effects fixed at each of the spreads: the variance of the "
        "exact posterior mean lies between those of complete and of no pooling in every group, "
        "and its squared bias, averaged over groups, between 0 and that of complete pooling.",
        _between,
        BEFORE,
    ),
    Claim(
        "C06",
        "L173",
        "All schools are shrunk toward the grand mean; those with larger standard errors (A, C, H) "
        "are shrunk more.",
        "Judged by the chapter's own measure (L27, L43), the weight B_i = sigma_i^2 / (sigma_i^2 + "
        "tau^2) that an estimate gives to mu, as its exact posterior mean: on Rubin's data, and in "
        "each data set drawn from the story's prior and at each tau, it is larger for the larger "
        "of any two standard errors. At any one tau this is algebra, so that no posterior of tau "
        "can break it; the difference says by how much.",
        _larger_errors_shrunk_more,
        "after another measure had been tried: the realised share (y - E theta) / (y - E mu), 0/0 "
        "near the mean, was in order in 40 % of data sets and is dropped",
    ),
    Claim(
        "C26",
        "L448",
        "Of J >= 3 group means there exists a shrinkage estimator with lower total mean squared "
        "error than the separate means at every configuration; the James-Stein estimator shrinks "
        "each toward the grand mean.",
        "Exact squared error of James-Stein below that of no pooling, at each distance of the "
        "study and there in the worst of all configurations, for each J of at least 3, with and "
        "without the positive part. Parts: shrinking to 0 and to the grand mean; equal errors and "
        "those of Eight Schools, repeated to J groups; the usual constant (J - 2, to the mean "
        "J - 3) and tr/max - 2, within the bound of Bock (1975), which with equal errors is the "
        "usual one. To the mean J = 3 leaves a constant of 0, no pooling; beside it stands 1.",
        _dominates,
        "after the loss of the usual constant at Eight Schools' errors (1.0305) was known",
    ),
    Claim(
        "C30",
        "L417, L443",
        "If the groups are fundamentally different in a way not captured by the model (half of one "
        "kind, half of another, pooled together), shrinkage toward a meaningless grand mean gives "
        "worse, not better, inference.",
        "With half of the groups from each of two populations, 4 or more standard errors "
        "apart (plainly two), the squared error of the exact posterior mean under the story's "
        "prior, the chapter's, is above that of no pooling; each number of groups, separation and "
        "design is a place where it may hold.",
        _mixed,
        "after it was known to hold in some places (1.20 at 20 apart) and not in others (.98 at 4)",
    ),
)
