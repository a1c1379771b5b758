"""A check that stops when the evidence decides, with its table and its figure."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from hiercal import catalogue
from hiercal.config import read, usual_run
from hiercal.fitters import Fitter
from hiercal.plots import save
from hiercal.runs import evidence
from hiercal.runs.executors import Where
from hiercal.runs.full_disk import storing
from hiercal.runs.manifest import made_of
from hiercal.runs.run import Run
from hiercal.simulators._capabilities import ExactPosterior
from hiercal.tables.evidence import Decision
from hiercal.tables.evidence import evidence as evidence_table

TABLE, FIGURE = "evidence.csv", "evidence"
MOST_ARMS = 8
"""Arms that one figure can tell apart."""


def decide(
    run: Run,
    out: str | os.PathLike[str] | None = None,
    *,
    alpha: float = 0.001,
    where: Where | None = None,
    progress: bool = True,
    fresh: bool = False,
    given: str | os.PathLike[str] | None = None,
) -> Decision:
    """Fit until the evidence decides against an arm, or ``run.simulations`` fits of it are made.

    The probability that any arm of a run is called miscalibrated though all are right is at most
    `alpha`, however often one looks and whenever one stops. Evidence is of ranks, and with
    ``compare_exact=True`` of differences from the exact posterior too. The same call goes on with
    an interrupted run, and with more simulations where there was no evidence.

    Parameters
    ----------
    run, out, where, progress, fresh, given
        As of `hiercal.run`; `out` is ``results/check-<name>`` by default.
    alpha : float
        Family-wise level over all arms and quantities.

    Returns
    -------
    Decision
        Its table is in ``evidence.csv`` of the folder, its figure in ``figures``.

    Raises
    ------
    ValueError
        If alpha is not inside (0, 1).
    JournalError, RunError
        As of `hiercal.run`.

    Examples
    --------
    >>> import tempfile
    >>> from hiercal import Run, Where, decide, fitter, story
    >>> run = Run(stories=[story("eight_schools")], fitters=[fitter("exact")], simulations=20)
    >>> found = decide(run, tempfile.mkdtemp(), where=Where(workers=0), progress=False)
    >>> found.miscalibrated, found.arms[0].simulations
    ([], 20)
    """
    folder = Path(out) if out is not None else Path("results") / f"check-{run.name}"
    arms = evidence.decide(
        run, folder, alpha=alpha, where=where, progress=progress, fresh=fresh, given=given
    )
    table = evidence_table(arms, alpha=alpha)
    with storing(folder):
        table.to_csv(folder / TABLE, index=False)
        if len(arms) <= MOST_ARMS:
            from hiercal.plots.evidence import evidence as drawn

            paths = {arm.label: arm.path for arm in arms}
            written = save(drawn(paths, arms[0].threshold), folder / "figures", FIGURE)
            made_of(folder, [str(path.relative_to(folder)) for path in written])
    return Decision(arms, table, alpha, folder)


def target_run(
    target: str,
    *,
    fitters: Sequence[str] = (),
    models: Sequence[str] = (),
    simulations: int,
    seed: int = 0,
    exact: bool = True,
) -> Run:
    """The run that ``hiercal check TARGET`` fits.

    Parameters
    ----------
    target : str
        A story's name, ``file.py:model``, ``file.py:Story``, or a TOML file with stories.
    fitters, models : sequence of str
        Names of fitters and of the models that they are to fit; the usual ones by default.
    simulations, seed : int
        As of `hiercal.Run`.
    exact : bool
        Whether fits are compared with the exact posterior, where there is one.

    Raises
    ------
    ValueError
        If it cannot be run as it is said; the message says what to do.
    """
    if target.endswith(".toml"):
        if fitters or models:
            raise ValueError(f"{target} says which fitters; leave --fitter and --model out")
        run = read(target, simulations=simulations, seed=seed)
        if not isinstance(run, Run):
            raise ValueError(
                f"{target} is of a named study, which has no arms to decide; give a file with "
                "stories"
            )
    else:
        story = catalogue.story(target)
        wanted = [one for name in fitters for one in _fitters(name, models)]
        if models and not fitters:
            usual = catalogue.usual_fitters(story)
            wanted = list(
                dict.fromkeys(
                    dataclasses.replace(one, model=model) for model in models for one in usual
                )
            )
        run = usual_run(story, wanted, simulations=simulations, seed=seed)
    compares = exact and any(isinstance(story, ExactPosterior) for story in run.stories)
    return dataclasses.replace(run, compare_exact=compares)


def _fitters(name: str, models: Sequence[str]) -> list[Fitter]:
    """A fitter in each of the models, if it has any."""
    fields = {field.name for field in dataclasses.fields(catalogue.fitter_class(name))}
    if not models or "model" not in fields:
        return [catalogue.fitter(name)]
    return [catalogue.fitter(name, model=model) for model in models]
