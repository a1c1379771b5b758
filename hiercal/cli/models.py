"""Commands on models and draws of one's own."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hiercal.cli._exit import FRESH, fail, interrupted


@click.command(short_help="Rank draws that were made elsewhere.")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--truths", metavar="FILE2", type=click.Path(path_type=Path), help="The truths, if not in FILE."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder; default results/ and FILE's name without its suffix.",
)
@click.option(
    "--max-rank",
    type=click.IntRange(9),
    help="Draws that a truth is ranked among; default 99, or about half of them if under 200.",
)
@click.option("--seed", type=click.IntRange(0), help="Of what breaks ties of a truth with draws.")
@click.option("--check", is_flag=True, help="Exit with 1 or 3 as hiercal run --check does.")
@click.option("--allow-inconclusive", is_flag=True, help="With --check: 0 instead of 3.")
@click.option("--fresh", is_flag=True, help=FRESH)
def ranks(
    file: Path,
    truths: Path | None,
    out: Path | None,
    max_rank: int | None,
    seed: int | None,
    check: bool,
    allow_inconclusive: bool,
    fresh: bool,
) -> None:
    """Rank truths among draws that Stan, R, Julia or anything else made.

    FILE is Parquet or CSV with the columns simulation, chain (if there are several), draw and one
    for each quantity, and the truths in rows without a draw, or in FILE2; NetCDF or zarr with
    groups truths and draws; or .npz with the keys truths/NAME and draws/NAME. A fit that failed
    has NaN, or nothing, instead of draws.

    The folder gets what hiercal run writes; exit codes are the same.
    """
    from hiercal.config import usual_run
    from hiercal.console.result import show_verdict
    from hiercal.errors import JournalError, RunError
    from hiercal.runs.executors import Where
    from hiercal.runs.interrupts import listen
    from hiercal.tables.export import run as run_run
    from hiercal.tables.mixing import NOT_DECIDED
    from hiercal.tables.mixing import check as checked
    from hiercal.user_models._draws_files import read_draws

    if allow_inconclusive and not check:
        fail("--allow-inconclusive goes with --check", 2)
    try:
        wanted = usual_run(read_draws(file, truths), max_rank=max_rank, seed=seed)
    except (ValueError, ModuleNotFoundError) as error:
        fail(str(error), 2)
    folder = out or Path("results") / wanted.name
    listen()
    try:
        result = run_run(
            wanted,
            folder,
            where=Where(workers=0),
            fresh=fresh,
            given=file,
            judged=show_verdict,
        )
    except JournalError as error:
        fail(str(error), 2)
    except (RunError, ValueError) as error:
        fail(str(error), NOT_DECIDED if check else 1)
    except KeyboardInterrupt:
        fail(interrupted(wanted, folder), 130)
    if check:
        sys.exit(checked(result, allow_inconclusive))


@click.command(short_help="Rank new quantities of fits already made.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--quantities",
    metavar="FILE",
    multiple=True,
    help="Functions of (draws, data): q.py for all public ones, or q.py:function; may be repeated.",
)
@click.option(
    "--products",
    metavar="A B",
    nargs=2,
    multiple=True,
    help="Two quantities to be multiplied, as in --products mu tau; may be repeated.",
)
@click.option("--all-products", is_flag=True, help="Products of all pairs of scalar parameters.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder; default DIR/requantified-<name of FILE>.",
)
def requantify(
    folder: Path,
    quantities: tuple[str, ...],
    products: tuple[tuple[str, str], ...],
    all_products: bool,
    out: Path | None,
) -> None:
    """Rank new quantities of the run in DIR, which kept its draws; nothing is fitted again.

    The run needs keep_draws = true in its file. The folder gets verdicts.csv, mixing.csv,
    coverage.csv, records.parquet, fits.parquet, figures/ and manifest.json, and is shown again by
    hiercal show. The verdicts are corrected for the new quantities alone: asked after a look at
    the run's verdicts, they add to its false alarms.
    """
    from hiercal.console.result import show_result
    from hiercal.errors import JournalError, RunError
    from hiercal.tables.export import requantify as answer

    if all_products and products:
        fail("--all-products has every pair; leave --products out", 2)
    try:
        result = answer(folder, quantities, out, products=all_products or products)
    except (JournalError, ValueError, TypeError, FileNotFoundError) as error:
        fail(str(error), 2)
    except RunError as error:
        fail(str(error), 1)
    show_result(result)


@click.command(short_help="Are two codings the same model?")
@click.argument("a", metavar="A")
@click.argument("b", metavar="[B]", required=False)
@click.option(
    "--names",
    metavar="NAMES",
    help="Variables of A and what B calls them: mu=Intercept,tau=1|group_sigma.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1, True, True),
    default=1e-6,
    show_default=True,
    help="Relative difference of log densities above which they differ.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def parity(a: str, b: str | None, names: str | None, tolerance: float, seed: int) -> None:
    """Compare two codings of a model, A and B, each a file.py:model of PyMC, NumPyro or Bambi.

    Log densities and their gradients are compared at prior draws of both, variable by variable;
    the first that differs is named. Forward draws of each are compared with its own log density;
    with A alone, that is all.

    Exits with 0 if all is equal, 1 if something differs, 2 on a mistake in the command and when a
    model is refused.
    """
    from hiercal import catalogue
    from hiercal.console.parity import show_parity
    from hiercal.user_models.parity import parity as compared

    try:
        pairs = [tuple(each.split("=")) for each in names.split(",")] if names else []
        if any(len(pair) != 2 for pair in pairs):
            fail(f"--names is {names!r}; give a=b,c=d: names in A and in B", 2)
        stories = [catalogue.story(name) for name in (a, b) if name]
        mapped = {one.strip(): other.strip() for one, other in pairs}
        found = compared(*stories, names=mapped, tolerance=tolerance, seed=seed)
    except (ValueError, ModuleNotFoundError) as error:
        fail(str(error), 2)
    show_parity(found)
    if not found.same:
        sys.exit(1)


@click.command(short_help="Which variables of a model to centre, on its data.")
@click.argument("model", metavar="FILE.py:MODEL")
@click.option("--fits", type=click.IntRange(2), default=6, show_default=True, help="Pilot fits.")
@click.option("--draws", type=click.IntRange(100), default=500, show_default=True)
@click.option("--tune", type=click.IntRange(50), default=500, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def advise(model: str, fits: int, draws: int, tune: int, seed: int) -> None:
    """Fit MODEL to its own data in every parameterisation, and say which samples it best.

    MODEL is a file.py:model of PyMC, NumPyro or Bambi, or a story with real data.
    """
    from hiercal import catalogue
    from hiercal.advice import advise as advised
    from hiercal.console.advice import show_advice

    try:
        story = catalogue.story(model)
        table = advised(story, fits=fits, draws=draws, tune=tune, seed=seed)
    except (ValueError, ModuleNotFoundError) as error:
        fail(str(error), 2)
    show_advice(story.name, table)
