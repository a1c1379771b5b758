"""An experiment: what one named study runs, tabulates, draws and claims."""

from __future__ import annotations

import dataclasses
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from hiercal.fitters._fitter import at_least
from hiercal.studies import _identity
from hiercal.studies._claims import Claim, judge
from hiercal.studies._journal import Journal
from hiercal.studies._manifest import (
    JOURNAL,
    MANIFEST,
    commit,
    given_file,
    read_manifest,
    remove,
    remove_run,
    replace,
    versions,
)
from hiercal.studies._study import Study
from hiercal.studies._user_files import given_files

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.studies._result import Result

Tables = Mapping[str, "pd.DataFrame"]
Say = Callable[[str], None]

CLAIMS = "claims"
RUNS = "runs"
SHOWN = 6
"""Changes that are listed."""


@dataclass(frozen=True, kw_only=True)
class Experiment(ABC):
    """One named study; subclass as a frozen dataclass of its design.

    Parameters
    ----------
    seed : int
        Every random number follows from it.

    Class attributes
    ----------------
    name : what the catalogue and its folder in ``results/`` call it.
    quick : the options of ``--quick``, which takes less than a minute.
    claims : what it tests.
    """

    seed: int = 2026

    name: ClassVar[str]
    quick: ClassVar[Mapping[str, Any]]
    claims: ClassVar[tuple[Claim, ...]] = ()

    def __post_init__(self) -> None:
        at_least(self.name, "seed", self.seed, 0)

    def studies(self) -> dict[str, Study]:
        """The studies to run, by the name of their folder in ``runs/``; none if nothing is fitted.

        Every arm of a study meets the same data sets.
        """
        return {}

    @abstractmethod
    def tables(self, results: Mapping[str, Result], say: Say) -> dict[str, pd.DataFrame]:
        """Tidy tables by name, a pure function of the records; no model is fitted here.

        Parameters
        ----------
        results : mapping of str to Result
            A finished run for each of `studies`.
        say : callable
            Is told what is being done, where that takes longer than a second or two.
        """

    @abstractmethod
    def figures(self, tables: Tables) -> dict[str, Figure]:
        """Figures by name, from the tables alone."""

    def texts(self, tables: Tables) -> dict[str, str]:
        """Further files, by name: a report in Markdown."""
        return {}

    def judged(self, tables: Tables) -> pd.DataFrame:
        """The verdict on each claim.

        Returns
        -------
        DataFrame
            A row per claim: ``claim, study, source, says, rule, fixed``, the fields of a `Finding`,
            and ``tells_apart`` and ``times_the_data`` of it.
        """
        import pandas as pd

        rows = []
        for claim in self.claims:
            finding = judge(claim, tables)
            rows.append(
                {
                    "claim": claim.id,
                    "study": self.name,
                    "source": claim.source,
                    "says": claim.says,
                    "rule": claim.rule,
                    "fixed": claim.fixed,
                    **dataclasses.asdict(finding),
                    "tells_apart": finding.tells_apart,
                    "times_the_data": finding.times_the_data,
                }
            )
        return pd.DataFrame(rows)

    @classmethod
    def made_quick(cls, **options: Any) -> Self:
        """The experiment at the size of ``--quick``, other options as given."""
        return cls(**(dict(cls.quick) | options))

    def options(self) -> dict[str, Any]:
        """All options as plain data."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def run(
    experiment: Experiment,
    folder: Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    scheduler_file: Path | None = None,
    progress: bool = True,
    fresh: bool = False,
    given: Path | None = None,
    say: Say = print,
) -> dict[str, pd.DataFrame]:
    """Run an experiment and write its folder; safe to interrupt and repeat.

    What the folder holds of the same experiment, finished, is used as it is. Where other code or
    versions made it, that is said, and of a user's own experiment its tables, claims and figures
    are made again from the runs that were kept; runs that other code made are refused.

    Parameters
    ----------
    experiment : Experiment
    folder : Path
        Gets ``runs/`` with a run's folder for each study, a CSV for each table, ``claims.csv``,
        ``figures/``, and last ``manifest.json``, which says what the tables are of and how many
        seconds were spent on them, repeated commands included.
    workers, scheduler, scheduler_file, progress
        As of `hiercal.Study.run`.
    fresh : bool
        Start over: remove what an earlier run wrote in the folder, and nothing else.
    given : Path
        The file that the experiment was read from, for the manifest.
    say : callable
        Is told what is being done.

    Returns
    -------
    dict of str to DataFrame
        The tables as written, with six digits, and the verdicts as ``claims``.

    Raises
    ------
    ValueError
        If the folder holds the experiment with other options, unfinished.
    JournalError
        If it holds runs of it that were made by other code or versions.
    """
    from hiercal.plots import save

    studies = experiment.studies()
    manifest_path = folder / MANIFEST
    if fresh:
        _remove(folder)
    elif finished(experiment, folder) and _is_used(experiment, folder, say):
        tables = _read_tables(folder)
        if experiment.claims:
            # rules cost nothing to apply, and an old verdict must not stand under a new one
            evidence = {name: table for name, table in tables.items() if name != CLAIMS}
            tables[CLAIMS] = _judged(experiment, evidence, folder)
        return tables
    else:
        for name, study in studies.items():
            if (path := folder / RUNS / name / JOURNAL).exists():
                with Journal(path) as journal:
                    journal.check(study.digest, study.describe())
    folder.mkdir(parents=True, exist_ok=True)
    earlier = _earlier(experiment, manifest_path)
    start = time.perf_counter()

    def note(complete: bool, files: Sequence[str] = ()) -> None:
        manifest = {
            "experiment": experiment.name,
            "complete": complete,
            "options": experiment.options(),
            "seconds": round(earlier + time.perf_counter() - start, 1),
            "given": given_file(given) | given_files(experiment),
            "versions": versions(),
            "commit": commit(),
            **_identity.of_class(type(experiment)),
            "files": sorted({*files, *_files(folder)}),
        }
        replace(manifest_path, json.dumps(manifest, indent=2) + "\n")

    results = {}
    for name, study in studies.items():
        say(f"{experiment.name}: {name}")
        try:
            results[name] = study.run(
                folder / RUNS / name,
                workers=workers,
                scheduler=scheduler,
                scheduler_file=scheduler_file,
                progress=progress,
                export=False,
            )
        finally:
            note(complete=False)
    say(f"{experiment.name}: tables")
    tables = {
        name: _written(table, folder / f"{name}.csv")
        for name, table in experiment.tables(results, say).items()
    }
    if experiment.claims:
        tables[CLAIMS] = _judged(experiment, tables, folder)
    files = [f"{name}.csv" for name in tables]
    for name, text in experiment.texts(tables).items():
        replace(folder / name, text)
        files.append(name)
    say(f"{experiment.name}: figures")
    for name, figure in experiment.figures(tables).items():
        files += [f"figures/{path.name}" for path in save(figure, folder / "figures", name)]
    note(complete=True, files=files)
    return tables


def _judged(experiment: Experiment, tables: Tables, folder: Path) -> pd.DataFrame:
    """Judge the claims by the tables as written, and write ``claims.csv``."""
    path = folder / f"{CLAIMS}.csv"
    _written(experiment.judged(tables), path)
    return _read_claims(path)


def _read_claims(path: Path) -> pd.DataFrame:
    """A table of claims, with empty text where there is no remark."""
    import pandas as pd

    texts = ("measure", "remark", "where")
    return pd.read_csv(path, dtype=dict.fromkeys(texts, "str")).fillna(dict.fromkeys(texts, ""))


def _is_used(experiment: Experiment, folder: Path, say: Say) -> bool:
    """Whether a finished experiment is used as it is; say so, and what has changed since."""
    manifest = read_manifest(folder)
    cls = type(experiment)
    lines = _identity.changed(manifest, _identity.of_class(cls))
    if not lines:
        say(f"{experiment.name}: taken from {folder}")
        return True
    some = ", ".join(lines[:SHOWN]) + (f" and {n} more" if (n := len(lines) - SHOWN) > 0 else "")
    if cls.__module__.partition(".")[0] == "hiercal":
        by = (manifest.get("commit") or "none")[:12]
        say(
            f"{experiment.name}: taken from {folder}, made by commit {by} with other code "
            f"({some}); --fresh runs it again"
        )
        return True
    say(f"{experiment.name}: tables, claims and figures are made again ({some})")
    return False


def _remove(folder: Path) -> None:
    """Remove what an experiment wrote in its folder, and nothing else."""
    paths = sorted(folder.glob(f"{RUNS}/*/{JOURNAL}"))
    with ExitStack() as stack:
        journals = [stack.enter_context(Journal(path)) for path in paths]  # none is in use
        for path, journal in zip(paths, journals, strict=True):
            journal.clear()
            remove_run(path.parent)
    remove(folder, [path.relative_to(folder).as_posix() for path in paths])
    remove(folder, [*_files(folder), MANIFEST])


def _files(folder: Path) -> list[str]:
    return read_manifest(folder).get("files", []) if (folder / MANIFEST).exists() else []


def _written(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table as its file has it, so that claims and figures can be made again from the files."""
    import pandas as pd

    table.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")
    return pd.read_csv(path)


def _earlier(experiment: Experiment, path: Path) -> float:
    """Seconds spent on the same experiment before; a ValueError on another, unfinished one."""
    if not path.exists():
        return 0.0
    manifest = json.loads(path.read_text())
    found = manifest.get("experiment"), manifest.get("options")
    if found == (experiment.name, experiment.options()):
        return float(manifest["seconds"])
    if manifest.get("complete", True):
        return 0.0
    raise ValueError(
        f"{path.parent} holds an unfinished run of {found[0]} with options {found[1]}; give "
        "another --out, or finish or remove that one"
    )


def read_tables(folder: Path) -> dict[str, pd.DataFrame] | None:
    """The tables of a finished experiment, as written; None if the folder is not an experiment's.

    Raises
    ------
    FileNotFoundError
        If the experiment has not ended.
    """
    path = folder / MANIFEST
    if not path.exists() or "experiment" not in (manifest := json.loads(path.read_text())):
        return None
    if not manifest["complete"]:
        raise FileNotFoundError(
            f"{folder}: {manifest['experiment']} has not ended: run the same command again to go on"
        )
    return _read_tables(folder)


def _read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    import pandas as pd

    listed = [folder / name for name in _files(folder) if name.endswith(".csv")]
    return {
        path.stem: _read_claims(path) if path.stem == CLAIMS else pd.read_csv(path)
        for path in listed or sorted(folder.glob("*.csv"))
    }


def finished(experiment: Experiment, folder: Path) -> bool:
    """Whether a folder holds all of this experiment, with these options."""
    if not (folder / MANIFEST).exists():
        return False
    manifest = read_manifest(folder)
    same = (manifest.get("experiment"), manifest.get("options")) == (
        experiment.name,
        experiment.options(),
    )
    return same and bool(manifest["complete"])
