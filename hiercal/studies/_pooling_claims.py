"""Claims on leave-one-out cross-validation of the three ways to pool."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hiercal.studies._claims import Claim, Finding, above, below, every
from hiercal.studies._loo import MODELS, Pooling
from hiercal.studies._summaries import one, pick

if TYPE_CHECKING:
    import pandas as pd


PRINTED: Mapping[Pooling, float] = {"partial": -30.8, "no": -31.4, "complete": -31.9}
"""elpd that the chapter prints for Rubin's data, by PSIS-LOO."""
PRIOR = "tau from its prior"
NEW, SAME = "new groups", "same groups"
ALL, SMALL, LARGE = "all", "below 2 standard errors", "2 standard errors or more"
RUBIN_J = 8


def _order(tables: Mapping[str, pd.DataFrame]) -> Finding:
    rubin = tables["rubin"]
    elpd = {model: one(rubin, model=model)["elpd"] for model in MODELS}
    parts = [
        above(elpd[a] - elpd[b], 0.0, 0.0, f"elpd of {a} less that of {b} pooling")
        for a, b in itertools.pairwise(PRINTED)
    ]
    found = ", ".join(
        f"{model} {elpd[model]:.2f}" for model in sorted(elpd, key=lambda m: -elpd[m])
    )
    behind = one(rubin, model="partial")
    remark = f"Exact order: {found}."
    if behind["behind"] > 0:
        remark += (
            f" Partial pooling is {behind['behind']:.2f} behind the first "
            f"(naive standard error {behind['behind_naive_se']:.2f})."
        )
    return every(parts, remark)


def _small(tables: Mapping[str, pd.DataFrame]) -> Finding:
    right = tables["right"]
    own = pick(right, truth=PRIOR, J=RUBIN_J, criterion=NEW)
    small, large = one(own, differences=SMALL), one(own, differences=LARGE)
    gain = large["right"] - small["right"]
    se = float(np.hypot(small["right_se"], large["right_se"]))
    return every(
        [
            below(
                small["right"], small["right_se"], 0.75, "share right where differences are small"
            ),
            above(gain, se, 0.0, "share right where differences are large, less where small"),
        ],
        f"Differences are small in {small['share']:.0%} of data sets; the first is right in "
        f"{small['right']:.3f} ({small['right_se']:.3f}) of them.",
    )


CLAIMS = (
    Claim(
        "C19",
        "L367 to L380",
        "LOO ranks partial pooling first, then no, then complete pooling on Eight Schools.",
        "The exact leave-one-out elpd of Rubin's data falls in that order.",
        _order,
    ),
    Claim(
        "C20",
        "L382",
        "Small differences of elpd mean too little data to tell the models apart.",
        "With 8 groups and tau from its prior, where the first two models differ by less than "
        "2 standard errors of their difference, the first is the right one (highest expected "
        "log density of a new group) in fewer than three of four data sets, and in a larger "
        "share of those where they differ by more.",
        _small,
    ),
)
