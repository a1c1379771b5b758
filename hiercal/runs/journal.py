"""The journal: every fit of a run, in SQLite, written as it comes in."""

from __future__ import annotations

import heapq
import io
import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

import numpy as np

from hiercal.errors import JournalError, TimeLimit
from hiercal.runs.columns import FIELDS, NAMES, FitRecord
from hiercal.runs.differences import differing, options_of
from hiercal.runs.identity import changed
from hiercal.runs.parts import PARTS, Part, Parts
from hiercal.runs.seals import REPAIR, SEAL, damaged, opening, seal_of
from hiercal.runs.thinned_draws import Kept, from_bytes

LAYOUT = 7
WITHOUT_PARTS, WITHOUT_SEALS = 6, 5
"""The layouts before this one, which are read and turned into it."""
WAYS_OUT = "give another --out, or --fresh, which starts over in that folder"
TABLES = {
    "run": ("digest TEXT NOT NULL", "description TEXT NOT NULL", "arms TEXT NOT NULL"),
    "manifest": ("text TEXT NOT NULL",),
    "fits": (
        "arm INTEGER NOT NULL",
        *(f'"{each.name}" {each.metadata["sql"]}' for each in FIELDS),
    ),
    "draws": ("arm INTEGER NOT NULL", "data TEXT NOT NULL", "arrays BLOB NOT NULL"),
    "simulated": (
        "story TEXT NOT NULL",
        "simulation INTEGER NOT NULL",
        "truth BLOB NOT NULL",
        "data BLOB NOT NULL",
    ),
    "thinned": ("arm INTEGER NOT NULL", "simulation INTEGER NOT NULL", "draws BLOB NOT NULL"),
    "parts": (
        "arm INTEGER NOT NULL",
        "name TEXT NOT NULL",
        "story TEXT NOT NULL",
        "fits BLOB NOT NULL",
    ),
}
"""Columns of each table but its last, the seal; of two, the first two are the key."""
KEYED = ("fits", "draws", "simulated", "thinned", "parts")
MANY = 2**62
"""More simulations than there are."""
ROWS_AT_ONCE, ROWS_OF_A_FIT = 2**15, 16
"""Rows of records in memory at once; what a fit takes besides those of its quantities."""
_TIMED_OUT = f"error LIKE '%: {TimeLimit.__name__}: %'"
"""Which fits ran into a time limit; the stage is before it, and `seconds` is the limit."""


def columns_of(table: str) -> list[str]:
    return [f'"{column.split()[0].strip(chr(34))}"' for column in TABLES[table]]


def _create(table: str) -> str:
    columns = [*TABLES[table], f"{SEAL} BLOB NOT NULL"]
    if table not in KEYED:
        return f"CREATE TABLE {table} ({', '.join(columns)})"
    key = ", ".join(columns_of(table)[:2])
    # the rows are in the tree of their keys: an index beside it could be damaged unseen
    return f"CREATE TABLE {table} ({', '.join(columns)}, PRIMARY KEY ({key})) WITHOUT ROWID"


def _insert(table: str, how: str = "INSERT") -> str:
    marks = ", ".join(f"?{i + 1}" for i in range(len(TABLES[table])))
    return f"{how} INTO {table} VALUES ({marks}, seal_of('{table}', {marks}))"


class Journal:
    """Every fit of a run, keyed by (arm, simulation), and with ``keep_draws`` what it kept.

    One process writes, one transaction a batch: whatever happens to it, the fits that were
    journalled stay, whole. The columns are those of `hiercal.runs.columns.FitRecord`. Each row
    has a seal, and a journal that opens holds nothing but what was written. Of fits that workers
    wrote themselves, it holds which are in which of the `hiercal.runs.parts`.

    Parameters
    ----------
    path : Path
    verify : bool
        Whether it has to be whole; one that is to be cleared has not.

    Raises
    ------
    JournalError
        If another run has it open, it is damaged, or of another layout; the message says which.
    sqlite3.Error
        If it cannot be written; see `hiercal.runs.full_disk`.
    """

    renewed = False
    """Whether it was of the layout before, whose rows had no seals."""

    def __init__(self, path: Path, *, verify: bool = True) -> None:
        self._path = path
        self._db = sqlite3.connect(path, timeout=1, isolation_level=None)
        self.parts = Parts(self._db, path.parent / PARTS)
        with opening(self._db, path):
            self._open()
            if verify:
                self._verify()

    def _open(self) -> None:
        self._db.create_function("seal_of", -1, seal_of, deterministic=True)
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA secure_delete = ON")  # nothing forgotten is found by a repair
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("COMMIT")

    def _verify(self) -> None:
        """Raise a JournalError unless every row is what was written."""
        version, tables = self._version(), self._tables()
        if version == 0 and not tables:
            return
        (found, *_) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise damaged(self._path, found)
        if version == WITHOUT_SEALS and "arms" in tables:
            self._renew(tables)
        elif version == WITHOUT_PARTS and "parts" not in tables:
            with self._transaction():
                self._db.execute(_create("parts"))
                self._db.execute(f"PRAGMA user_version = {LAYOUT}")
        elif version != LAYOUT:
            raise JournalError(
                f"{self._path} has layout {version}, this version of hiercal reads {LAYOUT}; "
                f"{WAYS_OUT}. If this version wrote it, it is damaged: "
                f"{REPAIR.format(folder=self._path.parent)}"
            )
        for table in TABLES:
            columns = ", ".join(columns_of(table))
            (bad,) = self._db.execute(
                f"SELECT count(*) FROM {table} WHERE {SEAL} IS NOT seal_of('{table}', {columns})"
            ).fetchone()
            if bad:
                raise damaged(self._path, f"{bad} rows of {table} are not what was written")
        (rows,) = self._db.execute("SELECT count(*) FROM run").fetchone()
        if rows != 1:
            raise damaged(self._path, "which run it is of is lost")
        self.parts.check()

    def _renew(self, tables: set[str]) -> None:
        """Turn a journal of the layout before into this one; its rows are taken as they are."""
        own = [table for table in KEYED if table in tables]
        with self._transaction():
            digest, description = self._db.execute("SELECT * FROM run").fetchone()
            arms = self._db.execute("SELECT label, quantities FROM arms ORDER BY arm").fetchall()
            for table in own:
                self._db.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
            self._db.execute("DROP TABLE run")
            self._create(digest, description, [(label, json.loads(names)) for label, names in arms])
            for table in own:
                columns = ", ".join(columns_of(table))
                self._db.execute(
                    f"INSERT INTO {table} SELECT {columns}, seal_of('{table}', {columns}) "
                    f"FROM old_{table}"
                )
                self._db.execute(f"DROP TABLE old_{table}")
            self._db.execute("DROP TABLE arms")
        self.renewed = True

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
        dropped = self.count()
        if not self.empty:
            self.clear()
        with self._transaction():
            self._create(digest, json.dumps(description), arms)
        return dropped

    def _create(
        self, digest: str, description: str, arms: Sequence[tuple[str, Sequence[str]]]
    ) -> None:
        for table in TABLES:
            self._db.execute(_create(table))
        named = json.dumps([(label, list(names)) for label, names in arms])
        self._db.execute(_insert("run"), (digest, description, named))
        self._db.execute(f"PRAGMA user_version = {LAYOUT}")

    def check(self, digest: str, description: Mapping[str, Any]) -> bool:
        """Whether the journal is this run's; False if nobody's; another's is a JournalError."""
        if self.empty:
            return False
        stored_digest, stored = self._db.execute("SELECT digest, description FROM run").fetchone()
        if stored_digest == digest:
            return True
        before, now = json.loads(stored), json.loads(json.dumps(description))
        options = differing(options_of(before), options_of(now))
        tallies = [self.tally(arm, MANY) for arm in range(len(self.arms()))]
        fits, failed, _ = map(sum, zip(*tallies, strict=True))
        if not fits or (not options and fits == failed):
            return False
        other = []
        if options:
            other.append(f"holds another run; it differs in\n  {'\n  '.join(options)}\n")
        if code := changed(before, now):
            other.append(f"was made by other code:\n  {'\n  '.join(code)}\n")
        raise JournalError(
            f"{self._path.parent} {'and '.join(other)}restore what was run there, or {WAYS_OUT}"
        )

    @property
    def empty(self) -> bool:
        """Whether it is nobody's."""
        return self._version() == 0

    def _version(self) -> int:
        return self._db.execute("PRAGMA user_version").fetchone()[0]

    def _tables(self) -> set[str]:
        return {name for (name,) in self._db.execute("SELECT name FROM sqlite_master")}

    def clear(self) -> None:
        """Forget everything, also what is damaged, and remove the parts."""
        self._db.setconfig(sqlite3.SQLITE_DBCONFIG_RESET_DATABASE, True)
        self._db.execute("VACUUM")
        self._db.setconfig(sqlite3.SQLITE_DBCONFIG_RESET_DATABASE, False)
        self.parts.clear()

    def add(
        self,
        arm: int,
        records: Sequence[FitRecord],
        story: str = "",
        kept: Sequence[Kept] = (),
        parts: Sequence[Part] = (),
    ) -> None:
        """Keep a batch, all of it or nothing; fits that are there already stay as they are.

        Only one that ran into a time limit is replaced. A RunError if a part is not there.
        """
        rows: dict[str, list[tuple[Any, ...]]] = {
            "simulated": [(story, one.simulation, one.truth, one.data) for one in kept],
            "thinned": [(arm, one.simulation, one.draws) for one in kept if one.draws is not None],
            "fits": [(arm, *record.row()) for record in records],
            "parts": [(arm, part.name, story, part.fits.tobytes()) for part in parts],
        }
        new = [record.simulation for record in records]
        for part in parts:
            self.parts.await_(part)
            new += part.fits["simulation"].tolist()
        with self._transaction():
            self._db.executemany(
                f"DELETE FROM fits WHERE arm = ? AND simulation = ? AND {_TIMED_OUT}",
                [(arm, simulation) for simulation in new],
            )
            for table, each in rows.items():
                self._put(table, each)

    def put(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Put rows as they are kept into a table."""
        with self._transaction():
            self._put(table, rows)

    def _put(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._db.executemany(_insert(table, "INSERT OR IGNORE"), rows)

    def keep_manifest(self, text: str) -> None:
        """Keep the text of the manifest, in place of an earlier one."""
        with self._transaction():
            self._db.execute("DELETE FROM manifest")
            self._db.execute(_insert("manifest"), (text,))

    def manifest(self) -> str | None:
        """The text of the manifest that was kept last."""
        row = self._db.execute("SELECT text FROM manifest").fetchone()
        return row and row[0]

    def simulated(
        self, story: str, simulation: int
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]] | None:
        """Truth and data of a simulation that were kept, or None."""
        row = self._db.execute(
            "SELECT truth, data FROM simulated WHERE story = ? AND simulation = ?",
            (story, simulation),
        ).fetchone()
        row = row or self.parts.kept(("truth", "data"), "story", story, simulation)
        return (from_bytes(row[0]), from_bytes(row[1])) if row else None

    def thinned(self, arm: int, simulation: int) -> dict[str, np.ndarray] | None:
        """Draws of a fit that were kept, (max_rank, *dims) of each parameter, or None."""
        row = self._db.execute(
            "SELECT draws FROM thinned WHERE arm = ? AND simulation = ?", (arm, simulation)
        ).fetchone()
        row = row or self.parts.kept(("draws",), "arm", arm, simulation)
        return from_bytes(row[0]) if row else None

    def done(self, arm: int) -> set[int]:
        """Simulations of an arm that are in the journal."""
        rows = self._db.execute("SELECT simulation FROM fits WHERE arm = ?", (arm,))
        return {simulation for (simulation,) in rows}.union(
            self.parts.of(arm)["simulation"].tolist()
        )

    def count(self) -> int:
        """Fits of all arms."""
        if self.empty:
            return 0
        return sum(self.tally(arm, MANY)[0] for arm in range(len(self.arms())))

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
        fits, failed, divergent = self._db.execute(
            "SELECT count(*), count(error), coalesce(sum(divergences > 0), 0) FROM fits "
            "WHERE arm = ? AND simulation < ?",
            (arm, simulations),
        ).fetchone()
        more = self.parts.of(arm, simulations)
        return (
            fits + len(more),
            failed + int(more["failed"].sum()),
            divergent + int(more["divergent"].sum()),
        )

    def arms(self) -> list[tuple[str, list[str]]]:
        """Label and quantities of each arm."""
        (arms,) = self._db.execute("SELECT arms FROM run").fetchone()
        return [(label, names) for label, names in json.loads(arms)]

    def fits(self, arm: int, simulations: int) -> Iterator[list[FitRecord]]:
        """An arm's first simulations in order, in pieces that fit in memory."""
        size = max(1, ROWS_AT_ONCE // (len(self.arms()[arm][1]) + ROWS_OF_A_FIT))
        columns = ", ".join(f'"{name}"' for name in NAMES)
        cursor = self._db.execute(
            f"SELECT {columns} FROM fits WHERE arm = ? AND simulation < ? ORDER BY simulation",
            (arm, simulations),
        )
        own = map(FitRecord.from_row, cursor)
        each = heapq.merge(own, self.parts.fits(arm, simulations), key=attrgetter("simulation"))
        yield from map(list, itertools.batched(each, size))

    def keep_draws(self, arm: int, data: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the draws of one fit, for figures."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # ty: ignore[invalid-argument-type]
        with self._transaction():
            row = (arm, data, buffer.getvalue())
            self._db.execute(_insert("draws", "INSERT OR REPLACE"), row)

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
