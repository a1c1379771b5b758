"""Evidence that goes on from one session to the next, as long as what it is of stays the same.

What is carried is the state of the martingales, not their product. Of ranks: how often each
occurred, since `rank_log_e` depends on nothing else. Of differences from the exact posterior: the
log wealth of each single bet, whose factors multiply over fits. So the evidence after several
sessions is, to rounding, that of one session with all their simulations, and Ville's inequality
holds over all of them: a right sampler is ever called miscalibrated with probability at most alpha
for each key. The key is a hash of the test, story, fitter, options, code, versions and alpha; any
change of it starts anew, with the whole alpha again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import logsumexp

from hiercal.errors import RunError
from hiercal.runs.columns import FitRecord
from hiercal.runs.engine import decided
from hiercal.runs.evidence import EFFECTIVE, RANK, ArmEvidence
from hiercal.runs.executors import Where
from hiercal.runs.full_disk import told
from hiercal.runs.manifest import write_sealed
from hiercal.runs.record import ranked
from hiercal.runs.run import Run
from hiercal.runs.seals import Damaged, unsealed
from hiercal.sbc.sequential import FUNCTIONALS, difference_wealth
from hiercal.simulators._capabilities import Numbered

LAYOUT = 1
N_BETS = 8


class CannotCarry(ValueError):
    """Evidence that cannot be carried on; the message says why."""


@dataclass(eq=False)
class Continued(ArmEvidence):
    """Evidence against one arm that goes on from that of earlier sessions.

    ``path`` is of this session alone; ``simulations``, ``failed`` and all evidence are of all.
    """

    earlier: int = 0
    sessions: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.wealth = np.zeros((len(self.quantities), len(FUNCTIONALS), N_BETS))
        self.known = np.zeros((len(self.quantities), len(FUNCTIONALS)), dtype=bool)

    @property
    def simulations(self) -> int:
        """Simulations that the evidence is of, those of earlier sessions included."""
        return self.earlier + self._taken

    @property
    def compares(self) -> bool:
        """Whether any draws were ever held against an exact posterior."""
        return bool(self.known.any()) or super().compares

    @property
    def rejected(self) -> bool:
        """Whether the evidence has decided against the arm, now or in an earlier session."""
        return self.settled or super().rejected

    def add(self, records: Sequence[FitRecord]) -> bool:
        """As of `ArmEvidence`; the numbers of the simulations are this session's."""
        return super().add(
            [dataclasses.replace(one, simulation=one.simulation + self.earlier) for one in records]
        )

    def of_exact(self) -> np.ndarray:
        """Log e-value of each quantity's differences from the exact posterior, (n_q, 4)."""
        wealth, known = self._all_wealth()
        log_e = logsumexp(wealth, axis=-1) - np.log(N_BETS)
        return np.where(known, log_e, np.nan)

    def _all_wealth(self) -> tuple[np.ndarray, np.ndarray]:
        if not self._scores:
            return self.wealth, self.known
        means, ess = np.split(np.stack(self._scores), [len(FUNCTIONALS)], axis=-1)
        known = self.known | np.isfinite(means).any(axis=0)
        return self.wealth + difference_wealth(means, ess)[-1], known

    @property
    def settled(self) -> bool:
        """Whether the evidence of earlier sessions has decided."""
        return bool(self.sessions) and self.sessions[-1]["log_e"] >= self.threshold

    def state(self, key: str, seed: int) -> dict[str, Any]:
        """What the next session needs, as plain data."""
        wealth, known = self._all_wealth()
        this = {"seed": seed, "simulations": self._taken, "log_e": self.path[-1]}
        return {
            "layout": LAYOUT,
            "key": key,
            "quantities": list(self.quantities),
            "max_rank": self.max_rank,
            "sessions": [*self.sessions, this],
            "errors": self.errors,
            "counts": self._counts[RANK].astype(int).tolist(),
            "effective": self._counts[EFFECTIVE].astype(int).tolist(),
            "low_ess": self._low_ess.tolist(),
            "wealth": wealth.tolist(),
            "known": known.tolist(),
        }

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Take the evidence of earlier sessions."""
        self.sessions = list(state["sessions"])
        self.earlier = sum(one["simulations"] for one in self.sessions)
        self.errors |= state["errors"]
        self._counts[RANK] += np.array(state["counts"])
        self._counts[EFFECTIVE] += np.array(state["effective"])
        self._low_ess += np.array(state["low_ess"])
        self.wealth += np.array(state["wealth"])
        self.known |= np.array(state["known"])


def key_of(run: Run, alpha: float, test: str) -> str:
    """Hash of all that the evidence is of: everything but the seed."""
    told = {key: value for key, value in run.describe().items() if key != "seed"}
    text = json.dumps([told, alpha, test], sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def go_on(
    run: Run, out: Path, storage: Path, *, alpha: float, test: str, fresh: bool = False
) -> Continued:
    """`hiercal.runs.evidence.decide` of one arm, from where earlier sessions left it.

    The state is kept in ``<storage>/carried/<key>.json`` and written when the check has ended, so
    that a session that was killed counts nothing. Simulations of a seed that is part of the
    evidence already would count twice: nothing is fitted then, and the evidence stays as it was.

    Parameters
    ----------
    run : Run
        With one arm.
    out : Path
        Folder of this session's fits.
    storage : Path
    alpha : float
    test : str
        What tells two tests of the same story and fitter apart.
    fresh : bool
        As of `hiercal.run`.

    Returns
    -------
    Continued
        Its ``path`` is empty if nothing was fitted.

    Raises
    ------
    CannotCarry
        If the story's simulations are the same whatever the seed, or the state is damaged.
    RunError
        If it cannot be written.
    """
    (arm,) = run.arms
    if isinstance(arm.story, Numbered):
        raise CannotCarry(
            f"story {arm.story.name} has its own simulations, the same in each session; leave "
            "--calibration-carry out for it"
        )
    key = key_of(run, alpha, test)
    path = storage / "carried" / f"{key}.json"
    ((label, quantities),) = ranked(run.arms, run.recording)
    found = Continued(label, quantities, run.max_rank, float(np.log(1 / alpha)))
    if path.exists():
        try:
            state = unsealed(path.read_bytes(), path)
        except Damaged as error:
            raise CannotCarry(f"{error}; restore it, or remove it to start anew") from None
        if state.get("layout") != LAYOUT or state["quantities"] != list(quantities):
            raise CannotCarry(f"{path} is of another version; remove it to start anew")
        found.go_on(state)
    if found.settled or run.seed in {one["seed"] for one in found.sessions}:
        return found

    def watch(_: int, records: Sequence[FitRecord]) -> bool:
        return found.add(records)

    decided(run, out, watch=watch, where=Where(workers=0), progress=False, fresh=fresh)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(path, found.state(key, run.seed))
    except OSError as error:
        if (message := told(error, storage)) is None:
            raise
        raise RunError(
            f"{message}. The evidence of this session is not carried on; by it and that of earlier "
            f"sessions: {found.verdict}"
        ) from error
    return found
