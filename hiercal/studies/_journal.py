"""The journal: every fit of a run, in SQLite, written as it comes in."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from hiercal.studies._fits import COLUMNS, FitRecord
from hiercal.studies._identity import changed

SCHEMA_VERSION = 3
WAYS_OUT = "give another --out, or --fresh, which starts over in that folder"

_SCHEMA = f"""
CREATE TABLE study (digest TEXT NOT NULL, description TEXT NOT NULL);
CREATE TABLE arms (arm INTEGER PRIMARY KEY, label TEXT NOT NULL, quantities TEXT NOT NULL);
CREATE TABLE fits (
    arm INTEGER NOT NULL REFERENCES arms,
    simulation INTEGER NOT NULL,
    error TEXT,
    seconds REAL,
    divergences INTEGER NOT NULL,
    n_steps INTEGER NOT NULL,
    max_tree_depth INTEGER NOT NULL,
    e_bfmi REAL,
    quantities BLOB NOT NULL,
    ess_bulk_min REAL,
    ess_tail_min REAL,
    r_hat_max REAL,
    scale_at_divergences REAL,
    group_ranks BLOB,
    group_covariance BLOB,
    PRIMARY KEY (arm, simulation)
) WITHOUT ROWID;
CREATE TABLE draws (
    arm INTEGER NOT NULL REFERENCES arms,
    data TEXT NOT NULL,
    arrays BLOB NOT NULL,
    PRIMARY KEY (arm, data)
) WITHOUT ROWID;
PRAGMA user_version = {SCHEMA_VERSION}
"""


class JournalError(Exception):
    """The journal of a run cannot be used; the message says why and what to do."""


class Journal:
    """Every fit of a run, keyed by (arm, simulation).

    One process writes, one transaction a batch: whatever happens to it, the fits that were
    journalled stay, whole. ``quantities`` holds a fit's numbers as little-endian doubles, shape
    (n_quantities, len(COLUMNS)); ``group_ranks`` are little-endian 32-bit integers, shape
    (max_rank + 1,), and ``group_covariance`` doubles, shape (4, 4), or both NULL.
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
        """Start the journal of a study, or check that it is that study's journal already.

        Corrected code takes over a journal in which no fit succeeded.

        Parameters
        ----------
        digest, description
            Of the study.
        arms : sequence of (label, quantities)

        Returns
        -------
        int
            Failed fits by other code that were dropped.

        Raises
        ------
        JournalError
            If the journal is another study's, or has fits by other code; the message lists what
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
            self._db.execute("INSERT INTO study VALUES (?, ?)", (digest, json.dumps(description)))
            rows = [(i, label, json.dumps(names)) for i, (label, names) in enumerate(arms)]
            self._db.executemany("INSERT INTO arms VALUES (?, ?, ?)", rows)
        return dropped

    def check(self, digest: str, description: Mapping[str, Any]) -> bool:
        """Whether the journal is this study's; False if nobody's; another's is a JournalError."""
        version = self._version()
        if version == 0:
            return False
        if version != SCHEMA_VERSION:
            raise JournalError(
                f"{self._path} has layout {version}, this version reads {SCHEMA_VERSION}; "
                f"{WAYS_OUT}"
            )
        stored_digest, stored = self._db.execute("SELECT digest, description FROM study").fetchone()
        if stored_digest == digest:
            return True
        before, now = json.loads(stored), json.loads(json.dumps(description))
        options = differing(_options(before), _options(now))
        (succeeded,) = self._db.execute("SELECT count(*) - count(error) FROM fits").fetchone()
        if not options and not succeeded:
            return False
        other = []
        if options:
            other.append(f"holds another study; it differs in\n  {_lines(options)}\n")
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

    def add(self, arm: int, records: Sequence[FitRecord]) -> None:
        """Keep a batch, all of it or nothing; fits that are there already stay as they are."""
        rows = [
            (
                arm,
                record.simulation,
                record.error,
                record.seconds,
                record.divergences,
                record.n_steps,
                record.max_tree_depth,
                record.e_bfmi,
                _blob(record.values, "<f8"),
                record.ess_bulk_min,
                record.ess_tail_min,
                record.r_hat_max,
                record.scale_at_divergences,
                _blob(record.group_ranks, "<i4"),
                _blob(record.group_covariance, "<f8"),
            )
            for record in records
        ]
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO fits VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", rows
            )

    def done(self, arm: int) -> set[int]:
        """Simulations of an arm that are in the journal."""
        rows = self._db.execute("SELECT simulation FROM fits WHERE arm = ?", (arm,))
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
        cursor = self._db.execute(
            "SELECT simulation, error, divergences, n_steps, max_tree_depth, quantities, "
            "group_ranks, group_covariance, seconds, e_bfmi, ess_bulk_min, ess_tail_min, "
            "r_hat_max, scale_at_divergences "
            "FROM fits WHERE arm = ? AND simulation < ? ORDER BY simulation",
            (arm, simulations),
        )
        while rows := cursor.fetchmany(size):
            yield [_record(*row) for row in rows]

    def keep_draws(self, arm: int, data: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the draws of one fit, for figures."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # ty: ignore[invalid-argument-type]
        with self._transaction():
            row = (arm, data, buffer.getvalue())
            self._db.execute("INSERT OR REPLACE INTO draws VALUES (?, ?, ?)", row)

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


def _record(
    simulation: int,
    error: str | None,
    divergences: int,
    n_steps: int,
    max_tree_depth: int,
    values: bytes,
    group_ranks: bytes | None,
    group_covariance: bytes | None,
    *measured: float | None,
) -> FitRecord:
    seconds, e_bfmi, *worst = (np.nan if number is None else number for number in measured)
    return FitRecord(
        simulation,
        error,
        seconds,
        divergences,
        n_steps,
        max_tree_depth,
        e_bfmi,
        np.frombuffer(values, "<f8").reshape(-1, len(COLUMNS)),
        *worst,
        None if group_ranks is None else np.frombuffer(group_ranks, "<i4"),
        None if group_covariance is None else np.frombuffer(group_covariance, "<f8").reshape(4, 4),
    )


def _blob(values: np.ndarray | None, dtype: str) -> bytes | None:
    return None if values is None else np.ascontiguousarray(values, dtype=dtype).tobytes()


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
