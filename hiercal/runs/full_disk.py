"""What to say where a folder cannot be written: a full disk, no right to write, no file handles."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from hiercal.errors import RunError

_ROOM = "make room on that disk"
_RIGHT = "make it writable, or give another folder"
_HANDLES = "close other programs or raise the limit (ulimit -n)"
_DISK = "make room, or look at the disk and at the limit on the size of files (ulimit -f)"
_PLACE = ("something else is where it belongs", "move that away, or give another folder")
OF_SYSTEM = {
    errno.ENOSPC: ("the disk is full", _ROOM),
    errno.EDQUOT: ("the quota of the disk is used up", _ROOM),
    errno.EFBIG: ("a file is larger than is allowed", "raise the limit (ulimit -f)"),
    errno.EROFS: ("it is read-only", _RIGHT),
    errno.EACCES: ("there is no right to write", _RIGHT),
    errno.EPERM: ("there is no right to write", _RIGHT),
    errno.EMFILE: ("too many files are open", _HANDLES),
    errno.ENFILE: ("too many files are open", _HANDLES),
    errno.ENOTDIR: _PLACE,
    errno.EEXIST: _PLACE,
    errno.EISDIR: _PLACE,
    errno.EIO: ("the disk has an input/output error", "look at the disk"),
}
OF_SQLITE = {
    sqlite3.SQLITE_FULL: ("the disk is full", _ROOM),
    sqlite3.SQLITE_IOERR: ("the disk is full, or has an error", _DISK),
    sqlite3.SQLITE_READONLY: ("it is read-only", _RIGHT),
    sqlite3.SQLITE_PERM: ("there is no right to write", _RIGHT),
    sqlite3.SQLITE_CANTOPEN: (
        "its journal cannot be opened",
        "see that it can be written and that not too many files are open (ulimit -n)",
    ),
}


def trouble(error: BaseException | None) -> tuple[str, str] | None:
    """What hinders writing, and what to do about it; None if the error is another one."""
    while error is not None:
        if isinstance(error, sqlite3.Error):
            known = OF_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        else:
            known = OF_SYSTEM.get(error.errno or 0) if isinstance(error, OSError) else None
        if known:
            return known
        error = error.__cause__ or error.__context__
    return None


def told(error: BaseException, folder: Path | str) -> str | None:
    """One message: what is kept, and what to do; None if the error is another one."""
    if (known := trouble(error)) is None:
        return None
    what, remedy = known
    return (
        f"{folder} cannot be written: {what} ({error}). What came in before is kept: {remedy}, "
        "then give the same command again, which goes on from there"
    )


@contextmanager
def storing(folder: Path) -> Generator[None]:
    """Turn what hinders writing in a folder into a RunError."""
    try:
        yield
    except (OSError, RuntimeError, sqlite3.Error) as error:  # Dask raises RuntimeError from them
        if message := told(error, folder):
            raise RunError(message) from error
        raise
