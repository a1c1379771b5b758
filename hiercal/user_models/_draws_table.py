"""Truths and draws from tables with a row for each draw."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from hiercal.errors import DrawsRefused
from hiercal.user_models._given_arrays import CHAIN, DRAW, LISTED, SIMULATION

if TYPE_CHECKING:
    import pandas as pd

INDEX = (SIMULATION, CHAIN, DRAW)
STATISTICS = {"sim_id", "variable", "rank", "max_rank"}
"""Columns of the table of statistics of R's package SBC."""
ROW_NAMES = re.compile(r"(Unnamed: \d+|rownames|__index_level_\d+__|)")

Variables = dict[str, np.ndarray]


def from_tables(
    table: pd.DataFrame, truths: pd.DataFrame | None, where: str, where_truths: str
) -> tuple[Variables, Variables]:
    """Truths, (n_simulations,), and draws, (n_simulations, n_chains, n_draws), of each column.

    Parameters
    ----------
    table : DataFrame
        Columns ``simulation``, ``chain`` (optional), ``draw`` and one for each quantity;
        ``.chain``, ``.iteration`` and ``.draw`` of R's package posterior are taken as well.
    truths : DataFrame, optional
        Columns ``simulation`` and one for each quantity; None where the truths are the rows of
        `table` without a draw.
    where, where_truths : str
        What messages call them.

    Returns
    -------
    truths, draws : dict of ndarray
        Simulations in the order of their numbers; a simulation whose rows have no values at all is
        a fit that failed.

    Raises
    ------
    DrawsRefused
        If a column is missing or holds text, or simulations differ in their draws.
    """
    rows = _rows(table, where)
    if DRAW not in rows:
        raise DrawsRefused(_lacks(where, DRAW, table))
    is_truth = rows[DRAW].isna().to_numpy()
    if truths is None:
        if not is_truth.any():
            raise DrawsRefused(
                f"{where} has no truths; give them with --truths, or in rows whose draw is empty"
            )
        of_truth, where_truths = rows[is_truth], where
    else:
        if is_truth.any():
            raise DrawsRefused(
                f"{where} has {int(is_truth.sum())} rows whose draw is empty, which are truths, "
                "and --truths is given too; give one of them"
            )
        of_truth = _rows(truths, where_truths)
    of_draws = rows[~is_truth]
    of_truth = of_truth.drop(columns=[c for c in (CHAIN, DRAW) if c in of_truth])
    if not len(of_draws):
        raise DrawsRefused(f"{where} has no draws, only truths; give a row for each draw")
    numbers = _simulations(of_truth, of_draws, where, where_truths)
    of_truth = of_truth.set_index(SIMULATION).loc[numbers]
    return {name: of_truth[name].to_numpy() for name in of_truth}, _draws(of_draws, numbers, where)


def _rows(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """The columns that count, all numbers."""
    import pandas as pd

    if STATISTICS.issubset(table.columns):
        raise DrawsRefused(
            f"{where} is a table of ranks, by R's package SBC; ranks alone say nothing of mixing "
            "and intervals: give the draws that they were made of"
        )
    table = table.rename(columns=str)
    table = table.drop(columns=[name for name in table if ROW_NAMES.fullmatch(str(name))])
    table = table.rename(columns={".chain": CHAIN, ".iteration": DRAW})
    if ".draw" in table:
        table = table.drop(columns=".draw") if DRAW in table else table.rename(
            columns={".draw": DRAW}
        )  # fmt: skip
    if not len(table):
        raise DrawsRefused(f"{where} has no rows; give one for each draw")
    if SIMULATION not in table:
        raise DrawsRefused(_lacks(where, SIMULATION, table))
    if twice := list(table.columns[table.columns.duplicated()]):
        raise DrawsRefused(f"{where} has several columns {twice[0]}; give each another name")
    columns = {str(name): _numbers(str(name), table[name], where) for name in table}
    if np.isnan(columns[SIMULATION]).any():
        raise DrawsRefused(f"{where}: column {SIMULATION} is empty in some rows; fill it in")
    return pd.DataFrame(columns)


def _numbers(name: str, column: pd.Series, where: str) -> np.ndarray:
    """A column as numbers, NaN where it is empty."""
    import pandas as pd

    if pd.api.types.is_float_dtype(column.dtype):
        return _checked(name, column.to_numpy(float, na_value=np.nan), where)
    there = column.astype(object)  # whatever kind of categories or texts it is
    values = pd.to_numeric(there, errors="coerce").to_numpy(float, na_value=np.nan)
    wrong = np.isnan(values) & there.notna().to_numpy()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DrawsRefused(
            f"{where}: column {name} holds {there.iloc[row]!r} in row {row + 1}; give numbers, and "
            "nothing where there is none"
        )
    return _checked(name, values, where)


def _checked(name: str, values: np.ndarray, where: str) -> np.ndarray:
    """The values of a column, whole numbers in those of the index."""
    if name in INDEX:
        there = values[~np.isnan(values)]
        if np.isinf(there).any() or (there != np.floor(there)).any():
            raise DrawsRefused(
                f"{where}: column {name} holds fractions or infinities; give whole numbers"
            )
    return values


def _simulations(
    truths: pd.DataFrame, draws: pd.DataFrame, where: str, where_truths: str
) -> np.ndarray:
    """The numbers of the simulations, which have one truth and some draws each."""
    of_truth = truths[SIMULATION].to_numpy()
    numbers, times = np.unique(of_truth, return_counts=True)
    if (times > 1).any():
        raise DrawsRefused(
            f"{where_truths} has {int(times.max())} rows of truths of simulation "
            f"{numbers[times.argmax()]:.0f}; give one for each"
        )
    drawn = np.unique(draws[SIMULATION].to_numpy())
    for lacking, what in (
        (np.setdiff1d(numbers, drawn), "truths and no draws; of a fit that failed, give a row "
         "with the draw 1 and nothing else"),
        (np.setdiff1d(drawn, numbers), "draws and no truths; give a row of truths for each"),
    ):  # fmt: skip
        if len(lacking):
            listed = ", ".join(f"{number:.0f}" for number in lacking[:LISTED])
            more = f" and {len(lacking) - LISTED} more" if len(lacking) > LISTED else ""
            plural = len(lacking) > 1
            raise DrawsRefused(
                f"{where}: simulation{'s' * plural} {listed}{more} {'have' if plural else 'has'} "
                f"{what}"
            )
    return numbers


def _draws(rows: pd.DataFrame, numbers: np.ndarray, where: str) -> Variables:
    """Draws of each column, (n_simulations, n_chains, n_draws); NaN of fits that failed."""
    names = [name for name in rows if name not in INDEX]
    if not names:
        raise DrawsRefused(f"{where} has no column but {', '.join(rows)}; give one a quantity")
    rows = rows if CHAIN in rows else rows.assign(**{CHAIN: 1.0})
    made = rows[names].notna().any(axis=1).groupby(rows[SIMULATION]).transform("any")
    kept = rows[made.to_numpy()]
    if not len(kept):
        raise DrawsRefused(f"{where} has draws of no simulation: all values are empty")
    if kept[CHAIN].isna().any():
        raise DrawsRefused(f"{where}: column {CHAIN} is empty in some draws; fill it in")
    if (twice := kept.duplicated(list(INDEX))).any():
        row = kept[twice.to_numpy()].iloc[0]
        raise DrawsRefused(
            f"{where} has several rows of simulation {row[SIMULATION]:.0f}, chain "
            f"{row[CHAIN]:.0f}, draw {row[DRAW]:.0f}; number the draws within each chain, and "
            "give a column chain if there are several"
        )
    chains = kept.groupby(SIMULATION)[CHAIN].nunique()
    lengths = kept.groupby([SIMULATION, CHAIN]).size()
    for counts, what in ((chains, "chains"), (lengths, "draws")):
        if counts.nunique() > 1:
            few, many = counts.idxmin(), counts.idxmax()
            raise DrawsRefused(
                f"{where}: {_at(few)} has {counts.min()} {what}, {_at(many)} has {counts.max()}; "
                "give as many of each, and of a fit that failed a row without values"
            )
    shape = (int(chains.iloc[0]), int(lengths.iloc[0]))
    ordered = kept.sort_values(list(INDEX), kind="stable")
    places = np.searchsorted(numbers, np.unique(kept[SIMULATION].to_numpy()))
    drawn = {}
    for name in names:
        drawn[name] = np.full((len(numbers), *shape), np.nan)
        drawn[name][places] = ordered[name].to_numpy().reshape(-1, *shape)
    return drawn


def _at(key: object) -> str:
    simulation, *chain = key if isinstance(key, tuple) else (key,)
    return f"simulation {simulation:.0f}" + "".join(f", chain {each:.0f}" for each in chain)


def _lacks(where: str, column: str, table: pd.DataFrame) -> str:
    got = list(map(str, table))
    more = ", ..." if len(got) > LISTED else ""
    return (
        f"{where} has no column {column}; it has {', '.join(got[:LISTED])}{more}: give simulation, "
        "chain (if there are several), draw, and one a quantity"
    )
