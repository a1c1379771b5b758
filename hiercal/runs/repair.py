"""Saves what is intact of a folder whose files were damaged; nothing is fitted."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiercal.errors import JournalError
from hiercal.runs.full_disk import storing
from hiercal.runs.journal import KEYED, TABLES, Journal, columns_of
from hiercal.runs.manifest import (
    JOURNAL,
    MANIFEST,
    check_tables,
    read_manifest,
    restored,
    unused,
    write_sealed,
)
from hiercal.runs.measurements import COLUMNS, MEASUREMENTS, Measurements
from hiercal.runs.pages import Row, rows
from hiercal.runs.parts import PARTS, is_whole, simulations
from hiercal.runs.seals import Damaged, seal_of, unsealed

AGAIN = "Give the command that made it again: it goes on from what was saved."


@dataclass
class Repaired:
    """What was done to a folder.

    Attributes
    ----------
    lines : list of str
        What was found and done, to be told.
    damaged : bool
        Whether anything was.
    """

    lines: list[str] = field(default_factory=list)
    damaged: bool = False


def repair(folder: Path) -> Repaired:
    """Save what is intact in the folder of a run, of a check or of a study.

    A damaged file is kept beside the new one, under a name that ends in ``.damaged``.

    Raises
    ------
    FileNotFoundError
        If the folder is none of these.
    JournalError
        If another run is using it, or nothing says any more which run it was of.
    RunError
        If the folder cannot be written.
    """
    done = Repaired()
    places = [folder, *sorted(path.parent for path in folder.glob(f"runs/*/{JOURNAL}"))]
    if not any((place / name).exists() for place in places for name in (JOURNAL, MANIFEST)):
        raise FileNotFoundError(
            f"{folder} holds neither {JOURNAL} nor {MANIFEST}, so it is not the folder of a run"
        )
    with storing(folder):
        for place in places:
            _repair_run(place, done)
        _repair_measurements(folder / MEASUREMENTS, done)
    done.lines.append(AGAIN if done.damaged else f"{folder} is whole: nothing to repair")
    return done


def _repair_run(folder: Path, done: Repaired) -> None:
    path = folder / JOURNAL
    if path.exists():
        try:
            journal = Journal(path)
        except Damaged as error:
            done.damaged = True
            done.lines.append(str(error).partition(". `hiercal repair")[0])
            done.lines.append(_salvage(path))
            journal = Journal(path)
        with journal:
            if journal.empty and (folder / MANIFEST).exists():
                done.damaged = True
                done.lines.append(f"{path} is empty: its fits are lost")
            _repair_manifest(folder, None if journal.empty else journal, done)
    else:
        _repair_manifest(folder, None, done)
    if not (folder / MANIFEST).exists():
        return
    manifest = read_manifest(folder)
    bad = [name for name in manifest.get("hashes", ()) if not _is_whole(folder, manifest, name)]
    if bad:
        done.damaged = True
        done.lines.append(f"{folder}: {', '.join(bad)} damaged; made again with the next command")
        # what is made of records that are being written is shown to nobody
        changes = (
            {"made_of": dict.fromkeys(manifest.get("made_of", ()))} if "run" in manifest else {}
        )
        write_sealed(folder / MANIFEST, manifest | changes | {"complete": False, "hashes": {}})


def _is_whole(folder: Path, manifest: Mapping[str, Any], name: str) -> bool:
    try:
        check_tables(folder, manifest, name)
    except Damaged:
        return False
    return True


def _repair_manifest(folder: Path, journal: Journal | None, done: Repaired) -> None:
    path = folder / MANIFEST
    if journal is not None:
        if wrong := restored(folder, journal):
            done.damaged = True
            again = (
                "made again from the journal" if path.exists() else "written by the next command"
            )
            done.lines.append(f"{wrong}: {again}")
        return
    if not path.exists():
        return
    try:
        read_manifest(folder)
    except Damaged as error:
        done.damaged = True
        kept = unused(path)
        os.replace(path, kept)
        done.lines.append(
            f"{str(error).partition('. `hiercal repair')[0]}: written by the next command"
        )


def _salvage(path: Path) -> str:
    """Write a journal of all intact rows in place of a damaged one; say how many there are."""
    found = _intact(path, {table: len(TABLES[table]) for table in TABLES})
    found["parts"] = {
        key: row for key, row in found["parts"].items() if is_whole(path.parent / PARTS / row[1])
    }
    run = _run_of(path.parent, found)
    if run is None:
        raise JournalError(
            f"{path}: nothing says any more which run its fits are of, as neither the journal nor "
            f"{MANIFEST} is intact. Move the file away, or give the command with --fresh"
        )
    digest, description, arms = run
    fits = _with_draws(found, json.loads(description), path.parent)
    counted = _counted(path)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        with Journal(part) as journal:
            journal.claim(digest, json.loads(description), json.loads(arms))
            for table in KEYED:
                journal.put(table, fits if table == "fits" else found[table].values())
            if copy := next(iter(found["manifest"]), None):
                journal.keep_manifest(copy[0])
        kept = _swapped(part, path)
    finally:
        part.unlink(missing_ok=True)
    in_parts = [(arm, i) for arm, *_, blob in found["parts"].values() for i in simulations(blob)]
    expected = max(counted, _expected([*found["fits"], *in_parts], path.parent))
    undrawn = len(found["fits"]) - len(fits)
    more = f" ({undrawn} of them because their draws are)" if undrawn else ""
    saved = len(fits) + len(in_parts)
    return (
        f"{path}: {saved} fits saved, {max(expected - saved, 0)} lost{more}; the damaged "
        f"file is kept as {kept.name}"
    )


Found = dict[str, dict[Any, Row]]
"""Rows by table and by key."""


def _intact(path: Path, widths: Mapping[str, int]) -> Found:
    """Every row of a file whose seal is right, of tables with these numbers of columns."""
    found: Found = {table: {} for table in widths}
    for row in rows(path, {width + 1 for width in widths.values()}):
        *values, seal = row
        for table, width in widths.items():
            if width == len(values) and seal == seal_of(table, *values):
                key = tuple(values[:2]) if table in KEYED else tuple(values)
                found[table].setdefault(key, tuple(values))
    return found


def _run_of(folder: Path, found: Found) -> Row | None:
    """Digest, description and arms, from the journal or from either copy of the manifest."""
    if len(found["run"]) == 1:
        return next(iter(found["run"].values()))
    for manifest in _manifests(folder, found):
        if {"digest", "run", "ranked"} <= manifest.keys():
            told = (json.dumps(manifest[key]) for key in ("run", "ranked"))
            return manifest["digest"], *told
    return None


def _manifests(folder: Path, found: Found) -> Iterator[dict[str, Any]]:
    texts = [text for (text,) in found["manifest"]]
    if (path := folder / MANIFEST).exists():
        texts.append(path.read_bytes())
    for text in texts:
        try:
            yield unsealed(text, path)
        except Damaged:
            continue


def _with_draws(found: Found, described: Mapping[str, Any], folder: Path) -> list[Row]:
    """The fits to keep: where a run keeps draws, not those whose draws, truth or data are lost."""
    fits = list(found["fits"].values())
    if not described.get("keep_draws"):
        return fits
    arms = next((m["arms"] for m in _manifests(folder, found) if "arms" in m), None)
    every = {story for story, _ in found["simulated"]}
    error = columns_of("fits").index('"error"')

    def whole(row: Row) -> bool:
        if str(row[error]).startswith("simulate:"):
            return True
        stories = every if arms is None else {arms[row[0]]["story"]}
        return all((story, row[1]) in found["simulated"] for story in stories) and (
            row[error] is not None or row[:2] in found["thinned"]
        )

    return [row for row in fits if whole(row)]


def _counted(path: Path) -> int:
    """Fits that the damaged file claims to hold, 0 if it cannot be asked."""
    try:
        with Journal(path, verify=False) as journal:
            return sum(journal.tally(arm, 2**62)[0] for arm in range(len(journal.arms())))
    except (JournalError, sqlite3.Error, ValueError, TypeError):
        return 0


def _expected(fits: Iterable[tuple[int, int]], folder: Path) -> int:
    """Fits that there have to have been: all of a finished run, or up to the last of each arm."""
    last: dict[int, int] = {}
    for arm, simulation in fits:
        last[arm] = max(last.get(arm, 0), simulation + 1)
    expected = sum(last.values())
    try:
        manifest = read_manifest(folder)
    except (FileNotFoundError, Damaged):
        return expected
    records = manifest.get("made_of", {}).get("records") or 0
    return max(expected, records * len(manifest.get("arms", ())))


def _swapped(new: Path, path: Path) -> Path:
    """Put a new file in place of a damaged one, which is kept; its name."""
    kept = unused(path)
    try:
        os.link(path, kept)
    except OSError:  # a file system without links
        shutil.copyfile(path, kept)
    rest = path.with_name(f"{path.name}-journal")
    if rest.exists():  # SQLite would roll it back into the new file
        os.replace(rest, kept.with_name(f"{kept.name}-journal"))
    os.replace(new, path)
    return kept


def _repair_measurements(path: Path, done: Repaired) -> None:
    if not path.exists():
        return
    names = COLUMNS.split(", ")
    found = _intact(path, {"measurements": len(names)})["measurements"]
    made_by = next((row[1] for row in found.values()), "")
    try:
        Measurements(path, made_by).close()
    except Damaged as error:
        done.damaged = True
        done.lines.append(str(error).partition(". `hiercal repair")[0])
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)
        measurements = Measurements(part, made_by)
        for name, _, tables in found.values():
            measurements.keep(name, json.loads(tables))
        measurements.close()
        kept = _swapped(part, path)
        done.lines.append(
            f"{path}: {len(found)} measurements saved, all others are made again; the damaged file "
            f"is kept as {kept.name}"
        )
