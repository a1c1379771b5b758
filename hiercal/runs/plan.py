"""What is still to be fitted, cut into batches that suit the workers."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence

from hiercal.runs.batches import Batch, Outcome

BATCH_SECONDS, SHORTEST_SECONDS = 1.0, 0.1
"""What a batch takes, unless there are many workers; and at the end of a run, when it is shared."""
TASKS_A_SECOND = 200.0
"""Batches that come back in a second from all workers together: a scheduler keeps up with these."""
FIRST_BATCH, LARGEST_BATCH = 4, 1000
FEW = 100
"""Fits of an arm that are left to the worker that has compiled it, until their time is known."""
ANOTHER_SECONDS = 5.0
"""Seconds that the rest of an arm must take for another worker to compile it too."""


class Plan:
    """What is still to be fitted, cut into batches that take about a second each.

    With more workers than `TASKS_A_SECOND` batches take longer, so that no more come back. Towards
    the end they are shorter, so that the workers end together.

    Parameters
    ----------
    missing : list of list of int
        Simulations of each arm.
    kinds : sequence
        What arms have to be equal in to share what a worker imports; by default, nothing.
    calls : sequence of int
        Fits that each arm's fitter makes in one call, which a batch does not divide; by default 1.
    in_turn : bool
        A batch of each arm in turn, not one arm after another.

    Attributes
    ----------
    at_once : int
        How many batches are fitted at the same time; whoever sends them says so.
    """

    def __init__(
        self,
        missing: list[list[int]],
        *,
        kinds: Sequence[object] = (),
        calls: Sequence[int] = (),
        in_turn: bool = False,
    ) -> None:
        self._missing = [deque(ids) for ids in missing]
        self._kinds = list(kinds) or list(range(len(missing)))
        self._calls = list(calls) or [1] * len(missing)
        self._compiled: dict[str, set[int]] = {}
        self._seconds_per_fit: dict[int, float] = {}
        self._order = deque(range(len(missing)))
        self._in_turn = in_turn
        self.at_once = 1

    def next(self, worker: str | None = None) -> Batch | None:
        """The next batch, or None if there is none; for a worker, one that it has best use of."""
        for arm in self._arms(worker):
            if ids := self._missing[arm]:
                if worker is not None:
                    self._compiled.setdefault(worker, set()).add(arm)
                calls = math.ceil(self._size(arm) / self._calls[arm])
                size = min(calls * self._calls[arm], len(ids))
                return Batch(arm, tuple(ids.popleft() for _ in range(size)))
        return None

    def _size(self, arm: int) -> int:
        """How many fits of an arm a batch is to have, if there are as many."""
        per_fit = self._seconds_per_fit.get(arm)
        if per_fit is None:
            return FIRST_BATCH if len(self._missing[arm]) > FEW else 1
        least = self.at_once / TASKS_A_SECOND
        seconds = max(BATCH_SECONDS, least)
        largest = int(LARGEST_BATCH * seconds / BATCH_SECONDS)
        if self.at_once > 1:
            share = self._seconds_left() / (2 * self.at_once)
            seconds = min(seconds, max(share, SHORTEST_SECONDS, least))
        return min(max(int(seconds / per_fit), 1), largest)

    def _seconds_left(self) -> float:
        """Seconds that one worker would take for all that is not handed out."""
        return sum(
            len(ids) * self._seconds_per_fit.get(arm, math.inf)
            for arm, ids in enumerate(self._missing)
            if ids
        )

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
        fitted = outcome.fitted
        if fitted and fitted.seconds:
            new = max(fitted.seconds / len(fitted), 1e-6)
            old = self._seconds_per_fit.get(outcome.batch.arm, new)
            # a first fit may compile: what is faster is believed at once
            self._seconds_per_fit[outcome.batch.arm] = min(new, (old + new) / 2)

    def drop(self, arm: int) -> None:
        """Leave out the rest of an arm."""
        self._missing[arm].clear()
