"""How a command ends that cannot go on."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from pathlib import Path

    from hiercal.runs.run import Run
    from hiercal.studies import Study

FRESH = "Start over: remove what an earlier run wrote in the folder, and nothing else."
"""Help of an option that several commands have."""
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


def fail(message: str, code: int) -> NoReturn:
    """Say why on standard error, and exit."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        click.echo(f"hiercal: {message}", err=True)
    sys.exit(code)


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

    if isinstance(wanted, Study):
        return f"interrupted; every fit so far is in {folder}. The same command goes on from there."
    if not (path := folder / "journal.sqlite").exists():
        return NOTHING_YET
    try:
        with Journal(path) as journal:
            if not journal.check(wanted.digest, wanted.describe()):
                return NOTHING_YET
            kept = sum(journal.tally(i, wanted.simulations)[0] for i in range(len(wanted.arms)))
    except JournalError:
        return NOTHING_YET  # the folder is another run's, which this one has not touched
    total = wanted.simulations * len(wanted.arms)
    return (
        f"interrupted; {kept} of {total} fits are in {folder}. The same command goes on from there."
    )
