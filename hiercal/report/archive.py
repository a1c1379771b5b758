"""A finished run or study as one file, from which anyone can make it again."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiercal.report import _zip
from hiercal.report._design import (
    Design,
    check_design,
    design_of,
    moved,
    packages_without_version,
)
from hiercal.report._readme import readme, requirements
from hiercal.runs.fit import simulate
from hiercal.runs.journal import Journal
from hiercal.runs.manifest import (
    JOURNAL,
    MANIFEST,
    RUN_FILES,
    check_tables,
    read_manifest,
    write_sealed,
)
from hiercal.runs.measurements import MEASUREMENTS
from hiercal.runs.parts import PARTS
from hiercal.runs.result import RECORDS, Result
from hiercal.runs.run import Run
from hiercal.runs.thinned_draws import to_bytes

if TYPE_CHECKING:
    import numpy as np

LAYOUT = 1
"""Of archives; one of a later layout is refused."""
CONTENTS, README, REQUIREMENTS = "archive.json", "README.md", "requirements.txt"
RESULTS, SOURCE, DATA = "results", "source", "simulations.csv"
RUNS, STORE = "runs", "sbc.zarr"
MORE = ("journal", "store")
"""What may be packed besides."""
MOST_HASHED = 1000
"""Simulations of a story whose data are hashed."""
_HOMES = re.compile(rb"(?:/home/|/Users/|[A-Za-z]:\\Users\\)[\w.-]+")


@dataclass(frozen=True)
class Archived:
    """An archive that was written.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the whole file.
    files : int
        How many it holds.
    notes : tuple of str
        What its author should know before it is published.
    """

    path: Path
    sha256: str
    files: int
    notes: tuple[str, ...]


def archive(
    folder: Path,
    out: Path | None = None,
    *,
    start: Path = Path(),
    include: Iterable[Path] = (),
    also: Sequence[str] = (),
    rerun: bool = True,
) -> Archived:
    """Pack a finished run or study.

    The design is read and run from a copy of its files, up to its simulations, so that an archive
    that is written can be run again. Paths of this machine are taken out of the manifests.

    Parameters
    ----------
    folder : Path
        Of a finished run or study.
    out : Path, optional
        The file; by default the folder's name with ``.zip``, beside it.
    start : Path
        The folder in which it was run.
    include : iterable of Path
        Files that its code reads under names that it puts together.
    also : sequence of {"journal", "store"}
        Pack the journals, or the store of ArviZ, too.
    rerun : bool
        Whether it has to be possible to run it again; if not, only the results are packed.

    Returns
    -------
    Archived

    Raises
    ------
    FileNotFoundError
        If the folder is no run's or study's, or has not ended.
    JournalError
        If a table is not what was written.
    CannotRerun
        If a file that it was run from is missing or has changed.
    FileExistsError
        If there is something else where the archive is to be.
    """
    manifests = _manifests(folder)
    whole = manifests[""] if "study" not in manifests[""] else read_manifest(folder)
    name = whole.get("study", whole.get("name"))
    out = out if out is not None else folder.resolve().parent / f"{folder.resolve().name}.zip"
    _check_place(out)
    files: dict[str, Path | bytes] = {
        f"{RESULTS}/{each}": folder / each for each in _kept(folder, manifests, also)
    }
    design = Design("", ".", {}, {}, {each: Path(each).name for each in whole["given"]})
    notes: list[str] = []
    runs = {key.removeprefix(f"{RUNS}/"): each for key, each in manifests.items() if "run" in each}
    if rerun:
        design = design_of(whole, start, include)
        with tempfile.TemporaryDirectory(prefix="hiercal-") as copy:
            design.write(Path(copy))
            made, at = check_design(design, Path(copy), runs), folder.resolve()
            with contextlib.chdir(Path(copy) / design.place):
                hashed, unlike = _data(made, at)
        files |= {
            f"{SOURCE}/{each}": content.encode() if isinstance(content, str) else content
            for each, content in design.files.items()
        }
        files[DATA] = hashed.encode()
        notes += unlike
    for key in manifests:
        at = f"{key}/{MANIFEST}" if key else MANIFEST
        files[f"{RESULTS}/{at}"] = _without_paths(manifests[key], design)
    described = [each.get("run", each) for each in manifests.values()]
    needed = sorted({top for each in described for top in packages_without_version(each)})
    contents = {
        "layout": LAYOUT,
        "name": name,
        "kind": "study" if "study" in whole else "run",
        "config": design.config,
        "place": design.place,
        "changes": design.changes,
        "python": design.python,
        "runs": sorted(runs),
        "also": sorted(also),
        "needs": needed,
    }
    files[CONTENTS] = f"{json.dumps(contents, indent=2)}\n".encode()
    used = {name: of for each in described for name, of in each.get("packages", {}).items()}
    files[REQUIREMENTS] = requirements(whole["versions"], used).encode()
    files[README] = readme(contents, whole, sorted(files)).encode()
    notes += [
        f"it rests on the source of {each}, which has no version and is not packed: say in your "
        "paper where it is"
        for each in needed
    ]
    notes += _paths_in(files, folder, start)
    digest = _zip.write(out, name, files)
    return Archived(out, digest, len(files) + 1, tuple(notes))


def _manifests(folder: Path) -> dict[str, dict[str, Any]]:
    """Manifest of a run or a study by "", and of a study's runs by their folder.

    Raises
    ------
    FileNotFoundError
        If anything has not ended.
    """
    manifest = read_manifest(folder)
    if "asked_of" in manifest:
        raise FileNotFoundError(
            f"{folder} holds answers about the run in {manifest['asked_of'].get('folder')}; "
            "archive that run"
        )
    if "study" in manifest and isinstance(manifest["study"], str):
        if not manifest["complete"]:
            raise FileNotFoundError(
                f"{folder}: {manifest['study']} has not ended: run the same command again to go on"
            )
        check_tables(folder, manifest)
        manifests = {"": manifest}
        for path in sorted(folder.glob(f"{RUNS}/*/{MANIFEST}")):
            manifests[path.parent.relative_to(folder).as_posix()] = _ended(path.parent)
        return manifests
    result = Result(folder)
    if result.manifest["made_of"].get("tables") is None or (
        result.manifest["made_of"].get("figures", 0) is None
    ):
        raise FileNotFoundError(
            f"{folder / MANIFEST} says that the run has not ended: run the same command again to "
            "go on"
        )
    return {"": _ended(folder)}


def _ended(folder: Path) -> dict[str, Any]:
    """The manifest of a finished run whose tables are what was written."""
    result = Result(folder)
    if not result.manifest["complete"] or result.manifest["made_of"].get("records") is None:
        raise FileNotFoundError(
            f"{folder / MANIFEST} says that the run has not ended: run the same command again to "
            "go on"
        )
    result.check()
    if not (folder / RECORDS).exists():
        raise FileNotFoundError(
            f"{folder / RECORDS} is not there, and an archive holds every fit: run the same "
            "command again, which writes it"
        )
    return result.manifest


def _check_place(out: Path) -> None:
    """Raise an error if something other than an archive is where one is to be."""
    if out.is_dir():
        raise FileExistsError(f"{out} is a folder; give a file by --out, such as mine.zip")
    if out.exists() and not _is_archive(out):
        raise FileExistsError(
            f"{out} is there already, and is no archive of hiercal's; move it away, or give "
            "another --out"
        )
    if not out.resolve().parent.is_dir():
        raise FileExistsError(
            f"{out}: there is no folder {out.parent}; make it, or give another --out"
        )


def _is_archive(path: Path) -> bool:
    import zipfile

    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:
        return any(name.endswith(f"/{_zip.CHECKSUMS}") for name in file.namelist())


def _kept(
    folder: Path, manifests: Mapping[str, Mapping[str, Any]], also: Sequence[str]
) -> list[str]:
    """Files of a folder that are packed, but for manifests."""
    found = []
    for key, manifest in manifests.items():
        own = folder / key
        names = {*manifest.get("files", []), *RUN_FILES, MEASUREMENTS} - {MANIFEST, STORE}
        paths = [own / each for each in names if (own / each).is_file()]
        if "store" in also:
            paths += [each for each in (own / STORE).rglob("*") if each.is_file()]
        if "journal" in also and (own / JOURNAL).exists():
            with Journal(own / JOURNAL):  # it is whole, and no run is using it
                pass
            paths += [own / JOURNAL, *(own / PARTS).glob("*")]
        found += [path.relative_to(folder).as_posix() for path in paths]
    return sorted(set(found))


def _without_paths(manifest: Mapping[str, Any], design: Design) -> bytes:
    """A manifest, sealed again, in which files have the names that they have in the archive."""
    given = {design.names.get(name, Path(name).name): digest
             for name, digest in manifest["given"].items()}  # fmt: skip
    changed = {**manifest, "given": given}
    if manifest.get("config"):
        changed["config"] = design.config or Path(manifest["config"]).name
    if isinstance(manifest.get("reference"), str):
        changed["reference"] = _named(manifest["reference"], design)
    if "references" in manifest:
        changed["references"] = {
            kind: [_named(each, design) for each in listed]
            for kind, listed in manifest["references"].items()
        }
    with tempfile.TemporaryDirectory(prefix="hiercal-") as temporary:
        write_sealed(Path(temporary) / MANIFEST, changed)
        return (Path(temporary) / MANIFEST).read_bytes()


def _named(reference: str, design: Design) -> str:
    inside = moved(reference, design.names)
    path, colon, attribute = inside.rpartition(":")
    return f"{Path(path).name}{colon}{attribute}" if Path(path).is_absolute() else inside


def _data(runs: Mapping[str, Run], folder: Path) -> tuple[str, list[str]]:
    """Hash of the data of each simulation, as a CSV file, and what could not be told."""
    rows, notes = [["run", "story", "simulation", "data"]], []
    for name, run in runs.items():
        arms = {arm.story_label: arm for arm in reversed(run.arms)}
        result = Result(folder / (f"{RUNS}/{name}" if name else ""))
        for label, arm in arms.items():
            hashes, same = [], True
            known = _truths(result, arm.label)
            for i in range(min(run.simulations, MOST_HASHED)):
                try:
                    drawn = simulate(run.seed, arm.story, i)
                except Exception:
                    # a simulation that fails has no data, and is on record as failed
                    hashes.append("")
                    continue
                hashes.append(hashlib.sha256(to_bytes(drawn.data)).hexdigest())
                same &= all(
                    known.get((quantity, i), value) == value
                    for key, values in drawn.truth.items()
                    for quantity, value in zip(arm.story.labels(key), _flat(values), strict=False)
                )
            if not same:
                notes.append(
                    f"{label}: its truths do not repeat here to the bit, with the versions that "
                    "are installed now; the archive has no hashes of its data"
                )
                continue
            rows += [[name, label, str(i), digest] for i, digest in enumerate(hashes)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue(), notes


def _truths(result: Result, arm: str) -> dict[tuple[str, int], float]:
    rows = result.columns("arm", "simulation", "quantity", "truth")
    rows = rows[(rows["arm"] == arm) & (rows["simulation"] < MOST_HASHED) & rows["truth"].notna()]
    keys = zip(rows["quantity"], rows["simulation"], strict=True)
    return dict(zip(keys, rows["truth"].astype(float), strict=True))


def _flat(values: np.ndarray) -> list[float]:
    import numpy as np

    return np.asarray(values, dtype=float).ravel().tolist()


def _paths_in(files: Mapping[str, Path | bytes], folder: Path, start: Path) -> list[str]:
    """A line for each file that names a folder of this machine."""
    machine = {Path.home(), Path.cwd(), folder.resolve(), start.resolve(), Path(sys.prefix)}
    wanted = [os.fsencode(path) for path in machine if len(path.parts) > 2]
    found = []
    for name, content in sorted(files.items()):
        if not _tells(_bytes_of(content, name), wanted):
            continue
        found.append(
            f"{name} names a folder of this machine (or of the one that it was run on): look "
            "whether it may be published"
        )
    return found


def _bytes_of(content: Path | bytes, name: str) -> bytes:
    """What a file says: of Parquet, whose text is compressed, the columns of words."""
    if isinstance(content, bytes):
        return content
    if content.suffix != ".parquet":
        return content.read_bytes()
    import pyarrow.parquet as pq

    with pq.ParquetFile(content) as file:
        texts = [column for column in ("arm", "quantity", "error") if column in file.schema.names]
        table = file.read(columns=texts)
    unique = [str(each) for column in texts for each in table[column].unique().to_pylist() if each]
    return "\n".join(unique).encode(errors="replace")


def _tells(data: bytes, wanted: Sequence[bytes]) -> bool:
    return any(path in data for path in wanted) or bool(_HOMES.search(data))
