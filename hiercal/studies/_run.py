"""Runs a study: runs and measurements, then tables, claims and figures; and its folder."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from hiercal.runs import identity
from hiercal.runs.folder import check_folder
from hiercal.runs.journal import Journal
from hiercal.runs.manifest import (
    JOURNAL,
    MANIFEST,
    REPORT,
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
    Measurements,
    Rows,
    joined,
    number_kept,
)
from hiercal.runs.user_files import given_files, reference

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.executors import Where


from hiercal.studies._finished import finished, read_claims, read_finished, written_files
from hiercal.studies._study import CLAIMS, Study, Tables

Say = Callable[[str], None]

RUNS = "runs"
HASHES = "hashes"
SHOWN = 6
"""Changes that are listed."""


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
        tables = read_finished(folder)
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
            "reference": reference(study, study.name),
            "config": os.fspath(given) if given is not None else "",
            "versions": versions(),
            "commit": commit(),
            **identity.of_class(type(study)),
            "files": sorted({*files, *written_files(folder)}),
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
    (folder / REPORT).unlink(missing_ok=True)  # it would be of other tables
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
    return read_claims(path)


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
    remove(folder, [*written_files(folder), MANIFEST, REPORT])


def _number_kept(folder: Path) -> int:
    """Fits and measurements that an unfinished study has left."""
    kept = number_kept(folder / MEASUREMENTS)
    for path in folder.glob(f"{RUNS}/*/{JOURNAL}"):
        with Journal(path) as journal:
            kept += journal.count()
    return kept


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
