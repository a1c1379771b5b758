"""Worker processes that fit batches, each of which somebody watches; those of this machine."""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import os
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, replace
from functools import partial
from typing import Any, Self

from hiercal.errors import PreparationError, RunError, WorkerDied
from hiercal.runs.batches import Batch, Fitted, Outcome, named_stage
from hiercal.runs.interrupts import stop_if_asked
from hiercal.runs.limits import TimeLimits, parsed_bytes, share_of_memory
from hiercal.runs.parts import Place
from hiercal.runs.plan import Plan
from hiercal.runs.progress import Waiting, duration
from hiercal.runs.record import failure
from hiercal.runs.run import Arm, Recording
from hiercal.runs.supervisor import (
    Limit,
    Lost,
    SentBack,
    Watched,
    Worker,
    call_watched,
    fit_watched,
    take,
)
from hiercal.runs.worker import call, of_arm, packed, pickled

LOST_IN_A_ROW = 10
"""Fits of an arm that never come back, with none that does between them, before it is given up."""

Note = Callable[[str], None]


class Executor(ABC):
    """Fits batches, and whatever else takes long."""

    limits = TimeLimits(0)

    @abstractmethod
    def run(
        self,
        arms: tuple[Arm, ...],
        recording: Recording,
        plan: Plan,
        places: Sequence[Place] | None = None,
    ) -> Iterator[Outcome]:
        """Outcomes of what is planned, as they come in; as parts, if each arm has a place."""

    @abstractmethod
    def call(self, function: Callable[..., Any], arm: Arm, *args: Any) -> Any:
        """What a function that makes one fit of an arm returns; WorkerDied if it never does."""

    @abstractmethod
    def each(
        self, functions: Mapping[str, Callable[[], Any]], made_of: object
    ) -> Iterator[tuple[str, Any]]:
        """What functions return, by name, as they come in; `made_of` is what they belong to."""


class Watching(Executor):
    """Runs batches in worker processes, each of which somebody watches."""

    def __init__(self, limits: TimeLimits, note: Note) -> None:
        self.limits, self._waiting = limits, Waiting(note)
        self._compiled_at: dict[Arm, str] = {}

    def run(
        self,
        arms: tuple[Arm, ...],
        recording: Recording,
        plan: Plan,
        places: Sequence[Place] | None = None,
    ) -> Iterator[Outcome]:
        running: dict[Any, tuple[Batch, str | None]] = {}
        suspects: list[Batch] = []
        alone: set[Batch] = set()
        in_a_row = Counter[int]()

        def start(batch: Batch, at: str | None = None) -> None:
            arm = arms[batch.arm]
            if at is not None:
                self._compiled_at[arm] = at
            place = places[batch.arm] if places else None
            sent = pickled(arm), pickled(recording), batch.simulations, place
            limit = self._limit(arm.label)
            running[self._submit(fit_watched, arm.label, *sent, limit, at=at)] = batch, at

        try:
            while True:
                plan.at_once = self._at_once()
                for batch, at in self._next(plan, [at for _, at in running.values()]):
                    start(batch, at)
                if not running and suspects:
                    alone.add(suspects[-1])
                    start(suspects.pop())
                if not running:
                    return
                waited = {each: _named(arms, batch) for each, (batch, _) in running.items()}
                for future in self._wait(waited):
                    batch, _ = running.pop(future)
                    arm, label = batch.arm, arms[batch.arm].label
                    try:
                        watched = self._result(future)
                    except SentBack:
                        plan.put_back(arm, batch.simulations)
                        continue
                    except PreparationError as error:
                        yield Outcome(batch, Fitted(), str(error))
                        continue
                    except WorkerDied as error:
                        # a Dask worker's death is blamed on all that waited there: each is tried
                        # with a cluster to itself before its simulation is recorded as the killer
                        if batch not in alone:
                            suspects += [Batch(arm, (i,)) for i in batch.simulations]
                            continue
                        died = Lost(batch.simulations[0], "fit", f"WorkerDied: {error}", math.nan)
                        watched = Watched(Fitted(), (died,))
                    fitted, lost = watched.fitted, watched.lost
                    self.limits.observe(label, fitted.slowest)
                    plan.put_back(arm, watched.rest)
                    failures = [failure(arms[arm], recording, *astuple(one)) for one in lost]
                    records = [*fitted.records, *failures]
                    yield Outcome(batch, replace(fitted, records=records))
                    before = in_a_row[arm]
                    in_a_row[arm] = (0 if fitted else before) + len(failures)
                    if before < LOST_IN_A_ROW <= in_a_row[arm]:
                        yield Outcome(batch, Fitted(), _given_up(label, lost[-1]))
        finally:
            self._cancel(list(running))

    def call(self, function: Callable[..., Any], arm: Arm, *args: Any) -> Any:
        sent, limit = (function, pickled(arm), *args), self._limit(arm.label)
        at = self._compiled_at.get(arm)
        while True:
            future = self._submit(call_watched, arm.label, of_arm, *sent, limit=limit, at=at)
            self._wait({future: arm.label})
            with contextlib.suppress(SentBack):
                return self._result(future)

    def each(
        self, functions: Mapping[str, Callable[[], Any]], made_of: object
    ) -> Iterator[tuple[str, Any]]:
        waiting = deque(functions.items())
        running: dict[Any, str] = {}
        try:
            while True:
                # no more than run at once: what waits at one worker stays there
                while waiting and len(running) < self._at_once():
                    name, function = waiting.popleft()
                    task = self._submit(call_watched, name, call, packed(function, made_of))
                    running[task] = name
                if not running:
                    return
                for future in self._wait(running):
                    name = running.pop(future)
                    try:
                        value = self._result(future)
                    except SentBack:
                        waiting.append((name, functions[name]))
                        continue
                    except WorkerDied as error:
                        raise RunError(
                            f"{name}: {error}; what was measured is kept, and the same command "
                            "goes on from there"
                        ) from None
                    yield name, value
        finally:
            self._cancel(list(running))

    def _limit(self, label: str) -> Limit:
        """The time limit of an arm's fits: looked up while a fit runs, or a copy, as it was."""
        return partial(self.limits.of, label)

    def _wait(self, futures: Mapping[Any, str]) -> list[Any]:
        """The futures that have finished, at least one; each is given with what it is for."""
        while not (done := self._done(list(futures))):
            stop_if_asked()
            self._waiting.tick(lambda: self._waited_for(futures))
        self._waiting.over()
        return done

    @abstractmethod
    def _next(self, plan: Plan, busy: Sequence[str | None]) -> Iterator[tuple[Batch, str | None]]:
        """Batches to be sent, and where to: one to run and one to wait for each thread.

        `busy` has the worker of each batch that has not come back.
        """

    @abstractmethod
    def _at_once(self) -> int:
        """How many tasks run at the same time."""

    @abstractmethod
    def _submit(
        self, function: Callable[..., Any], *args: Any, at: str | None = None, **others: Any
    ) -> Any:
        """The future of a function of `hiercal.runs.supervisor`, at a worker that was named."""

    @abstractmethod
    def _done(self, futures: list[Any]) -> list[Any]:
        """The futures that have finished, if any have within a few seconds."""

    @abstractmethod
    def _result(self, future: Any) -> Any:
        """What a finished future returned; what it raised is raised.

        SentBack is raised if it was not done and is to be sent again.
        """

    @abstractmethod
    def _cancel(self, futures: list[Any]) -> None:
        """Leave off what has not finished."""

    @abstractmethod
    def _waited_for(self, futures: Mapping[Any, str]) -> list[str]:
        """What workers are at, in words; futures are given with what they are for."""


def _named(arms: Sequence[Arm], batch: Batch) -> str:
    first, last = batch.simulations[0], batch.simulations[-1]
    which = f"simulation {first}" if first == last else f"simulations {first} to {last}"
    return f"{arms[batch.arm].label}, {which}"


def _given_up(label: str, last: Lost) -> str:
    return (
        f"{label}: given up after {LOST_IN_A_ROW} fits in a row that did not come back; the last, "
        f"of simulation {last.simulation}, says {last.stage}: {last.error}"
    )


class Pool(Watching):
    """Runs batches on worker processes of this machine. They listen to nobody but this process."""

    def __init__(
        self,
        workers: int | None,
        memory: float | str | None,
        limits: TimeLimits,
        note: Note = lambda _: None,
    ) -> None:
        from dask.system import CPU_COUNT

        super().__init__(limits, note)
        n = workers or CPU_COUNT
        most = share_of_memory(n) if memory is None else parsed_bytes(memory)
        cores: Sequence[int | None] = [None]
        if n == CPU_COUNT and hasattr(os, "sched_getaffinity"):
            # as many workers as cores: each stays on its own, 10 % faster than moving about
            cores = sorted(os.sched_getaffinity(0))
        self._workers = {str(i): Worker(most, cores[i % len(cores)]) for i in range(n)}
        # a thread a worker, which watches it: what is sent to a worker waits for that one
        self._threads = {
            name: concurrent.futures.ThreadPoolExecutor(1, initializer=take, initargs=(worker,))
            for name, worker in self._workers.items()
        }
        self._sent = Counter[str]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.end()
        for thread in self._threads.values():
            thread.shutdown(cancel_futures=True)

    def _next(self, plan: Plan, busy: Sequence[str | None]) -> Iterator[tuple[Batch, str | None]]:
        given = Counter(busy)
        for each in (1, 2):
            for name in self._workers:
                while given[name] < each and (batch := plan.next(name)):
                    given[name] += 1
                    yield batch, name

    def _at_once(self) -> int:
        return len(self._workers)

    def _submit(
        self, function: Callable[..., Any], *args: Any, at: str | None = None, **others: Any
    ) -> Any:
        place = at or min(self._workers, key=lambda name: self._sent[name])
        self._sent[place] += 1
        future = self._threads[place].submit(function, *args, **others)
        future.add_done_callback(lambda _: self._sent.subtract([place]))
        return future

    def _done(self, futures: list[Any]) -> list[Any]:
        return list(concurrent.futures.wait(futures, 1, concurrent.futures.FIRST_COMPLETED).done)

    def _result(self, future: Any) -> Any:
        return future.result()

    def _cancel(self, futures: list[Any]) -> None:
        for future in futures:
            future.cancel()

    def _waited_for(self, futures: Mapping[Any, str]) -> list[str]:
        return [self._at(worker) for worker in self._workers.values() if worker.busy_with]

    def _at(self, worker: Worker) -> str:
        doing, label = worker.doing, worker.busy_with
        so_far = f"{named_stage(doing.stage, doing.simulation, doing.fits)} for "
        so_far += duration(doing.seconds)
        if doing.simulation < 0:
            return f"{label}, {so_far}"
        most = self.limits.of(label, doing.fits)
        at_most = f"of at most {duration(most)}" if most < math.inf else "without a time limit"
        return f"{label}, {so_far} {at_most}"
