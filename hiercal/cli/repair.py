"""The command that saves what is intact of damaged files."""

from __future__ import annotations

from pathlib import Path

import click

from hiercal.cli._exit import fail


@click.command(short_help="Save what is intact where files of a run were damaged.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def repair(folder: Path) -> None:
    """Save what is intact in DIR, the folder of a run, of a check or of a study.

    Every intact fit goes into a new journal.sqlite, and a lost manifest.json is made again. Damaged
    files are kept beside them, under names that end in .damaged. Nothing is fitted: the command
    that made the folder fits what was lost, and nothing else.

    Exits with 0 when the folder is whole now, 1 when it could not be written, 2 when it is no
    folder of a run, is in use, or nothing in it says any more which run it was of.
    """
    from hiercal.errors import JournalError, RunError
    from hiercal.runs.repair import repair as repaired

    try:
        done = repaired(folder)
    except (FileNotFoundError, JournalError) as error:
        fail(str(error), 2)
    except RunError as error:
        fail(str(error), 1)
    for line in done.lines:
        click.echo(line)
