"""Claims on REML: zeros, plug-in intervals, and agreement with the hierarchy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hiercal.studies._claims import Claim, Finding, above, below, every
from hiercal.studies._summaries import one, pick

if TYPE_CHECKING:
    import pandas as pd


LEVEL = 0.89
FEW, MODERATE = 10, 20
"""Fewer groups than the first are few; the second and more are moderate to large numbers."""
NEAR_ZERO = 5.0
"""tau up to this is near zero, in points on the test: about half the smallest standard error."""
PRIOR = "tau from its prior"
HIERARCHICAL, PLUG_IN, WITH_MEAN = "hierarchical", "plug-in", "plug-in, mean uncertain"


def _zero_and_narrow(tables: Mapping[str, pd.DataFrame]) -> Finding:
    zeros = pick(tables["zeros"], estimator="REML")
    intervals = pick(tables["intervals"], truth=PRIOR, interval=WITH_MEAN, data="all")
    sizes = sorted(intervals["J"].unique())
    few, more = [n for n in sizes if n < FEW], [n for n in sizes if n >= FEW]
    parts = []
    for _, row in zeros[((zeros["J"] < FEW) & (zeros["tau"] <= NEAR_ZERO)).to_numpy()].iterrows():
        measure = f"share of REML estimates that are 0, tau = {row['tau']:g}, J = {row['J']}"
        parts.append(above(row["zero"], row["zero_se"], 0.25, measure))
    at = {n: one(intervals, J=n) for n in sizes}
    for n in few:
        measure = f"coverage of plug-in intervals at 89 %, J = {n}"
        parts.append(below(at[n]["coverage"], at[n]["coverage_se"], LEVEL - 0.02, measure))
    low, high = at[few[-1]], at[more[0]]
    se = float(np.hypot(low["coverage_se"], high["coverage_se"]))
    measure = f"coverage at J = {few[-1]} less that at J = {more[0]}"
    parts.append(below(low["coverage"] - high["coverage"], se, 0.0, measure))
    naive = pick(tables["intervals"], truth=PRIOR, interval=PLUG_IN, data="all")
    known = ", ".join(f"{at[n]['coverage']:.3f} at J = {n}" for n in sizes)
    without = ", ".join(f"{one(naive, J=n)['coverage']:.3f}" for n in sizes)
    return every(
        parts,
        f"Coverage with tau from its prior: {known}; without the mean's variance {without}.",
    )


def _agrees(tables: Mapping[str, pd.DataFrame]) -> Finding:
    agreement = tables["agreement"]
    bounds = (
        ("tau_mean_rms", 0.5, "difference of tau in posterior sds"),
        ("effects_rms", 0.25, "difference of group effects in posterior sds"),
        ("width_change", 0.05, "relative change of interval width"),
    )
    parts, within = [], []
    for _, row in agreement[(agreement["J"] >= MODERATE).to_numpy()].iterrows():
        if all(abs(row[column]) < bound for column, bound, _ in bounds):
            within.append(f"{row['truth']} with J = {row['J']}")
        if row["truth"] != PRIOR:
            continue
        for column, bound, measure in bounds:
            size, se = abs(row[column]), row[f"{column}_se"]
            parts.append(below(size, se, bound, f"{measure}, J = {row['J']}"))
    return every(parts, f"Within all bounds: {'; '.join(within) or 'nowhere'}.")


CLAIMS = (
    Claim(
        "C25",
        "L438 to L440",
        "REML often gives exactly zero when tau is near zero, and its plug-in intervals "
        "understate uncertainty, most for fewer than 10 groups.",
        "With fewer than 10 groups and tau of at most 5 points REML is exactly 0 in more than "
        "a quarter of data sets, at each; with tau from its prior its 89 % intervals of group "
        "effects, the mean's variance included, cover less than 87 % at each number of groups "
        "below 10, and less at the largest of them than at the smallest from 10 up.",
        _zero_and_narrow,
    ),
    Claim(
        "C27",
        "L441",
        "Hierarchical Bayes and REML agree for moderate to large numbers of groups.",
        "With tau from its prior, at each number of groups from 20 up, REML's tau lies within "
        "half a posterior sd of the posterior mean (root mean square over data sets), the "
        "group effects within a quarter, and the intervals, the mean's variance included, are "
        "on average less than 5 % narrower or wider.",
        _agrees,
    ),
)
