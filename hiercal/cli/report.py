"""hiercal report: a finished run or study as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from hiercal.cli._exit import fail, names


@click.command(short_help="A finished run or study as one HTML page.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--arms", metavar="NAMES", help="Show these arms alone in the table of quantities.")
@click.option("--quantities", metavar="NAMES", help="Show these quantities alone: tau,mu.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File; default DIR/report.html.",
)
def report(folder: Path, arms: str | None, quantities: str | None, out: Path | None) -> None:
    """Write a finished run or study in DIR as one HTML page, complete in itself.

    It says the verdict, the size of errors in posterior sd and the smallest that would have been
    found; then the evidence on each quantity of each arm, with rank histogram, ECDF and coverage;
    failures, divergences, effective draws and cost; the command that repeats the run; and a
    paragraph on methods with BibTeX. It asks for nothing from a network.
    """
    from hiercal.errors import JournalError, RunError
    from hiercal.report.page.render import page, write
    from hiercal.runs.manifest import REPORT

    try:
        text = page(folder, arms=names(arms), quantities=names(quantities))
        click.echo(write(text, out or folder / REPORT))
    except (FileNotFoundError, JournalError, ValueError) as error:
        fail(str(error), 2)
    except RunError as error:
        fail(str(error), 1)
