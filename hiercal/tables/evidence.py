"""What the evidence on arms says of each quantity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hiercal.runs.evidence import ArmEvidence
from hiercal.sbc.pattern import pattern
from hiercal.sbc.sequential import FUNCTIONALS
from hiercal.sbc.smallest_errors import smallest_by_exact, smallest_by_ranks


@dataclass(frozen=True, eq=False)
class Decision:
    """What the evidence came to.

    Attributes
    ----------
    arms : list of ArmEvidence
        Each with its ``verdict``: ``miscalibrated``, ``no evidence`` or ``undecided``.
    table : DataFrame
        As of `hiercal.tables.evidence`.
    alpha : float
        The family-wise level.
    folder : Path
    """

    arms: list[ArmEvidence]
    table: pd.DataFrame
    alpha: float
    folder: Path

    @property
    def miscalibrated(self) -> list[str]:
        """Labels of the arms that the evidence has decided against."""
        return [arm.label for arm in self.arms if arm.rejected]


def evidence(arms: Sequence[ArmEvidence], *, alpha: float = 0.001) -> pd.DataFrame:
    """A row for each quantity of each arm.

    Parameters
    ----------
    arms : sequence of ArmEvidence
        As `hiercal.decide` returns them.
    alpha : float
        Its family-wise level.

    Returns
    -------
    DataFrame
        ``verdict`` of the arm; ``simulations``, ``failed``; ``log10_e_ranks`` and
        ``log10_e_exact``, with the functional that the latter is largest of in ``differs_in``;
        ``named``, whether the evidence against this quantity alone is enough at the level of the
        whole family; ``shift`` and ``scale`` of the draws, in posterior sds and as a factor, with
        standard errors, from the exact posterior (``source`` is ``exact``) or from ranks;
        ``detectable_shift`` and ``detectable_scale``, the smallest errors of this one quantity
        that would have been found with probability .9, by ranks, and ``..._exact`` by the exact
        posterior.
    """
    rows: list[dict[str, Any]] = []
    for arm in arms:
        rows += _rows(arm, len(arms), alpha)
    return pd.DataFrame(rows)


def _rows(arm: ArmEvidence, n_arms: int, alpha: float) -> list[dict[str, Any]]:
    of_ranks = arm.of_ranks()
    of_exact = arm.of_exact() if arm.compares else np.full((len(of_ranks), 4), np.nan)
    means, errors, ess = (
        arm.differences() if arm.compares else (np.full((len(of_ranks), 4), np.nan),) * 3
    )
    tests = 2 if arm.compares else 1
    level = alpha / n_arms / tests
    rank_level = level / len(of_ranks)
    exact_level = level / max(np.isfinite(of_exact).sum(), 1)
    completed = arm.simulations - arm.failed
    by_ranks = smallest_by_ranks(completed, arm.max_rank, rank_level)
    rows = []
    for i, quantity in enumerate(arm.quantities):
        known = np.isfinite(of_exact[i]).any()
        worst = int(np.nanargmax(of_exact[i])) if known else -1
        exact = float(of_exact[i, worst]) if known else float("nan")
        named = of_ranks[i] >= -np.log(rank_level) or (known and exact >= -np.log(exact_level))
        by_exact = (
            smallest_by_exact(completed, _round(float(np.nanmin(ess[i, :2]))), exact_level)
            if known and not arm.rejected
            else None
        )
        rows.append(
            {
                "arm": arm.label,
                "quantity": quantity,
                "verdict": arm.verdict,
                "simulations": arm.simulations,
                "failed": arm.failed,
                "log10_e_ranks": of_ranks[i] / np.log(10),
                "log10_e_exact": exact / np.log(10),
                "differs_in": FUNCTIONALS[worst] if known else "",
                "named": bool(named),
                **size(arm, i, means[i], errors[i], known=bool(known)),
                "low_ess": arm.low_ess[i],
                "detectable_shift": by_ranks.shift,
                "detectable_scale": by_ranks.scale,
                "detectable_shift_exact": by_exact.shift if by_exact else float("nan"),
                "detectable_scale_exact": by_exact.scale if by_exact else float("nan"),
            }
        )
    return rows


def _round(ess: float) -> float:
    """Two digits, so that equal questions are asked once."""
    return float(f"{ess:.2g}")


def size(
    arm: ArmEvidence, i: int, means: np.ndarray, errors: np.ndarray, *, known: bool
) -> dict[str, Any]:
    """Shift and scale of the draws of one quantity, with standard errors."""
    if known:
        # E z^2 = s^2 + d^2, and the second functional is (z^2 - 1) / sqrt(2)
        scale = float(np.sqrt(max(1 + np.sqrt(2) * means[1] - means[0] ** 2, 0.0)))
        return {
            "shift": means[0],
            "shift_se": errors[0],
            "scale": scale,
            "scale_se": errors[1] / np.sqrt(2) / max(scale, 1e-3),
            "pattern": "",
            "source": "exact",
        }
    counts = arm.counts[i]
    if not counts.sum():
        blank = dict.fromkeys(("shift", "shift_se", "scale", "scale_se"), float("nan"))
        return {**blank, "pattern": "", "source": ""}
    found = pattern(np.repeat(np.arange(len(counts)), counts), arm.max_rank)
    return {
        "shift": found.shift.value,
        "shift_se": (found.shift.high - found.shift.low) / 2 / 1.96,
        "scale": found.scale.value,
        "scale_se": (found.scale.high - found.scale.low) / 2 / 1.96,
        "pattern": found.name,
        "source": "ranks",
    }
