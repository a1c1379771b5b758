"""The command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from hiercal.cli import models
from hiercal.cli._exit import (
    FRESH,
    WORKERS,
    Commands,
    fail,
    interrupted,
    interruptible,
    where_options,
)
from hiercal.cli._live import live_options, shown_live
from hiercal.cli.archive import archive, rerun
from hiercal.cli.check import check as check_command
from hiercal.cli.figures import figures
from hiercal.cli.mutants import mutants
from hiercal.cli.repair import repair
from hiercal.cli.report import report
from hiercal.cli.tables import tables

EXAMPLE = """
\b
Examples:
  hiercal list
  hiercal run examples/eight_schools.toml
  hiercal run examples/eight_schools.toml --simulations 5000   (extends the run above)
  hiercal run examples/eight_schools.toml --fresh              (starts it over)
  hiercal run funnel --quick
  hiercal check eight_schools                     (stops when the evidence decides; for CI)
  hiercal check eight_schools --kernel numpyro    (one transition of a kernel)
  hiercal claims
  hiercal show results/eight_schools
  hiercal figures results/eight_schools --columns 1 --only ecdf --quantities tau
  hiercal tables results/eight_schools            (for a paper: LaTeX, Markdown, CSV)
  hiercal report results/eight_schools            (one HTML page)
  hiercal archive results/eight_schools           (one file, for a paper's supplement)
  hiercal rerun eight_schools.zip                 (runs it again: what agrees, what does not)
  hiercal repair results/eight_schools            (after damage: saves what is intact)
  hiercal requantify results/mine --quantities mine.py   (of a run with keep_draws = true)
  hiercal ranks draws.parquet --truths truths.parquet   (draws made elsewhere)
  hiercal fit eight_schools --model centred
  hiercal run my_model.py:model                                (a PyMC, NumPyro or Bambi model)
  hiercal advise my_model.py:model
  hiercal parity in_pymc.py:model in_numpyro.py:model
"""
KINDS = ["stories", "fitters", "studies", "kernels"]
"""What ``hiercal list`` lists."""


@click.group(
    cls=Commands,
    epilog=EXAMPLE,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="hiercal")
def main() -> None:
    """Is this posterior computation calibrated?

    hiercal simulates known truths from a hierarchical story, refits the data with PyMC and NumPyro,
    ranks each truth among the posterior draws (simulation-based calibration), and says what is
    calibrated, what is not, and what error the run was large enough to see.
    """
    # Arrow's own allocator keeps what is freed: of 100,000 simulations, a third more memory
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


@main.command("list", short_help="List stories, fitters, studies and kernels.")
@click.argument("kind", required=False, type=click.Choice(KINDS))
@click.option(
    "--table",
    is_flag=True,
    help="Of the stories: try every model in each library and print what works (minutes).",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/stories"),
    show_default=True,
    help="With --table: the run whose verdicts are shown.",
)
def list_(kind: str | None, table: bool, results: Path) -> None:
    """List stories, fitters, studies and kernels, with their options and defaults."""
    from hiercal import catalogue
    from hiercal.console import listing

    if table:
        if kind != "stories":
            fail("--table is of the stories: hiercal list stories --table", 2)
        listing.show_story_table(catalogue.names("stories"), results)
        return
    listing.show_catalogue([kind] if kind else KINDS)


@main.command(short_help="Run a file or a named study; goes on where it was left.")
@click.argument("config", metavar="CONFIG", type=click.Path(path_type=Path))
@click.option(
    "--simulations",
    type=click.IntRange(1),
    help="Simulated data sets; more extends a run. Looking at the verdict after each "
    "extension raises more false alarms than the stated 5 %: 12 % with five looks at a quantity.",
)
@click.option("--seed", type=click.IntRange(0), help="Seed of everything.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder; default results/<study>, or results/<file> for a file that names a study.",
)
@click.option(
    "--workers",
    type=WORKERS,
    help="Local processes, one a core by default; 0: this process.",
)
@click.option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler, tcp://host:port.")
@click.option(
    "--scheduler-file",
    type=click.Path(path_type=Path),
    help="Its scheduler file, on a shared disk.",
)
@click.option(
    "--parts",
    is_flag=True,
    help="Workers write their fits themselves, into parts/ in the run's folder, which has to be "
    "on storage that they share: for millions of fits.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Exit with 1 if an arm is miscalibrated, 3 if that is not decided, fits failed or chains "
    "do not mix. Of a named study: 1 if a claim fails.",
)
@click.option(
    "--allow-inconclusive",
    is_flag=True,
    help="With --check: 0 instead of 3, unless an arm has no completed fit.",
)
@click.option(
    "--around",
    is_flag=False,
    flag_value="",
    metavar="[CSV]",
    help="Posterior SBC: check around data, the model's own or those of a CSV file, and not all "
    "over the prior. Give it after CONFIG.",
)
@click.option("--quick", is_flag=True, help="A named study, at a size that takes under a minute.")
@click.option("--fresh", is_flag=True, help=FRESH)
@live_options
@where_options
@interruptible
def run(
    config: Path,
    simulations: int | None,
    seed: int | None,
    out: Path | None,
    workers: int | None,
    scheduler: str | None,
    scheduler_file: Path | None,
    parts: bool,
    check: bool,
    allow_inconclusive: bool,
    around: str | None,
    quick: bool,
    fresh: bool,
    fit_seconds: float | None,
    worker_memory: str | None,
    live: bool,
    live_port: int,
) -> None:
    """Run what CONFIG says; the same command goes on with an interrupted run.

    A file.py:Class in CONFIG is looked for from CONFIG's folder. A run that was made by other code
    or other versions of its packages is refused with what changed, so that no result is that of
    code that is not there any more.

    CONFIG is a TOML file, or a name of "hiercal list studies", such as funnel: its folder gets its
    tables as CSV, figures/, the verdicts on its claims (claims.csv) and manifest.json.

    Of a file with stories and fitters, the folder gets journal.sqlite (every fit as it came in),
    manifest.json, records.parquet, fits.parquet, sbc.zarr (opens with ArviZ), verdicts.csv,
    mixing.csv, coverage.csv, bias.csv and figures/.
    Exits with 0 when the run completed, whatever the verdicts (see --check); 1 when it could not,
    with --check 3; 2 on a mistake in the command or the file, and when the folder holds
    something else; 130 when interrupted.
    """
    from hiercal.config import read
    from hiercal.console.claims import show_tables
    from hiercal.console.result import show_verdict
    from hiercal.errors import JournalError, RunError, UnknownName
    from hiercal.runs.executors import Where
    from hiercal.studies import Study
    from hiercal.studies._run import run as run_study
    from hiercal.tables.export import run as run_run
    from hiercal.tables.mixing import NOT_DECIDED
    from hiercal.tables.mixing import check as checked

    if allow_inconclusive and not check:
        fail("--allow-inconclusive goes with --check", 2)
    changes = {"simulations": simulations, "seed": seed, "around": True if around == "" else around}
    try:
        wanted = read(config, quick=quick, **changes)
        where = Where(workers, scheduler, scheduler_file, fit_seconds, worker_memory, parts)
    except ValueError as error:
        fail(str(error), 2)
    name = config.stem if isinstance(wanted, Study) and config.suffix == ".toml" else wanted.name
    folder = out or Path("results") / (f"{name}-quick" if quick else name)
    if live and isinstance(wanted, Study):
        fail(f"--live is of one run, and the study {wanted.name} has several; leave it out", 2)
    try:
        if isinstance(wanted, Study):
            tables = run_study(
                wanted, folder, where=where, fresh=fresh, given=config, say=click.echo
            )
            failing = show_tables(tables, folder)
            if check and failing:
                sys.exit(1)
            return
        with shown_live(wanted, folder, parts=parts, port=live_port if live else None) as progress:
            result = run_run(
                wanted, folder, where=where, fresh=fresh, given=config, judged=show_verdict,
                progress=progress,
            )  # fmt: skip
    except (JournalError, UnknownName) as error:
        fail(str(error), 2)
    except (RunError, ValueError, ModuleNotFoundError) as error:
        fail(str(error), NOT_DECIDED if check else 1)
    except KeyboardInterrupt:
        fail(interrupted(wanted, folder), 130)
    if check:
        sys.exit(checked(result, allow_inconclusive))


@main.command(short_help="Test every claim of the studies; write the ledger.")
@click.option("--quick", is_flag=True, help="Each study at a size that takes less than a minute.")
@click.option("--only", metavar="STUDIES", help="Names of studies, with commas between them.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    help="Folder of the studies' folders and of the ledger.",
)
@click.option("--workers", type=WORKERS, help="Local processes, one a core by default.")
@click.option("--fresh", is_flag=True, help=FRESH)
def claims(quick: bool, only: str | None, out: Path, workers: int | None, fresh: bool) -> None:
    """Test every claim of every study and write the ledger: claims.md, claims.csv and a figure.

    A study that is in the folder already, complete and with the same options, is not run again. If
    other code or versions made it, one line says so.
    """
    from hiercal import catalogue
    from hiercal.console.claims import show_claims
    from hiercal.errors import JournalError, RunError
    from hiercal.runs.executors import Where
    from hiercal.runs.interrupts import listen
    from hiercal.studies._ledger import ledger

    listen()
    names = only.split(",") if only else catalogue.names("studies")
    try:
        studies = [catalogue.study(name.strip(), quick=quick) for name in names]
        table = ledger(studies, out, quick=quick, fresh=fresh, where=Where(workers), say=click.echo)
    except (JournalError, ValueError) as error:
        fail(str(error), 2)
    except (RunError, ModuleNotFoundError) as error:
        fail(str(error), 1)
    except KeyboardInterrupt:
        fail(f"interrupted; every fit so far is in {out}. The same command goes on.", 130)
    show_claims(table)


@main.command(short_help="Print the verdicts of a finished run again.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="Every quantity, not only those to look at.")
@click.option(
    "--figures",
    "formats",
    metavar="FORMATS",
    help="Draw the figures of a run again: png, pdf, svg, with commas between them.",
)
def show(folder: Path, every: bool, formats: str | None) -> None:
    """Print the verdicts of the run in DIR again, from its files; of a named study, the claims."""
    from hiercal.console.claims import show_tables
    from hiercal.console.result import show_result
    from hiercal.errors import JournalError
    from hiercal.runs.result import Result
    from hiercal.studies._finished import read_tables

    try:
        tables = read_tables(folder)
        if tables is not None:
            if formats is not None:
                fail(f"{folder} is of a study, which draws its figures in all formats", 2)
            show_tables(tables, folder)
            return
        result = Result(folder)
        result.check()
        if formats is not None:
            from hiercal.tables.export import draw

            draw(result, formats.split(","))
        show_result(result, every=every)
    except (FileNotFoundError, JournalError, ValueError) as error:
        fail(str(error), 2)


@main.command(short_help="Fit real data and compare with the exact posterior.")
@click.argument("story")
@click.option(
    "--data", type=click.Path(path_type=Path), help="CSV; by default the story's own real data."
)
@click.option("--fitter", default="numpyro", show_default=True)
@click.option("--model", help="centred, noncentred (default), no_pooling or complete_pooling.")
@click.option("--draws", type=click.IntRange(1), default=2000, show_default=True)
@click.option("--tune", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--chains", type=click.IntRange(1), default=4, show_default=True)
@click.option(
    "--target-accept", type=click.FloatRange(0, 1, True, True), default=0.9, show_default=True
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--all", "every", is_flag=True, help="Every element, not only the first 50 of each.")
@click.option("--exact", is_flag=True, help="The exact posterior of more than 1,000 groups too.")
@click.option(
    "--log-lik",
    is_flag=True,
    help="The exact interval of the log likelihood too: minutes with thousands of groups.",
)
@click.pass_context
def fit(
    context: click.Context,
    story: str,
    data: Path | None,
    fitter: str,
    seed: int,
    every: bool,
    exact: bool,
    log_lik: bool,
    **options: Any,
) -> None:
    """Fit real data with STORY's model and print the posterior beside the exact one."""
    from hiercal.console.fit import show_fit
    from hiercal.real_data import fit_real_data

    usual = click.core.ParameterSource.DEFAULT
    defaults = {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is usual and value is not None
    }
    asked = {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is not usual
    }
    try:
        fitted = fit_real_data(story, data, fitter, seed, asked, defaults, exact=exact)
    except (ValueError, ModuleNotFoundError, FileNotFoundError) as error:
        fail(str(error), 2)
    if fitted.fit.error is not None:
        fail(f"{fitted.label} failed: {fitted.fit.error}", 1)
    show_fit(fitted, every=every, log_lik=log_lik)


for command in (
    check_command,
    mutants,
    models.advise,
    models.parity,
    models.ranks,
    figures,
    repair,
    report,
    tables,
    archive,
    rerun,
    models.requantify,
):
    main.add_command(command)
