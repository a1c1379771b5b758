"""An experiment: what one named study runs, tabulates, draws and claims."""

from __future__ import annotations

import dataclasses
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from hiercal.fitters._fitter import at_least
from hiercal.studies._claims import Claim, judge
from hiercal.studies._manifest import commit, replace, versions
from hiercal.studies._study import Study

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.studies._result import Result

Tables = Mapping[str, "pd.DataFrame"]
Say = Callable[[str], None]

CLAIMS = "claims"
RUNS = "runs"


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
    say: Say = print,
) -> dict[str, pd.DataFrame]:
    """Run an experiment and write its folder; safe to interrupt and repeat.

    Parameters
    ----------
    experiment : Experiment
    folder : Path
        Gets ``runs/`` with a run's folder for each study, a CSV for each table, ``claims.csv``,
        ``figures/``, and last ``manifest.json``, which says what the tables are of and how many
        seconds were spent on them, repeated commands included.
    workers, scheduler, scheduler_file, progress
        As of `hiercal.Study.run`.
    say : callable
        Is told what is being done.

    Returns
    -------
    dict of str to DataFrame
        The tables as written, with six digits, and the verdicts as ``claims``.

    Raises
    ------
    ValueError
        If the folder holds the experiment with other options.
    """
    from hiercal.plots import save

    folder.mkdir(parents=True, exist_ok=True)
    manifest_path = folder / "manifest.json"
    earlier = _earlier(experiment, manifest_path)
    start = time.perf_counter()

    def note(complete: bool) -> None:
        manifest = {
            "experiment": experiment.name,
            "complete": complete,
            "options": experiment.options(),
            "seconds": round(earlier + time.perf_counter() - start, 1),
            "versions": versions(),
            "commit": commit(),
        }
        replace(manifest_path, json.dumps(manifest, indent=2) + "\n")

    results = {}
    for name, study in experiment.studies().items():
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
        tables[CLAIMS] = judge_again(experiment, tables, folder)
    for name, text in experiment.texts(tables).items():
        replace(folder / name, text)
    say(f"{experiment.name}: figures")
    for name, figure in experiment.figures(tables).items():
        save(figure, folder / "figures", name)
    note(complete=True)
    return tables


def judge_again(experiment: Experiment, tables: Tables, folder: Path) -> pd.DataFrame:
    """Judge the claims by tables as written, and write ``claims.csv``."""
    path = folder / f"{CLAIMS}.csv"
    evidence = {name: table for name, table in tables.items() if name != CLAIMS}
    _written(experiment.judged(evidence), path)
    return read_claims(path)


def read_claims(path: Path) -> pd.DataFrame:
    """A table of claims, with empty text where there is no remark."""
    import pandas as pd

    texts = ("measure", "remark", "where")
    return pd.read_csv(path, dtype=dict.fromkeys(texts, "str")).fillna(dict.fromkeys(texts, ""))


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
    import pandas as pd

    path = folder / "manifest.json"
    if not path.exists() or "experiment" not in (manifest := json.loads(path.read_text())):
        return None
    if not manifest["complete"]:
        raise FileNotFoundError(
            f"{folder}: {manifest['experiment']} has not ended: run the same command again to go on"
        )
    return {
        path.stem: read_claims(path) if path.stem == CLAIMS else pd.read_csv(path)
        for path in sorted(folder.glob("*.csv"))
    }


def finished(experiment: Experiment, folder: Path) -> bool:
    """Whether a folder holds all of this experiment, with these options."""
    path = folder / "manifest.json"
    if not path.exists():
        return False
    manifest = json.loads(path.read_text())
    same = (manifest.get("experiment"), manifest.get("options")) == (
        experiment.name,
        experiment.options(),
    )
    return same and bool(manifest["complete"])
