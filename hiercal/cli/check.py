"""Stop as soon as the evidence decides."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hiercal.cli._exit import FRESH, WORKERS, fail, interrupted, interruptible, where_options
from hiercal.cli.kernel import check_kernel

MAX_SIMULATIONS = 1000


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
    help="Fits of each arm after which it ends without evidence; 1,000 by default. With --kernel "
    "simulations, and by default as many as --max-gradients allow.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder; default results/check-<name>.",
)
@click.option("--workers", type=WORKERS, help="Local processes, one a core by default.")
@click.option("--no-exact", is_flag=True, help="By ranks alone, also where a story has an exact "
              "posterior.")  # fmt: skip
@click.option("--fresh", is_flag=True, help=FRESH)
@click.option("--kernel", metavar="KERNEL", help="Check single transitions of a kernel, no fits: "
              "numpyro, blackjax, pymc or file.py:function.")  # fmt: skip
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the kernel, as "
              "step_size=0.2; may be repeated.")  # fmt: skip
@click.option("--reversible", is_flag=True, help="The kernel is reversible, which more can be made "
              "of.")  # fmt: skip
@click.option("--max-gradients", type=click.IntRange(1), default=100_000, show_default=True,
              help="Gradients after which a kernel's check ends without evidence.")  # fmt: skip
@where_options
@interruptible
def check(
    target: str,
    fitters: tuple[str, ...],
    models: tuple[str, ...],
    alpha: float,
    max_simulations: int | None,
    seed: int,
    out: Path | None,
    workers: int | None,
    no_exact: bool,
    fresh: bool,
    kernel: str | None,
    options: tuple[str, ...],
    reversible: bool,
    max_gradients: int,
    fit_seconds: float | None,
    worker_memory: str | None,
) -> None:
    """Fit TARGET until the evidence decides against an arm, or --max-simulations are done.

    TARGET is a story of "hiercal list stories", a file.py:model or file.py:Story, or a TOML file
    with stories and fitters. One may look at any time and stop at any time: the false alarms of
    all looks together are at most --alpha. The same command goes on with what was interrupted,
    and a larger --max-simulations with what found no evidence.

    Exits with 1 if an arm is miscalibrated, 0 if there is no evidence, 3 if failed fits leave it
    open, 2 on a mistake in the command, 130 when interrupted. The folder gets evidence.csv and its
    figure, journal.sqlite and manifest.json.

    With --kernel, single transitions of a kernel are tested, without warm-up and without chains,
    which takes far fewer gradients (docs/how_to/kernels.md); no folder is written.
    """
    from hiercal.console.evidence import show_evidence
    from hiercal.deciding import decide, target_run
    from hiercal.errors import JournalError, RunError
    from hiercal.runs.executors import Where

    if kernel:
        of_fits = (fitters, out, fresh, workers is not None, no_exact, fit_seconds, worker_memory)
        if len(models) > 1 or any(of_fits):
            fail(
                "--kernel goes with --model, --alpha, --seed, --max-simulations, --max-gradients, "
                "--option and --reversible alone",
                2,
            )
        check_kernel(
            target,
            kernel,
            options=options,
            model=models[0] if models else "",
            alpha=alpha,
            max_gradients=max_gradients,
            max_simulations=max_simulations,
            reversible=reversible,
            seed=seed,
        )
    if options or reversible:
        fail("--option and --reversible go with --kernel", 2)
    try:
        run = target_run(
            target,
            fitters=fitters,
            models=models,
            simulations=max_simulations or MAX_SIMULATIONS,
            seed=seed,
            exact=not no_exact,
        )
        where = Where(workers, fit_seconds=fit_seconds, worker_memory=worker_memory)
    except (ValueError, TypeError, ModuleNotFoundError) as error:
        fail(str(error), 2)
    folder = out or Path("results") / f"check-{run.name}"
    try:
        found = decide(run, folder, alpha=alpha, where=where, fresh=fresh)
    except JournalError as error:
        fail(str(error), 2)
    except (RunError, ValueError) as error:
        fail(str(error), 3)
    except KeyboardInterrupt:
        fail(interrupted(run, folder), 130)
    show_evidence(found)
    verdicts = {arm.verdict for arm in found.arms}
    sys.exit(1 if "miscalibrated" in verdicts else 3 if "undecided" in verdicts else 0)
