"""Runs a study: batches out to workers, records into the journal."""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiercal.studies._fits import (
    FitRecord,
    PreparationError,
    Settings,
    failure,
    fit_batch,
    quantity_names,
    unseen,
)
from hiercal.studies._funnel_draws import NO_DRAWS, draws_kept, funnel_draws
from hiercal.studies._journal import Journal
from hiercal.studies._manifest import JOURNAL, MANIFEST, made_of, remove_run, write_manifest
from hiercal.studies._progress import Progress, Tally, reporter
from hiercal.studies._result import Result
from hiercal.studies._study import OPTIONAL_STOPPING, Arm, Study
from hiercal.studies._user_files import Bundle, bundles_of, install

if TYPE_CHECKING:
    from distributed import Client, Future

BATCH_SECONDS = 1.0
FIRST_BATCH, LARGEST_BATCH = 4, 1000
PATIENCE = 120.0
"""Seconds without a single worker after which a run gives up."""
WORKER_ENVIRONMENT = {
    # Dask's default hands freed memory back at once, to be faulted in again in the next fit
    "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20),
    "MALLOC_MMAP_THRESHOLD_": str(64 * 2**20),
    # samples every stack 100 times a second, 5 % of a worker's time, for a dashboard that is off
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
ALLOWED_DEATHS = 3
"""Worker deaths that Dask forgives a task before giving it up."""


class RunError(Exception):
    """A run could not be completed; what was computed is in its journal."""


class WorkerDied(Exception):
    """A fit ended the process it ran in, each time it was tried."""


@dataclass(frozen=True)
class Batch:
    """Simulations of one arm that are fitted in one task."""

    arm: int
    simulations: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of a batch: its records, or the error that stopped it."""

    batch: Batch
    records: list[FitRecord]
    seconds: float
    error: str | None = None


class Plan:
    """What is still to be fitted, cut into batches that take about a second each."""

    def __init__(self, missing: list[list[int]]) -> None:
        self._missing = [deque(ids) for ids in missing]
        self._seconds_per_fit: dict[int, float] = {}

    def next(self) -> Batch | None:
        """The next batch, arm by arm, or None."""
        for arm, ids in enumerate(self._missing):
            if ids:
                per_fit = self._seconds_per_fit.get(arm)
                size = FIRST_BATCH if per_fit is None else int(BATCH_SECONDS / per_fit)
                size = min(max(size, 1), LARGEST_BATCH, len(ids))
                return Batch(arm, tuple(ids.popleft() for _ in range(size)))
        return None

    def observe(self, outcome: Outcome) -> None:
        """Learn how long a fit of the arm takes."""
        if outcome.records:
            new = max(outcome.seconds / len(outcome.records), 1e-6)
            old = self._seconds_per_fit.get(outcome.batch.arm, new)
            self._seconds_per_fit[outcome.batch.arm] = (old + new) / 2

    def drop(self, arm: int) -> None:
        """Leave out the rest of an arm."""
        self._missing[arm].clear()


class Here:
    """Runs batches in this process, one after another."""

    def run(self, arms: tuple[Arm, ...], settings: Settings, plan: Plan) -> Iterator[Outcome]:
        while batch := plan.next():
            arm = arms[batch.arm]
            try:
                yield Outcome(batch, *fit_batch(arm, settings, batch.simulations))
            except PreparationError as error:
                yield Outcome(batch, [], 0.0, str(error))

    def call(self, function: Callable[..., Any], arm: Arm, *args: Any) -> Any:
        return function(arm, *args)


class OnDask:
    """Runs batches on the workers of a Dask cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, arms: tuple[Arm, ...], settings: Settings, plan: Plan) -> Iterator[Outcome]:
        from distributed import KilledWorker

        running: dict[Future, Batch] = {}
        suspects: list[tuple[int, int]] = []
        try:
            while True:
                while len(running) < self._window() and (batch := plan.next()):
                    arm = arms[batch.arm]
                    future = self._submit(fit_batch, arm, settings, batch.simulations)
                    running[future] = batch
                if not running:
                    break
                for future in self._wait(list(running)):
                    batch = running.pop(future)
                    error = future.exception()
                    if isinstance(error, KilledWorker):
                        suspects += [(batch.arm, i) for i in batch.simulations]
                    elif isinstance(error, PreparationError):
                        yield Outcome(batch, [], 0.0, str(error))
                    elif error is not None:
                        raise error
                    else:
                        yield Outcome(batch, *future.result())
            # A death is blamed on every task that waited on that worker, so each suspect gets a
            # cluster to itself before its simulation is recorded as the killer.
            for arm, simulation in suspects:
                yield self._alone(arms[arm], settings, Batch(arm, (simulation,)))
        finally:
            self._client.cancel(list(running), force=True)

    def call(self, function: Callable[..., Any], arm: Arm, *args: Any) -> Any:
        from distributed import KilledWorker

        future = self._submit(function, arm, *args)
        self._wait([future])
        try:
            return future.result()
        except KilledWorker:
            raise WorkerDied(
                f"KilledWorker: the worker process died {ALLOWED_DEATHS + 1} times in this fit"
            ) from None

    def _alone(self, arm: Arm, settings: Settings, batch: Batch) -> Outcome:
        try:
            return Outcome(batch, *self.call(fit_batch, arm, settings, batch.simulations))
        except WorkerDied as error:
            return Outcome(batch, [failure(arm, settings, batch.simulations[0], str(error))], 0.0)

    def _submit(self, function: Callable[..., Any], arm: Arm, *args: Any) -> Future:
        return self._client.submit(_on_worker, function, _pickled(arm), *args, pure=False)

    def _window(self) -> int:
        """Tasks in flight: one running and one waiting for each thread."""
        return 2 * max(sum(self._client.ncores().values()), 1)

    def _wait(self, futures: list[Future]) -> list[Future]:
        """The futures that have finished; at least one."""
        from distributed import wait

        idle = 0.0
        while True:
            try:
                return list(wait(futures, timeout=10, return_when="FIRST_COMPLETED").done)
            except TimeoutError:
                idle = 0.0 if self._client.ncores() else idle + 10
                if idle >= PATIENCE:
                    raise RunError(
                        f"no worker for {PATIENCE:.0f} s; start workers, then run the same command "
                        "to go on from here"
                    ) from None


@lru_cache
def _pickled(arm: Arm) -> bytes:
    """An arm for a worker, with the user's files that its classes come from."""
    import cloudpickle

    files = bundles_of(arm.story, arm.fitter)
    return pickle.dumps((files, cloudpickle.dumps(arm)))


@lru_cache
def _unpickled(arm: bytes) -> Arm:
    files: list[Bundle]
    files, pickled = pickle.loads(arm)
    for bundle in files:
        install(bundle)
    return pickle.loads(pickled)


def _on_worker(function: Callable[..., Any], arm: bytes, *args: Any) -> Any:
    return function(_unpickled(arm), *args)


def run(
    study: Study,
    out: Path,
    *,
    workers: int | None,
    scheduler: str | None,
    scheduler_file: str | os.PathLike[str] | None,
    progress: bool,
    export: bool,
    fresh: bool,
    given: str | os.PathLike[str] | None,
) -> Result:
    """See `Study.run`."""
    if workers is not None and workers < 0:
        raise ValueError(f"workers is {workers}; give 0 for this process or a number of processes")
    if (scheduler or scheduler_file) and workers is not None:
        raise ValueError(
            "workers is for a cluster of this run's own; leave it out with a scheduler"
        )
    settings = Settings.of(study)
    arms = study.arms
    names = [(arm.label, quantity_names(arm, settings)) for arm in arms]
    out.mkdir(parents=True, exist_ok=True)
    reports = reporter(progress)
    blind = unseen(dict(names))
    with Journal(out / JOURNAL) as journal:
        if fresh:
            journal.clear()
            remove_run(out)
        if dropped := journal.claim(study.digest, study.describe(), names):
            reports.note(f"{dropped} failed fits by earlier code are dropped; none had succeeded.")
        if _extends(out, study):
            reports.note(OPTIONAL_STOPPING)
        if changed := write_manifest(out, study, complete=False, given=given, unseen=blind):
            reports.note(
                "Machine or versions differ from those that began this run: "
                f"{', '.join(changed)}. Both are in manifest.json."
            )
        broken = _fit_missing(study, settings, journal, workers, scheduler, scheduler_file, reports)
        if broken:
            raise RunError(
                "could not prepare\n  "
                + "\n  ".join(broken)
                + f"\nAll other fits are in {out}; put this right and run the same command to go on"
            )
        made_of(out, records=None)
        result = Result(out)
        result.write_records(journal, study)
        made_of(out, records=study.simulations)
        result = Result(out)
        if export:
            for line in result.export():
                reports.note(line)
        write_manifest(out, study, complete=True, given=given, unseen=blind)
    return Result(out)


def _extends(out: Path, study: Study) -> bool:
    """Whether verdicts on fewer simulations could have been looked at."""
    if not (out / MANIFEST).exists():
        return False
    tables = Result(out).manifest.get("made_of", {}).get("tables")
    return tables is not None and tables < study.simulations


def _fit_missing(
    study: Study,
    settings: Settings,
    journal: Journal,
    workers: int | None,
    scheduler: str | None,
    scheduler_file: str | os.PathLike[str] | None,
    progress: Progress,
) -> list[str]:
    """Fit what the journal lacks; return why arms could not be prepared."""
    arms = study.arms
    missing = [sorted(set(range(study.simulations)) - journal.done(i)) for i in range(len(arms))]
    wanted_draws = [
        (i, data)
        for i, arm in enumerate(arms)
        for data in draws_kept(arm, settings, study.simulations)
        if data not in dict(journal.draws(i))
    ]
    if not any(missing) and not wanted_draws:
        return []
    broken: dict[int, str] = {}
    plan = Plan(missing)
    with progress, _executor(workers, scheduler, scheduler_file, progress) as executor:
        tallies = [Tally(*journal.tally(i, study.simulations)) for i in range(len(arms))]
        progress.start([arm.label for arm in arms], tallies, study.simulations)
        for outcome in executor.run(arms, settings, plan):
            i = outcome.batch.arm
            if outcome.error is not None:
                broken[i] = outcome.error
                plan.drop(i)
                continue
            journal.add(i, outcome.records)
            plan.observe(outcome)
            tallies[i].done += len(outcome.records)
            tallies[i].failed += sum(record.error is not None for record in outcome.records)
            tallies[i].divergent += sum(record.divergences > 0 for record in outcome.records)
            progress.update(i, tallies[i])
        for i, data in wanted_draws:
            if i in broken:
                continue
            try:
                arrays = executor.call(funnel_draws, arms[i], settings, data)
            except WorkerDied:
                arrays = NO_DRAWS
            journal.keep_draws(i, data, arrays)
    return list(broken.values())


@contextmanager
def _executor(
    workers: int | None,
    scheduler: str | None,
    scheduler_file: str | os.PathLike[str] | None,
    progress: Progress,
) -> Generator[Here | OnDask]:
    if workers == 0:
        yield Here()
        return
    import dask
    from dask.system import CPU_COUNT
    from distributed import Client, LocalCluster

    address = scheduler or (os.environ.get("DASK_SCHEDULER_ADDRESS") if workers is None else None)
    if address or scheduler_file:
        where = f"the Dask scheduler {address or scheduler_file}"
        try:
            client = (
                Client(address, timeout=10)
                if address
                else Client(scheduler_file=os.fspath(scheduler_file), timeout=10)  # ty: ignore[no-matching-overload]
            )
        except (OSError, ValueError) as error:
            raise RunError(f"cannot reach {where}: {error}; is it running?") from error
        with client:
            progress.note(f"Using {where} with {sum(client.ncores().values())} threads")
            yield OnDask(client)
        return
    n_workers = workers or CPU_COUNT
    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
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
            preload="hiercal.studies._preload",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield OnDask(client)
