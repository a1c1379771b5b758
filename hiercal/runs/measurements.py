"""Measurements: what a study finds out without a fitter's run, kept as it comes in like a fit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiercal.errors import JournalError

MEASUREMENTS = "measurements.sqlite"

Rows = list[dict[str, Any]]
"""Rows of a table, as plain data."""


@dataclass(frozen=True)
class Measurement:
    """Something to be measured.

    Attributes
    ----------
    measure : callable
        Takes nothing, returns rows by the name of their table; a pure function of what it is bound
        to, as a `functools.partial` of a study's method is.
    alone : bool
        In the driver's process while nothing else runs, as a time has to be.
    """

    measure: Callable[[], dict[str, Rows]]
    alone: bool = False


_SCHEMA = """
CREATE TABLE IF NOT EXISTS measurements (
    name TEXT PRIMARY KEY, made_by TEXT NOT NULL, tables TEXT NOT NULL
) WITHOUT ROWID
"""


class Measurements:
    """What has been measured, by name; one process writes, a transaction each."""

    def __init__(self, path: Path, made_by: str) -> None:
        """Open the file, and forget what other options or other code measured.

        Parameters
        ----------
        path : Path
        made_by : str
            Hash of all that a measurement depends on.
        """
        self._made_by = made_by
        try:
            self._db = sqlite3.connect(path, timeout=1, isolation_level=None)
            self._db.execute(_SCHEMA)
            self._db.execute("DELETE FROM measurements WHERE made_by != ?", (made_by,))
        except sqlite3.Error as error:
            raise JournalError(
                f"{path} cannot be used ({error}); if another run is using this folder, wait for "
                "it to end or give another --out"
            ) from error

    def close(self) -> None:
        self._db.close()

    def keep(self, name: str, tables: Mapping[str, Rows]) -> None:
        """Keep a measurement."""
        self._db.execute(
            "INSERT OR REPLACE INTO measurements VALUES (?, ?, ?)",
            (name, self._made_by, json.dumps(tables, default=_plain)),
        )

    def read(self) -> dict[str, dict[str, Rows]]:
        """All that is kept, by name."""
        rows = self._db.execute("SELECT name, tables FROM measurements")
        return {name: json.loads(tables) for name, tables in rows}


def joined(kept: Mapping[str, Mapping[str, Rows]], names: list[str]) -> dict[str, Rows]:
    """Rows of each table, of all measurements in the order of `names`."""
    tables: dict[str, Rows] = {}
    for name in names:
        for table, rows in kept[name].items():
            tables.setdefault(table, []).extend(rows)
    return tables


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's, which JSON gives back to the last bit."""
    return value.item()
