"""Batches: simulations of one arm that are fitted in one task, of about a second each."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hiercal.fitters import Fit
from hiercal.runs.columns import FitRecord
from hiercal.runs.fit import fit_many, prepared, sampler_seed
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
"""Is told each stage as it begins, of which simulation, and of how many fits made at once.

``begin("fit", 3)`` is of simulation 3; ``begin("fit", 3, 10)`` of up to ten from it on.
"""


@dataclass(frozen=True)
class Batch:
    """Simulations of one arm that are fitted in one task."""

    arm: int
    simulations: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a batch: its records and what is kept besides, or the error that stopped it."""

    batch: Batch
    records: list[FitRecord]
    seconds: float
    kept: Sequence[Kept] = ()
    error: str | None = None


class Plan:
    """What is still to be fitted, cut into batches that take about a second each.

    Parameters
    ----------
    missing : list of list of int
        Simulations of each arm.
    kinds : sequence
        What arms have to be equal in to share what a worker imports; by default, nothing.
    at_once : sequence of int
        Fits that each arm's fitter makes in one call, which a batch does not divide; by default 1.
    in_turn : bool
        A batch of each arm in turn, not one arm after another.
    """

    def __init__(
        self,
        missing: list[list[int]],
        *,
        kinds: Sequence[object] = (),
        at_once: Sequence[int] = (),
        in_turn: bool = False,
    ) -> None:
        self._missing = [deque(ids) for ids in missing]
        self._kinds = list(kinds) or list(range(len(missing)))
        self._at_once = list(at_once) or [1] * len(missing)
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
                calls = math.ceil(min(max(size, 1), LARGEST_BATCH) / self._at_once[arm])
                size = min(calls * self._at_once[arm], len(ids))
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
        if outcome.records and outcome.seconds:
            new = max(outcome.seconds / len(outcome.records), 1e-6)
            old = self._seconds_per_fit.get(outcome.batch.arm, new)
            # a first fit may compile: what is faster is believed at once
            self._seconds_per_fit[outcome.batch.arm] = min(new, (old + new) / 2)

    def drop(self, arm: int) -> None:
        """Leave out the rest of an arm."""
        self._missing[arm].clear()


def unwatched(stage: str, simulation: int = -1, fits: int = 1) -> None:
    """Tell nobody."""


def named_stage(stage: str, simulation: int, fits: int) -> str:
    """What a process is at, in words."""
    of = f" of simulation {simulation}" if simulation >= 0 else ""
    return f"{stage}{of}" + (f" and up to {fits - 1} more at once" if fits > 1 else "")


def fit_batch(
    arm: Arm, recording: Recording, simulations: Sequence[int], *, begin: Begin = unwatched
) -> tuple[list[FitRecord], float, list[Kept]]:
    """Fit a batch of simulations; return records, the seconds that they took, and what is kept.

    A fit that raises is recorded as failed. Compilation is not counted in the time.
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
    return records, time.perf_counter() - start, draws


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
