"""What is recorded: one ordered table of columns for a fit, and one for its quantities.

The journal's layout, what is inserted and selected, the Parquet files and the documentation all
follow from these two.
"""

from __future__ import annotations

import math
from dataclasses import Field, dataclass, field, fields
from typing import Any

import numpy as np

QUANTITY = {
    "truth": "the true value",
    "rank": "rank of the truth among L thinned draws, 0 to L",
    "rank_effective": "its rank among as many draws as are effective, scaled to 0 to L",
    "mean": "posterior mean",
    "sd": "posterior standard deviation",
    "mcse_mean": "Monte Carlo standard error of the mean",
    "lower": "lower end of the central interval",
    "upper": "its upper end",
    "hdi_lower": "lower end of the interval of highest density",
    "hdi_upper": "its upper end",
    "ess_bulk": "bulk effective sample size",
    "ess_tail": "tail effective sample size",
    "r_hat": "rank-normalised split R-hat",
}
"""Numbers recorded for each quantity of a fit, and their meaning."""
COLUMNS = tuple(QUANTITY)


def _column(sql: str, meaning: str, dtype: str = "", width: int = 0) -> dict[str, Any]:
    """A column: its type in the journal, and of an array that of its numbers."""
    return {"sql": sql, "meaning": meaning, "dtype": dtype, "width": width}


@dataclass(frozen=True)
class FitRecord:
    """What is kept of one fit; its fields are the columns, in order.

    Arrays are kept as little-endian numbers: `values` has shape (n_quantities, len(COLUMNS)), of a
    failed fit only the truth is finite, of a failed simulation nothing is; `group_ranks`
    (max_rank + 1,) and `group_covariance` (4, 4) are of runs with ``groups="summary"`` only, and
    `exact_scores` (n_quantities, 8), NaN where there is no exact posterior, of those with
    ``compare_exact``.
    """

    simulation: int = field(
        metadata=_column("INTEGER NOT NULL", "number of the simulated data set, from 0")
    )
    error: str | None = field(
        metadata=_column(
            "TEXT", "why the fit failed, after the stage that did: simulate, fit or summary"
        )
    )
    seconds: float = field(
        metadata=_column(
            "REAL",
            "wall-clock time of the fit without its summary; of fits made in one call, an equal "
            "share of it",
        )
    )
    divergences: int = field(
        default=0, metadata=_column("INTEGER NOT NULL", "divergent draws; 0 where not NUTS")
    )
    n_steps: int = field(
        default=0, metadata=_column("INTEGER NOT NULL", "leapfrog steps in all draws kept")
    )
    max_tree_depth: int = field(
        default=0, metadata=_column("INTEGER NOT NULL", "depth of the deepest tree")
    )
    e_bfmi: float = field(
        default=math.nan,
        metadata=_column(
            "REAL", "smallest energy Bayesian fraction of missing information over chains"
        ),
    )
    values: np.ndarray = field(
        default_factory=lambda: np.empty((0, len(COLUMNS))),
        metadata=_column("BLOB NOT NULL", "numbers of each quantity", "<f8", len(COLUMNS)),
    )
    ess_bulk_min: float = field(
        default=math.nan,
        metadata=_column("REAL", "least bulk ESS of any quantity or single group effect"),
    )
    ess_tail_min: float = field(
        default=math.nan, metadata=_column("REAL", "least tail ESS of them")
    )
    r_hat_max: float = field(
        default=math.nan,
        metadata=_column("REAL", "largest R-hat of them, constant quantities left out"),
    )
    scale_at_divergences: float = field(
        default=math.nan,
        metadata=_column(
            "REAL",
            "mean over the divergent draws of the share of all draws whose between-group scale is "
            "smaller: 0.5 if they diverge anywhere, near 0 in the neck of a funnel",
        ),
    )
    group_ranks: np.ndarray | None = field(
        default=None,
        metadata=_column("BLOB", "how many single group effects had each rank", "<i4"),
    )
    group_covariance: np.ndarray | None = field(
        default=None,
        metadata=_column(
            "BLOB",
            "covariance of their mean scores, see hiercal.sbc.pooled.pooled_test",
            "<f8",
            4,
        ),
    )
    exact_scores: np.ndarray | None = field(
        default=None,
        metadata=_column(
            "BLOB",
            "of each quantity that has an exact posterior, how the draws differ from it and the "
            "effective sample sizes, see hiercal.sbc.sequential.exact_scores",
            "<f8",
            8,
        ),
    )

    @classmethod
    def scalars(cls) -> dict[str, str]:
        """Name and meaning of the columns that hold one number or text each."""
        return {f.name: f.metadata["meaning"] for f in FIELDS if not f.metadata["dtype"]}

    def row(self) -> tuple[Any, ...]:
        """The values as the journal keeps them."""
        return tuple(_stored(getattr(self, f.name), f.metadata["dtype"]) for f in FIELDS)

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> FitRecord:
        """The record of a row of the journal."""
        return cls(*(_read(value, f) for value, f in zip(row, FIELDS, strict=True)))


FIELDS = fields(FitRecord)
NAMES = tuple(each.name for each in FIELDS)


def _stored(value: Any, dtype: str) -> Any:
    if value is None or not dtype:
        return value
    return np.ascontiguousarray(value, dtype=dtype).tobytes()


def _read(value: Any, column: Field[Any]) -> Any:
    dtype, width = column.metadata["dtype"], column.metadata["width"]
    if value is None:
        return math.nan if column.metadata["sql"] == "REAL" else None  # SQLite keeps no NaN
    if not dtype:
        return value
    array = np.frombuffer(value, dtype)
    return array.reshape(-1, width) if width else array
