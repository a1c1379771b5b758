"""What a study left in its folder, which is only read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hiercal.runs.manifest import MANIFEST, check_tables, read_manifest
from hiercal.studies._study import CLAIMS, Study

if TYPE_CHECKING:
    import pandas as pd


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
    return read_finished(folder)


def read_finished(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of a study's folder, as written."""
    import pandas as pd

    check_tables(folder, read_manifest(folder))
    listed = [folder / name for name in written_files(folder) if name.endswith(".csv")]
    return {
        path.stem: read_claims(path) if path.stem == CLAIMS else pd.read_csv(path)
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


def read_claims(path: Path) -> pd.DataFrame:
    """A table of claims, with empty text where there is no remark."""
    import pandas as pd

    texts = ("measure", "remark", "where")
    return pd.read_csv(path, dtype=dict.fromkeys(texts, "str")).fillna(dict.fromkeys(texts, ""))


def written_files(folder: Path) -> list[str]:
    """Paths in a study's folder that it wrote."""
    return read_manifest(folder).get("files", []) if (folder / MANIFEST).exists() else []
