"""A worker process and who watches it: it is ended where a fit does not come back.

The watcher is a thread of the driver, or of a Dask worker. It shares no lock with what it watches,
so that a fit in compiled code is ended like any other, and a fit that kills its process kills no
other.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from hiercal.errors import MemoryLimit, PreparationError, RunError, TimeLimit, WorkerDied
from hiercal.runs.batches import STAGES, Fitted, fit_batch
from hiercal.runs.parts import Place
from hiercal.runs.worker import STATE

TICK = 0.25
"""Seconds between two looks at a worker."""
LIMITED = ("simulate", "fit", "summary")
"""Stages that the time limit is of; compiling takes as long as it takes."""
TRIES = 2
"""Worker processes that a fit may end before it is recorded as the cause."""
STARTS = 3
"""Times that a worker may fail to start, one after another."""
ENVIRONMENT = {
    # one core each: several threads in each of as many processes as cores only wait for each other
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # by default freed memory goes back at once, to be faulted in again in the next fit
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
    "MALLOC_MMAP_THRESHOLD_": str(64 * 2**20),
}
"""Of workers, unless the user's environment says otherwise."""

Limit = Callable[[int], float]
"""Seconds that a simulation, so many fits at once, or a summary may take, as things stand."""


def unlimited(fits: int) -> float:
    """The limit of what may take any time."""
    return math.inf


@dataclass(frozen=True)
class Doing:
    """What a worker is at: the stage, of which simulation (-1: of none), and for how long.

    Of `fits` made at once, it is the first simulation.
    """

    stage: str
    simulation: int
    fits: int
    began: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


class SentBack(Exception):
    """A task that has not been done where it was sent, for no fault of its own."""


def wanted() -> bool:
    """What is asked of a local worker is waited for as long as there is a driver."""
    return True


class Worker:
    """A process of its own for fits; started when it is needed, and again after it has died.

    Parameters
    ----------
    memory : float
        Bytes that it may hold.
    core : int or None
        The core that it stays on.
    wanted : callable
        Returns whether anybody still waits for what it is at.
    """

    def __init__(
        self,
        memory: float = math.inf,
        core: int | None = None,
        wanted: Callable[[], bool] = wanted,
    ) -> None:
        self._memory, self._core, self._wanted = memory, core, wanted
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()
        self._over = False
        self._state: mmap.mmap | bytes = STATE.pack(time.monotonic(), 0, -1, 1)
        self.busy_with = ""

    def call(
        self, what: str, function: Callable[..., Any], *args: Any, limit: Limit = unlimited
    ) -> Any:
        """Call a function in the process.

        Parameters
        ----------
        what : str
            What the call is for, such as an arm's label.
        limit : callable
            Returns the seconds that so many fits at once may take.

        Raises
        ------
        WorkerDied, TimeLimit, MemoryLimit
            If the process ended, or was ended; `doing` says what it was at.
        RunError
            If no process can be started.
        SentBack
            If nobody waits for it any more; the process was ended.
        """
        self.busy_with = what
        try:
            self._ensure_started()
            with contextlib.suppress(ConnectionError):
                self._tasks.send_bytes(pickle.dumps((function, args)))
            raised, value = pickle.loads(self._received(limit))
        finally:
            self.busy_with = ""
        if raised:
            raise value
        return value

    @property
    def doing(self) -> Doing:
        """What it is at, or was when it ended."""
        began, stage, simulation, fits = STATE.unpack_from(self._state)
        return Doing(STAGES[int(stage)], int(simulation), int(fits), began)

    def end(self) -> None:
        """End the process and start no other."""
        with self._changing:
            self._over = True
            self._kill()

    def _ensure_started(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        for start in range(1, STARTS + 1):
            try:
                with self._changing:
                    if self._over:
                        raise RunError("the run has ended")
                    self._start()
                self._received(unlimited)
                return
            except WorkerDied as error:
                if start == STARTS:
                    raise RunError(
                        f"no worker process can be started: {error}, {STARTS} times; what it said "
                        "is above. Every fit so far is kept; put this right and run the same "
                        "command to go on, with --workers 0 to fit without workers"
                    ) from None
                time.sleep(start)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as state:
            state.truncate(STATE.size)
            passed = theirs.fileno(), state.fileno()
            code = (
                f"import sys; sys.path[:] = {[str(path) for path in sys.path]!r}; "
                f"from hiercal.runs.worker import serve; serve{(*passed, os.getpid())!r}"
            )
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=passed,
                stdin=subprocess.DEVNULL,
                env=ENVIRONMENT | os.environ,
                # Ctrl-C and hangups are the driver's, which ends its workers itself
                start_new_session=True,
            )
            shared = mmap.mmap(state.fileno(), STATE.size)
            STATE.pack_into(shared, 0, time.monotonic(), 0, -1, 1)
            self._state = shared
        self._tasks = Connection(ours.detach())
        if self._core is not None:
            with contextlib.suppress(OSError):  # it may have died already
                os.sched_setaffinity(self._process.pid, {self._core})

    def _received(self, limit: Limit) -> bytes:
        """What the process sends next; an error if it ends, or has to be ended, before that."""
        assert self._process is not None
        try:
            while not self._tasks.poll(TICK):
                # a process that a fit left behind may hold the socket open when the worker is gone
                if self._process.poll() is not None and not self._tasks.poll(0):
                    raise EOFError
                self._check(limit)
            return self._tasks.recv_bytes()
        except (EOFError, ConnectionError):
            raise WorkerDied(self._how_it_ended()) from None

    def _check(self, limit: Limit) -> None:
        if not self._wanted():
            self._kill()
            raise SentBack("nobody waits for it any more")
        doing = self.doing
        allowed = limit(doing.fits)
        if doing.stage in LIMITED and doing.seconds > allowed:
            self._kill()
            if self.doing.began == doing.began:  # or it came to the next in the meantime
                what = "a fit" if doing.fits == 1 else f"{doing.fits} fits at once"
                raise TimeLimit(f"not back after {allowed:.3g} s, the time limit of {what}")
            raise WorkerDied("its worker process was ended for the fit before")
        if self._memory < math.inf and (held := self._held()) > self._memory:
            self._kill()
            raise MemoryLimit(
                f"its worker process held {held / 1e9:.3g} GB, more than the "
                f"{self._memory / 1e9:.3g} GB that a worker may"
            )

    def _held(self) -> float:
        import psutil

        assert self._process is not None
        try:
            return psutil.Process(self._process.pid).memory_info().rss
        except psutil.Error:
            return 0  # gone, which is seen next

    def _kill(self) -> None:
        """End the process and all that its fits have started."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _how_it_ended(self) -> str:
        assert self._process is not None
        code = self._process.wait()
        if code >= 0:
            return f"its worker process ended with exit code {code}"
        by = signal.Signals(-code).name
        hint = ", as the system does when memory runs out" if by == "SIGKILL" else ""
        return f"its worker process was ended by {by}{hint}"


@dataclass(frozen=True)
class Lost:
    """A simulation that never came back: the stage it was in, why, and seconds it was given."""

    simulation: int
    stage: str
    error: str
    seconds: float


@dataclass(frozen=True)
class Watched:
    """What came of a batch: what was fitted, what was lost, and what is still to be fitted."""

    fitted: Fitted
    lost: tuple[Lost, ...]
    rest: tuple[int, ...] = ()


_of_thread = threading.local()


def take(worker: Worker) -> None:
    """Make a worker that of the calling thread."""
    _of_thread.worker = worker


def taken() -> Worker | None:
    """The worker of the calling thread, if it has one."""
    return getattr(_of_thread, "worker", None)


def fit_watched(
    label: str,
    arm: bytes,
    recording: bytes,
    simulations: tuple[int, ...],
    place: Place | None,
    limit: Limit,
) -> Watched:
    """Fit a batch up to the first simulation that does not come back.

    Where several fits are made at once and do not come back, each of these is tried by itself.

    Parameters
    ----------
    label : str
        Of the arm.
    arm, recording : bytes
        As `hiercal.runs.worker.pickled` makes them.
    place : Place, optional
        Where it is written as a part.
    limit : callable
        Returns the seconds that so many fits at once may take.

    Raises
    ------
    PreparationError
        If the fitter cannot be compiled, or the process ends each time while it is.
    """
    worker, tries = _of_thread.worker, Counter[tuple[int, ...]]()
    fitted = Fitted()
    lost: list[Lost] = []
    rest: tuple[int, ...] = ()
    waiting = deque([simulations])
    while waiting:
        some = waiting.popleft()
        try:
            sent = arm, recording, some, place
            fitted += worker.call(label, fit_batch, *sent, limit=limit)
        except WorkerDied as error:
            doing, timed_out = worker.doing, isinstance(error, TimeLimit)
            before, at, after = _parted(some, doing)
            tries[at] += 1
            if not timed_out and tries[at] < TRIES:
                waiting.appendleft(some)
                continue
            if not at:
                raise PreparationError(
                    f"{label}: {error} while it was compiled, {TRIES} times"
                ) from None
            if len(at) > 1:
                waiting.extend((one,) for one in at)
            else:
                often = "" if timed_out else f", {TRIES} times"
                why = f"{type(error).__name__}: {error}{often}"
                lost.append(Lost(*at, doing.stage, why, limit(1) if timed_out else math.nan))
            if before:
                waiting.appendleft(before)
            rest = after + rest
    return Watched(fitted, tuple(lost), rest)


def _parted(simulations: tuple[int, ...], doing: Doing) -> tuple[tuple[int, ...], ...]:
    """Simulations before those that a worker was at, these, and those after them."""
    if doing.simulation not in simulations:
        return (), (), simulations
    first = simulations.index(doing.simulation)
    last = first + doing.fits
    return simulations[:first], simulations[first:last], simulations[last:]


def call_watched(
    label: str, function: Callable[..., Any], *args: Any, limit: Limit = unlimited
) -> Any:
    """Call one of the functions of `hiercal.runs.worker`; once more if its process ends.

    Raises
    ------
    WorkerDied, TimeLimit, MemoryLimit
        If it never came back.
    """
    for last in (False, True):
        try:
            return _of_thread.worker.call(label, function, *args, limit=limit)
        except WorkerDied as error:
            if last or isinstance(error, TimeLimit):
                raise
    raise AssertionError
