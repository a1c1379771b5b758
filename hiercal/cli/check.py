"""Stop as soon as the evidence decides."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hiercal.cli._exit import FRESH, fail, interrupted


@click.command(short_help="Fit until the evidence decides, for CI.")
@click.argument("target", metavar="TARGET")
@click.option("--fitter", "fitters", multiple=True, metavar="NAME", help="Of a story or a model: "
              "numpyro, pymc, exact or file.py:function; may be repeated.")  # fmt: skip
@click.option("--model", "models", multiple=True, metavar="MODEL", help="Parameterisation, such as "
              "centred; of each fitter that has any; may be repeated.")  # fmt: skip
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, True, True),
    default=0.001,
    show_default=True,
    help="Largest probability that any arm is called miscalibrated though all are right.",
)
@click.option(
    "--max-simulations",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="Fits of each arm after which it ends without evidence.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder; default results/check-<name>.",
)
@click.option("--workers", type=click.IntRange(0), help="Local processes, one a core by default.")
@click.option("--no-exact", is_flag=True, help="By ranks alone, also where a story has an exact "
              "posterior.")  # fmt: skip
@click.option("--fresh", is_flag=True, help=FRESH)
def check(
    target: str,
    fitters: tuple[str, ...],
    models: tuple[str, ...],
    alpha: float,
    max_simulations: int,
    seed: int,
    out: Path | None,
    workers: int | None,
    no_exact: bool,
    fresh: bool,
) -> None:
    """Fit TARGET until the evidence decides against an arm, or --max-simulations are done.

    TARGET is a story of "hiercal list stories", a file.py:model or file.py:Story, or a TOML file
    with stories and fitters. One may look at any time and stop at any time: the false alarms of
    all looks together are at most --alpha. The same command goes on with what was interrupted,
    and a larger --max-simulations with what found no evidence.

    Exits with 1 if an arm is miscalibrated, 0 if there is no evidence, 3 if failed fits leave it
    open, 2 on a mistake in the command, 130 when interrupted. The folder gets evidence.csv and its
    figure, journal.sqlite and manifest.json.
    """
    from hiercal.console.evidence import show_evidence
    from hiercal.deciding import decide, target_run
    from hiercal.errors import JournalError, RunError
    from hiercal.runs.executors import Where
    from hiercal.runs.interrupts import listen

    try:
        run = target_run(
            target,
            fitters=fitters,
            models=models,
            simulations=max_simulations,
            seed=seed,
            exact=not no_exact,
        )
    except (ValueError, TypeError, ModuleNotFoundError) as error:
        fail(str(error), 2)
    folder = out or Path("results") / f"check-{run.name}"
    listen()
    try:
        found = decide(run, folder, alpha=alpha, where=Where(workers), fresh=fresh)
    except JournalError as error:
        fail(str(error), 2)
    except (RunError, ValueError) as error:
        fail(str(error), 3)
    except KeyboardInterrupt:
        fail(interrupted(run, folder), 130)
    show_evidence(found)
    verdicts = {arm.verdict for arm in found.arms}
    sys.exit(1 if "miscalibrated" in verdicts else 3 if "undecided" in verdicts else 0)
