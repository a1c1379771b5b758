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
from hiercal.runs.fit import fit_many, prepared, sampler_seed
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
"""Is told each stage as it begins, of which simulation, and of how many fits made at once.

``begin("fit", 3)`` is of simulation 3; ``begin("fit", 3, 10)`` of up to ten from it on.
"""


@dataclass(frozen=True)
class Batch:
    """Simulations of one arm that are fitted in one task."""

    arm: int
    simulations: tuple[int, ...]


@dataclass(frozen=True)
class Fitted:
    """What came of fits: their records and what is kept besides, or parts that have both.

    Attributes
    ----------
    seconds : float
        That all of them took.
    """

    records: Sequence[FitRecord] = ()
    seconds: float = 0.0
    kept: Sequence[Kept] = ()
    parts: tuple[Part, ...] = ()

    def __add__(self, other: Fitted) -> Fitted:
        return Fitted(
            [*self.records, *other.records],
            self.seconds + other.seconds,
            [*self.kept, *other.kept],
            self.parts + other.parts,
        )

    def __len__(self) -> int:
        return len(self.records) + sum(len(part.fits) for part in self.parts)

    @property
    def fits(self) -> np.ndarray:
        """Which they are, and whether each failed or diverged, of `hiercal.runs.parts.FITS`."""
        return np.concatenate([fits_of(self.records), *(part.fits for part in self.parts)])

    @property
    def slowest(self) -> float:
        """Seconds of the slowest completed fit; minus infinity if there is none."""
        return max(slowest(self.records), *(part.slowest for part in self.parts), -math.inf)


@dataclass(frozen=True)
class Outcome:
    """What came of a batch, or the error that stopped it."""

    batch: Batch
    fitted: Fitted
    error: str | None = None


def unwatched(stage: str, simulation: int = -1, fits: int = 1) -> None:
    """Tell nobody."""


def named_stage(stage: str, simulation: int, fits: int) -> str:
    """What a process is at, in words."""
    of = f" of simulation {simulation}" if simulation >= 0 else ""
    return f"{stage}{of}" + (f" and up to {fits - 1} more at once" if fits > 1 else "")


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
    return Fitted(seconds=seconds, parts=(place.write(records, draws),))


def _at_once(arm: Arm) -> int:
    """How many fits are held before they are summarised."""
    coords = arm.story.coords
    a_draw = sum(
        math.prod(len(coords[dim]) for dim in arm.story.dims[name]) for name in arm.parameters
    )
    of_one_fit = 8 * a_draw * math.prod(arm.fitter.shape)
    of_a_call = arm.fitter.at_once
    return max(1, min(AT_ONCE, BYTES_AT_ONCE // of_one_fit) // of_a_call) * of_a_call


def _fit_some(
    arm: Arm, recording: Recording, simulations: Sequence[int], begin: Begin
) -> tuple[list[FitRecord], list[Kept]]:
    """Records of a few simulations, and what is kept; their draws are gone when it returns."""
    story, fitter, seed = arm.story, arm.fitter, recording.seed

    def simulated(i: int) -> Simulation | Fit:
        begin("simulate", i)
        return drawn(arm, recording, i)

    def fitted(some: Sequence[tuple[int, Simulation | Fit]]) -> list[Fit]:
        begin("fit", some[0][0], fitter.at_once)
        drawn = {i: one.data for i, one in some if isinstance(one, Simulation)}
        seeds = [sampler_seed(seed, story, fitter, i) for i in drawn]
        made = fit_many(story, fitter, list(drawn.values()), seeds) if drawn else []
        fits = dict(zip(drawn, made, strict=True))
        return [one if isinstance(one, Fit) else fits[i] for i, one in some]

    def recorded(i: int, one: Simulation | Fit, of: Fit) -> FitRecord:
        begin("summary", i)
        return record(arm, recording, i, one, of)

    each = [simulated(i) for i in simulations]
    calls = itertools.batched(zip(simulations, each, strict=True), fitter.at_once)
    fits = [fit for some in calls for fit in fitted(some)]
    whole = list(zip(simulations, each, fits, strict=True))
    records = [recorded(*of) for of in whole]
    if not recording.keep_draws:
        return records, []
    every = [kept(*of, recording.max_rank) for of in whole]
    return records, [one for one in every if one is not None]
