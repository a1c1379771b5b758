"""Claims on leave-one-out cross-validation of the three ways to pool."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hiercal.errors import NotMeasured
from hiercal.exact.loo import MODELS
from hiercal.studies._claims import Claim, Finding, above, all_of, below, by_regime
from hiercal.studies.pooling.design import LARGE, NEW, PRINTED, PRIOR, RUBIN_J, SMALL
from hiercal.tables.estimates import one, pick

if TYPE_CHECKING:
    import pandas as pd


COIN, SHARP = 0.5, 0.75
"""A choice between two models is meaningful above the first and not sharp below the second, which
is half way from a coin to certainty."""


def _order(tables: Mapping[str, pd.DataFrame]) -> Finding:
    rubin = tables["rubin"]
    elpd = {model: one(rubin, model=model)["elpd"] for model in MODELS}
    parts = [
        above(elpd[a] - elpd[b], 0.0, 0.0, f"elpd of {a} less that of {b} pooling")
        for a, b in itertools.pairwise(PRINTED)
    ]
    order = ", ".join(
        f"{model} {elpd[model]:.2f}" for model in sorted(elpd, key=lambda m: -elpd[m])
    )
    psis = {model: one(rubin, model=model) for model in MODELS}
    parts += [
        above(
            psis[a]["psis"] - psis[b]["psis"],
            float(np.hypot(psis[a]["psis_se"], psis[b]["psis_se"])),
            0.0,
            f"elpd by PSIS-LOO of {a} less that of {b} pooling",
        )
        for a, b in itertools.pairwise(PRINTED)
    ]
    behind = one(rubin, model="partial")
    remark = f"Exact order: {order}."
    if behind["behind"] > 0:
        remark += (
            f" Partial pooling is {behind['behind']:.2f} behind the first "
            f"(naive standard error {behind['behind_naive_se']:.2f})."
        )
    repeats = ", ".join(
        f"{model} {psis[model]['psis']:.2f} ({psis[model]['psis_sd']:.2f})" for model in MODELS
    )
    remark += f" By PSIS-LOO, with the standard deviation over repeated draws: {repeats}."
    return all_of(parts, remark)


def _small(tables: Mapping[str, pd.DataFrame]) -> Finding:
    own = pick(tables["right"], J=RUBIN_J, criterion=NEW)
    parts = {}
    for truth in dict.fromkeys(own["truth"]):
        small, large = (one(own, truth=truth, differences=kind) for kind in (SMALL, LARGE))
        among = f"where differences are small, {truth}"
        better, right = f"share better than the second {among}", f"share right {among}"
        gain = f"share right where differences are large, less where small, {truth}"
        se = float(np.hypot(small["right_se"], large["right_se"]))
        parts[truth] = all_of(
            [
                above(small["better"], small["better_se"], COIN, better),
                below(small["right"], small["right_se"], SHARP, right),
                above(large["right"] - small["right"], se, 0.0, gain),
            ]
        )
    if PRIOR not in parts:
        raise NotMeasured(f"no row of table right has {PRIOR} and {RUBIN_J} groups")
    small, large = (one(own, truth=PRIOR, differences=kind) for kind in (SMALL, LARGE))
    said = [
        f"With {PRIOR} differences are small in {small['share']:.0%} of data sets; the first is "
        f"better than the second in {_share(small, 'better')} of them and right in "
        f"{_share(small, 'right')}, where differences are large in {_share(large, 'right')}."
    ]
    return by_regime(parts, "right.csv and figures/right.png", " ".join(said), most=len(parts))


def _share(row: Mapping[str, float], column: str) -> str:
    return f"{row[column]:.3f} ({row[f'{column}_se']:.3f})"


CLAIMS = (
    Claim(
        "C19",
        "L367 to L380",
        "On Eight Schools LOO ranks partial pooling first (printed -30.8), then no pooling "
        "(-31.4), then complete pooling (-31.9); the differences are modest, but the order is "
        "informative.",
        "On Rubin's data, with the chapter's three models, elpd falls in that order: by exact "
        "leave-one-out, and by PSIS-LOO (ArviZ, as in the chapter) on average over repeated draws "
        "of the posterior.",
        _order,
        "after the exact order was known; the order by PSIS-LOO was added then",
    ),
    Claim(
        "C20",
        "L382",
        'Small differences of elpd at J = 8 are still meaningful: not "the same", only too '
        "little data to tell the models apart sharply.",
        "With 8 groups, at each true tau and with tau from its prior, of data sets where the "
        "first two models differ by less than 2 standard errors of their difference: the first is "
        "better than the second in more than half (a coin), and the right one of the three in "
        "fewer than three of four; and it is right more often where they differ by more. Better "
        "and right are by the expected log density of a new group, which LOO estimates here.",
        _small,
        "after a gain of .043 (.0045) with tau from its prior, and its reversal for tau from 5 to "
        "20, were known",
    ),
)
