"""The command on fitters that are spoilt in a known way."""

from __future__ import annotations

from pathlib import Path

import click

from hiercal.cli._exit import fail


@click.command(short_help="Which known errors of samplers are found, and how soon.")
@click.option("--only", metavar="NAMES", help="Names of mutants, with commas between them.")
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, True, True),
    default=1e-3,
    show_default=True,
    help="Probability at most that an honest fitter is called out, however long it is tested.",
)
@click.option(
    "--max-simulations",
    type=click.IntRange(1),
    default=4000,
    show_default=True,
    help="Simulations after which a mutant counts as not found.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="CPU seconds after which it does.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/mutants"),
    show_default=True,
)
@click.option("--list", "listed", is_flag=True, help="Name the mutants and what each has wrong.")
@click.option("--fresh", is_flag=True, help="Test again what is in the folder already.")
def mutants(
    only: str | None,
    alpha: float,
    max_simulations: int,
    seconds: float,
    seed: int,
    out: Path,
    listed: bool,
    fresh: bool,
) -> None:
    """Test fitters that are wrong in a known way, and the honest ones that they are made of.

    Each is tested until it is found or its simulations or seconds are used up; the folder gets
    mutants.csv, a row as each is done, so that the same command goes on after a kill.
    """
    from hiercal.console.mutants import show_list, show_mutants
    from hiercal.errors import JournalError, RunError, UnknownName
    from hiercal.mutant_table import Options, table
    from hiercal.runs.folder import check_place
    from hiercal.runs.full_disk import storing

    if listed:
        show_list()
        return
    names = [name.strip() for name in only.split(",")] if only else []
    options = Options(alpha=alpha, max_simulations=max_simulations, seconds=seconds, seed=seed)
    try:
        check_place(out)
        with storing(out):
            rows = table(names, options, out, fresh=fresh, say=click.echo)
    except (UnknownName, JournalError) as error:
        fail(str(error), 2)
    except (RunError, ValueError, ModuleNotFoundError) as error:
        fail(str(error), 1)
    except KeyboardInterrupt:
        fail(f"interrupted; the rows that are done are in {out}. The same command goes on.", 130)
    show_mutants(rows, options)
    click.echo(f"\nAll columns: {out / 'mutants.csv'}")
