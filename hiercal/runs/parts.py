"""Parts: files of fits that workers write themselves into a run's folder, as Parquet.

What comes to the driver is which fits are in which part. A part's name ends in a hash of what is in
it, so that a part that is not what was written is never read.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.errors import RunError
from hiercal.runs.columns import FIELDS, NAMES, FitRecord
from hiercal.runs.seals import REPAIR, Damaged
from hiercal.runs.thinned_draws import Kept

if TYPE_CHECKING:
    import pyarrow as pa

PARTS = "parts"
"""Their folder in the folder of a run."""
FITS = np.dtype([("simulation", "<i8"), ("failed", "?"), ("divergent", "?")])
"""What the journal keeps of each fit in a part."""
KEPT = ("truth", "data", "draws")
"""Columns of a part of a run that keeps draws, behind those of the fits."""
HELD = 4
"""Parts held while fits are read in order: that of a batch made again lies among others."""
PATIENCE = 30
"""Seconds after which a part is written that was: a network's file system may tell it late."""
SHARED = (
    "With parts, the run's folder has to be on storage that the driver and all workers share, "
    "under the same path. What came in before is kept: put this right and run the same command to "
    "go on"
)


@dataclass(frozen=True)
class Part:
    """Fits of one arm in one file.

    Attributes
    ----------
    name : str
        Of the file: the run's digest, the arm's number, and the hash of what is in it.
    fits : ndarray of `FITS`, shape (n_fits,)
    slowest : float
        Seconds of the slowest completed fit; minus infinity if all failed.
    """

    name: str
    fits: np.ndarray
    slowest: float


@dataclass(frozen=True)
class Place:
    """Where the parts of an arm are written, by whoever fits it.

    Parameters
    ----------
    folder : str
        ``parts`` in the run's folder: the same on all workers.
    prefix : str
        What the names of the arm's parts begin with.
    """

    folder: str
    prefix: str

    def write(self, records: Sequence[FitRecord], kept: Sequence[Kept]) -> Part:
        """Write fits as a part, whole or not at all.

        Raises
        ------
        RunError
            If it cannot be written, as where the folder is not there.
        """
        content = _to_parquet(records, kept)
        name = f"{self.prefix}{_hash(content)}.parquet"
        path = Path(self.folder) / name
        unfinished = path.with_suffix(".unfinished")
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise RunError(f"a worker cannot write {path}: {error.strerror}. {SHARED}") from None
        return _part(name, records)


class Parts:
    """The parts of a run: which there are is in its journal, what is in them in its folder.

    Parameters
    ----------
    database : Connection
        The journal, whose table ``parts`` has the columns ``arm, name, story, fits``.
    folder : Path
        Of the files.
    """

    def __init__(self, database: sqlite3.Connection, folder: Path) -> None:
        self._db, self._folder = database, folder
        self._rows = lru_cache(HELD)(self._read)
        self._index = lru_cache(HELD)(self._indexed)  # anew once the journal has changed

    def place(self, digest: str, arm: int) -> Place:
        """Where an arm's parts are, and are written."""
        return Place(os.path.abspath(self._folder), f"{digest[:12]}-{arm}-")

    def open(self) -> None:
        """Make their folder."""
        self._folder.mkdir(exist_ok=True)

    def await_(self, part: Part) -> None:
        """Wait for a part that a worker says it has written.

        Raises
        ------
        RunError
            If it is not there.
        """
        for _ in range(PATIENCE):
            if (self._folder / part.name).exists():
                return
            time.sleep(1)
        raise RunError(
            f"a worker has written {part.name}, and it is not in {self._folder}. {SHARED}"
        )

    def check(self) -> None:
        """Raise a `Damaged` for the first part that is not what was written."""
        for (name,) in self._db.execute("SELECT name FROM parts"):
            _content(self._folder / name)

    def strays(self, place: Place) -> Iterator[Part]:
        """Whole parts of an arm that nothing is known of, as the driver died before it was told."""
        known = {name for (name,) in self._db.execute("SELECT name FROM parts")}
        for path in sorted(self._folder.glob(f"{place.prefix}*.parquet")):
            if path.name not in known and is_whole(path):
                yield _part(path.name, [FitRecord.from_row(row) for row in self._read(path.name)])

    def of(self, arm: int, simulations: int = 2**62) -> np.ndarray:
        """What is known of an arm's first fits, of `FITS`, in no order."""
        blobs = self._db.execute("SELECT fits FROM parts WHERE arm = ?", (arm,))
        fits = [np.empty(0, FITS), *(np.frombuffer(blob, FITS) for (blob,) in blobs)]
        every = np.concatenate(fits)
        return every[every["simulation"] < simulations]

    def fits(self, arm: int, simulations: int) -> Iterator[FitRecord]:
        """An arm's first simulations in order."""
        for name, row in self._places("arm", arm, simulations):
            yield FitRecord.from_row(self._rows(name)[row])

    def kept(
        self, columns: tuple[str, ...], by: str, value: Any, simulation: int
    ) -> tuple[bytes, ...] | None:
        """What some of `KEPT` are of a simulation of an arm or of a story, or None."""
        for name, row in self._places(by, value, simulation + 1, simulation):
            if None not in (found := self._rows(name, *columns)[row]):
                return found
        return None

    def clear(self) -> None:
        """Remove all files of parts, and their folder if that leaves it empty."""
        for pattern in ("*.parquet", "*.unfinished"):
            for path in self._folder.glob(pattern):
                path.unlink(missing_ok=True)
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def _places(self, by: str, value: Any, below: int, first: int = 0) -> Iterator[tuple[str, int]]:
        """Part and row of the simulations in a range, in order."""
        names, simulation, part, row = self._index(by, value, self._db.total_changes)
        for i in range(*np.searchsorted(simulation, [first, below])):
            yield names[part[i]], int(row[i])

    def _indexed(
        self, by: str, value: Any, _: int
    ) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
        """Names of parts; and simulations in order, with the number of the part and the row."""
        names, each = [], [np.empty(0, FITS)]
        for name, blob in self._db.execute(
            f"SELECT name, fits FROM parts WHERE {by} = ? ORDER BY name", (value,)
        ):
            names.append(name)
            each.append(np.frombuffer(blob, FITS))
        simulation = np.concatenate(each)["simulation"]
        part = np.repeat(range(-1, len(names)), [len(fits) for fits in each])
        row = np.concatenate([np.arange(len(fits)) for fits in each])
        order = np.argsort(simulation, kind="stable")
        return names, simulation[order], part[order], row[order]

    def _read(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        """Rows of a part, by default all columns of the fits."""
        import pyarrow.parquet as pq

        table = pq.read_table(
            io.BytesIO(_content(self._folder / name)), columns=list(columns or NAMES)
        )
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def simulations(fits: bytes) -> list[int]:
    """Which simulations are in a part, as the journal keeps it."""
    return np.frombuffer(fits, FITS)["simulation"].tolist()


def is_whole(path: Path) -> bool:
    """Whether a part is there, as it was written."""
    try:
        _content(path)
    except Damaged:
        return False
    return True


def _content(path: Path) -> bytes:
    """The bytes of a part's file; `Damaged` if they are not what was written."""
    repair = REPAIR.format(folder=path.parent.parent)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Damaged(f"{path} is lost. {repair}") from None
    if _hash(content) != path.stem.rpartition("-")[-1]:
        raise Damaged(f"{path} is damaged. {repair}")
    return content


def _part(name: str, records: Sequence[FitRecord]) -> Part:
    return Part(name, fits_of(records), slowest(records))


def fits_of(records: Sequence[FitRecord]) -> np.ndarray:
    """What a part says of its fits."""
    fits = [(one.simulation, one.error is not None, one.divergences > 0) for one in records]
    return np.array(fits, FITS)


def slowest(records: Sequence[FitRecord]) -> float:
    """Seconds of the slowest completed fit; minus infinity if there is none."""
    return max((one.seconds for one in records if one.error is None), default=-np.inf)


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _to_parquet(records: Sequence[FitRecord], kept: Sequence[Kept]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(zip(*(record.row() for record in records), strict=True))
    arrays = [
        pa.array(values, _type(each.metadata["sql"]))
        for values, each in zip(columns, FIELDS, strict=True)
    ]
    if kept:
        by_simulation = {one.simulation: one for one in kept}
        own = [by_simulation.get(record.simulation) for record in records]
        arrays += [
            pa.array([one and getattr(one, name) for one in own], pa.binary()) for name in KEPT
        ]
    names = [*NAMES, *(KEPT if kept else ())]
    file = io.BytesIO()
    pq.write_table(pa.table(arrays, names=names), file)
    return file.getvalue()


def _type(sql: str) -> pa.DataType:
    import pyarrow as pa

    types = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string(), "BLOB": pa.binary()}
    return types[sql.split()[0]]
