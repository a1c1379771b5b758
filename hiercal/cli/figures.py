"""hiercal figures: the figures of a finished run or study, for a paper or a screen."""

from __future__ import annotations

from pathlib import Path

import click

from hiercal.cli._exit import fail, names


@click.command(short_help="Figures for a paper, as wide as a column.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--style",
    type=click.Choice(["paper", "screen"]),
    default="paper",
    show_default=True,
    help="paper: without the note below, which is written as the caption of a LaTeX figure. "
    "screen: with the note.",
)
@click.option(
    "--columns",
    type=click.IntRange(1, 2),
    help="Columns of a page that they span: 3.4 or 7.0 inches; by default what suits each.",
)
@click.option("--only", metavar="NAMES", help="These figures alone, as in ecdf,ranks.")
@click.option("--arms", metavar="NAMES", help="Show these arms of a run alone, in this order.")
@click.option(
    "--quantities", metavar="NAMES", help="Show these quantities alone, in this order: tau,mu."
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(["pdf", "svg", "png"]),
    multiple=True,
    default=("pdf",),
    show_default=True,
    help="May be given several times.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder; default DIR/paper."
)
def figures(
    folder: Path,
    style: str,
    columns: int | None,
    only: str | None,
    arms: str | None,
    quantities: str | None,
    formats: tuple[str, ...],
    out: Path | None,
) -> None:
    """Draw the figures of a finished run or study in DIR anew, as a paper or a screen needs them.

    Letters have 8 points at the width that is given, so a paper includes them without scaling.
    Fonts are embedded. An arm has the same colour and marker in all figures of a run, whichever
    others are shown. What one page cannot show so that it is readable comes in several, as ecdf-1
    and ecdf-2: more than 8 arms in a panel, or more than 7 inches of panels.
    """
    from hiercal.errors import JournalError
    from hiercal.report.figures import paper_figures, write

    try:
        made = paper_figures(
            folder,
            style=style,
            columns=columns,
            only=names(only),
            arms=names(arms),
            quantities=names(quantities),
        )
    except (FileNotFoundError, JournalError, ValueError) as error:
        fail(str(error), 2)
    for path in write(made, out or folder / "paper", formats, captions=style == "paper"):
        click.echo(path)
