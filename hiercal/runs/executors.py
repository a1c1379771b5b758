"""Where fits are made: in this process, or on the workers of a Dask cluster."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hiercal.errors import PreparationError, RunError, WorkerDied
from hiercal.runs.batches import Batch, Outcome, Plan, fit_batch
from hiercal.runs.record import failure
from hiercal.runs.run import Arm, Recording
from hiercal.runs.worker import call, on_worker, packed, pickled

if TYPE_CHECKING:
    from distributed import Client, Future, Scheduler

PATIENCE = 120.0
"""Seconds without a single worker after which a run gives up."""
LOOK = 2.0
"""Seconds without a result after which workers are looked for."""
WORKER_ENVIRONMENT = {
    # Dask's default hands freed memory back at once, to be faulted in again in the next fit
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
    "MALLOC_MMAP_THRESHOLD_": str(64 * 2**20),
    # samples every stack 100 times a second, 5 % of a worker's time, for a dashboard that is off
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
ALLOWED_DEATHS = 3
"""Worker deaths that Dask forgives a task before giving it up."""


@dataclass(frozen=True)
class Where:
    """Where a run is fitted.

    Parameters
    ----------
    workers : int, optional
        Worker processes on this machine, by default one a core; 0 fits in this process.
    scheduler, scheduler_file : str, path, optional
        Address or file of a running Dask scheduler, used instead of local workers;
        ``DASK_SCHEDULER_ADDRESS`` is used where nothing is given.

    Raises
    ------
    ValueError
        If workers are negative, or given beside a scheduler.
    """

    workers: int | None = None
    scheduler: str | None = None
    scheduler_file: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 0:
            raise ValueError(
                f"workers is {self.workers}; give 0 for this process or a number of processes"
            )
        if (self.scheduler or self.scheduler_file) and self.workers is not None:
            raise ValueError(
                "workers is for a cluster of this run's own; leave it out with a scheduler"
            )

    @contextmanager
    def executor(self, note: Callable[[str], None]) -> Generator[Here | OnDask]:
        """What fits batches, while it is open; `note` is told which scheduler is used."""
        if self.workers == 0:
            yield Here()
            return
        default = os.environ.get("DASK_SCHEDULER_ADDRESS") if self.workers is None else None
        address = self.scheduler or default
        if address or self.scheduler_file:
            with _connected(address, self.scheduler_file) as client:
                threads = sum(client.ncores().values())
                note(f"Using {_named(address, self.scheduler_file)} with {threads} threads")
                yield OnDask(client)
            return
        with _local(self.workers) as client:
            yield OnDask(client, own=len(client.ncores()) > 1)


def _named(address: str | None, file: str | os.PathLike[str] | None) -> str:
    return f"the Dask scheduler {address or file}"


def _connected(address: str | None, file: str | os.PathLike[str] | None) -> Client:
    from distributed import Client

    try:
        if address:
            return Client(address, timeout=10)
        return Client(scheduler_file=os.fspath(file or ""), timeout=10)
    except (OSError, ValueError) as error:
        raise RunError(f"cannot reach {_named(address, file)}: {error}; is it running?") from error


@contextmanager
def _local(workers: int | None) -> Generator[Client]:
    """A cluster of worker processes on this machine."""
    import dask
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster

    n_workers = workers or CPU_COUNT
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
        # batches are given to the workers that have compiled their arm, and stay there
        "distributed.scheduler.work-stealing": False,
        # with the default of 15 s a worker that is slow to come back is given up for good
        "distributed.deploy.lost-worker-timeout": "1h",
        "distributed.nanny.pre-spawn-environ": dask.config.get(
            "distributed.nanny.pre-spawn-environ"
        )
        | WORKER_ENVIRONMENT
        # as many workers as cores: each stays on its own, 10 % faster than moving about
        | ({"HIERCAL_ONE_CORE_EACH": "1"} if n_workers == CPU_COUNT else {}),
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            preload="hiercal.runs.worker",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _let_run_anywhere(dask_scheduler: Scheduler) -> None:
    """Let tasks run whose worker died when there was no other; Dask would wait for it for good."""
    stuck = [*dask_scheduler.unrunnable] if dask_scheduler.workers else []
    for task in stuck:
        task.worker_restrictions = None
    dask_scheduler.transitions({task.key: "processing" for task in stuck}, stimulus_id="hiercal")


class Here:
    """Runs batches in this process, one after another."""

    def run(self, arms: tuple[Arm, ...], recording: Recording, plan: Plan) -> Iterator[Outcome]:
        while batch := plan.next():
            try:
                yield Outcome(batch, *fit_batch(arms[batch.arm], recording, batch.simulations))
            except PreparationError as error:
                yield Outcome(batch, [], 0.0, error=str(error))

    def call(self, function: Callable[..., Any], arm: Arm, *args: Any) -> Any:
        return function(arm, *args)

    def each(
        self, functions: Mapping[str, Callable[[], Any]], made_of: object
    ) -> Iterator[tuple[str, Any]]:
        """What functions return, by name, as they come in."""
        for name, function in functions.items():
            yield name, function()


class OnDask:
    """Runs batches on the workers of a Dask cluster.

    Parameters
    ----------
    client : Client
    own : bool
        Whether the cluster is this run's own, where each batch is sent to a worker that has
        compiled its arm.
    """

    def __init__(self, client: Client, *, own: bool = False) -> None:
        self._client = client
        self._own = own
        self._compiled_at: dict[Arm, str] = {}

    def run(self, arms: tuple[Arm, ...], recording: Recording, plan: Plan) -> Iterator[Outcome]:
        from distributed import KilledWorker

        running: dict[Future, tuple[Batch, str | None]] = {}
        suspects: list[tuple[int, int]] = []
        try:
            while True:
                for batch, worker in self._next(plan, [at for _, at in running.values()]):
                    arm = arms[batch.arm]
                    if worker is not None:
                        self._compiled_at[arm] = worker
                    future = self._submit(fit_batch, arm, recording, batch.simulations, at=worker)
                    running[future] = batch, worker
                if not running:
                    break
                for future in self._wait(list(running)):
                    try:
                        error = future.exception(timeout=PATIENCE)
                        result = () if error else future.result(timeout=PATIENCE)
                    except TimeoutError:
                        continue  # its worker died with the result, and it is made again
                    batch, _ = running.pop(future)
                    if isinstance(error, KilledWorker):
                        suspects += [(batch.arm, i) for i in batch.simulations]
                    elif isinstance(error, PreparationError):
                        yield Outcome(batch, [], 0.0, error=str(error))
                    elif error is not None:
                        raise error
                    else:
                        yield Outcome(batch, *result)
            # A death is blamed on every task that waited on that worker, so each suspect gets a
            # cluster to itself before its simulation is recorded as the killer.
            for arm, simulation in suspects:
                yield self._alone(arms[arm], recording, Batch(arm, (simulation,)))
        finally:
            self._client.cancel(list(running), force=True)

    def call(self, function: Callable[..., Any], arm: Arm, *args: Any) -> Any:
        from distributed import KilledWorker

        future = self._submit(function, arm, *args, at=self._compiled_at.get(arm))
        self._wait([future])
        try:
            return future.result()
        except KilledWorker:
            raise WorkerDied(
                f"KilledWorker: the worker process died {ALLOWED_DEATHS + 1} times in this fit"
            ) from None

    def each(
        self, functions: Mapping[str, Callable[[], Any]], made_of: object
    ) -> Iterator[tuple[str, Any]]:
        """What functions return, by name, as they come in; `made_of` is what they belong to."""
        waiting = iter(functions.items())
        running: dict[Future, str] = {}
        try:
            while True:
                # no more than there are threads: what waits at one worker stays there
                free = max(sum(self._client.ncores().values()), 1) - len(running)
                for name, function in itertools.islice(waiting, max(free, 0)):
                    future = self._client.submit(call, packed(function, made_of), pure=False)
                    running[future] = name
                if not running:
                    break
                for future in self._wait(list(running)):
                    yield running.pop(future), future.result()
        finally:
            self._client.cancel(list(running), force=True)

    def _alone(self, arm: Arm, recording: Recording, batch: Batch) -> Outcome:
        try:
            return Outcome(batch, *self.call(fit_batch, arm, recording, batch.simulations))
        except WorkerDied as error:
            return Outcome(batch, [failure(arm, recording, batch.simulations[0], str(error))], 0.0)

    def _submit(self, function: Callable[..., Any], *args: Any, at: str | None = None) -> Future:
        """Send a call to a worker, or to any other if that one is gone."""
        sent = [pickled(arg) if isinstance(arg, Arm | Recording) else arg for arg in args]
        where = {} if at is None else {"workers": [at], "allow_other_workers": True}
        return self._client.submit(on_worker, function, *sent, pure=False, **where)

    def _next(self, plan: Plan, busy: Sequence[str | None]) -> Iterator[tuple[Batch, str | None]]:
        """Batches to be sent, and where to: one to run and one to wait for each thread."""
        threads = self._client.ncores()
        if not self._own:
            free = 2 * max(sum(threads.values()), 1) - len(busy)
            batches = (plan.next() for _ in range(free))
            yield from ((batch, None) for batch in batches if batch)
            return
        plan.keep_to(threads)
        given = Counter(busy)
        for each in (1, 2):
            for worker, n in threads.items():
                while given[worker] < each * n and (batch := plan.next(worker)):
                    given[worker] += 1
                    yield batch, worker
        if not given.total() and (batch := plan.next()):
            yield batch, None  # before the first worker comes

    def _wait(self, futures: list[Future]) -> list[Future]:
        """The futures that have finished; at least one."""
        from distributed import wait

        idle = 0.0
        while True:
            try:
                return list(wait(futures, timeout=LOOK, return_when="FIRST_COMPLETED").done)
            except TimeoutError:
                idle = 0.0 if self._client.ncores() else idle + LOOK
                if self._own:
                    self._client.run_on_scheduler(_let_run_anywhere)
                if idle >= PATIENCE:
                    raise RunError(
                        f"no worker for {PATIENCE:.0f} s; start workers, then run the same command "
                        "to go on from here"
                    ) from None
