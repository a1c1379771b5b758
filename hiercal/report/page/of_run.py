"""What the page of a run says: its verdict in words, its arms, its quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hiercal import words
from hiercal.report import attention, told
from hiercal.report.of_folder import Finished, finished, origin_of
from hiercal.report.page.cells import Grid, grid
from hiercal.report.page.methods import Methods, methods
from hiercal.report.page.origin import Origin, origin
from hiercal.report.page.sampling import Sampling, sampling
from hiercal.report.page.verdict import ArmRow, arm_rows, headline, level, smallest
from hiercal.report.tables import PaperTable, paper_table
from hiercal.runs.manifest import MANIFEST, read_manifest
from hiercal.runs.result import Result

MORE = ("bias", "strata", "groups")
"""Tables that are shown whole, where the run has them."""
TEXTS = ("pattern", "sentence", "cause", "advice", "docs")
"""Columns of the table of meanings in which nothing is an empty text."""


@dataclass(frozen=True)
class RunPage:
    """All that the template of a run is given."""

    name: str
    subtitle: str
    headline: str
    state: str
    smallest: str
    level: str
    notices: Sequence[str]
    arms: Sequence[ArmRow]
    finds: Sequence[tuple[str, str]]
    meanings: Sequence[tuple[str, str]]
    more_meanings: int
    warnings: Sequence[tuple[str, str]]
    errors: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    grid: Grid
    sampling: Sequence[Sampling]
    tables: Sequence[PaperTable]
    origin: Origin
    methods: Methods
    n_simulations: int
    max_rank: int


def run_page(folder: Path, arms: Sequence[str] = (), quantities: Sequence[str] = ()) -> RunPage:
    """Read a finished run.

    Parameters
    ----------
    folder : Path
    arms, quantities : sequence of str
        Show these alone in the table of quantities; the verdict is that of the whole run.

    Raises
    ------
    FileNotFoundError
        If the folder is no run's, or what was run there has not ended.
    JournalError
        If a table is not what was written.
    ValueError
        If there is no arm or quantity of a name.
    """
    import pandas as pd

    if (folder / "evidence.csv").exists() and not (folder / "verdicts.csv").exists():
        raise FileNotFoundError(
            f"{folder} is of hiercal check, which stops early and gives no verdicts on quantities; "
            "give the folder of hiercal run"
        )
    result = Result(folder)
    manifest = result.manifest
    whole = _whole(folder, result)
    tables = whole.tables
    if "verdicts" not in tables:
        raise FileNotFoundError(
            f"{folder / 'verdicts.csv'} is not there: run the same command again to make it anew"
        )
    verdicts = tables["verdicts"]
    meaning = tables.get("meaning", pd.DataFrame())
    for name in TEXTS if len(meaning) else ():
        meaning[name] = meaning[name].astype(object).where(meaning[name].notna(), "")
    mixed = tables["mixing"].set_index("arm") if "mixing" in tables else pd.DataFrame()
    fits = result.fits
    said = attention.sentences(meaning, verdicts) if len(meaning) else []
    max_rank, n = manifest["run"]["max_rank"], result.n_simulations
    rows = arm_rows(verdicts, meaning, mixed, list(manifest["arms"]))
    said_first, state = headline(rows, verdicts)
    return RunPage(
        name=str(manifest["name"]),
        subtitle=(
            f"{words.count(n, 'simulation')} of {_stories(manifest)}, ranks among {max_rank} "
            "draws, "
            f"seed {manifest['seed']}"
        ),
        headline=said_first,
        state=state,
        smallest=smallest(verdicts),
        level=level(verdicts),
        notices=[*_notices(manifest, n), *told.not_uniform(result.arms)],
        arms=rows,
        finds=told.found(verdicts),
        meanings=said[: attention.MOST_ROWS],
        more_meanings=max(len(said) - attention.MOST_ROWS, 0),
        warnings=[
            (str(arm), "; ".join(warned))
            for arm, row in mixed.iterrows()
            if (warned := told.said(row.to_dict()))
        ],
        errors=[row | {"count": int(row["count"])} for row in told.errors(fits).to_dict("records")],
        notes=[
            *manifest.get("notes", ()),
            *_joined(manifest["unseen"], [arm["arm"] for arm in manifest["arms"]]),
            *_not_made(folder),
        ],
        grid=grid(result, tables, arms, quantities),
        sampling=sampling(manifest["arms"], fits, mixed, verdicts, max_rank),
        tables=[paper_table(name, tables[name], whole) for name in MORE if name in tables],
        origin=origin(manifest),
        methods=methods(manifest, tables, n),
        n_simulations=n,
        max_rank=max_rank,
    )


def _whole(folder: Path, result: Result) -> Finished:
    """The tables of a run; of one of a study's, which writes none, they are made."""
    made_of = result.manifest["made_of"]
    if "tables" in made_of or made_of.get("records") is None:
        return finished(folder)
    from hiercal.tables.export import tables

    result.check()
    return Finished(tables(result), origin_of(result.manifest, result.n_simulations))


def _joined(sentences: Sequence[str], arms: Sequence[str]) -> list[str]:
    """Sentences that begin with an arm's name, those that go on alike as one."""
    whose: dict[str, list[str]] = {}
    for sentence in sentences:
        arm = max((name for name in arms if sentence.startswith(f"{name} ")), key=len, default="")
        whose.setdefault(sentence[len(arm) :].strip(), []).append(arm)
    return [
        f"{'Each arm' if len(names) == len(arms) > 1 else ', '.join(names)} {rest}".strip()
        for rest, names in whose.items()
    ]


def _stories(manifest: Mapping[str, Any]) -> str:
    return ", ".join(dict.fromkeys(arm["story"] for arm in manifest["arms"]))


def _notices(manifest: Mapping[str, Any], n: int) -> list[str]:
    """What has to be known before the verdict is read."""
    said = []
    if n < manifest["simulations"]:
        said.append(
            f"A run of {words.count(manifest['simulations'], 'simulation')} has not ended; this is "
            f"of the first {n}. The same command goes on."
        )
    if "asked_of" in manifest:
        said.append(
            f"These are answers about the draws kept by the run in "
            f"{manifest['asked_of'].get('folder')}; asked after a look at its verdicts, they add "
            "to "
            "its false alarms."
        )
    return said


def _not_made(folder: Path) -> list[str]:
    """Tables and figures of the run that could not be made, a sentence each."""
    import pandas as pd

    if not (path := folder / "not_made.csv").exists():
        return []
    rows = pd.read_csv(path).to_dict("records")
    return [f"{row['name']} could not be made: {row['why']}" for row in rows]


def is_study(folder: Path) -> bool:
    """Whether a folder is that of a study."""
    return (folder / MANIFEST).exists() and isinstance(read_manifest(folder).get("study"), str)
