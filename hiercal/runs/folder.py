"""Whether a run or a study can use a folder, before anything is fitted."""

from __future__ import annotations

import os
from pathlib import Path

from hiercal.errors import JournalError
from hiercal.runs.manifest import JOURNAL, RUN_FILES, begun, read_manifest
from hiercal.runs.parts import PARTS
from hiercal.runs.seals import Damaged

FOLDERS = ("figures", "runs", "sbc.zarr", PARTS)
"""What is a folder in the folder of a run or study."""


def check_place(folder: Path) -> None:
    """Raise a JournalError for a path that is no folder's, or is meant to be another."""
    given = os.fspath(folder)
    if given != (meant := os.path.expanduser(given)):
        raise JournalError(f"{given} would be a folder named {folder.parts[0]}; give {meant}")
    for path in (folder, *folder.parents):
        if path.is_symlink() and not path.exists():
            raise JournalError(f"{path} is a link to nothing; remove it, or give another --out")
        if path.exists():
            if not path.is_dir():
                raise JournalError(f"{path} is a file, not a folder; give another --out")
            return


def check_folder(folder: Path, *, of_study: str = "") -> None:
    """Raise a JournalError unless the folder is new, or a run's, or of the study of that name.

    What is in it of the run or study itself is looked at elsewhere.
    """
    check_place(folder)
    for name in FOLDERS:
        path = folder / name
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            what = "link" if path.is_symlink() else "file"
            raise JournalError(
                f"{path} is a {what}, and a folder of that name is written there; move it away, or "
                "give another --out"
            )
    for name in (JOURNAL, *RUN_FILES):
        if name not in FOLDERS and (folder / name).is_dir():
            raise JournalError(
                f"{folder / name} is a folder, and a file of that name is written there; move it "
                "away, or give another --out"
            )
    if not begun(folder):
        return
    try:
        manifest = read_manifest(folder)
    except Damaged:  # it is made again
        return
    study = manifest.get("study")
    if isinstance(study, str):
        if study != of_study:
            raise JournalError(f"{folder} is the folder of the study {study}; give another --out")
    elif of_study and ("digest" in manifest or (folder / JOURNAL).exists()):
        raise JournalError(
            f"{folder} is the folder of the run {manifest.get('name')}, and {of_study} is a study; "
            "give another --out"
        )
    elif "asked_of" in manifest:
        raise JournalError(
            f"{folder} holds answers about the run in {manifest['asked_of'].get('folder')}; give "
            "another --out"
        )
