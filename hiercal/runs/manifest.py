"""The manifest: what a run was, so that anyone can repeat it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import itertools
import math
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiercal.runs import arms
from hiercal.runs.identity import COMPANIONS, version_of
from hiercal.runs.run import Run
from hiercal.runs.seals import REPAIR, Damaged, hash_of, sealed, unsealed
from hiercal.runs.user_files import given_files, reference

if TYPE_CHECKING:
    from hiercal.runs.journal import Journal

TABLES = {".csv", ".parquet", ".npz"}
"""Suffixes of files whose hash the manifest keeps."""
JOURNAL, MANIFEST, REPORT = "journal.sqlite", "manifest.json", "report.html"
RECORD_FILES = ("records.parquet", "fits.parquet", "group_ranks.parquet", "draws.npz")
RUN_TABLES = ("verdicts", "meaning", "mixing", "coverage", "bias", "strata", "groups")
RUN_FILES = (
    MANIFEST,
    *RECORD_FILES,
    *(f"{name}.csv" for name in (*RUN_TABLES, "evidence", "not_made")),
    "sbc.zarr",
    REPORT,
)
"""What a run writes beside its journal and its figures, which its manifest lists."""
INSTRUCTIONS = {
    "avx512": {"avx512f"},
    "avx2": {"avx2"},
    "avx": {"avx"},
    "sse2": {"sse2"},
    "sve": {"sve"},
    "neon": {"asimd", "neon"},
}
"""Kinds of vector instructions, the widest first, and the flags that tell them."""


LONGEST_NAME = 100
"""Bytes of a label that go into a file's name; most systems take 255 with what is added."""


def write_manifest(
    folder: Path,
    run: Run,
    journal: Journal,
    *,
    complete: bool,
    given: str | os.PathLike[str] | None = None,
    unseen: Sequence[str] = (),
) -> list[str]:
    """Write ``manifest.json``; return what changed of machine and packages since the run began.

    The journal keeps a copy, by which a lost one is made again. `unseen` says what its ranks cannot
    show.
    """
    path = folder / MANIFEST
    current = versions()
    kept: dict[str, Any] = {
        **{"earlier_versions": [], "given": {}, "made_of": {}, "files": [], "hashes": {}},
        **{"fit_seconds": {}, "config": ""},
    }
    if path.exists():
        stored = read_manifest(folder)
        kept |= {key: stored[key] for key in kept if key in stored}
        before = stored["versions"]
        if before != current and before not in kept["earlier_versions"]:
            kept["earlier_versions"].append(before)
    began = kept["earlier_versions"][0] if kept["earlier_versions"] else current
    manifest = {
        "name": run.name,
        "digest": run.digest,
        "seed": run.seed,
        "simulations": run.simulations,
        "complete": complete,
        "arms": arms.table(run),
        "ranked": journal.arms(),
        "notes": [f"{story.name}: {note}." for story in run.stories for note in story.notes],
        "unseen": list(unseen),
        "run": run.describe(),
        "versions": current,
        "commit": commit(),
        **kept,
        "given": given_file(given) | given_files(*run.stories, *run.fitters, *run.quantities)
        or kept["given"],
        "references": references(run),
        "config": os.fspath(given) if given is not None else kept["config"],
        **({"labels": labels(run)} if run.keep_draws else {}),
    }
    write_sealed(path, manifest)
    journal.keep_manifest(path.read_text(encoding="utf-8"))
    return [
        f"{name} {began.get(name, 'absent')} -> {current.get(name, 'absent')}"
        for name in dict.fromkeys([*began, *current])
        if began.get(name) != current.get(name)
    ]


def restored(folder: Path, journal: Journal) -> str:
    """Make a manifest that is lost or damaged again as the journal has it; say what was wrong."""
    path, copy = folder / MANIFEST, journal.manifest()
    try:
        if path.exists():
            read_manifest(folder)
            return ""
        if copy is None:
            return ""
        wrong = f"{path} was lost"
    except Damaged:
        wrong = f"{path} was damaged"
        os.replace(path, unused(path))
    if copy is not None:
        replace(path, copy)
    return wrong


def unused(path: Path) -> Path:
    """A name beside a damaged file that is not in use, to keep it under."""
    names = (path.with_name(f"{path.name}.damaged{i or ''}") for i in itertools.count())
    return next(name for name in names if not name.exists())


def labels(run: Run) -> dict[str, dict[str, list[str]]]:
    """Of each story, by its label, the names of the scalars of each parameter."""
    return {
        arm.story_label: {name: arm.story.labels(name) for name in arm.story.dims}
        for arm in run.arms
    }


def references(run: Run) -> dict[str, list[str]]:
    """What a TOML file calls each story, fitter and quantity; empty where it has no name there."""
    return {
        "stories": [reference(story, story.name) for story in run.stories],
        "fitters": [reference(fitter, fitter.name) for fitter in run.fitters],
        "quantities": [reference(one.function, "") for one in run.quantities],
    }


def made_of(folder: Path, files: Sequence[str] = (), **simulations: int | None) -> None:
    """Note how many simulations the records or the tables are made of, None while they are written.

    Parameters
    ----------
    folder : Path
    files : sequence of str
        Paths in the folder that were written.
    simulations
        ``records``, ``tables`` or both.
    """
    manifest = read_manifest(folder)
    manifest["made_of"] = manifest.get("made_of", {}) | simulations
    manifest["files"] = sorted({*manifest.get("files", []), *files})
    hashed = [*files, *(RECORD_FILES if simulations.get("records") is not None else ())]
    manifest["hashes"] = manifest.get("hashes", {}) | hashes(folder, hashed)
    write_sealed(folder / MANIFEST, manifest)


def hashes(folder: Path, files: Sequence[str]) -> dict[str, str]:
    """Hash of each table among files of a folder."""
    tables = sorted({name for name in files if Path(name).suffix in TABLES})
    return {name: hash_of(folder / name) for name in tables if (folder / name).is_file()}


def check_tables(folder: Path, manifest: Mapping[str, Any], *names: str) -> None:
    """Raise a JournalError if tables of a folder, by default all, are not what was written."""
    known = manifest.get("hashes", {})
    for name in names or known:
        if name in known and (path := folder / name).is_file() and hash_of(path) != known[name]:
            raise Damaged(
                f"{path} is damaged, or was changed: it is not what was written. "
                f"{REPAIR.format(folder=folder)}"
            )


def noted_limits(folder: Path, limits: Mapping[str, float]) -> None:
    """Note the time limit of each arm's fits in seconds, 0 for none; it is no part of the run."""
    manifest = read_manifest(folder)
    manifest["fit_seconds"] = {
        arm: round(seconds, 1) if seconds < math.inf else 0 for arm, seconds in limits.items()
    }
    write_sealed(folder / MANIFEST, manifest)


def given_file(path: str | os.PathLike[str] | None) -> dict[str, str]:
    """SHA-256 of the file that a run or study was read from, by its path as it was given."""
    if path is None or not Path(path).is_file():
        return {}
    return {os.fspath(path): hashlib.sha256(Path(path).read_bytes()).hexdigest()}


def remove_run(folder: Path) -> None:
    """Remove what a run wrote in its folder but its journal, and nothing else."""
    remove(folder, [*RUN_FILES, *_written(folder)])


def _written(folder: Path) -> list[str]:
    try:
        return read_manifest(folder).get("files", []) if begun(folder) else []
    except Damaged:
        return []


def remove(folder: Path, files: Sequence[str]) -> None:
    """Remove files and stores of a folder, and folders in it that this leaves empty."""
    for name in files:
        path = folder / name
        if path.suffix == ".zarr":
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for parent in {(folder / name).parent for name in files} - {folder}:
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run's folder.

    Raises
    ------
    FileNotFoundError
        If there is none.
    Damaged
        If it is not what was written.
    """
    path = folder / MANIFEST
    if not path.exists():
        if (folder / JOURNAL).exists():
            raise FileNotFoundError(f"{path} is lost. {REPAIR.format(folder=folder)}")
        raise FileNotFoundError(
            f"{folder} holds no manifest.json, so it is not the folder of a run; "
            "give the folder that hiercal run wrote, such as results/eight_schools"
        )
    try:
        return unsealed(path.read_bytes(), path)
    except Damaged as error:
        raise Damaged(f"{error}. {REPAIR.format(folder=folder)}") from None


def read_run(folder: Path) -> dict[str, Any]:
    """The manifest of a run; a ValueError for one of another layout, or that is no run's."""
    manifest = read_manifest(folder)
    if "run" not in manifest:
        raise FileNotFoundError(
            f"{folder} was written by another version of hiercal, or is not the folder of a run; "
            "run the same command again, with --fresh"
        )
    return manifest


def begun(folder: Path) -> bool:
    """Whether the folder is a run's."""
    return (folder / MANIFEST).exists()


def file_name(label: str) -> str:
    """A label as the name of a file or of a group in a store: no slash, and not too long.

    Examples
    --------
    >>> file_name("eight_schools"), file_name("A/B")
    ('eight_schools', 'A_B-998d3ed8')
    """
    plain = label.replace("/", "_").encode()[:LONGEST_NAME].decode(errors="ignore")
    return plain if plain == label else f"{plain}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"


def replace(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain data as a JSON file with a seal, whole or not at all."""
    replace(path, sealed(content))


def versions() -> dict[str, str]:
    """The machine, Python, and every package that hiercal requires or can use, where installed."""
    try:
        required = importlib.metadata.requires("hiercal") or []
    except importlib.metadata.PackageNotFoundError:
        required = []
    direct = {re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in required}
    names = direct.union(*(COMPANIONS.get(name, ()) for name in direct))
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **processor(),
    } | {name: version for name in sorted(names | {"hiercal"}) if (version := version_of(name))}


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """The processor's model, and the widest vector instructions it has, as Linux tells them."""
    try:
        lines = [line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines()]
    except OSError:
        lines = []
    told = {name.strip(): value.strip() for name, _, value in reversed(lines)}
    model = told.get("model name") or platform.processor() or platform.machine()
    flags = set(told.get("flags", told.get("Features", "")).split())
    widest = next((each for each in INSTRUCTIONS if flags & INSTRUCTIONS[each]), "unknown")
    return {"cpu": model, "instructions": widest}


def commit() -> str | None:
    """Commit of the checkout that hiercal runs from, with ``+`` if it was changed."""
    here = Path(__file__).parent

    def git(*args: str) -> str:
        # one with its usual locks that is killed, as on a full disk, leaves the repository locked
        command = ["git", "--no-optional-locks", "-C", str(here), *args]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        tracked = git("ls-files", __file__)
        return (
            git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
            if tracked
            else None
        )
    except (OSError, subprocess.CalledProcessError):
        return None
