"""How a command ends that cannot go on."""

from __future__ import annotations

import sqlite3
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from pathlib import Path

    from hiercal.runs.run import Run
    from hiercal.studies import Study

FRESH = "Start over: remove what an earlier run wrote in the folder, and nothing else."
"""Help of an option that several commands have."""


class Commands(click.Group):
    """Commands that say in one message why they cannot write, where they do not say it better."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (OSError, sqlite3.Error) as error:
            from hiercal.runs.full_disk import told

            message = told(error, getattr(error, "filename", None) or "what was to be written")
            if message is None:
                raise
            # 1 would be a verdict of these
            fail(message, 3 if {"check", "--check"} & set(sys.argv[1:]) else 1)


def fail(message: str, code: int) -> NoReturn:
    """Say why on standard error, and exit."""
    click.echo(f"hiercal: {message}", err=True)
    sys.exit(code)


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
