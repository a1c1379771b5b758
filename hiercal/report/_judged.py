"""What is said of one arm of a rerun: the same to the bit, or why not, and whether it agrees."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.report.agreement import ALPHA, KINDS, LEAST, ROUNDING, Compared, smallest_shift
from hiercal.runs.fit import simulate
from hiercal.runs.thinned_draws import to_bytes
from hiercal.words import count

if TYPE_CHECKING:
    from hiercal.simulators import Story

SAME, AGREES, DISAGREES, UNDECIDED = "to the bit", "agrees", "disagrees", "undecided"
"""What is said of an arm, and of a whole rerun."""


@dataclass(frozen=True)
class Judged:
    """One arm, with what could keep its data (`reasons`), or its fits besides, from repeating."""

    run: str
    compared: Compared
    same_data: np.ndarray
    reasons: list[str]
    excuse: list[str]

    @property
    def same_truths(self) -> bool:
        """Whether truths and data are the same, to the bit."""
        return bool(self.same_data.all() and self.compared.same["truths"].all())

    @property
    def is_same(self) -> bool:
        """Whether all is the same, to the bit."""
        one = self.compared
        return one.fits > 0 and self.same_truths and one.same_fits == one.fits

    @property
    def is_rounding(self) -> bool:
        """Whether fits differ in last digits alone."""
        return not self.is_same and self.compared.fits > 0 and self.compared.rounding < ROUNDING

    def row(self, p: float, what: str, n_tests: int) -> dict[str, Any]:
        """A row of `Rerun.arms`."""
        one = self.compared
        verdict, why = self._judged(p, what)
        return {
            "run": self.run,
            "arm": one.arm,
            "verdict": verdict,
            "why": why,
            "fits": one.fits,
            "same": one.same_fits,
            "left_out": one.left_out,
            "truths": int(one.same["truths"].sum()),
            "data": int(self.same_data.sum()),
            "data_known": len(self.same_data),
            **{kind: int(one.same[kind].sum()) for kind in KINDS if kind != "truths"},
            "failed_there": one.failed[0],
            "failed_now": one.failed[1],
            "largest_difference": max(
                (row["largest_difference"] for row in one.quantities), default=0.0
            ),
            "p_holm": p,
            "p_of": what,
            "detectable_shift": np.nan if self.is_rounding else smallest_shift(one, n_tests),
        }

    def _judged(self, p: float, what: str) -> tuple[str, str]:
        one = self.compared
        reasons = "; ".join([*self.reasons, *self.excuse])
        if not one.fits:
            return UNDECIDED, "no fit was made both times"
        if self.is_same:
            return SAME, ""
        if self.is_rounding:
            return AGREES, f"the same but for rounding, of at most {one.rounding:.0e} posterior sd"
        if not self.same_truths and not self.reasons:
            return DISAGREES, (
                "truths or data are others, with the same versions and the same kind of processor: "
                "the story draws from more than its generator"
            )
        if self.same_truths and not self.reasons and not self.excuse:
            return DISAGREES, (
                "its fits should repeat to the bit, with the same versions and the same kind of "
                "processor"
            )
        if p < ALPHA:
            return DISAGREES, f"the {what} differs by more than chance allows"
        if one.fits < LEAST:
            return UNDECIDED, f"{count(one.fits, 'fit')} can tell nothing ({reasons})"
        return AGREES, reasons


def same_data(seed: int, story: Story, hashes: Mapping[int, str], one: Compared) -> np.ndarray:
    """Whether the data of each simulation whose hash is known are the same."""
    same = []
    for i in one.simulations[np.isin(one.simulations, list(hashes))]:
        try:
            data = hashlib.sha256(to_bytes(simulate(seed, story, int(i)).data)).hexdigest()
        except Exception:
            data = ""  # as where it was packed: a simulation that fails is on record as failed
        same.append(data == hashes[i])
    return np.array(same, dtype=bool)
