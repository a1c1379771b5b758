"""Batches: simulations of one arm that are fitted in one task, of about a second each."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
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

BATCH_SECONDS = 1.0
FIRST_BATCH, LARGEST_BATCH = 4, 1000
FEW = 100
"""Fits of an arm that are left to the worker that has compiled it, until their time is known."""
ANOTHER_SECONDS = 5.0
"""Seconds that the rest of an arm must take for another worker to compile it too."""
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


class Plan:
    """What is still to be fitted, cut into batches that take about a second each.

    Parameters
    ----------
    missing : list of list of int
        Simulations of each arm.
    kinds : sequence
        What arms have to be equal in to share what a worker imports; by default, nothing.
    in_turn : bool
        A batch of each arm in turn, not one arm after another.
    """

    def __init__(
        self,
        missing: list[list[int]],
        *,
        kinds: Sequence[object] = (),
        in_turn: bool = False,
    ) -> None:
        self._missing = [deque(ids) for ids in missing]
        self._kinds = list(kinds) or list(range(len(missing)))
        self._compiled: dict[str, set[int]] = {}
        self._seconds_per_fit: dict[int, float] = {}
        self._order = deque(range(len(missing)))
        self._in_turn = in_turn

    def next(self, worker: str | None = None) -> Batch | None:
        """The next batch, or None if there is none; for a worker, one that it has best use of."""
        for arm in self._arms(worker):
            if ids := self._missing[arm]:
                if worker is not None:
                    self._compiled.setdefault(worker, set()).add(arm)
                per_fit = self._seconds_per_fit.get(arm)
                first = FIRST_BATCH if len(ids) > FEW else 1
                size = first if per_fit is None else int(BATCH_SECONDS / per_fit)
                size = min(max(size, 1), LARGEST_BATCH, len(ids))
                return Batch(arm, tuple(ids.popleft() for _ in range(size)))
        return None

    def put_back(self, arm: int, simulations: Sequence[int]) -> None:
        """Plan simulations of an arm again, before its others."""
        self._missing[arm].extendleft(reversed(simulations))

    def _arms(self, worker: str | None) -> Iterator[int]:
        """Arms in the order in which a worker is to look for a batch."""
        if self._in_turn:
            for arm in list(self._order):
                self._order.rotate(-1)
                yield arm
            return
        left = [arm for arm in self._order if self._missing[arm]]
        if worker is None:
            yield from left
            return
        own = self._compiled.get(worker, set())
        taken = {arm for arms in self._compiled.values() for arm in arms}
        new = [arm for arm in left if arm not in taken]
        begun = [arm for arm in left if arm in own]
        imported = {self._kinds[arm] for arm in own or taken}
        if not own:
            yield from sorted(new, key=lambda arm: self._kinds[arm] in imported)
        elif len(begun) < 2:
            yield from (arm for arm in new if self._kinds[arm] in imported)
        yield from begun
        yield from new
        yield from (arm for arm in left if self._worth_compiling_again(arm))

    def _worth_compiling_again(self, arm: int) -> bool:
        number, per_fit = len(self._missing[arm]), self._seconds_per_fit.get(arm)
        return number > FEW if per_fit is None else number * per_fit > ANOTHER_SECONDS

    def observe(self, outcome: Outcome) -> None:
        """Learn how long a fit of the arm takes."""
        fitted = outcome.fitted
        if fitted and fitted.seconds:
            new = max(fitted.seconds / len(fitted), 1e-6)
            old = self._seconds_per_fit.get(outcome.batch.arm, new)
            # a first fit may compile: what is faster is believed at once
            self._seconds_per_fit[outcome.batch.arm] = min(new, (old + new) / 2)

    def drop(self, arm: int) -> None:
        """Leave out the rest of an arm."""
        self._missing[arm].clear()


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
