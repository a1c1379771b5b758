"""How a command ends that cannot go on."""

from __future__ import annotations

import sqlite3
import sys
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


def fail(message: str, code: int) -> NoReturn:
    """Say why on standard error, and exit."""
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


def interrupted(wanted: Run | Study, folder: Path) -> str:
    """What is kept of a run or study that was interrupted."""
    from hiercal.errors import JournalError
    from hiercal.runs.journal import Journal
    from hiercal.studies import Study

    every = f"interrupted; every fit so far is in {folder}. The same command goes on from there."
    if isinstance(wanted, Study):
        return every
    try:
        with Journal(folder / "journal.sqlite") as journal:
            kept = sum(journal.tally(i, wanted.simulations)[0] for i in range(len(wanted.arms)))
    except (JournalError, OSError, sqlite3.Error):  # interrupted before it was opened, or full
        return every
    total = wanted.simulations * len(wanted.arms)
    return (
        f"interrupted; {kept} of {total} fits are in {folder}. The same command goes on from there."
    )
