"""Evidence of the ranks of a finished run, simulation by simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hiercal.sbc.gamma import gamma_path
from hiercal.sbc.mixing import MAX_LOW_ESS
from hiercal.sbc.sequential import family_log_e, rank_log_e_path

if TYPE_CHECKING:
    from hiercal.runs.result import Result

ALPHA = 0.001
"""Family-wise level of the threshold."""


@dataclass(frozen=True)
class Paths:
    """E-values and gamma by arm.

    Attributes
    ----------
    log_e : dict of str to ndarray
        Log e-value after each simulation, the mean over the quantities.
    gamma : dict of str to (n, log10 ratio)
        Of the quantity whose last value is the least.
    failed : int
        Failed fits of the arm that has most of them.
    """

    log_e: dict[str, np.ndarray]
    gamma: dict[str, tuple[np.ndarray, np.ndarray]]
    failed: int


def evidence_paths(result: Result, arms: Sequence[str], quantities: Sequence[str]) -> Paths:
    """E-values of the ranks of some quantities, as `hiercal check` has them, and gamma.

    Of a quantity whose fits often have fewer effective draws than are ranked, the e-value is the
    lesser one of plain and of effective ranks: autocorrelation alone is no evidence of an error.
    A failed fit counts as the least evidence that its rank could have been; gamma leaves it out.
    """
    columns = ("simulation", "status", "rank", "rank_effective", "max_rank", "ess_bulk")
    log_e: dict[str, list[np.ndarray]] = {arm: [] for arm in arms}
    gammas: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {arm: [] for arm in arms}
    failed = 0
    for arm, _, cell in result.cells(*columns, arms=list(arms), quantities=list(quantities)):
        cell = cell.sort_values("simulation")
        done = (cell["status"] == "ok").to_numpy()
        failed = max(failed, int((~done).sum()))
        if not done.any():
            continue
        max_rank = int(cell["max_rank"].dropna().iloc[0])
        plain, effective = (
            rank_log_e_path(_ranks(cell[name], done), max_rank, least=True)
            for name in ("rank", "rank_effective")
        )
        low = np.cumsum(done & ~(cell["ess_bulk"] >= max_rank).to_numpy(bool))
        often = low > MAX_LOW_ESS * np.maximum(np.cumsum(done), 1)
        log_e[arm].append(np.where(often, np.minimum(plain, effective), plain))
        used = "rank_effective" if often[-1] else "rank"
        gammas[arm].append(gamma_path(_ranks(cell[used], done)[done], max_rank))
    return Paths(
        {arm: family_log_e(np.stack(each, axis=-1)) for arm, each in log_e.items() if each},
        {
            arm: min(known, key=lambda path: path[1][-1])
            for arm, each in gammas.items()
            if (known := [path for path in each if len(path[0])])
        },
        failed,
    )


def _ranks(column, done: np.ndarray) -> np.ndarray:
    """Ranks, -1 where there is none."""
    ranks = column.to_numpy(dtype=float, na_value=np.nan)
    return np.where(done & np.isfinite(ranks), ranks, -1).astype(np.int64)
