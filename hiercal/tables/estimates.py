"""What several studies take from the records: means with errors, arms paired by simulation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from hiercal.errors import NotMeasured

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result
    from hiercal.simulators import Story


def mean_se(values: ArrayLike) -> tuple[float, float]:
    """Mean of independent values and its standard error; NaN without, or with too few.

    Examples
    --------
    >>> mean_se([1.0, 2.0, 3.0])[0]
    2.0
    """
    array = np.asarray(values, float)
    mean = float(array.mean()) if array.size else np.nan
    se = float(array.std(ddof=1) / np.sqrt(array.size)) if array.size > 1 else np.nan
    return mean, se


def share_se(hits: ArrayLike) -> tuple[float, float]:
    """Share of true values and its standard error, from (hits + 2) / (n + 4) so that it is not 0.

    The error is that of Agresti and Coull (1998), American Statistician 52, 119.
    """
    array = np.asarray(hits, bool)
    n, x = array.size, int(array.sum())
    centre = (x + 2) / (n + 4)
    return (x / n if n else np.nan), float(np.sqrt(centre * (1 - centre) / (n + 4)))


def rms_se(squares: np.ndarray) -> tuple[float, float]:
    """Root of a mean of squares and its standard error (delta method)."""
    mean, se = mean_se(squares)
    root = np.sqrt(mean)
    return float(root), float(se / (2 * root)) if root > 0 else 0.0


def log_ratio_se(log_ratios: ArrayLike) -> tuple[float, float]:
    """Geometric mean of ratios and its standard error (delta method), from their logarithms."""
    mean, se = mean_se(log_ratios)
    return float(np.exp(mean)), float(np.exp(mean) * se)


def records_of(result: Result, arm: str, quantity: str) -> pd.DataFrame:
    """Records of one quantity of one arm, indexed by simulation; a ValueError if there are none."""
    for _, _, own in result.cells(arms=[arm], quantities=[quantity]):
        return own.set_index("simulation")
    raise ValueError(f"{result.folder} has no records of {quantity} in arm {arm}")


def paired(result: Result, arm: str, other: str, quantity: str) -> pd.DataFrame:
    """Records of one quantity in two arms that met the same data.

    Returns
    -------
    DataFrame
        Indexed by simulation: the columns of the records of `arm`, and those of `other` with
        ``other_`` before their names. A failed fit has NaN; none is left out.
    """
    first, second = records_of(result, arm, quantity), records_of(result, other, quantity)
    return first.join(second.add_prefix("other_"))


def fits_of(result: Result, arm: str) -> pd.DataFrame:
    """Fits of one arm, indexed by simulation, failed ones among them."""
    return result.fits[(result.fits["arm"] == arm).to_numpy()].set_index("simulation")


def worst_parameter(result: Result, arm: str, story: Story) -> pd.Series:
    """Least bulk ESS of the parameters that a model reports, by simulation; NaN of a failed fit.

    The records hold more: a new group's effect and log densities, which mix as their own kind.
    """
    reported = result.arms.loc[arm, "parameters"]
    parameters = [label for name in reported for label in story.labels(name)]
    records = result.records
    own = records[((records["arm"] == arm) & records["quantity"].isin(parameters)).to_numpy()]
    return own.groupby("simulation")["ess_bulk"].min().rename("worst")


def named(**estimates: tuple[float, float]) -> dict[str, float]:
    """Columns ``name`` and ``name_se`` of a table from (value, standard error) pairs."""
    return {
        column: number
        for name, pair in estimates.items()
        for column, number in zip((name, f"{name}_se"), pair, strict=True)
    }


def pick(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Rows whose columns have these values."""
    kept = np.ones(len(table), bool)
    for column, value in values.items():
        kept &= (table[column] == value).to_numpy()
    return table[kept]


def one(table: pd.DataFrame, **values: object) -> dict[str, float]:
    """The one row whose columns have these values; `NotMeasured` without it."""
    rows = pick(table, **values)
    if len(rows) != 1:
        wanted = ", ".join(f"{name} = {value}" for name, value in values.items())
        raise NotMeasured(f"{len(rows)} rows have {wanted}")
    return rows.iloc[0].to_dict()


def ends(values: Iterable[float]) -> tuple[float, float]:
    """The least and the largest."""
    ordered = sorted(values)
    return ordered[0], ordered[-1]
