"""The figures of a finished study, drawn anew from its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hiercal import catalogue
from hiercal.errors import NotMeasured, UnknownName
from hiercal.runs.manifest import read_manifest
from hiercal.studies._finished import read_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MADE_WITH = ("simulations", "chains", "tune", "draws")
"""Options of studies that say how many simulations and draws there are."""


def is_study(folder: Path) -> bool:
    """Whether a folder with a manifest is a study's."""
    return isinstance(read_manifest(folder).get("study"), str)


def study_figures(folder: Path) -> dict[str, Figure]:
    """Figures of a finished study by name, as the code that is installed draws them.

    Raises
    ------
    FileNotFoundError
        If the study has not ended.
    JournalError
        If a table is not what was written.
    ValueError
        If the study is none of the catalogue, or has other options or tables now.
    """
    tables = read_tables(folder) or {}
    manifest = read_manifest(folder)
    name = manifest["study"]
    if name not in catalogue.names("studies"):
        raise ValueError(
            f"{folder} is of the study {name}, which is none of hiercal's: its figures are in "
            f"{folder / 'figures'}; draw them anew in Python, within hiercal.plots.form"
        )
    try:
        study = catalogue.study(name, **manifest["options"])
        return study.figures(tables)
    except (KeyError, AttributeError, UnknownName) as error:
        what = str(error) if isinstance(error, NotMeasured | ValueError) else f"they lack {error}"
        raise ValueError(
            f"{folder}: the tables of {name} were made by another version ({what}); "
            "run the study again"
        ) from error


def origin(folder: Path) -> str:
    """Of how many simulations and draws a study is, and with which seed."""
    manifest = read_manifest(folder)
    options = manifest["options"]
    sizes = [f"{name} = {options[name]}" for name in MADE_WITH if name in options]
    made = f", made with {', '.join(sizes)}" if sizes else ""
    return f"Study {manifest['study']}{made}, seed {options['seed']}."
