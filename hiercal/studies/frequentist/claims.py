"""Claims on REML: zeros, plug-in intervals, and agreement with the hierarchy."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hiercal.errors import NotMeasured
from hiercal.studies._claims import Claim, Finding, above, all_of, below, by_regime
from hiercal.studies.frequentist.design import (
    FEW,
    LEVEL,
    MODERATE,
    NEAR_ZERO,
    PLUG_IN,
    PRIOR,
    SIMILAR,
    WITH_MEAN,
)
from hiercal.tables.estimates import one, pick

if TYPE_CHECKING:
    import pandas as pd


OFTEN, SELDOM = 0.25, 0.01
"""REML is 0 often above the first share, and tau is well away from zero below the second."""


def _zero_and_narrow(tables: Mapping[str, pd.DataFrame]) -> Finding:
    zeros = pick(tables["zeros"], estimator="REML")
    own = pick(tables["plug_in"], interval=WITH_MEAN)
    sizes = sorted(own["J"].unique())
    few, more = [n for n in sizes if n < FEW], [n for n in sizes if n >= FEW]
    parts = {}
    for truth, rows in own.groupby("truth", sort=False):
        at = {n: one(rows, J=n) for n in sizes}
        findings = []
        if rows["tau"].iloc[0] <= NEAR_ZERO:
            near = {n: one(zeros, J=n, tau=rows["tau"].iloc[0]) for n in few}
            findings += [
                above(
                    near[n]["zero"], near[n]["zero_se"], OFTEN,
                    f"share of REML estimates that are 0, {truth}, J = {n}",
                )
                for n in few
            ]  # fmt: skip
        findings += [
            below(
                at[n]["coverage"], at[n]["coverage_se"], LEVEL,
                f"coverage of plug-in intervals at {LEVEL:.0%}, {truth}, J = {n}",
            )
            for n in few
        ]  # fmt: skip
        findings += [
            below(
                at[n]["coverage"] - at[m]["coverage"],
                float(np.hypot(at[n]["coverage_se"], at[m]["coverage_se"])),
                0.0,
                f"coverage of plug-in intervals at J = {n} less that at J = {m}, {truth}",
            )
            for n, m in itertools.product(few, more)
        ]
        parts[str(truth)] = all_of(findings)
    if PRIOR not in parts:
        raise NotMeasured(f"no row of table plug_in has {PRIOR}")
    by_size = {n: one(own, truth=PRIOR, J=n) for n in sizes}
    naive = pick(tables["plug_in"], truth=PRIOR, interval=PLUG_IN)
    known = ", ".join(f"{by_size[n]['coverage']:.3f} at J = {n}" for n in sizes)
    without = ", ".join(f"{one(naive, J=n)['coverage']:.3f}" for n in sizes)
    remark = f"Coverage with {PRIOR}: {known}; without the mean's variance {without}."
    return by_regime(parts, "plug_in.csv and figures/coverage.png", remark, most=len(parts))


def _agrees(tables: Mapping[str, pd.DataFrame]) -> Finding:
    zeros = pick(tables["zeros"], estimator="REML")
    parts = {}
    for row in tables["agreement"].to_dict("records"):
        if row["J"] < MODERATE or np.isnan(row["tau"]):
            continue
        if one(zeros, tau=row["tau"], J=row["J"])["exact"] >= SELDOM:
            continue
        where = f"{row['truth']}, J = {row['J']}"
        parts[where] = all_of(
            [
                below(abs(row[column]), row[f"{column}_se"], bound, f"{measure}, {where}")
                for column, (bound, measure) in SIMILAR.items()
            ]
        )
    if not parts:
        raise NotMeasured(
            f"at no tau and J of {MODERATE} or more is REML 0 with probability below {SELDOM:g}"
        )
    remark = (
        "REML is the posterior mode under flat priors; what is left is the prior on tau, and a "
        "mean beside a mode."
    )
    return by_regime(parts, "agreement.csv and figures/agreement_map.png", remark, most=len(parts))


CLAIMS = (
    Claim(
        "C25",
        "L438 to L440",
        "When the true tau is near zero REML often gives exactly zero; plugged in, it can "
        "understate uncertainty, especially when J is small (below 10).",
        "At each true tau, and with tau from its prior: 89 % intervals of group effects at REML's "
        "tau, the mean's variance included, cover less than 89 % at each number of groups below "
        "10, and less there than at each number from 10 up. And where tau is near zero, at most "
        f"{NEAR_ZERO:g} points (half the smallest standard error), REML is exactly 0 in more than "
        f"a quarter of data sets at each number of groups below 10.",
        _zero_and_narrow,
        "after a difference of -.0043 (.0004) between J = 8 and 20 with tau from its prior was "
        "known, and that at tau = 5 the coverage falls with J",
    ),
    Claim(
        "C27",
        "L441",
        "For well-identified models with moderate to large J, REML and hierarchical Bayes yield "
        "very similar point estimates and intervals.",
        f"At each true tau and each number of groups from {MODERATE} up where tau is well away "
        f"from zero (REML is 0 with an exact probability below {SELDOM:.0%}): REML's tau lies "
        "within half a posterior sd of the posterior mean (root mean square over data sets), the "
        "group effects within a quarter, and the intervals, the mean's variance included, are on "
        "average less than 5 % narrower or wider.",
        _agrees,
        "after the agreement at each tau and J was known; the three bounds are those fixed before "
        "the first full run",
    ),
)
