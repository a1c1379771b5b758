"""Batches: simulations of one arm that are fitted in one task."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hiercal.fitters import Fit
from hiercal.runs.columns import FitRecord
from hiercal.runs.fit import fit, prepared, sampler_seed
from hiercal.runs.parts import Part, Place, fits_of, slowest
from hiercal.runs.record import drawn, record
from hiercal.runs.run import Arm, Recording
from hiercal.runs.thinned_draws import Kept, kept
from hiercal.simulators import Simulation

AT_ONCE = 16
"""Fits made one after another before they are summarised: either code runs faster when warm."""
BYTES_AT_ONCE = 64 * 2**20
"""Draws held at once, unless a single fit has more."""
STAGES = ("compile", "simulate", "fit", "summary", "work")
"""What a process may be at; the last is whatever is no fit."""
Begin = Callable[..., None]
"""Is told each stage as it begins, and of which simulation: ``begin("fit", 3)``."""


@dataclass(frozen=True)
class Batch:
    """Simulations of one arm that are fitted in one task."""

    arm: int
    simulations: tuple[int, ...]


@dataclass(frozen=True)
class Fitted:
    """What came of fits: their records and what is kept besides, or the part that has both.

    Attributes
    ----------
    seconds : float
        That all of them took.
    """

    records: list[FitRecord]
    seconds: float
    kept: Sequence[Kept] = ()
    part: Part | None = None

    def __len__(self) -> int:
        return len(self.records) + (0 if self.part is None else len(self.part.fits))

    @property
    def fits(self) -> np.ndarray:
        """Which they are, and whether each failed or diverged, of `hiercal.runs.parts.FITS`."""
        own = fits_of(self.records)
        return own if self.part is None else np.concatenate([own, self.part.fits])

    @property
    def slowest(self) -> float:
        """Seconds of the slowest completed fit; minus infinity if there is none."""
        return slowest(self.records) if self.part is None else self.part.slowest


@dataclass(frozen=True)
class Outcome:
    """What came of a batch, or the error that stopped it."""

    batch: Batch
    fitted: Fitted
    error: str | None = None


def unwatched(stage: str, simulation: int = -1) -> None:
    """Tell nobody."""


def fit_batch(
    arm: Arm,
    recording: Recording,
    simulations: Sequence[int],
    place: Place | None = None,
    *,
    begin: Begin = unwatched,
) -> Fitted:
    """Fit a batch of simulations; write what comes of it as a part, if there is a place for it.

    A fit that raises is recorded as failed. Compilation is not counted in the time.

    Raises
    ------
    RunError
        If the part cannot be written.
    """
    begin("compile")
    prepared(arm.story, arm.fitter)
    start = time.perf_counter()
    records: list[FitRecord] = []
    draws: list[Kept] = []
    for some in itertools.batched(simulations, _at_once(arm)):
        recorded, kept_of_some = _fit_some(arm, recording, some, begin)
        records += recorded
        draws += kept_of_some
    seconds = time.perf_counter() - start
    if place is None:
        return Fitted(records, seconds, draws)
    begin("work")
    return Fitted([], seconds, part=place.write(records, draws))


def _at_once(arm: Arm) -> int:
    """How many fits are held before they are summarised."""
    coords = arm.story.coords
    a_draw = sum(
        math.prod(len(coords[dim]) for dim in arm.story.dims[name]) for name in arm.parameters
    )
    of_one_fit = 8 * a_draw * math.prod(arm.fitter.shape)
    return max(1, min(AT_ONCE, BYTES_AT_ONCE // of_one_fit))


def _fit_some(
    arm: Arm, recording: Recording, simulations: Sequence[int], begin: Begin
) -> tuple[list[FitRecord], list[Kept]]:
    """Records of a few simulations, and what is kept; their draws are gone when it returns."""
    story, fitter, seed = arm.story, arm.fitter, recording.seed

    def simulated(i: int) -> Simulation | Fit:
        begin("simulate", i)
        return drawn(arm, recording, i)

    def fitted(i: int, one: Simulation | Fit) -> Fit:
        if isinstance(one, Fit):
            return one
        begin("fit", i)
        return fit(story, fitter, one.data, sampler_seed(seed, story, fitter, i))

    def recorded(i: int, one: Simulation | Fit, of: Fit) -> FitRecord:
        begin("summary", i)
        return record(arm, recording, i, one, of)

    each = [simulated(i) for i in simulations]
    fits = [fitted(i, one) for i, one in zip(simulations, each, strict=True)]
    whole = list(zip(simulations, each, fits, strict=True))
    records = [recorded(*of) for of in whole]
    if not recording.keep_draws:
        return records, []
    every = [kept(*of, recording.max_rank) for of in whole]
    return records, [one for one in every if one is not None]
