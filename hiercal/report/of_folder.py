"""What a report is made of: the tables of a finished run or study, and what they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiercal import words
from hiercal.report.of_study import origin
from hiercal.runs.manifest import MANIFEST, RUN_TABLES, read_manifest
from hiercal.runs.result import Result
from hiercal.studies._finished import read_tables

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Finished:
    """Tables by name, and one sentence that says what they are of.

    ``study`` is the name of the study, empty of a run; ``arms`` what arms are called in a run of a
    single story, of which the sentence has the name.
    """

    tables: dict[str, pd.DataFrame]
    origin: str
    study: str = ""
    arms: dict[str, str] = field(default_factory=dict)


def finished(folder: Path) -> Finished:
    """The tables of the folder of a finished run or study, as written.

    Raises
    ------
    FileNotFoundError
        If the folder is neither's, or what was run there has not ended.
    JournalError
        If a table is not what was written.
    """
    import pandas as pd

    tables = read_tables(folder)
    if tables is not None:
        study = read_manifest(folder)
        return Finished(tables, origin(folder), study["study"])
    result = Result(folder)
    run = result.manifest
    if run["made_of"].get("tables") is None:
        raise FileNotFoundError(
            f"{folder / MANIFEST} says that the run has not ended: run the same command again to "
            "go on"
        )
    result.check()
    paths = {name: folder / f"{name}.csv" for name in RUN_TABLES}
    # a quantity may be called NA
    exactly: dict[str, Any] = {"keep_default_na": False, "na_values": [""]}
    there = {name: pd.read_csv(path, **exactly) for name, path in paths.items() if path.exists()}
    arms = {arm["arm"]: arm["fitter"] for arm in run["arms"]}
    return Finished(
        there,
        origin_of(run, run["made_of"]["tables"]),
        arms=arms if len(_stories(run)) == 1 else {},
    )


def origin_of(run: Mapping[str, Any], n: int) -> str:
    """What the tables of a run's manifest and of `n` simulations are of."""
    stories = _stories(run)
    of = f" of {stories.pop()}" if len(stories) == 1 else ""
    return (
        f"Run {run['name']}: {words.count(n, 'simulation')}{of}, ranks among "
        f"{run['run']['max_rank']} draws, seed {run['seed']}."
    )


def _stories(run: Mapping[str, Any]) -> set[str]:
    return {arm["story"] for arm in run["arms"]}
