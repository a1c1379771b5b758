"""Where fits are made: in this process, on worker processes, or on those of a Dask cluster."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiercal.errors import PreparationError, RunError
from hiercal.runs.batches import Fitted, Outcome, fit_batch, named_stage
from hiercal.runs.dask_cluster import OnDask
from hiercal.runs.limits import TimeLimits, parsed_bytes
from hiercal.runs.parts import Place
from hiercal.runs.plan import Plan
from hiercal.runs.pools import Executor, Note, Pool
from hiercal.runs.progress import Waiting
from hiercal.runs.run import Arm, Recording

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True)
class Where:
    """Where a run is fitted, and how long and large a fit may be there.

    None of it changes what a fit that comes back gives.

    Parameters
    ----------
    workers : int, optional
        Worker processes on this machine, by default one a core; 0 fits in this process.
    scheduler, scheduler_file : str, path, optional
        Address or file of a running Dask scheduler, used instead of local workers;
        ``DASK_SCHEDULER_ADDRESS`` is used where nothing is given.
    fit_seconds : float, optional
        Seconds that a fit may take before it is ended and recorded as failed with ``TimeLimit``;
        0 for any time. By default 5 minutes, or 200 times the slowest fit so far of the arm if
        that is more, and 6 hours before any has come back. A fit in this process cannot be ended.
    worker_memory : float or str, optional
        Bytes that a worker process may hold, or text such as ``"4 GB"``; a fit that takes more is
        ended and recorded as failed with ``MemoryLimit``. 0 for any. By default an equal share of
        the machine's memory; of a Dask cluster's, what the cluster says.
    parts : bool
        Workers write their fits into ``parts`` in the run's folder, which has to be on storage that
        they share with this process, under the same path; only what is where comes to this
        process. For more fits than one process can take in.

    Raises
    ------
    ValueError
        If one is out of range, does not go with another, or no scheduler's file is there.
    """

    workers: int | None = None
    scheduler: str | None = None
    scheduler_file: str | os.PathLike[str] | None = None
    fit_seconds: float | None = None
    worker_memory: float | str | None = None
    parts: bool = False

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 0:
            raise ValueError(
                f"workers is {self.workers}; give 0 for this process or a number of processes"
            )
        if (self.scheduler or self.scheduler_file) and self.workers is not None:
            raise ValueError(
                "workers is for processes of this run's own; leave it out with a scheduler"
            )
        if self.fit_seconds is not None and not self.fit_seconds >= 0:
            raise ValueError(
                f"fit_seconds is {self.fit_seconds}; give seconds, or 0 for no time limit"
            )
        if self.workers == 0 and (self.fit_seconds or self.worker_memory):
            raise ValueError(
                "fit_seconds and worker_memory need a worker process that can be ended; give "
                "workers=1 or more, or leave them out"
            )
        if self.worker_memory is not None:
            if self.scheduler or self.scheduler_file:
                raise ValueError(
                    "worker_memory is for workers of this run's own; leave it out with a "
                    "scheduler, whose workers have limits of their own"
                )
            parsed_bytes(self.worker_memory)
        if self.scheduler_file is not None:
            _check_scheduler_file(Path(self.scheduler_file))

    @contextmanager
    def executor(self, note: Note) -> Generator[Executor]:
        """What fits batches, while it is open; `note` is told what the user should know."""
        if self.workers == 0:
            yield Here(note)
            return
        limits = TimeLimits(self.fit_seconds)
        own = self.workers is not None or self.worker_memory is not None
        address = self.scheduler or (None if own else os.environ.get("DASK_SCHEDULER_ADDRESS"))
        if address or self.scheduler_file:
            with _connected(address, self.scheduler_file) as client:
                threads = sum(client.ncores().values())
                scheduler = _scheduler(address, self.scheduler_file)
                note(f"Using {scheduler} with {threads} threads")
                yield OnDask(client, scheduler, limits, note)
            return
        with Pool(self.workers, self.worker_memory, limits, note) as pool:
            yield pool


def _check_scheduler_file(path: Path) -> None:
    """Raise a ValueError if the file is none that a Dask scheduler has written."""
    advice = "give the file that `dask scheduler --scheduler-file` writes, once it is running"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"cannot read the scheduler file {path}: {error.strerror}; {advice}"
        ) from None
    except ValueError:
        told = None
    if not isinstance(told, dict) or "address" not in told:
        raise ValueError(f"{path} is not a scheduler file: it names no address; {advice}")


def _scheduler(address: str | None, file: str | os.PathLike[str] | None) -> str:
    return f"the Dask scheduler {address or file}"


def _connected(address: str | None, file: str | os.PathLike[str] | None) -> Client:
    from distributed import Client

    try:
        if address:
            return Client(address, timeout=10)
        return Client(scheduler_file=os.fspath(file or ""), timeout=10)
    except (OSError, ValueError, TypeError) as error:  # the last where TLS has no certificates
        raise RunError(
            f"cannot reach {_scheduler(address, file)}: {error}; is it running?"
        ) from error


class Here(Executor):
    """Runs batches in this process, one after another; nothing ends a fit but its own end."""

    def __init__(self, note: Note = lambda _: None) -> None:
        self._waiting = Waiting(note)
        self._doing = ""

    def run(
        self,
        arms: tuple[Arm, ...],
        recording: Recording,
        plan: Plan,
        places: Sequence[Place] | None = None,
    ) -> Iterator[Outcome]:
        while batch := plan.next():
            arm = arms[batch.arm]
            given = arm, recording, batch.simulations, places[batch.arm] if places else None
            with self._watched(arm.label):
                try:
                    outcome = Outcome(batch, fit_batch(*given, begin=self._begin))
                except PreparationError as error:
                    outcome = Outcome(batch, Fitted(), str(error))
            yield outcome

    def call(self, function: Callable[..., Any], arm: Arm, *args: Any) -> Any:
        with self._watched(arm.label):
            return function(arm, *args)

    def each(
        self, functions: Mapping[str, Callable[[], Any]], made_of: object
    ) -> Iterator[tuple[str, Any]]:
        for name, function in functions.items():
            with self._watched(name):
                value = function()
            yield name, value

    def _begin(self, stage: str, simulation: int = -1, fits: int = 1) -> None:
        self._doing = f", {named_stage(stage, simulation, fits)}"

    @contextmanager
    def _watched(self, what: str) -> Generator[None]:
        """Say what is waited for, as far as what runs lets another thread speak."""
        over, self._doing = threading.Event(), ""
        self._waiting.over()

        def watch() -> None:
            while not over.wait(1):
                self._waiting.tick(lambda: [what + self._doing])

        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            over.set()
