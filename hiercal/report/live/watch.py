"""What a run that goes on tells: progress, failures, and evidence that may be looked at any time.

The driver only hands over what it has anyway. Counting and betting is done by whoever serves the
page, so that a run is not held up. No p-value and no verdict is made of an unfinished run: looking
at those again and again would raise their false-alarm rate.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from hiercal import words
from hiercal.report.page.render import fragment
from hiercal.runs.columns import FitRecord
from hiercal.runs.evidence import ArmEvidence
from hiercal.runs.progress import Clock, Progress, Tally, duration

ALPHA = 0.001
"""Family-wise level of the evidence: that of ``hiercal check``."""
MOST_NOTES = 20
EVERY = 2.0
"""Seconds at least between two looks at the evidence."""
RESTS = 20
"""Times as long as a look took that there is none after it: the driver has the processor then."""
DECIDED = "evidence of an error"
STARTING, RUNNING, WRITING, FINISHED, ENDED = "starting", "running", "writing", "finished", "ended"


class Watch(Progress):
    """Is told how a run gets on, and says so as a part of a page.

    Parameters
    ----------
    name : str
        Of the run.
    max_rank : int
        L.
    parts : bool
        Whether workers keep the fits to themselves: then there is no evidence until the end.
    by_design : collection of str
        Arms whose ranks are not uniform even for a right sampler, which are not bet against.
    """

    def __init__(
        self, name: str, max_rank: int, *, parts: bool = False, by_design: Collection[str] = ()
    ) -> None:
        self.name = name
        self.takes_fits = not parts
        self.state = STARTING
        self.message = ""
        self.report = ""
        self._max_rank, self._parts, self._by_design = max_rank, parts, by_design
        self._lock = threading.Lock()
        self._new: deque[tuple[int, Sequence[FitRecord]]] = deque()
        self._evidence: list[ArmEvidence] = []
        self._rows: list[dict[str, str]] = []
        self._trouble = ""
        self._notes: deque[str] = deque(maxlen=MOST_NOTES)
        self._labels: list[str] = []
        self._tallies: list[Tally] = []
        self._total = 0
        self._clock = Clock(0)
        self._next = 0.0

    def ranks(self, arms: Sequence[tuple[str, Sequence[str]]]) -> None:
        threshold = float(np.log(len(arms) / ALPHA))
        with self._lock:
            self._evidence = [
                ArmEvidence(label, tuple(names), self._max_rank, threshold, stepwise=False)
                for label, names in arms
            ]

    def fits(self, arm: int, records: Sequence[FitRecord]) -> None:
        self._new.append((arm, records))

    def start(self, labels: Sequence[str], tallies: Sequence[Tally], total: int) -> None:
        with self._lock:
            self._labels, self._total = list(labels), total
            self._tallies = [Tally(each.done, each.failed, each.divergent) for each in tallies]
            self._clock = Clock(sum(each.done for each in tallies))
            self.state = RUNNING

    def update(self, arm: int, tally: Tally) -> None:
        with self._lock:
            self._tallies[arm] = Tally(tally.done, tally.failed, tally.divergent)
            self._clock.rate(self._done)

    def note(self, text: str) -> None:
        self._notes.append(text)

    def stop(self) -> None:
        self.state = WRITING

    def finish(self, report: str) -> None:
        """The run has ended, and this is its page."""
        self.report, self.state = report, FINISHED

    def end(self, message: str) -> None:
        """The run has ended without a page, and why."""
        self.message, self.state = message, ENDED

    def look(self) -> None:
        """Count what has come in, and bet on it, unless that was done just now.

        To be called often, by one thread alone.
        """
        if (now := time.monotonic()) < self._next:
            return
        try:
            self._count()
            if not self._parts:
                self._rows = [
                    _by_design(each) if each.label in self._by_design else _row(each)
                    for each in self._evidence
                    if each.simulations
                ]
        except Exception as error:
            # a page that cannot say all ends no run
            self._trouble = words.reason(error)
        self._next = time.monotonic() + max(EVERY, RESTS * (time.monotonic() - now))

    def _count(self) -> None:
        while self._new:
            arm, records = self._new.popleft()
            if self._evidence:
                self._evidence[arm].add(records)

    def shown(self) -> dict[str, Any]:
        """The state, and the part of the page that changes, as HTML."""
        with self._lock:
            done, total = self._done, self._total * len(self._labels)
            rate = self._clock.rate(done) if self._tallies else 0.0
            arms = [
                {
                    "name": label,
                    "done": tally.done,
                    "failed": tally.failed,
                    "divergent": tally.divergent,
                    "all_failed": 0 < tally.done == tally.failed,
                }
                for label, tally in zip(self._labels, self._tallies, strict=True)
            ]
        left = (
            f"{rate:.3g} fits a second, about {duration((total - done) / rate)} left"
            if rate and done < total
            else ""
        )
        state = self.state
        html = fragment(
            "live_part.html",
            state=state,
            message=self.message,
            arms=arms,
            each=self._total,
            done=done,
            total=total,
            left=left,
            evidence=self._rows,
            decided=DECIDED,
            decides=f"{len(self._evidence) / ALPHA:,.0f}",
            alpha=f"{100 * ALPHA:g} %",
            parts=self._parts,
            trouble=self._trouble,
            notes=list(self._notes),
            at=time.strftime("%H:%M:%S"),
        )
        return {"state": state, "html": html}

    @property
    def _done(self) -> int:
        return sum(each.done for each in self._tallies)


def _row(arm: ArmEvidence) -> dict[str, str]:
    """What the evidence on an arm has grown to."""
    now = arm.look()
    of_ranks = arm.of_ranks()
    strongest = int(np.argmax(of_ranks))
    return {
        "name": arm.label,
        "e": words.e_value(now / np.log(10)),
        "quantity": arm.quantities[strongest],
        "says": DECIDED if arm.rejected else "not decided",
        **_counts(arm),
    }


def _by_design(arm: ArmEvidence) -> dict[str, str]:
    """A line for an arm whose ranks say nothing."""
    return {
        "name": arm.label, "e": "-", "quantity": "-", "says": "ranks are not uniform by design",
        **_counts(arm),
    }  # fmt: skip


def _counts(arm: ArmEvidence) -> dict[str, str]:
    return {"simulations": str(arm.simulations), "failed": str(arm.failed)}
