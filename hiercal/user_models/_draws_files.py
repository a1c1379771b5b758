"""Truths and draws from a file: NetCDF, zarr, NumPy's, Parquet or CSV."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.errors import DrawsRefused
from hiercal.user_models._draws_table import from_tables
from hiercal.user_models._given_arrays import GROUPS, group_of
from hiercal.user_models.draws import DrawsStory, from_draws
from hiercal.words import reason

if TYPE_CHECKING:
    import pandas as pd

NETCDF, ZARR, NUMPY = (".nc", ".nc4", ".netcdf"), (".zarr",), (".npz",)
PARQUET, CSV = (".parquet", ".pq"), (".csv", ".csv.gz")
SUFFIXES = (*NETCDF, *ZARR, *NUMPY, *PARQUET, *CSV)


def read_draws(
    path: str | os.PathLike[str], truths: str | os.PathLike[str] | None = None, name: str = ""
) -> DrawsStory:
    """The story of draws in a file.

    Parameters
    ----------
    path : path
        NetCDF or zarr with groups ``truths`` and ``draws``; NumPy's ``.npz`` with the keys
        ``truths/<name>`` and ``draws/<name>``; Parquet or CSV with the columns ``simulation``,
        ``chain`` (optional), ``draw`` and one for each quantity, and the truths in rows without a
        draw.
    truths : path
        A file of the truths, where they are not in the first.
    name : str
        What to call the story; by default the file's name without its suffix.

    Raises
    ------
    DrawsRefused
        If a file is not there, cannot be read, or holds something else.
    ModuleNotFoundError
        If NetCDF cannot be read here.
    """
    path = Path(path)
    other = Path(truths) if truths is not None else None
    name = name or path.name.split(".")[0]
    try:
        if _suffix(path) in (*PARQUET, *CSV):
            if other and _suffix(other) not in (*PARQUET, *CSV):
                raise DrawsRefused(f"{path} is a table; give --truths as Parquet or CSV, too")
            table = _table(path)
            drawn = from_tables(table, _table(other) if other else None, str(path), str(other))
            return from_draws(*drawn, name=name)
        held = _arrays(path)
        true = _arrays(other) if other else held
        return from_draws(true("truths"), held("draws"), name=name)
    except DrawsRefused as error:
        where = str(path)
        raise DrawsRefused(
            str(error) if where in str(error) or str(other) in str(error) else f"{where}: {error}"
        ) from None


def csv_table(path: Path) -> pd.DataFrame:
    """A table of data in a CSV file.

    Raises
    ------
    DrawsRefused
        If it is not there, cannot be read, names a column twice, or has rows of more fields than
        columns, which would shift them.
    """
    import pandas as pd

    if not path.is_file():
        raise DrawsRefused(f"there is no file {path}")
    try:
        named = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0].dropna()
        table = pd.read_csv(path)
    except Exception as error:
        # of gzip, zip, xz, ... as of the text inside, each of a type of its own
        raise DrawsRefused(f"{path} is not a CSV table: {reason(error)}") from None
    if twice := list(named[named.duplicated()]):
        raise DrawsRefused(f"{path} has several columns {twice[0]}; give each another name")
    if not isinstance(table.index, pd.RangeIndex):
        raise DrawsRefused(
            f"{path} has more fields in its rows than columns, which are {', '.join(table)}; give "
            "each field a name"
        )
    return table


def _suffix(path: Path) -> str:
    """The suffix of a file that is there and can be read."""
    suffix = next((each for each in SUFFIXES if path.name.lower().endswith(each)), "")
    if not suffix:
        raise DrawsRefused(
            f"{path} is of no known kind; give a file whose name ends in {', '.join(SUFFIXES)}"
        )
    if not path.exists():
        raise DrawsRefused(f"there is no file {path}")
    if path.is_file() and path.stat().st_size == 0:
        raise DrawsRefused(f"{path} is empty; give a file with truths and draws")
    return suffix


def _table(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        if _suffix(path) in PARQUET:
            table = pd.read_parquet(path)
            return table.reset_index() if any(table.index.names) else table
        return pd.read_csv(path, low_memory=False, na_values=["missing"])
    except Exception as error:
        # of pandas, Arrow, gzip and zlib, each of a type of its own
        raise _unreadable(path, "Parquet" if _suffix(path) in PARQUET else "CSV", error) from None


def _arrays(path: Path) -> Callable[[str], Any]:
    """What gives the truths, or the draws, of a file that is no table."""
    suffix = _suffix(path)
    if suffix in (*PARQUET, *CSV):
        raise DrawsRefused(f"{path} is a table, the draws are not; give both in one kind of file")
    if suffix in NUMPY:
        return _of_numpy(path)
    tree = _tree(path, "zarr" if suffix in ZARR else "h5netcdf")
    return lambda what: group_of(tree, what)


def _tree(path: Path, engine: str) -> Any:
    import xarray as xr

    kind = "zarr" if engine == "zarr" else "NetCDF-4"
    if importlib.util.find_spec(engine) is None:
        raise ModuleNotFoundError(
            f"{path} is {kind}, which is read with {engine}, which is not installed; install it "
            "with: pip install 'hiercal[netcdf]', or write zarr, Parquet, CSV or .npz",
            name=engine,
        )
    try:
        with xr.open_datatree(path, engine=engine, decode_times=False) as tree:
            return tree.load()
    except Exception as error:
        # of xarray, zarr and HDF5, each of a type of its own
        raise _unreadable(path, kind, error) from None


def _of_numpy(path: Path) -> Callable[[str], Mapping[str, np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            held = dict(arrays)
    except Exception as error:
        # of NumPy, zip and zlib, each of a type of its own
        raise _unreadable(path, ".npz with arrays of numbers", error) from None

    def variables(what: str) -> dict[str, np.ndarray]:
        found = {
            key.partition("/")[2]: values
            for key, values in held.items()
            if key.partition("/")[0] in GROUPS[what] and key.partition("/")[2]
        }
        if not found:
            raise DrawsRefused(
                f"{path} has no key {what}/<name>, only {', '.join(held) or 'nothing'}; write it "
                'with np.savez(file, **{"truths/mu": ..., "draws/mu": ...})'
            )
        return found

    return variables


def _unreadable(path: Path, kind: str, error: Exception) -> DrawsRefused:
    return DrawsRefused(f"{path} cannot be read as {kind}: {reason(error)}")
