"""Evidence on the arms of a run, which grows with each fit until it decides."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.compared import WIDTH
from hiercal.runs.engine import decided
from hiercal.runs.executors import Where
from hiercal.runs.record import ranked
from hiercal.runs.run import Run
from hiercal.sbc.mixing import MAX_LOW_ESS
from hiercal.sbc.sequential import FUNCTIONALS, difference_log_e, family_log_e, rank_log_e

RANK, EFFECTIVE, _BULK = (COLUMNS.index(c) for c in ("rank", "rank_effective", "ess_bulk"))


@dataclass(eq=False)
class ArmEvidence:
    """Evidence against one arm, simulation by simulation in order.

    Attributes
    ----------
    label : str
    quantities : tuple of str
    max_rank : int
    threshold : float
        Log e-value at which the arm is called miscalibrated: log of arms over alpha.
    path : list of float
        Log e-value of the arm after each simulation.
    simulations : int
        Those that the evidence is of.
    failed : int
        Fits without a rank.
    errors : dict of str to int
        How often each error came.
    stepwise : bool
        Whether the path has each simulation. If not, it has one value for each `look`, of ranks
        alone, which costs little however many fits there are.
    """

    label: str
    quantities: tuple[str, ...]
    max_rank: int
    threshold: float
    path: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    stepwise: bool = True

    def __post_init__(self) -> None:
        shape = (len(self.quantities), self.max_rank + 1)
        self._counts = {RANK: np.zeros(shape), EFFECTIVE: np.zeros(shape)}
        self._low_ess = np.zeros(len(self.quantities))
        self._scores: list[np.ndarray] = []
        self._waiting: dict[int, FitRecord] = {}
        self._taken = 0
        self.divergent = 0
        self.steps = 0
        self.seconds = 0.0

    @property
    def simulations(self) -> int:
        """Simulations that the evidence is of."""
        return self._taken

    @property
    def failed(self) -> int:
        """Fits without a rank."""
        return sum(self.errors.values())

    @property
    def rejected(self) -> bool:
        """Whether the evidence has decided against the arm."""
        return bool(self.path) and self.path[-1] >= self.threshold

    @property
    def compares(self) -> bool:
        """Whether any draws were held against an exact posterior."""
        return any(np.isfinite(one).any() for one in self._scores)

    @property
    def verdict(self) -> Literal["miscalibrated", "no evidence", "undecided"]:
        """Undecided where failed fits could have made the evidence, or there is no fit at all."""
        if self.rejected:
            return "miscalibrated"
        if self.failed == self.simulations or self._family(high=True) >= self.threshold:
            return "undecided"
        return "no evidence"

    def add(self, records: Sequence[FitRecord]) -> bool:
        """Take records in any order; each counts once all before it have; whether it is decided."""
        self._waiting |= {one.simulation: one for one in records}
        while not self.rejected and (one := self._waiting.pop(self.simulations, None)) is not None:
            self._take(one)
        return self.rejected

    def look(self) -> float:
        """The log e-value of the arm now, which goes into the path."""
        if not self.rejected:
            self.path.append(self._family())
        return self.path[-1]

    def _take(self, record: FitRecord) -> None:
        self._taken += 1
        scores = np.full((len(self.quantities), WIDTH), np.nan)
        if record.error is not None:
            self.errors[record.error] = self.errors.get(record.error, 0) + 1
        else:
            for column, counts in self._counts.items():
                ranks = record.values[:, column].astype(int)
                counts[np.arange(len(ranks)), ranks] += 1
            self._low_ess += ~(record.values[:, _BULK] >= self.max_rank)
            if record.exact_scores is not None:
                scores = record.exact_scores
            self.divergent += record.divergences > 0
            self.steps += record.n_steps
            self.seconds += record.seconds
        if self.stepwise:
            self._scores.append(scores)
            self.path.append(self._family())

    def of_ranks(self, *, high: bool = False) -> np.ndarray:
        """Log e-value of each quantity's ranks, (n_quantities,); where ESS is often low, the lesser
        one of plain and of effective ranks."""
        at = 1 if high else 0
        plain, effective = (
            rank_log_e(counts, self.max_rank, self.failed)[at] for counts in self._counts.values()
        )
        completed = max(self.simulations - self.failed, 1)
        low = self._low_ess > MAX_LOW_ESS * completed
        return np.where(low, np.minimum(plain, effective), plain)

    @property
    def low_ess(self) -> np.ndarray:
        """Share of fits whose bulk ESS is below L, (n_quantities,)."""
        return self._low_ess / max(self.simulations - self.failed, 1)

    def of_exact(self) -> np.ndarray:
        """Log e-values of differences from the exact posterior, (n_quantities, 4)."""
        means, ess = np.split(np.stack(self._scores), [len(FUNCTIONALS)], axis=-1)
        known = np.isfinite(means).any(axis=0)
        return np.where(known, difference_log_e(means, ess)[-1], np.nan)

    def differences(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean over fits of each functional, its standard error, and the median ESS, (n_q, 4)."""
        means, ess = np.split(np.stack(self._scores), [len(FUNCTIONALS)], axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            n = np.isfinite(means).sum(axis=0)
            total = np.nansum(means, axis=0) / n
            spread = np.sqrt(np.nansum((means - total) ** 2, axis=0) / (n - 1) / n)
        middle = np.full(total.shape, np.nan)
        middle[n > 0] = np.nanmedian(ess[:, n > 0], axis=0)
        return total, spread, middle

    def _family(self, *, high: bool = False) -> float:
        """Log e-value of the arm: the mean of all its e-values, half of it each test's."""
        parts = [family_log_e(self.of_ranks(high=high))]
        if self.compares:
            parts.append(family_log_e(self.of_exact(), axis=None))
        return float(family_log_e(np.array(parts)))

    @property
    def counts(self) -> np.ndarray:
        """How often each rank occurred, (n_quantities, L + 1)."""
        return self._counts[RANK].astype(int)


def decide(
    run: Run,
    out: str | os.PathLike[str] | None = None,
    *,
    alpha: float = 0.001,
    where: Where | None = None,
    progress: bool = True,
    fresh: bool = False,
    given: str | os.PathLike[str] | None = None,
) -> list[ArmEvidence]:
    """Fit until the evidence decides against an arm, or ``run.simulations`` fits of it are made.

    The probability that any arm of a run is called miscalibrated though all are right is at most
    `alpha`, however often one looks and whenever one stops. Evidence is of ranks, and with
    ``compare_exact`` of differences from the exact posterior. The same call goes on with an
    interrupted run, and with a larger number of simulations with one that found no evidence.

    Parameters
    ----------
    run, out, where, progress, fresh, given
        As of `hiercal.run`.
    alpha : float
        Family-wise level over all arms and quantities.

    Returns
    -------
    list of ArmEvidence

    Raises
    ------
    ValueError
        If alpha is not inside (0, 1).
    JournalError, RunError
        As of `hiercal.run`.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha!r}; give a number inside (0, 1), such as 0.001")
    names = ranked(run.arms, run.recording)
    threshold = float(np.log(len(names) / alpha))
    each = [ArmEvidence(label, of_arm, run.max_rank, threshold) for label, of_arm in names]
    decided(
        run,
        Path(out) if out is not None else Path("results") / run.name,
        watch=lambda arm, records: each[arm].add(records),
        where=where,
        progress=progress,
        fresh=fresh,
        given=given,
    )
    return each
