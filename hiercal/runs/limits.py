"""How long a fit may take, and how much memory its process may hold."""

from __future__ import annotations

import math
from pathlib import Path

LEAST, TIMES = 300.0, 200.0
"""By default a fit may take 5 minutes, or 200 times the slowest so far of its arm if that is more.

NUTS takes at most 1,023 steps a draw, 146 times those of a tree of depth 3.
"""
FIRST = 6 * 3600.0
"""Seconds that a fit may take by default before any fit of its arm has been completed."""
MEMORY_OF_GROUP = Path("/sys/fs/cgroup/memory.max")


class TimeLimits:
    """The time limit of each arm's fits, in seconds.

    Parameters
    ----------
    fit_seconds : float or None
        The same for all arms, 0 for none; None derives it from the fits that have come back.
    """

    def __init__(self, fit_seconds: float | None) -> None:
        self._given = fit_seconds
        self._slowest: dict[str, float] = {}

    def observe(self, arm: str, seconds: float) -> None:
        """Take account of the slowest of some completed fits of an arm, by its label."""
        self._slowest[arm] = max(self._slowest.get(arm, -math.inf), seconds)

    def of(self, arm: str, fits: int = 1) -> float:
        """The limit of so many fits of an arm made at once; it only grows while fits come back."""
        if self._given is not None:
            return self._given * fits or math.inf
        slowest = self._slowest.get(arm, -math.inf)
        return FIRST if slowest < 0 else max(LEAST, TIMES * slowest * fits)


def share_of_memory(n_workers: int) -> float:
    """Bytes of memory that each of the workers may hold by default."""
    import psutil

    total = psutil.virtual_memory().total
    if (
        MEMORY_OF_GROUP.is_file()
        and (limit := MEMORY_OF_GROUP.read_text(encoding="utf-8").strip()).isdigit()
    ):
        total = min(total, int(limit))
    return total / n_workers


def parsed_bytes(memory: float | str) -> float:
    """Bytes of memory; a ValueError if it is none."""
    from dask.utils import parse_bytes

    try:
        size = parse_bytes(memory)
    except ValueError:
        size = -1
    if size < 0:
        raise ValueError(
            f"worker_memory is {memory!r}; give bytes, text such as '4 GB', or 0 for no limit"
        )
    return size or math.inf
