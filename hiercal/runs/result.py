"""What a run left: its records, read from its folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.runs.cells import Contents, cells_of, contents_of
from hiercal.runs.manifest import check_tables, read_manifest, read_run

if TYPE_CHECKING:
    import pandas as pd

RECORDS, FITS, DRAWS = "records.parquet", "fits.parquet", "draws.npz"
GROUP_RANKS = "group_ranks.parquet"


class Result:
    """A run's folder, which is only read.

    Parameters
    ----------
    folder : path
        Where the run was written.

    Attributes
    ----------
    arms : DataFrame
        A row per arm, indexed by its label: what it is. See `hiercal.runs.arms.COLUMNS`.
    records : DataFrame
        A row per arm, simulation and quantity: ``arm, simulation, quantity, status, truth, rank,
        rank_effective, max_rank, mean, sd, mcse_mean, lower, upper, hdi_lower, hdi_upper,
        ess_bulk, ess_tail, r_hat, divergences``. Of a failed fit, only the truth is given, and of a
        failed simulation nothing. Same as ``records.parquet``.
    fits : DataFrame
        A row per arm and simulation: the columns of `hiercal.runs.columns.FitRecord` that hold one
        number or text. The seconds are those of the machine; all else is reproducible. Same as
        ``fits.parquet``.
    group_ranks : DataFrame
        Of a run with ``groups="summary"``, a row per completed fit: ``arm, simulation``, the
        ``counts`` of group effects with each rank 0..max_rank, and the ``covariance`` (4 x 4, row
        by row) of their mean scores. Same as ``group_ranks.parquet``.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.manifest: dict[str, Any] = read_run(self.folder)
        self._checked: set[str] = set()

    def check(self) -> None:
        """Raise a JournalError if any of its tables is not what was written."""
        check_tables(self.folder, self.manifest)

    def __repr__(self) -> str:
        state = "complete" if self.manifest["complete"] else "incomplete"
        return f"Result({str(self.folder)!r}, {len(self.manifest['arms'])} arms, {state})"

    @property
    def n_simulations(self) -> int:
        """Simulations that the records are of; a ValueError while they are being written."""
        number = self.manifest["made_of"].get("records", self.manifest["simulations"])
        if number is None:
            raise ValueError(
                f"{self.folder}: the run ended while its records were written: run the same "
                "command again to go on"
            )
        return number

    @cached_property
    def arms(self) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(self.manifest["arms"]).set_index("arm", drop=False)

    @cached_property
    def records(self) -> pd.DataFrame:
        return self.columns()

    @cached_property
    def fits(self) -> pd.DataFrame:
        return self._read(FITS, None)

    @cached_property
    def group_ranks(self) -> pd.DataFrame:
        if not self.summarises_groups:
            raise ValueError(
                f"{self.folder} ranks every group effect in its records; only a run with "
                'groups = "summary" pools their ranks'
            )
        return self._read(GROUP_RANKS, None)

    @property
    def summarises_groups(self) -> bool:
        """Whether the records hold summaries over the group effects instead of each."""
        return self.manifest["run"].get("groups", "each") == "summary"

    def columns(self, *names: str) -> pd.DataFrame:
        """Some columns of the records, or all: what is not asked for takes no memory."""
        return self._read(RECORDS, list(names) or None)

    def fit_columns(self, *names: str) -> pd.DataFrame:
        """Some columns of the fits."""
        return self._read(FITS, list(names))

    @cached_property
    def quantities(self) -> dict[str, list[str]]:
        """Quantities of the records of each arm, as they come in the file."""
        return {arm: list(rows) for arm, rows in self._contents.rows.items()}

    def cells(
        self,
        *columns: str,
        arms: Collection[str] | None = None,
        quantities: Collection[str] | None = None,
    ) -> Iterator[tuple[str, str, pd.DataFrame]]:
        """Arm, quantity and records of each arm and quantity, in the order of the run.

        A few of them are in memory at a time, however many simulations there are.

        Parameters
        ----------
        columns
            Of the records, besides ``arm`` and ``quantity``; all by default.
        arms, quantities : collection of str, optional
            Only these.
        """
        return cells_of(self._path(RECORDS), self._contents, columns, arms, quantities)

    @cached_property
    def _contents(self) -> Contents:
        return contents_of(self._path(RECORDS))

    def draws(self) -> dict[tuple[str, str], dict[str, np.ndarray]]:
        """Draws kept for the funnel figure, by arm and data set."""
        path = self.folder / DRAWS
        if not path.exists():
            return {}
        check_tables(self.folder, self.manifest, DRAWS)
        kept: dict[tuple[str, str], dict[str, np.ndarray]] = {}
        with np.load(path) as arrays:
            for key, values in arrays.items():
                arm, data, name = key.rsplit("|", 2)
                kept.setdefault((arm, data), {})[name] = values
        return kept

    def _read(self, name: str, columns: list[str] | None) -> pd.DataFrame:
        import pandas as pd

        return pd.read_parquet(self._path(name), columns=columns)

    def _path(self, name: str) -> Path:
        """A file of the run, which is there and is what was written."""
        path = self.folder / name
        if not path.exists():
            raise FileNotFoundError(
                f"{path} is not there; the run has not ended: run the same command again to go on"
            )
        if name not in self._checked:
            check_tables(self.folder, read_manifest(self.folder), name)
            self._checked.add(name)
        return path
