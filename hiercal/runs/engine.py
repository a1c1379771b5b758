"""Runs a run: batches out to workers, outcomes back, records into the journal."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from hiercal import words
from hiercal.errors import RunError, WorkerDied
from hiercal.runs.batches import Outcome
from hiercal.runs.columns import FitRecord
from hiercal.runs.executors import Where
from hiercal.runs.folder import check_folder
from hiercal.runs.full_disk import storing
from hiercal.runs.interrupts import stop_if_asked
from hiercal.runs.journal import Journal
from hiercal.runs.kept_draws import NO_DRAWS, draws_kept, funnel_draws
from hiercal.runs.manifest import (
    JOURNAL,
    begun,
    made_of,
    noted_limits,
    read_manifest,
    remove_run,
    restored,
    write_manifest,
)
from hiercal.runs.parquet import write_records
from hiercal.runs.parts import Place
from hiercal.runs.plan import Plan
from hiercal.runs.pools import Executor
from hiercal.runs.progress import Progress, Tally, reporter
from hiercal.runs.record import ranked, unseen
from hiercal.runs.result import Result
from hiercal.runs.run import Run
from hiercal.simulators._capabilities import BringsDraws

OPTIONAL_STOPPING = (
    "This extends a run whose verdicts may have been looked at. Looking again after each extension "
    "raises more false alarms than the stated 5 %: with looks at 200, 400, ..., 1000 simulations a "
    "calibrated quantity is rejected at one of them in 12 % of runs, at a single look in 4 %. Take "
    "the verdict of a number of simulations that was settled beforehand."
)
"""What looking at verdicts and extending a run does; measured by tests/sbc/test_uniformity.py."""


def fitted(
    run: Run,
    folder: Path,
    *,
    where: Where | None = None,
    progress: bool | Progress = True,
    fresh: bool = False,
    given: str | os.PathLike[str] | None = None,
    finish: Callable[[Result], Sequence[str]] = lambda _: (),
    meanwhile: Callable[[Sequence[tuple[str, Sequence[str]]]], None] = lambda _: None,
) -> Result:
    """Fit what is still to be fitted and write the records; safe to interrupt and repeat.

    Parameters
    ----------
    run, folder, where, progress, fresh, given
        As of `hiercal.run`.
    finish : callable
        Is given the result before the manifest calls the run complete, and returns what to tell
        the user.
    meanwhile : callable
        Is given label and quantities of each arm, in a thread of this process, while workers fit.

    Returns
    -------
    Result

    Raises
    ------
    JournalError, RunError
        As of `hiercal.run`.
    """
    reports = reporter(progress)
    blind = unseen(run.arms, run.recording)
    where = _where(run, where, reports)
    opening = opened(run, folder, reports, fresh=fresh, given=given, unseen=blind)
    with storing(folder), opening as journal:
        missing = _missing(run, journal, where, reports)
        wanted = _wanted_draws(run, journal)
        _tell_earlier(journal, missing, run.simulations, reports)
        if any(missing) or wanted:
            kinds = [type(arm.fitter) for arm in run.arms]
            plan = Plan(missing, kinds=kinds, calls=_calls(run))
            with _alongside(partial(meanwhile, journal.arms())):
                fit_missing(run, journal, folder, plan, where, reports, wanted_draws=wanted)
        made_of(folder, records=None)
        write_records(folder, journal, run.simulations)
        made_of(folder, records=run.simulations)
        for line in finish(Result(folder)):
            reports.note(line)
        write_manifest(folder, run, journal, complete=True, given=given, unseen=blind)
    return Result(folder)


def _tell_earlier(
    journal: Journal, missing: Sequence[Sequence[int]], simulations: int, reports: Progress
) -> None:
    """Give the fits of earlier runs that count to who takes fits."""
    if not reports.takes_fits:
        return
    reports.ranks(journal.arms())
    for arm, again in enumerate(map(set, missing)):
        for records in journal.fits(arm, simulations):
            reports.fits(arm, [one for one in records if one.simulation not in again])


@contextmanager
def _alongside(work: Callable[[], None]) -> Generator[None]:
    """Do some work in a thread; what ends the body by an error does not wait for it."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join()


def decided(
    run: Run,
    folder: Path,
    *,
    watch: Callable[[int, Sequence[FitRecord]], bool],
    where: Where | None = None,
    progress: bool = True,
    fresh: bool = False,
    given: str | os.PathLike[str] | None = None,
) -> None:
    """Fit all arms of a run in turn, each until it is decided; safe to interrupt and repeat.

    Parameters
    ----------
    run, folder, where, progress, fresh, given
        As of `hiercal.run`; each arm has at most ``run.simulations`` fits.
    watch : callable
        Is given the number of an arm and records of fits of it, those of earlier runs first, and
        returns whether it is decided.

    Raises
    ------
    JournalError, RunError
        As of `hiercal.run`.
    ValueError
        If workers are to write parts.
    """
    if where is not None and where.parts:
        raise ValueError("a check looks at each fit as it comes in; leave parts out")
    reports = reporter(progress)
    where = _where(run, where, reports)
    opening = opened(run, folder, reports, fresh=fresh, given=given, looks=True)
    with storing(folder), opening as journal:
        missing = _missing(run, journal, where, reports)
        for arm, simulations in enumerate(missing):
            again = set(simulations)
            for records in journal.fits(arm, run.simulations):
                if watch(arm, [one for one in records if one.simulation not in again]):
                    simulations.clear()
                    break
        if any(missing):
            plan = Plan(missing, calls=_calls(run), in_turn=True)
            fit_missing(run, journal, folder, plan, where, reports, watch=watch)


@contextmanager
def opened(
    run: Run,
    folder: Path,
    reports: Progress,
    *,
    fresh: bool,
    given: str | os.PathLike[str] | None,
    unseen: Sequence[str] = (),
    looks: bool = False,
) -> Generator[Journal]:
    """The journal of a run in its folder, with a manifest beside it; `looks` need no warning."""
    names = ranked(run.arms, run.recording)
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with Journal(folder / JOURNAL, verify=not fresh) as journal:
        if fresh:
            journal.clear()
            remove_run(folder)
        if dropped := journal.claim(run.digest, run.describe(), names):
            reports.note(f"{dropped} failed fits by earlier code are dropped; none had succeeded.")
        if journal.renewed:
            reports.note(
                f"{folder / JOURNAL} is of an earlier version of hiercal, which could not see "
                "damage; its fits are taken as they are, and have checksums from now on."
            )
        _adopt(run, journal)
        if lost := restored(folder, journal):
            reports.note(f"{lost}; it is made again from the journal.")
        if not looks and _extends(folder, run):
            reports.note(OPTIONAL_STOPPING)
        if changed := write_manifest(
            folder, run, journal, complete=False, given=given, unseen=unseen
        ):
            reports.note(
                "Machine or versions differ from those that began this run: "
                f"{', '.join(changed)}. Both are in manifest.json."
            )
        yield journal


def outcomes(
    run: Run, plan: Plan, executor: Executor, places: Sequence[Place] | None = None
) -> Iterator[Outcome]:
    """Fit what is planned of each arm, batch by batch, until it is done or the caller stops.

    An arm whose fitter cannot be prepared, or that is given up, has an outcome with the error.
    With `places`, of each arm, what comes of a batch is written as a part there.
    """
    for outcome in executor.run(run.arms, run.recording, plan, places):
        if outcome.error is None:
            plan.observe(outcome)
        else:
            plan.drop(outcome.batch.arm)
        yield outcome


def _extends(folder: Path, run: Run) -> bool:
    """Whether verdicts on fewer simulations could have been looked at."""
    if not begun(folder):
        return False
    tables = read_manifest(folder).get("made_of", {}).get("tables")
    return tables is not None and tables < run.simulations


def _where(run: Run, where: Where | None, reports: Progress) -> Where:
    """Where it is fitted: in this process if the draws are there already."""
    if not any(isinstance(story, BringsDraws) for story in run.stories):
        return where or Where()
    if where is not None and where != Where(workers=0):
        reports.note("Draws made elsewhere are ranked in this process, without workers.")
    return Where(workers=0)  # the arrays would travel with every batch


def _missing(run: Run, journal: Journal, where: Where, reports: Progress) -> list[list[int]]:
    """Simulations of each arm that are still to be fitted, or again with more time than before."""
    missing = [set(range(run.simulations)) - journal.done(i) for i, _ in enumerate(run.arms)]
    if where.fit_seconds is not None:
        seconds = where.fit_seconds or math.inf
        again = [journal.timed_out(i, run.simulations, seconds) for i, _ in enumerate(run.arms)]
        if n := sum(map(len, again)):
            reports.note(f"{words.count(n, 'fit')} that ran into a shorter time limit: made again.")
        missing = [some | more for some, more in zip(missing, again, strict=True)]
    return [sorted(simulations) for simulations in missing]


def _adopt(run: Run, journal: Journal) -> None:
    """Take parts in that were written when this process could not be told any more."""
    for i, arm in enumerate(run.arms):
        for part in journal.parts.strays(journal.parts.place(run.digest, i)):
            if journal.done(i).isdisjoint(part.fits["simulation"].tolist()):
                journal.add(i, [], arm.story_label, parts=[part])


def _calls(run: Run) -> list[int]:
    """Fits that are made in one call, of each arm."""
    return [arm.fitter.at_once for arm in run.arms]


def _wanted_draws(run: Run, journal: Journal) -> list[tuple[int, str]]:
    """Arms and data whose draws are to be kept for figures and are not yet."""
    return [
        (i, data)
        for i, arm in enumerate(run.arms)
        for data in draws_kept(arm, run.seed, run.simulations)
        if data not in journal.draws_kept(i)
    ]


def _places(run: Run, journal: Journal) -> list[Place]:
    """Where the parts of each arm are written."""
    journal.parts.open()
    return [journal.parts.place(run.digest, i) for i, _ in enumerate(run.arms)]


def fit_missing(
    run: Run,
    journal: Journal,
    folder: Path,
    plan: Plan,
    where: Where,
    progress: Progress,
    *,
    wanted_draws: Sequence[tuple[int, str]] = (),
    watch: Callable[[int, Sequence[FitRecord]], bool] = lambda arm, records: False,
) -> None:
    """Fit what is planned into the journal; a RunError at the end for arms that were left.

    An arm is left once `watch`, which is given its records as they come in, returns True.
    """
    arms = run.arms
    broken: dict[int, str] = {}
    places = _places(run, journal) if where.parts else None
    with progress, where.executor(progress.note) as executor:
        tallies = [Tally(*journal.tally(i, run.simulations)) for i in range(len(arms))]
        progress.start([arm.label for arm in arms], tallies, run.simulations)
        try:
            for outcome in outcomes(run, plan, executor, places):
                i, fitted = outcome.batch.arm, outcome.fitted
                if outcome.error is not None:
                    broken[i] = outcome.error
                    continue
                journal.add(i, fitted.records, arms[i].story_label, fitted.kept, fitted.parts)
                stop_if_asked()
                progress.fits(i, fitted.records)
                tallies[i].add(fitted.fits)
                progress.update(i, tallies[i])
                if watch(i, fitted.records):
                    plan.drop(i)
            for i, data in wanted_draws:
                if i in broken:
                    continue
                try:
                    arrays = executor.call(funnel_draws, arms[i], run.seed, data)
                except WorkerDied as error:
                    arrays = NO_DRAWS
                    progress.note(f"{arms[i].label}: no draws of {data} for the figure: {error}")
                journal.keep_draws(i, data, arrays)
        finally:
            limits = {arm.label: executor.limits.of(arm.label) for arm in arms}
            noted_limits(folder, limits)
    if broken:
        raise RunError(
            "some arms could not be fitted\n  "
            + "\n  ".join(broken.values())
            + f"\nAll other fits are in {folder}; put this right and run the same command to go on"
        )
