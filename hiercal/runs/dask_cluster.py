"""Fits on the workers of a Dask cluster, which come, go, freeze and die."""

from __future__ import annotations

import contextlib
import pickle
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any

from hiercal.errors import PreparationError, RunError, WorkerDied
from hiercal.runs import identity
from hiercal.runs.batches import Batch, Outcome
from hiercal.runs.dask_worker import REMEDY, Refused, admitted
from hiercal.runs.identity import Identity
from hiercal.runs.interrupts import stop_if_asked
from hiercal.runs.limits import TimeLimits
from hiercal.runs.parts import Place
from hiercal.runs.plan import Plan
from hiercal.runs.pools import Note, Watching
from hiercal.runs.progress import duration
from hiercal.runs.run import Arm, Recording
from hiercal.runs.source import OURS
from hiercal.runs.supervisor import SentBack
from hiercal.words import reason

if TYPE_CHECKING:
    from distributed import Client

PATIENCE = 120.0
"""Seconds without a single worker, or a word of the scheduler, after which a run gives up."""
LOOK = 2.0
"""Seconds between two looks at who is there."""
ANSWER = 10.0
"""Seconds that the scheduler is given for an answer."""
SILENT = 15.0
"""Seconds without a word of a worker, which speaks every second or so, that are worth a remark."""
KEPT = "Every fit so far is kept, and the same command goes on from there."


class _Called:
    """A function that is called where it is unpickled, and what it returns is what comes of it.

    A worker that cannot import what it is sent loses its connection, and Dask takes that for a task
    that kills workers. With this, it is the task that fails.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function

    def __reduce__(self) -> tuple[Callable[[], Any], tuple[()]]:
        return self._function, ()


class OnDask(Watching):
    """Runs batches on the workers of a Dask cluster, each of which has processes of its own."""

    def __init__(self, client: Client, scheduler: str, limits: TimeLimits, note: Note) -> None:
        super().__init__(limits, note)
        self._client, self._scheduler, self._note = client, scheduler, note
        self._run, self._made_by = uuid.uuid4().hex, b""
        self._refused: dict[str, str] = {}
        self._sent_to: dict[Any, set[str]] = {}
        self._there: dict[str, int] = {}
        self._looked, self._answered, self._staffed = 0.0, time.monotonic(), time.monotonic()

    def run(
        self,
        arms: tuple[Arm, ...],
        recording: Recording,
        plan: Plan,
        places: Sequence[Place] | None = None,
    ) -> Iterator[Outcome]:
        stories, fitters = {arm.story for arm in arms}, {arm.fitter for arm in arms}
        self._expect(identity.of_run(stories, fitters, recording.quantities))
        return super().run(arms, recording, plan, places)

    def call(self, function: Callable[..., Any], arm: Arm, *args: Any) -> Any:
        self._expect(identity.of_run([arm.story], [arm.fitter]))
        return super().call(function, arm, *args)

    def each(
        self, functions: Mapping[str, Callable[[], Any]], made_of: object
    ) -> Iterator[tuple[str, Any]]:
        self._expect(identity.of_class(type(made_of)))
        return super().each(functions, made_of)

    def _expect(self, made_by: Identity) -> None:
        self._made_by = pickle.dumps(identity.installed_here(made_by))

    def _next(self, plan: Plan, busy: Sequence[str | None]) -> Iterator[tuple[Batch, str | None]]:
        # workers come and go, and each batch runs at the first that is free
        batches = (plan.next() for _ in range(2 * self._at_once() - len(busy)))
        yield from ((batch, None) for batch in batches if batch)

    def _at_once(self) -> int:
        return max(sum(self._usable().values()), 1)

    def _submit(
        self, function: Callable[..., Any], *args: Any, at: str | None = None, **others: Any
    ) -> Any:
        to = set(self._usable()) if self._refused else None
        called = _Called(partial(admitted, self._made_by, self._run, function, *args, **others))
        key = f"{OURS}-{uuid.uuid4().hex}"
        future = self._client.submit(pickle.loads, pickle.dumps(called), key=key, workers=to)
        if to is not None:
            self._sent_to[future] = to
        return future

    def _done(self, futures: list[Any]) -> list[Any]:
        from distributed import wait

        try:
            return list(wait(futures, timeout=LOOK, return_when="FIRST_COMPLETED").done)
        except CancelledError:
            return [future for future in futures if future.done()]
        except TimeoutError:
            there = self._usable().keys()
            # what may go to none but workers that have left would wait for ever
            stranded = [
                one
                for one in futures
                if (to := self._sent_to.get(one)) is not None and there.isdisjoint(to)
            ]
            self._cancel(stranded)
            return stranded

    def _result(self, future: Any) -> Any:
        from distributed import KilledWorker

        self._sent_to.pop(future, None)
        try:
            return future.result()
        except Refused as error:
            self._refuse(error.worker, error.why)
            raise
        except KilledWorker as error:
            raise WorkerDied(f"the Dask worker that it was on died, each time: {error}") from None
        except CancelledError:
            self._wait_for_scheduler()
            raise SentBack("it was cancelled, or the scheduler was lost") from None
        except (PreparationError, RunError, SentBack, WorkerDied):
            raise
        except Exception as error:
            # hiercal's own code on a worker raises none but those: Dask could not call it
            self._blame(error)
            raise SentBack("it went to a worker that is not used any more") from None

    def _cancel(self, futures: list[Any]) -> None:
        if self._client.status == "running":
            self._client.cancel(futures, force=True)

    def _waited_for(self, futures: Mapping[Any, str]) -> list[str]:
        held = self._ask("processing", workers=None) or {}
        told = self._ask("identity", n_workers=-1) or {}
        place = {key: worker for worker, keys in held.items() for key in keys}
        seen = {worker: of["last_seen"] for worker, of in told.get("workers", {}).items()}
        now = time.time()

        def last_seen(future: Any) -> float:
            return seen.get(place.get(future.key, ""), now)

        def at(future: Any) -> str:
            if (worker := place.get(future.key)) is None:
                return f"{futures[future]}, at no worker yet"
            silent = now - last_seen(future)
            for_long = f", silent for {duration(silent)}" if silent >= SILENT else ""
            return f"{futures[future]}, at {worker}{for_long}"

        return [at(future) for future in sorted(futures, key=last_seen)]

    def _usable(self) -> dict[str, int]:
        """Threads of each worker that may be sent something, as of a moment ago."""
        if time.monotonic() - self._looked >= LOOK:
            self._look()
        return {worker: n for worker, n in self._there.items() if worker not in self._refused}

    def _look(self) -> None:
        """See who is there; a RunError if that is nobody, and has been for long."""
        found = self._ask("ncores", workers=None)
        now = self._looked = time.monotonic()
        if found is not None:
            self._there, self._answered = found, now
            # another may come to the address of one that has left
            self._refused = {
                worker: why for worker, why in self._refused.items() if worker in found
            }
        if self._there.keys() - self._refused:
            self._staffed = now
        elif self._there:
            why = "\n  ".join(f"{one}: {self._refused[one]}" for one in self._there)
            raise RunError(f"no worker of the Dask cluster can be used\n  {why}\n{KEPT}")
        for since, what in (
            (self._answered, f"no answer of {self._scheduler}"),
            (self._staffed, "no worker"),
        ):
            if now - since >= PATIENCE:
                raise RunError(f"{what} for {PATIENCE:.0f} s; start what is missing. {KEPT}")

    def _ask(self, question: str, **options: Any) -> Any:
        """What the scheduler answers, or None if it does not."""
        scheduler = self._client.scheduler
        with contextlib.suppress(OSError, TimeoutError):
            if scheduler is not None:
                asked = getattr(scheduler, question)
                return self._client.sync(asked, callback_timeout=ANSWER, **options)
        self._wait_for_scheduler()
        return None

    def _wait_for_scheduler(self) -> None:
        """Wait while the connection is made again; a RunError if it cannot be."""
        while self._client.status == "connecting":
            stop_if_asked()
            time.sleep(0.1)
        if self._client.status != "running":
            raise RunError(
                f"the connection to {self._scheduler} is lost, as when it has "
                f"ended; start it and its workers again. {KEPT}"
            )

    def _refuse(self, worker: str, why: str) -> None:
        if worker not in self._refused:
            self._refused[worker] = why
            self._note(f"The Dask worker {worker} is not used: {why}")
            self._look()

    def _blame(self, error: Exception) -> None:
        """Refuse workers without hiercal, or with another; a RunError if there is none."""
        ours = identity.version_of(OURS)
        message = {"op": "versions", "packages": [OURS]}
        told = self._ask("broadcast", msg=message, on_error="ignore") or {}
        found = {worker: of["packages"][OURS] for worker, of in told.items()}
        others = {worker: version for worker, version in found.items() if version != ours}
        for worker, version in others.items():
            self._refuse(worker, f"{OURS} is {version or 'absent'}, not {ours}; {REMEDY}")
        if not others:
            raise RunError(
                f"a worker of {self._scheduler} cannot be used: {reason(error)}. Workers need the "
                f"packages that are here. {KEPT}"
            ) from error
