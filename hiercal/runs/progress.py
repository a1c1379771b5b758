"""Progress of a run on a terminal or in a log."""

from __future__ import annotations

import contextlib
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from hiercal.runs.columns import FitRecord

FIRST_NOTE = 60.0
"""Seconds without a result after which the user is told what is waited for."""
MOST_NAMED = 4
"""Fits that are named then."""


@dataclass
class Tally:
    """Fits of one arm so far, those journalled by earlier runs included."""

    done: int = 0
    failed: int = 0
    divergent: int = 0

    def add(self, fits: np.ndarray) -> None:
        """Count a batch, of `hiercal.runs.parts.FITS`."""
        self.done += len(fits)
        self.failed += int(fits["failed"].sum())
        self.divergent += int(fits["divergent"].sum())


class Progress(ABC):
    """Told how a run gets on; a context manager around ``start`` and what follows.

    Attributes
    ----------
    takes_fits : bool
        Whether it is to be given the fits themselves, those of earlier runs first.
    """

    takes_fits = False

    def ranks(self, arms: Sequence[tuple[str, Sequence[str]]]) -> None:
        """Label and quantities of each arm, before any of its fits."""
        return

    def fits(self, arm: int, records: Sequence[FitRecord]) -> None:
        """Fits of an arm as they come in; with parts, which workers write, there are none."""
        return

    @abstractmethod
    def start(self, labels: Sequence[str], tallies: Sequence[Tally], total: int) -> None:
        """Labels of the arms, what is done already, and how many fits each arm is to have."""

    @abstractmethod
    def update(self, arm: int, tally: Tally) -> None:
        """What is done now of one arm."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Something that the user should know while waiting."""

    @abstractmethod
    def stop(self) -> None:
        """The run has ended, well or not."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            self.stop()


def reporter(wanted: bool | Progress) -> Progress:
    """Bars on a terminal, lines elsewhere, or nothing; or one of one's own."""
    if isinstance(wanted, Progress):
        return wanted
    if not wanted:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()


class Waiting:
    """Says what is waited for while nothing comes back: after a minute, and ever more rarely.

    Where it has taken longer than a minute before, it first waits twice as long as then.

    Parameters
    ----------
    note : callable
        Is given each line.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note, self._longest = note, 0.0
        self._since, self._next = time.monotonic(), FIRST_NOTE

    def over(self) -> None:
        """Something has come back."""
        now = time.monotonic()
        self._longest = max(self._longest, now - self._since)
        self._since, self._next = now, max(FIRST_NOTE, 2 * self._longest)

    def tick(self, waited_for: Callable[[], Sequence[str]]) -> None:
        """Look whether it is time to say something; to be called every second or so."""
        waited = time.monotonic() - self._since
        if waited < self._next:
            return
        self._next *= 2
        each = waited_for()
        more = f"; and {n} more" if (n := len(each) - MOST_NAMED) > 0 else ""
        self._note(
            f"Nothing has come back for {duration(waited)}. Waiting for "
            f"{'; '.join(each[:MOST_NAMED])}{more}"
        )


class Silent(Progress):
    """Says nothing."""

    def start(self, labels: Sequence[str], tallies: Sequence[Tally], total: int) -> None:
        return

    def update(self, arm: int, tally: Tally) -> None:
        return

    def note(self, text: str) -> None:
        return

    def stop(self) -> None:
        return


class Together(Progress):
    """Tells several.

    Parameters
    ----------
    each : Progress
    """

    def __init__(self, *each: Progress) -> None:
        self._each = each
        self.takes_fits = any(one.takes_fits for one in each)

    def ranks(self, arms: Sequence[tuple[str, Sequence[str]]]) -> None:
        for one in self._each:
            one.ranks(arms)

    def fits(self, arm: int, records: Sequence[FitRecord]) -> None:
        for one in self._each:
            one.fits(arm, records)

    def start(self, labels: Sequence[str], tallies: Sequence[Tally], total: int) -> None:
        for one in self._each:
            one.start(labels, tallies, total)

    def update(self, arm: int, tally: Tally) -> None:
        for one in self._each:
            one.update(arm, tally)

    def note(self, text: str) -> None:
        for one in self._each:
            one.note(text)

    def stop(self) -> None:
        for one in self._each:
            one.stop()


class Bars(Progress):
    """A bar an arm: fits done, rate, time left, failures, fits with divergences."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress
        from rich.table import Column

        self._rich = RichProgress(
            # labels come from files: brackets in them are no markup, and none is cut short
            TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold")),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>12}"),
            TextColumn("{task.fields[left]:>9}"),
            TextColumn("[red]{task.fields[failed]}"),
            TextColumn("[yellow]{task.fields[divergent]}"),
            console=Console(stderr=True),
        )

    def start(self, labels: Sequence[str], tallies: Sequence[Tally], total: int) -> None:
        self._total = total * len(labels)
        self._arms = [Clock(tally.done) for tally in tallies]
        self._all = Clock(sum(tally.done for tally in tallies))
        self._tallies = list(tallies)
        blank: dict[str, Any] = {"rate": "", "left": "", "failed": "", "divergent": ""}
        self._tasks = [
            self._rich.add_task(label, total=total, completed=tally.done, **blank)
            for label, tally in zip(labels, tallies, strict=True)
        ]
        self._sum = self._rich.add_task("all arms", total=self._total, **blank)
        self._show(self._sum, self._all, self._whole(), self._total)
        self._rich.start()

    def update(self, arm: int, tally: Tally) -> None:
        self._tallies[arm] = tally
        total = self._total // len(self._tallies)
        self._show(self._tasks[arm], self._arms[arm], tally, total)
        self._show(self._sum, self._all, self._whole(), self._total)

    def note(self, text: str) -> None:
        self._rich.console.print(text, markup=False, emoji=False, highlight=False)

    def _whole(self) -> Tally:
        each = self._tallies
        return Tally(
            sum(t.done for t in each), sum(t.failed for t in each), sum(t.divergent for t in each)
        )

    def _show(self, task: Any, clock: Clock, tally: Tally, total: int) -> None:
        rate = clock.rate(tally.done)
        left = (total - tally.done) / rate if rate else None
        self._rich.update(
            task,
            completed=tally.done,
            rate=f"{rate:.3g} fits/s" if rate else "",
            left=f"{duration(left)} left" if left is not None else "",
            failed=f"{tally.failed} failed" if tally.failed else "",
            divergent=f"{tally.divergent} diverged" if tally.divergent else "",
        )

    def stop(self) -> None:
        self._rich.stop()


class Lines(Progress):
    """A line every few seconds, for logs."""

    def __init__(self, every: float = 10.0) -> None:
        self._every = every

    def start(self, labels: Sequence[str], tallies: Sequence[Tally], total: int) -> None:
        self._labels, self._tallies = list(labels), list(tallies)
        self._total = total * len(labels)
        self._clock = Clock(sum(tally.done for tally in tallies))
        self._next = time.monotonic() + self._every

    def update(self, arm: int, tally: Tally) -> None:
        self._tallies[arm] = tally
        done = sum(t.done for t in self._tallies)
        rate = self._clock.rate(done)
        if time.monotonic() < self._next and done < self._total:
            return
        self._next = time.monotonic() + self._every
        speed = f"{rate:.3g} fits/s, {duration((self._total - done) / rate)} left, " if rate else ""
        self.note(
            f"{done} of {self._total} fits ({self._labels[arm]}), {speed}"
            f"{sum(t.failed for t in self._tallies)} failed, "
            f"{sum(t.divergent for t in self._tallies)} with divergences"
        )

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def stop(self) -> None:
        return


class Clock:
    """Fits a second since the first batch came back: the wait for it is mostly compiling."""

    def __init__(self, done: int) -> None:
        self._done, self._first = done, None

    def rate(self, done: int) -> float:
        """Rate at which fits have come since; 0 while unknown."""
        if self._first is None:
            if done > self._done:
                self._done, self._first = done, time.monotonic()
            return 0.0
        return max(done - self._done, 0) / max(time.monotonic() - self._first, 1e-9)


def duration(seconds: float) -> str:
    """Minutes and seconds, or hours too.

    Examples
    --------
    >>> duration(75), duration(3600)
    ('1:15', '1:00:00')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
