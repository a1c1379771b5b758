"""A study: a named question, what it runs, tabulates, draws and claims, and how it is run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hiercal.fitters._fitter import check_seed
from hiercal.runs import identity
from hiercal.runs.folder import check_folder
from hiercal.runs.journal import Journal
from hiercal.runs.manifest import (
    JOURNAL,
    MANIFEST,
    check_tables,
    commit,
    given_file,
    hashes,
    read_manifest,
    remove,
    remove_run,
    replace,
    versions,
    write_sealed,
)
from hiercal.runs.measurements import (
    MEASUREMENTS,
    Measurement,
    Measurements,
    Rows,
    joined,
    number_kept,
)
from hiercal.runs.run import Run
from hiercal.runs.user_files import given_files
from hiercal.studies._claims import Claim, judge

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.executors import Where
    from hiercal.runs.result import Result

Tables = Mapping[str, "pd.DataFrame"]
Say = Callable[[str], None]

CLAIMS = "claims"
RUNS = "runs"
HASHES = "hashes"
SHOWN = 6
"""Changes that are listed."""


@dataclass(frozen=True, kw_only=True)
class Study(ABC):
    """A named question; subclass as a frozen dataclass of its design.

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
        check_seed(self.name, self.seed)

    def runs(self) -> dict[str, Run]:
        """The runs, by the name of their folder in ``runs/``; none if nothing is fitted.

        Every arm of a run meets the same data sets.
        """
        return {}

    def measurements(self) -> dict[str, Measurement]:
        """What is measured beside the runs, by name: closed forms, times, single fits.

        Each is kept as it comes in, so that a kill loses none; they run on the workers, but for
        those that have to be alone.
        """
        return {}

    @abstractmethod
    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        """Tidy tables by name, a pure function of the records; no model is fitted here.

        Parameters
        ----------
        results : mapping of str to Result
            A finished run for each of `runs`.
        measured : mapping of str to list of dict
            Rows by table, of all `measurements` in their order.
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

    def options(self) -> dict[str, Any]:
        """All options as plain data."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


def run(
    study: Study,
    folder: Path,
    *,
    where: Where | None = None,
    progress: bool = True,
    fresh: bool = False,
    given: Path | None = None,
    say: Say = print,
) -> dict[str, pd.DataFrame]:
    """Run a study and write its folder; safe to interrupt and repeat.

    What the folder holds of the same study, finished, is used as it is. Where other code or
    versions made it, that is said, and of a user's own study its tables, claims and figures
    are made again from the runs that were kept; runs that other code made are refused.

    Parameters
    ----------
    study : Study
    folder : Path
        Gets ``runs/`` with a folder for each run, a CSV for each table, ``claims.csv``,
        ``figures/``, and last ``manifest.json``, which says what the tables are of and how many
        seconds were spent on them, repeated commands included.
    where, progress
        See `hiercal.run`.
    fresh : bool
        Start over: remove what an earlier run wrote in the folder, and nothing else.
    given : Path
        The file that the study was read from, for the manifest.
    say : callable
        Is told what is being done.

    Returns
    -------
    dict of str to DataFrame
        The tables as written, with six digits, and the verdicts as ``claims``.

    Raises
    ------
    ValueError
        If the folder holds the study with other options, unfinished.
    JournalError
        If it holds runs of it that were made by other code or versions.
    """
    from hiercal.plots import save
    from hiercal.runs.engine import fitted  # and not to show a study's tables
    from hiercal.runs.executors import Where

    runs = study.runs()
    manifest_path = folder / MANIFEST
    check_folder(folder, of_study=study.name)
    if fresh:
        _remove(folder)
    elif finished(study, folder) and _is_used(study, folder, say):
        tables = _read_tables(folder)
        if study.claims:
            # rules cost nothing to apply, and an old verdict must not stand under a new one
            evidence = {name: table for name, table in tables.items() if name != CLAIMS}
            tables[CLAIMS] = _judged(study, evidence, folder)
            manifest = read_manifest(folder)
            if HASHES in manifest:
                manifest[HASHES] |= hashes(folder, [f"{CLAIMS}.csv"])
                write_sealed(manifest_path, manifest)
        return tables
    else:
        for name, each in runs.items():
            if (path := folder / RUNS / name / JOURNAL).exists():
                with Journal(path) as journal:
                    journal.check(each.digest, each.describe())
    folder.mkdir(parents=True, exist_ok=True)
    earlier = _earlier(study, manifest_path)
    start = time.perf_counter()

    def note(complete: bool, files: Sequence[str] = ()) -> None:
        manifest = {
            "study": study.name,
            "complete": complete,
            "options": study.options(),
            "seconds": round(earlier + time.perf_counter() - start, 1),
            "given": given_file(given) | given_files(study),
            "versions": versions(),
            "commit": commit(),
            **identity.of_class(type(study)),
            "files": sorted({*files, *_files(folder)}),
            HASHES: hashes(folder, files),
        }
        write_sealed(manifest_path, manifest)

    results = {}
    for name, each in runs.items():
        say(f"{study.name}: {name}")
        try:
            results[name] = fitted(each, folder / RUNS / name, where=where, progress=progress)
        finally:
            note(complete=False)
    try:
        measured = _measured(study, folder, where or Where(), say)
    finally:
        note(complete=False)
    say(f"{study.name}: tables")
    tables = {
        name: _written(table, folder / f"{name}.csv")
        for name, table in study.tables(results, measured).items()
    }
    if study.claims:
        tables[CLAIMS] = _judged(study, tables, folder)
    files = [f"{name}.csv" for name in tables]
    for name, text in study.texts(tables).items():
        replace(folder / name, text)
        files.append(name)
    say(f"{study.name}: figures")
    try:
        for name, figure in study.figures(tables).items():
            files += [f"figures/{path.name}" for path in save(figure, folder / "figures", name)]
    except Exception as error:
        # the runs have cost hours: a figure that cannot be drawn costs no table and no claim
        say(f"{study.name}: figures could not all be made: {type(error).__name__}: {error}")
    note(complete=True, files=files)
    return tables


def _measured(study: Study, folder: Path, where: Where, say: Say) -> dict[str, Rows]:
    """Measure what has not been measured, and return all of it."""
    from hiercal.runs.executors import Where

    wanted = study.measurements()
    if not wanted:
        return {}
    made_of = {"options": study.options()} | identity.of_class(type(study))
    made_by = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    with closing(Measurements(folder / MEASUREMENTS, made_by)) as kept:
        made = kept.read()
        missing = {name: each for name, each in wanted.items() if name not in made}
        for alone, place in ((False, where), (True, Where(workers=0))):
            here = {name: each.measure for name, each in missing.items() if each.alone == alone}
            if not here:
                continue
            with place.executor(say) as executor:
                for n, (name, rows) in enumerate(executor.each(here, study), 1):
                    kept.keep(name, rows)
                    say(f"{study.name}: {name} ({n} of {len(here)})")
        return joined(kept.read(), list(wanted))


def _judged(study: Study, tables: Tables, folder: Path) -> pd.DataFrame:
    """Judge the claims by the tables as written, and write ``claims.csv``."""
    path = folder / f"{CLAIMS}.csv"
    _written(study.judged(tables), path)
    return _read_claims(path)


def _read_claims(path: Path) -> pd.DataFrame:
    """A table of claims, with empty text where there is no remark."""
    import pandas as pd

    texts = ("measure", "remark", "where")
    return pd.read_csv(path, dtype=dict.fromkeys(texts, "str")).fillna(dict.fromkeys(texts, ""))


def _is_used(study: Study, folder: Path, say: Say) -> bool:
    """Whether a finished study is used as it is; say so, and what has changed since."""
    manifest = read_manifest(folder)
    cls = type(study)
    lines = identity.changed(manifest, identity.of_class(cls))
    if not lines:
        say(f"{study.name}: taken from {folder}")
        return True
    some = ", ".join(lines[:SHOWN]) + (f" and {n} more" if (n := len(lines) - SHOWN) > 0 else "")
    if cls.__module__.partition(".")[0] == "hiercal":
        by = (manifest.get("commit") or "none")[:12]
        say(
            f"{study.name}: taken from {folder}, made by commit {by} with other code "
            f"({some}); --fresh runs it again"
        )
        return True
    say(f"{study.name}: tables, claims and figures are made again ({some})")
    return False


def _remove(folder: Path) -> None:
    """Remove what a study wrote in its folder, and nothing else."""
    (folder / MEASUREMENTS).unlink(missing_ok=True)
    paths = sorted(folder.glob(f"{RUNS}/*/{JOURNAL}"))
    with ExitStack() as stack:
        # none is in use
        journals = [stack.enter_context(Journal(path, verify=False)) for path in paths]
        for path, journal in zip(paths, journals, strict=True):
            journal.clear()
            remove_run(path.parent)
    remove(folder, [path.relative_to(folder).as_posix() for path in paths])
    remove(folder, [*_files(folder), MANIFEST])


def _number_kept(folder: Path) -> int:
    """Fits and measurements that an unfinished study has left."""
    kept = number_kept(folder / MEASUREMENTS)
    for path in folder.glob(f"{RUNS}/*/{JOURNAL}"):
        with Journal(path) as journal:
            kept += journal.count()
    return kept


def _files(folder: Path) -> list[str]:
    return read_manifest(folder).get("files", []) if (folder / MANIFEST).exists() else []


def _written(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table as its file has it, so that claims and figures can be made again from the files."""
    import pandas as pd

    table.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")
    return pd.read_csv(path)


def _earlier(study: Study, path: Path) -> float:
    """Seconds spent on the same study before; a ValueError on another, unfinished one."""
    if not path.exists():
        return 0.0
    manifest = read_manifest(path.parent)
    earlier = manifest.get("study"), manifest.get("options")
    if earlier == (study.name, study.options()):
        return float(manifest["seconds"])
    if manifest.get("complete", True):
        return 0.0
    if not _number_kept(path.parent):
        _remove(path.parent)
        return 0.0
    raise ValueError(
        f"{path.parent} holds an unfinished run of {earlier[0]} with options {earlier[1]}; give "
        "another --out, or finish or remove that one"
    )


def read_tables(folder: Path) -> dict[str, pd.DataFrame] | None:
    """The tables of a finished study, as written; None if the folder is not a study's.

    Raises
    ------
    FileNotFoundError
        If the study has not ended.
    """
    path = folder / MANIFEST
    # that of a run has no such key, or in earlier layouts no name under it
    if not path.exists() or not isinstance((manifest := read_manifest(folder)).get("study"), str):
        return None
    if not manifest["complete"]:
        raise FileNotFoundError(
            f"{folder}: {manifest['study']} has not ended: run the same command again to go on"
        )
    return _read_tables(folder)


def _read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    import pandas as pd

    check_tables(folder, read_manifest(folder))
    listed = [folder / name for name in _files(folder) if name.endswith(".csv")]
    return {
        path.stem: _read_claims(path) if path.stem == CLAIMS else pd.read_csv(path)
        for path in listed or sorted(folder.glob("*.csv"))
    }


def finished(study: Study, folder: Path) -> bool:
    """Whether a folder holds all of this study, with these options."""
    if not (folder / MANIFEST).exists():
        return False
    manifest = read_manifest(folder)
    same = (manifest.get("study"), manifest.get("options")) == (
        study.name,
        study.options(),
    )
    return same and bool(manifest["complete"])
