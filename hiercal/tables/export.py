"""Fits a run and writes what is made of its records: tables, figures, the ArviZ store."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiercal.runs.engine import fitted
from hiercal.runs.executors import Where
from hiercal.runs.full_disk import trouble
from hiercal.runs.manifest import REPORT, made_of
from hiercal.runs.requantified import answered
from hiercal.runs.result import Result
from hiercal.runs.run import Run
from hiercal.sbc import verdict
from hiercal.tables.bias import bias
from hiercal.tables.coverage import coverage
from hiercal.tables.figures import Maker, figure_makers, paged, written
from hiercal.tables.groups import groups
from hiercal.tables.meaning import meaning
from hiercal.tables.mixing import mixing
from hiercal.tables.pit import pit_tree
from hiercal.tables.strata import strata
from hiercal.tables.verdicts import verdicts

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.progress import Progress

STORE = "sbc.zarr"
JUDGED = ("verdicts", "meaning", "mixing", "bias")
"""Tables that the verdicts are printed from, made before all others."""

Makers = Mapping[str, Callable[[], "pd.DataFrame"]]
"""What makes tables, by name."""


def run(
    run: Run,
    out: str | os.PathLike[str] | None = None,
    *,
    where: Where | None = None,
    progress: bool | Progress = True,
    fresh: bool = False,
    given: str | os.PathLike[str] | None = None,
    judged: Callable[[Result], None] | None = None,
) -> Result:
    """Fit what is still to be fitted and return the result; safe to interrupt and repeat.

    A run made by other code or by other versions of its packages is refused, so that a result
    is never that of code that is not there any more.

    More simulations extend a run. Looking at the verdict again after each extension raises
    more false alarms than the stated 5 %: with looks at 200, 400, ..., 1000 simulations a
    calibrated quantity is rejected at one of them in 12.1 % of runs (standard error 0.5), at
    a single look in 3.9 % (0.3). Settle the number beforehand.

    Parameters
    ----------
    run : Run
    out : path
        Folder of the run, ``results/<name>`` by default. What it already holds of this run
        is kept; another run's folder is refused.
    where : Where
        Local worker processes, one a core, by default; ``Where(workers=0)`` is this process.
    progress : bool or Progress
        Report on standard error: bars on a terminal, lines elsewhere; or tell a
        `hiercal.runs.progress.Progress`.
    fresh : bool
        Start over: remove what an earlier run wrote in the folder, and nothing else.
    given : path
        The file that the run was read from, for the manifest.
    judged : callable, optional
        Is given the result once its verdicts are there, before the figures are drawn.

    Returns
    -------
    Result

    Raises
    ------
    JournalError
        If the folder holds another run, or one made by other code or versions; the message
        lists what changed.
    RunError
        If a fitter could not be compiled, or no worker came; what was fitted is kept.
    """
    return fitted(
        run,
        Path(out) if out is not None else Path("results") / run.name,
        where=where,
        progress=progress,
        fresh=fresh,
        given=given,
        finish=partial(export, judged=judged),
        meanwhile=partial(_anticipate, run),
    )


def _anticipate(run: Run, arms: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Do while workers fit what the verdicts need and no fit has a part in."""
    import pandas as pd  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    of_arms = [len(names) for _, names in arms]
    verdict.anticipate(run.simulations, run.max_rank, of_arms)


def table_makers(result: Result) -> Makers:
    """What makes each of a run's tables, by name; none is made yet."""
    judged = cache(partial(verdicts, result))
    makers: dict[str, Callable[[Result], pd.DataFrame]] = {
        "verdicts": lambda _: judged(),
        "meaning": lambda result: meaning(result, judged()),
        "mixing": mixing,
        "coverage": coverage,
        "bias": bias,
        "strata": strata,
    }
    if result.summarises_groups:
        makers["groups"] = groups
    return {name: partial(make, result) for name, make in makers.items()}


def tables(result: Result) -> dict[str, pd.DataFrame]:
    """A run's tables by name, without those that have no rows."""
    return {name: table for name, make in table_makers(result).items() if len(table := make())}


def requantify(
    folder: str | os.PathLike[str],
    quantities: Any = (),
    out: str | os.PathLike[str] | None = None,
    *,
    products: Any = (),
) -> Result:
    """Rank further quantities of a run that kept its draws; nothing is fitted again.

    It needs the run's folder and the quantities alone, neither the story's code nor a sampler.

    Truths are ranked among the L thinned draws that were kept, as in the run itself, and of these
    are the mean, sd and intervals. The effective sample sizes are the least of the fit's own
    quantities, at most L; R-hat and the Monte Carlo error are NaN. Verdicts are corrected for the
    new quantities alone: asked after a look at the run's verdicts, they add to its false alarms.

    Parameters
    ----------
    folder : path
        Of a finished run with ``keep_draws=True``.
    quantities, products
        As of `hiercal.Run`.
    out : path
        Where the tables and figures go; by default ``requantified-<name>`` in the run's folder.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If the run kept no draws or has not ended, or a function answers for none of the first 20
        simulations.
    FileNotFoundError
        If the folder is not a run's.
    """
    of_run, result = answered(
        Path(folder), quantities, products, None if out is None else Path(out)
    )

    def mixed() -> pd.DataFrame:
        table = mixing(of_run)
        return table[table["arm"].isin(result.arms["arm"]).to_numpy()]

    makers = {
        "verdicts": partial(verdicts, result),
        "mixing": mixed,
        "coverage": partial(coverage, result),
    }
    export(result, makers)
    return Result(result.folder)


def export(
    result: Result, makers: Makers | None = None, judged: Callable[[Result], None] | None = None
) -> list[str]:
    """Write the tables, the figures and the ArviZ store from the records, each on its own.

    Figures are PNG, and also PDF or SVG where the folder has these from an earlier `draw`.

    Parameters
    ----------
    result : Result
    makers : mapping, optional
        What makes the tables, by name; by default `table_makers`.
    judged : callable, optional
        As of `run`. What it raises is raised once all is written.

    Returns
    -------
    list of str
        A line for each that could not be made, with the reason; ``not_made.csv`` has the same.
    """
    folder, n = result.folder, result.n_simulations
    makers = table_makers(result) if makers is None else makers
    made_of(folder, tables=None, figures=None)
    for name in makers:
        _csv(folder, name).unlink(missing_ok=True)  # an older table is not this run's
    (folder / REPORT).unlink(missing_ok=True)
    made = _Made(folder)
    for name in [name for name in makers if name in JUDGED]:
        made.table(name, makers[name])
    made.noted(tables=n)
    raised = None
    if judged is not None:
        try:
            judged(Result(folder))
        except Exception as error:
            raised = error  # a closed pipe costs no figure
    for name in [name for name in makers if name not in JUDGED]:
        made.table(name, makers[name])
    for name, make in written(figure_makers(result)).items():
        made.attempt(f"figures/{name}", partial(_picture, folder, name, make))
    made.attempt(STORE, partial(_store, result))
    made.noted(figures=n)
    if raised is not None:
        raise raised
    return [f"{name} could not be made: {why}" for name, why in made.missing.items()]


def draw(result: Result, formats: Sequence[str] = ("png", "pdf", "svg")) -> list[Path]:
    """Draw a run's figures again; first finish an export that was cut short.

    Parameters
    ----------
    result : Result
    formats : sequence of {"png", "pdf", "svg"}
        Later exports into the folder keep to those that are there.

    Returns
    -------
    list of path
        The figures.

    Raises
    ------
    ValueError
        If a format is none of these.
    """
    if result.manifest["made_of"].get("figures", 0) is None:
        export(result)
    names = [
        name
        for each, make in written(figure_makers(result)).items()
        for name in _picture(result.folder, each, make, formats)
    ]
    made_of(result.folder, names)
    return [result.folder / name for name in names]


class _Made:
    """What has been written into a folder, and what could not be.

    Parameters
    ----------
    folder : Path

    Attributes
    ----------
    missing : dict of str to str
        Why, by name.
    """

    def __init__(self, folder: Path) -> None:
        self.missing: dict[str, str] = {}
        self._folder = folder
        self._files: list[str] = []

    def attempt(self, name: str, make: Callable[[], list[str]]) -> None:
        """Write what `make` returns the paths of."""
        try:
            self._files += make()
        except Exception as error:
            if trouble(error):
                raise
            # the fits have cost hours: what one table or figure raises costs no other
            self.missing[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
        _give_back_memory()

    def table(self, name: str, make: Callable[[], pd.DataFrame]) -> None:
        self.attempt(f"{name}.csv", lambda: _write(self._folder, name, make()))

    def noted(self, **simulations: int | None) -> None:
        """Note what there is in the manifest and in ``not_made.csv``."""
        import pandas as pd

        why = {"name": list(self.missing), "why": list(self.missing.values())}
        files = [*self._files, *_write(self._folder, "not_made", pd.DataFrame(why))]
        made_of(self._folder, files, **simulations)


def _give_back_memory() -> None:
    """Give what is free back to the system, where one can: each table frees other pieces of it."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _csv(folder: Path, name: str) -> Path:
    return folder / f"{name}.csv"


def _write(folder: Path, name: str, table: pd.DataFrame) -> list[str]:
    """Write a table that has rows."""
    path = _csv(folder, name)
    path.unlink(missing_ok=True)
    if table.empty:
        return []
    table.to_csv(path, index=False, lineterminator="\n")
    return [path.name]


def _picture(
    folder: Path, name: str, make: Maker, formats: Sequence[str] | None = None
) -> list[str]:
    """Draw a figure, by default as PNG and as what there is of it; of many arms, in pages."""
    from hiercal.plots import save

    if formats is None:
        there = [each for each in ("pdf", "svg") if (folder / f"figures/{name}.{each}").exists()]
        formats = ("png", *there)
    return [
        f"figures/{path.name}"
        for page, figure in paged(name, make.pages())
        for path in save(figure, folder / "figures", page, formats)
    ]


def _store(result: Result) -> list[str]:
    """Randomised PIT values as an ArviZ DataTree in ``sbc.zarr``."""
    tree = pit_tree(result)
    part, final = result.folder / f"{STORE}.part", result.folder / STORE
    shutil.rmtree(part, ignore_errors=True)
    tree.to_zarr(part, mode="w", zarr_format=2)
    shutil.rmtree(final, ignore_errors=True)
    os.replace(part, final)
    return [STORE]
