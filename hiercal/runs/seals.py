"""Seals: a hash beside what is kept, so that damage is told and never read as a result."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import struct
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hiercal.errors import JournalError
from hiercal.runs.full_disk import OF_SQLITE

SEAL = "seal"
REPAIR = "`hiercal repair {folder}` saves all that is intact, and the same command makes the rest"
"""What to do about damage."""


class Damaged(JournalError):
    """What is kept is not what was written; the message says what, and what to do."""


def seal_of(table: str, *row: Any) -> bytes:
    """Hash of a row of a table, of the values as SQLite keeps them, 8 bytes.

    Examples
    --------
    >>> seal_of("fits", 0, 1, None, 2.5).hex() == seal_of("fits", 0, 1.0, None, 2.5).hex()
    True
    >>> seal_of("fits", 0, 1) == seal_of("fits", 1, 0)
    False
    """
    parts = []
    for value in (table, *row):
        if value is None:
            parts.append(b"n")
        elif isinstance(value, bytes | str):
            data = value.encode() if isinstance(value, str) else value
            parts += [b"%c%d:" % ("tb"[isinstance(value, bytes)].encode(), len(data)), data]
        else:
            # SQLite keeps whole numbers of a REAL column as integers, and -0.0 as 0
            parts.append(b"r" + struct.pack("<d", value + 0.0))
    return hashlib.blake2b(b"".join(parts), digest_size=8).digest()


def sealed(content: Mapping[str, Any], indent: int | None = 2) -> str:
    """Plain data as the text of a JSON file, with a seal."""
    plain = json.loads(json.dumps({k: v for k, v in content.items() if k != SEAL}))
    separators = None if indent else (",", ":")
    whole = plain | {SEAL: _hash(plain)}
    return json.dumps(whole, indent=indent, separators=separators) + "\n"


def unsealed(text: str | bytes, where: Path) -> dict[str, Any]:
    """The content of a JSON file; of one written by an earlier version, without a seal, as it is.

    Raises
    ------
    Damaged
        If it is not what was written.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise Damaged(f"{where} is damaged ({error})") from None
    if not isinstance(content, dict):
        raise Damaged(f"{where} is damaged (it holds no table of keys)")
    if content.pop(SEAL, None) not in (None, _hash(content)):
        raise Damaged(f"{where} is damaged, or was changed by hand: its seal is of other text")
    return content


def hash_of(path: Path) -> str:
    """Hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def _hash(plain: Mapping[str, Any]) -> str:
    text = json.dumps(plain, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@contextmanager
def opening(database: sqlite3.Connection, path: Path) -> Generator[None]:
    """Say why a database cannot be opened, and close it then.

    Raises
    ------
    JournalError
        If another process has it open, or it is damaged.
    sqlite3.Error
        If it cannot be written; see `hiercal.runs.full_disk`.
    """
    try:
        yield
    except JournalError:
        database.close()
        raise
    except sqlite3.Error as error:
        database.close()
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise JournalError(
                f"{path} cannot be locked ({error}): another run is using this folder; wait for it "
                "to end or give another --out"
            ) from error
        if code in OF_SQLITE:
            raise
        raise damaged(path, str(error)) from error


def damaged(path: Path, what: str) -> Damaged:
    """The error that says that a database is damaged."""
    told = " ".join(what.split())
    return Damaged(
        f"{path} is damaged, or is not a journal ({told}). {REPAIR.format(folder=path.parent)}"
    )
