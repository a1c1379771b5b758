"""hiercal tables: the tables of a finished run or study, for a paper."""

from __future__ import annotations

from pathlib import Path

import click

from hiercal.cli._exit import fail, names


@click.command(short_help="Tables for a paper: LaTeX, Markdown or CSV.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--format",
    "formats",
    type=click.Choice(["latex", "markdown", "csv"]),
    multiple=True,
    default=("latex",),
    show_default=True,
    help="May be given several times.",
)
@click.option("--only", metavar="NAMES", help="These tables alone, as in coverage,bias.")
@click.option("--arms", metavar="NAMES", help="Rows of these arms alone.")
@click.option("--quantities", metavar="NAMES", help="Rows of these quantities alone, as in tau,mu.")
@click.option(
    "--columns",
    metavar="NAMES",
    help="These columns of the files alone, in this order, as in arm,quantity,coverage.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder; default DIR/tables."
)
def tables(
    folder: Path,
    formats: tuple[str, ...],
    only: str | None,
    arms: str | None,
    quantities: str | None,
    columns: str | None,
    out: Path | None,
) -> None:
    """Write the tables of a finished run or study in DIR as a paper shows them.

    Each number is rounded to its standard error, which stands behind it in brackets. A LaTeX table
    fits the text width of an article: a wide one has smaller letters, or comes in parts. It needs
    the packages booktabs and array, and longtable for tables of more than a page. Captions say of
    how many simulations a table is, and with which seed.
    """
    from hiercal.errors import JournalError
    from hiercal.report.tables import paper_tables, write

    try:
        made = paper_tables(
            folder,
            only=names(only),
            arms=names(arms),
            quantities=names(quantities),
            columns=names(columns),
        )
    except (FileNotFoundError, JournalError, ValueError) as error:
        fail(str(error), 2)
    for path in write(made, out or folder / "tables", formats):
        click.echo(path)
