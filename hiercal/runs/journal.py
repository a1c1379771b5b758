"""The journal: every fit of a run, in SQLite, written as it comes in."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from hiercal.errors import JournalError, TimeLimit
from hiercal.runs.columns import NAMES, SCHEMA, FitRecord
from hiercal.runs.identity import changed
from hiercal.runs.thinned_draws import Kept, from_bytes

LAYOUT = 5
WAYS_OUT = "give another --out, or --fresh, which starts over in that folder"

_SCHEMA = f"""
CREATE TABLE run (digest TEXT NOT NULL, description TEXT NOT NULL);
CREATE TABLE arms (arm INTEGER PRIMARY KEY, label TEXT NOT NULL, quantities TEXT NOT NULL);
CREATE TABLE fits (
    arm INTEGER NOT NULL REFERENCES arms,
    {SCHEMA},
    PRIMARY KEY (arm, simulation)
) WITHOUT ROWID;
CREATE TABLE draws (
    arm INTEGER NOT NULL REFERENCES arms,
    data TEXT NOT NULL,
    arrays BLOB NOT NULL,
    PRIMARY KEY (arm, data)
) WITHOUT ROWID;
PRAGMA user_version = {LAYOUT}
"""

_KEPT = """
CREATE TABLE IF NOT EXISTS simulated (
    story TEXT NOT NULL,
    simulation INTEGER NOT NULL,
    truth BLOB NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (story, simulation)
);
CREATE TABLE IF NOT EXISTS thinned (
    arm INTEGER NOT NULL REFERENCES arms,
    simulation INTEGER NOT NULL,
    draws BLOB NOT NULL,
    PRIMARY KEY (arm, simulation)
)
"""
"""Tables of a run with ``keep_draws``: truths and data once a story, draws once a fit."""
_TIMED_OUT = f"error LIKE '%: {TimeLimit.__name__}: %'"
"""Which fits ran into a time limit; the stage is before it, and `seconds` is the limit."""


class Journal:
    """Every fit of a run, keyed by (arm, simulation).

    One process writes, one transaction a batch: whatever happens to it, the fits that were
    journalled stay, whole. The columns are those of `hiercal.runs.columns.FitRecord`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._db = sqlite3.connect(path, timeout=1, isolation_level=None)
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("BEGIN EXCLUSIVE")
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise JournalError(
                f"{path} cannot be locked ({error}); if another run is using this folder, wait for "
                "it to end or give another --out"
            ) from error
        except sqlite3.DatabaseError as error:
            raise JournalError(
                f"{path} is not a journal ({error}); move it away or give another --out"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def claim(
        self,
        digest: str,
        description: Mapping[str, Any],
        arms: Sequence[tuple[str, Sequence[str]]],
    ) -> int:
        """Start the journal of a run, or check that it is that run's journal already.

        Corrected code takes over a journal in which no fit succeeded.

        Parameters
        ----------
        digest, description
            Of the run.
        arms : sequence of (label, quantities)

        Returns
        -------
        int
            Failed fits by other code that were dropped.

        Raises
        ------
        JournalError
            If the journal is another run's, or has fits by other code; the message lists what
            differs.
        """
        if self.check(digest, description):
            return 0
        dropped = 0
        if self._version():
            (dropped,) = self._db.execute("SELECT count(*) FROM fits").fetchone()
            self.clear()
        with self._transaction():
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute("INSERT INTO run VALUES (?, ?)", (digest, json.dumps(description)))
            rows = [(i, label, json.dumps(names)) for i, (label, names) in enumerate(arms)]
            self._db.executemany("INSERT INTO arms VALUES (?, ?, ?)", rows)
        return dropped

    def check(self, digest: str, description: Mapping[str, Any]) -> bool:
        """Whether the journal is this run's; False if nobody's; another's is a JournalError."""
        version = self._version()
        if version == 0:
            return False
        if version != LAYOUT:
            raise JournalError(
                f"{self._path} has layout {version}, this version reads {LAYOUT}; {WAYS_OUT}"
            )
        stored_digest, stored = self._db.execute("SELECT digest, description FROM run").fetchone()
        if stored_digest == digest:
            return True
        before, now = json.loads(stored), json.loads(json.dumps(description))
        options = differing(_options(before), _options(now))
        (succeeded,) = self._db.execute("SELECT count(*) - count(error) FROM fits").fetchone()
        if not options and not succeeded:
            return False
        other = []
        if options:
            other.append(f"holds another run; it differs in\n  {_lines(options)}\n")
        if code := changed(before, now):
            other.append(f"was made by other code:\n  {_lines(code)}\n")
        raise JournalError(
            f"{self._path.parent} {'and '.join(other)}restore what was run there, or {WAYS_OUT}"
        )

    def _version(self) -> int:
        return self._db.execute("PRAGMA user_version").fetchone()[0]

    def clear(self) -> None:
        """Forget everything."""
        tables = self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        with self._transaction():
            self._db.execute("PRAGMA defer_foreign_keys = ON")
            for (table,) in tables:
                self._db.execute(f'DROP TABLE "{table}"')
            self._db.execute("PRAGMA user_version = 0")

    def add(
        self, arm: int, records: Sequence[FitRecord], story: str = "", kept: Sequence[Kept] = ()
    ) -> None:
        """Keep a batch, all of it or nothing; fits that are there already stay as they are.

        Only one that ran into a time limit is replaced.
        """
        marks = ", ".join("?" * (1 + len(NAMES)))
        with self._transaction():
            if kept:
                self._keep(arm, story, kept)
            self._db.executemany(
                f"DELETE FROM fits WHERE arm = ? AND simulation = ? AND {_TIMED_OUT}",
                [(arm, record.simulation) for record in records],
            )
            self._db.executemany(
                f"INSERT OR IGNORE INTO fits VALUES ({marks})",
                [(arm, *record.row()) for record in records],
            )

    def _keep(self, arm: int, story: str, kept: Sequence[Kept]) -> None:
        for statement in _KEPT.split(";"):
            self._db.execute(statement)
        self._db.executemany(
            "INSERT OR IGNORE INTO simulated VALUES (?, ?, ?, ?)",
            [(story, one.simulation, one.truth, one.data) for one in kept],
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO thinned VALUES (?, ?, ?)",
            [(arm, one.simulation, one.draws) for one in kept if one.draws is not None],
        )

    def simulated(
        self, story: str, simulation: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]] | None:
        """Truth and data of a simulation that were kept, or None."""
        row = self._db.execute(
            "SELECT truth, data FROM simulated WHERE story = ? AND simulation = ?",
            (story, simulation),
        ).fetchone()
        return row and (from_bytes(row[0]), from_bytes(row[1]))

    def thinned(self, arm: int, simulation: int) -> dict[str, np.ndarray] | None:
        """Draws of a fit that were kept, (max_rank, *dims) of each parameter, or None."""
        row = self._db.execute(
            "SELECT draws FROM thinned WHERE arm = ? AND simulation = ?", (arm, simulation)
        ).fetchone()
        return row and from_bytes(row[0])

    def done(self, arm: int) -> set[int]:
        """Simulations of an arm that are in the journal."""
        rows = self._db.execute("SELECT simulation FROM fits WHERE arm = ?", (arm,))
        return {simulation for (simulation,) in rows}

    def timed_out(self, arm: int, simulations: int, seconds: float) -> set[int]:
        """Of an arm's first simulations, those that ran into a time limit below `seconds`."""
        rows = self._db.execute(
            f"SELECT simulation FROM fits WHERE arm = ? AND simulation < ? AND {_TIMED_OUT} "
            "AND seconds < ?",
            (arm, simulations, seconds),
        )
        return {simulation for (simulation,) in rows}

    def tally(self, arm: int, simulations: int) -> tuple[int, int, int]:
        """Of an arm's first simulations: fits, failed fits, and fits with divergences."""
        return self._db.execute(
            "SELECT count(*), count(error), coalesce(sum(divergences > 0), 0) FROM fits "
            "WHERE arm = ? AND simulation < ?",
            (arm, simulations),
        ).fetchone()

    def arms(self) -> list[tuple[str, list[str]]]:
        """Label and quantities of each arm."""
        rows = self._db.execute("SELECT label, quantities FROM arms ORDER BY arm")
        return [(label, json.loads(names)) for label, names in rows]

    def fits(self, arm: int, simulations: int, size: int = 500) -> Iterator[list[FitRecord]]:
        """An arm's first simulations in order, in pieces that fit in memory."""
        columns = ", ".join(f'"{name}"' for name in NAMES)
        cursor = self._db.execute(
            f"SELECT {columns} FROM fits WHERE arm = ? AND simulation < ? ORDER BY simulation",
            (arm, simulations),
        )
        while rows := cursor.fetchmany(size):
            yield [FitRecord.from_row(row) for row in rows]

    def keep_draws(self, arm: int, data: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the draws of one fit, for figures."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # ty: ignore[invalid-argument-type]
        with self._transaction():
            row = (arm, data, buffer.getvalue())
            self._db.execute("INSERT OR REPLACE INTO draws VALUES (?, ?, ?)", row)

    def draws_kept(self, arm: int) -> set[str]:
        """Data sets of an arm whose draws were kept."""
        return {
            data for (data,) in self._db.execute("SELECT data FROM draws WHERE arm = ?", (arm,))
        }

    def draws(self, arm: int) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        """Data sets of an arm whose draws were kept, simulations first, and the draws."""
        rows = self._db.execute(
            "SELECT data, arrays FROM draws WHERE arm = ? ORDER BY data", (arm,)
        )
        for data, blob in rows:
            with np.load(io.BytesIO(blob)) as arrays:
                yield data, dict(arrays)

    def _transaction(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db  # as a context manager it commits, or rolls back on an exception


def _options(description: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in description.items() if key not in ("code", "packages")}


def _lines(each: Sequence[str]) -> str:
    return "\n  ".join(each)


def differing(stored: Any, given: Any, where: str = "") -> list[str]:
    """Where two nested descriptions differ, a line each."""
    if isinstance(stored, dict) and isinstance(given, dict):
        return [
            line
            for key in dict.fromkeys([*stored, *given])
            for line in differing(stored.get(key), given.get(key), f"{where}.{key}".lstrip("."))
        ]
    if isinstance(stored, list) and isinstance(given, list) and len(stored) == len(given):
        return [
            line
            for i, (a, b) in enumerate(zip(stored, given, strict=True))
            for line in differing(a, b, f"{where}[{i}]")
        ]
    return [] if stored == given else [f"{where}: {stored} there, {given} now"]
