"""Measurements: what a study finds out without a fitter's run, kept as it comes in like a fit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiercal.runs.seals import SEAL, damaged, opening, seal_of

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


COLUMNS = "name, made_by, tables"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS measurements (
    name TEXT PRIMARY KEY, made_by TEXT NOT NULL, tables TEXT NOT NULL, {SEAL} BLOB NOT NULL
) WITHOUT ROWID
"""
_SEALED = f"seal_of('measurements', {COLUMNS})"


class Measurements:
    """What has been measured, by name; one process writes, a transaction each.

    Each row has a seal: what opens holds nothing but what was written.
    """

    def __init__(self, path: Path, made_by: str) -> None:
        """Open the file, and forget what other options or other code measured.

        Parameters
        ----------
        path : Path
        made_by : str
            Hash of all that a measurement depends on.

        Raises
        ------
        JournalError
            If another run has it open, or it is damaged.
        sqlite3.Error
            If it cannot be written; see `hiercal.runs.full_disk`.
        """
        self._made_by = made_by
        self._db = sqlite3.connect(path, timeout=1, isolation_level=None)
        with opening(self._db, path):
            self._open(path)

    def _open(self, path: Path) -> None:
        self._db.create_function("seal_of", -1, seal_of, deterministic=True)
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute(_SCHEMA)
        (found, *_) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise damaged(path, found)
        columns = self._db.execute("PRAGMA table_info(measurements)").fetchall()
        if SEAL not in [name for _, name, *_ in columns]:  # of an earlier version
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:
                self._db.execute("ALTER TABLE measurements RENAME TO old")
                self._db.execute(_SCHEMA)
                self._db.execute(f"INSERT INTO measurements SELECT {COLUMNS}, {_SEALED} FROM old")
                self._db.execute("DROP TABLE old")
        (bad,) = self._db.execute(
            f"SELECT count(*) FROM measurements WHERE {SEAL} IS NOT {_SEALED}"
        ).fetchone()
        if bad:
            raise damaged(path, f"{bad} rows are not what was written")
        self._db.execute("DELETE FROM measurements WHERE made_by != ?", (self._made_by,))

    def close(self) -> None:
        self._db.close()

    def keep(self, name: str, tables: Mapping[str, Rows]) -> None:
        """Keep a measurement."""
        self._db.execute(
            "INSERT OR REPLACE INTO measurements "
            "VALUES (?1, ?2, ?3, seal_of('measurements', ?1, ?2, ?3))",
            (name, self._made_by, json.dumps(tables, default=_plain)),
        )

    def read(self) -> dict[str, dict[str, Rows]]:
        """All that is kept, by name."""
        rows = self._db.execute("SELECT name, tables FROM measurements")
        return {name: json.loads(tables) for name, tables in rows}


def number_kept(path: Path) -> int:
    """How many measurements a file holds, of whatever options and code."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as database, opening(database, path):
        tables = database.execute("SELECT name FROM sqlite_master").fetchall()
        if ("measurements",) not in tables:  # killed before it was made
            return 0
        return database.execute("SELECT count(*) FROM measurements").fetchone()[0]


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
