"""How a command ends that cannot go on."""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from pathlib import Path

    from hiercal.runs.run import Run
    from hiercal.studies import Study

FRESH = "Start over: remove what an earlier run wrote in the folder, and nothing else."
"""Help of an option that several commands have."""
WORKERS = click.IntRange(0, 1000)
"""Processes of one machine."""
NOTHING_YET = "interrupted before anything was fitted. The same command starts again."
"""What is said where there was nothing to keep."""


def where_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of a command that say how long and how large its fits may be."""
    for option in (
        click.option("--worker-memory", metavar="SIZE", help="Memory that a worker process may "
                     "hold, as 4GB; 0 for any. By default an equal share of the machine's."),
        click.option("--fit-seconds", type=click.FloatRange(0), metavar="SECONDS", help="A fit "
                     "that takes longer is ended and recorded as failed; 0 for no limit. By "
                     "default 5 minutes, or 200 times the slowest fit so far."),
    ):  # fmt: skip
        command = option(command)
    return command


def names(given: str | None) -> list[str]:
    """Names between commas, but for those in brackets.

    Examples
    --------
    >>> names("theta[1, 2], tau"), names(None)
    (['theta[1, 2]', 'tau'], [])
    """
    return [name.strip() for name in re.split(r",(?![^\[]*\])", given)] if given else []


def fail(message: str, code: int) -> NoReturn:
    """Say why on standard error, and exit."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        click.echo(f"hiercal: {message}", err=True)
    sys.exit(code)


class Commands(click.Group):
    """Commands of which none ends in a traceback for what is wrong in a user's file or disk."""

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # a letter that a terminal lacks ends no run
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (Exception, SystemExit) as error:
            from hiercal.runs import full_disk, user_files

            if where := user_files.told(error):
                fail(where, 2)
            if isinstance(error, (OSError, sqlite3.Error)):
                place = getattr(error, "filename", None) or "what was to be written"
                if message := full_disk.told(error, place):
                    # 1 would be a verdict of these
                    fail(message, 3 if {"check", "--check"} & set(sys.argv[1:]) else 1)
            if isinstance(error, OSError) and error.filename is not None:
                fail(f"{error.filename}: {error.strerror}", 2)
            raise


def interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """A command that ends in one line when it is interrupted, from its first import on."""
    from hiercal.runs.interrupts import listen

    @functools.wraps(command)
    def interrupted_cleanly(**options: Any) -> None:
        listen()
        try:
            command(**options)
        except KeyboardInterrupt:
            fail(NOTHING_YET, 130)

    return interrupted_cleanly


def interrupted(wanted: Run | Study, folder: Path) -> str:
    """What is kept of a run or study that was interrupted."""
    from hiercal.errors import JournalError
    from hiercal.runs.journal import Journal
    from hiercal.studies import Study

    every = f"interrupted; every fit so far is in {folder}. The same command goes on from there."
    if isinstance(wanted, Study):
        return every
    if not (path := folder / "journal.sqlite").exists():
        return NOTHING_YET
    try:
        with Journal(path) as journal:
            if not journal.check(wanted.digest, wanted.describe()):
                return NOTHING_YET
            kept = sum(journal.tally(i, wanted.simulations)[0] for i in range(len(wanted.arms)))
    except JournalError:
        return NOTHING_YET  # the folder is another run's, which this one has not touched
    except (OSError, sqlite3.Error):  # the disk is full
        return every
    total = wanted.simulations * len(wanted.arms)
    return (
        f"interrupted; {kept} of {total} fits are in {folder}. The same command goes on from there."
    )
