"""Claims on James-Stein: bias against variance, order of shrinkage, dominance, mixtures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hiercal.studies._claims import Claim, Finding, NotMeasured, above, below, every
from hiercal.studies._james_stein_rows import PRIOR
from hiercal.studies._shrinkage import COMPLETE, EMPIRICAL, NO_POOLING
from hiercal.studies._summaries import one, pick

if TYPE_CHECKING:
    import pandas as pd

DESIGNS = {"equal": "equal errors", "eight_schools": "Eight Schools’ errors"}
"""Standard errors of the groups, and what figures and verdicts call them."""
APART = 4.0
"""Two populations are plainly two from this many standard errors between their means."""
FEWEST = 1000
"""Data sets without a counterexample that a universal claim needs."""


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
    return every(parts, remark)


def _order_holds(tables: Mapping[str, pd.DataFrame]) -> Finding:
    order = tables["order"]
    row, weight = (one(order, truths=PRIOR, measure=measure) for measure in ("realised", "weight"))
    share, n = row["data_sets"], row["n"]
    verdict = "fails" if share < 1 else "holds" if n >= FEWEST else "undecided"
    remark = (
        f"Of pairs of groups {row['pairs']:.3f} are in order. The posterior mean of the weight is "
        f"in order in {weight['data_sets']:.3f} of the data sets."
    )
    measure = "share of data sets in which all groups are in order"
    return Finding(verdict, share, row["data_sets_se"], 1.0, share - 1.0, measure, remark)


def _dominates(tables: Mapping[str, pd.DataFrame]) -> Finding:
    dominance = tables["dominance"]
    large = dominance[dominance["n_groups"] >= 3]
    parts = []
    for design, words in DESIGNS.items():
        own = _some(pick(large, design=design, towards="zero"), f"3 groups or more, {words}")
        worst = own.loc[own["ratio"].idxmax()]
        remark = (
            f"Worst with {words}: {worst['ratio']:.4f} (J = {worst['n_groups']}, one group "
            f"{worst['distance']:g} errors out)."
        )
        parts.append(
            below(worst["ratio"], 0.0, 1.0, f"exact risk over that of no pooling, {words}", remark)
        )
    mean = pick(large, design="equal", towards="mean", constant=0.0)
    said = " ".join(part.remark for part in parts if part.verdict != "fails")
    if len(mean):
        said += f" Towards the mean J = {mean['n_groups'].iloc[0]} is no pooling."
    return every(parts, said.strip())


def _mixed(tables: Mapping[str, pd.DataFrame]) -> Finding:
    mixture = tables["mixture"]
    apart = mixture[(mixture["separation"] >= APART).to_numpy()]
    bayes = _bayes(apart)
    parts = [
        above(
            row["ratio"],
            row["ratio_se"],
            1.0,
            f"squared error over that of no pooling, {DESIGNS[row['design']]}, "
            f"J = {row['n_groups']}, {row['separation']:g} errors apart",
        )
        for _, row in pick(apart, rule=bayes[0]).iterrows()
    ]
    said = []
    for rule in (*bayes, EMPIRICAL):
        own = _some(pick(apart, rule=rule), rule)
        low, high = own.loc[own["ratio"].idxmin()], own.loc[own["ratio"].idxmax()]
        said.append(
            f"{rule}: {low['ratio']:.3f} ({low['separation']:g} apart) to {high['ratio']:.3f} "
            f"({high['separation']:g})"
        )
    return every(parts, "; ".join(said) + ".")


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
        "L15 to L22",
        "No pooling is unbiased for each group but has more variance; complete pooling trades "
        "bias for variance; partial pooling lies between.",
        "On Eight Schools, at group effects fixed at each of the spreads: the variance of the "
        "exact posterior mean lies between those of complete and of no pooling in every group, "
        "and its squared bias, averaged over groups, between 0 and that of complete pooling.",
        _between,
    ),
    Claim(
        "C06",
        "L173",
        "Groups with larger standard error are shrunk more, in every data set.",
        "Judged is the realised shrinkage (y_i - E theta_i) / (y_i - E mu) of the exact "
        "posterior means, on Eight Schools drawn from the story's prior. Confirmed if of every "
        "two groups the one with the larger standard error has the larger, in each of at least "
        "1000 data sets; it fails by one data set in which that fails by more than 1e-6.",
        _order_holds,
    ),
    Claim(
        "C26",
        "L448",
        "James-Stein beats the separate means for every configuration when J >= 3.",
        "The exact risk towards zero, without and with the positive part, is below that of no "
        "pooling at every distance of one group from the others, for each J of at least 3, "
        "with equal standard errors and with those of Eight Schools, repeated to J groups.",
        _dominates,
    ),
    Claim(
        "C30",
        "L417, L443",
        "Where groups are not exchangeable (two mixed populations), pooling is worse than not.",
        "With half of the groups from each of two populations, 4 or more standard errors "
        "apart, the squared error of the exact posterior mean under the story's prior is above "
        "that of no pooling, at every separation, number of groups and design.",
        _mixed,
    ),
)
