"""What the page of a run says: its verdict in words, its arms, its quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal import words
from hiercal.report.of_folder import Finished, finished, origin_of
from hiercal.report.page.cells import Grid, grid
from hiercal.report.page.methods import Methods, methods
from hiercal.report.page.origin import Origin, origin
from hiercal.report.tables import PaperTable, paper_table
from hiercal.runs.manifest import MANIFEST, read_manifest
from hiercal.runs.result import FITS, Result
from hiercal.sbc.pattern import Interval
from hiercal.tables import attention, told
from hiercal.tables._sentences import shifted, wide

if TYPE_CHECKING:
    import pandas as pd

MORE = ("bias", "strata", "groups")
"""Tables that are shown whole, where the run has them."""


@dataclass(frozen=True)
class ArmRow:
    """One line of the first screen.

    Attributes
    ----------
    name, verdict : str
        The worst verdict on any of its quantities.
    quantity, p : str
        That with the strongest evidence against it.
    effect : str
        How its draws are wrong, in posterior sd; empty where no error was found.
    finds : str
        The smallest shift that it would have shown.
    chains, failed : str
        What qualifies the verdict.
    any_failed : bool
    warns : bool
        Whether the chains do not mix, or could not be checked.
    """

    name: str
    verdict: str
    quantity: str
    p: str
    effect: str
    finds: str
    chains: str
    failed: str
    any_failed: bool
    warns: bool


@dataclass(frozen=True)
class Sampling:
    """Failures, divergences, effective draws and cost of an arm, as text, by heading."""

    name: str
    cells: Mapping[str, str]


@dataclass(frozen=True)
class RunPage:
    """All that the template of a run is given."""

    name: str
    subtitle: str
    headline: str
    state: str
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
    meaning = tables.get("meaning", pd.DataFrame()).fillna(
        dict.fromkeys(("sentence", "cause", "advice", "docs", "pattern"), "")
    )
    mixed = tables["mixing"].set_index("arm") if "mixing" in tables else pd.DataFrame()
    fits = result.fits if (folder / FITS).exists() else pd.DataFrame(columns=["arm", "error"])
    said = attention.sentences(meaning, verdicts) if len(meaning) else []
    max_rank, n = manifest["run"]["max_rank"], result.n_simulations
    rows = _arm_rows(verdicts, meaning, mixed, list(manifest["arms"]))
    headline, state = _headline(rows, verdicts)
    return RunPage(
        name=str(manifest["name"]),
        subtitle=(
            f"{words.count(n, 'simulation')} of {_stories(manifest)}, ranks among {max_rank} "
            "draws, "
            f"seed {manifest['seed']}"
        ),
        headline=headline,
        state=state,
        level=_level(verdicts),
        notices=_notices(folder, manifest, n),
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
            *told.not_uniform(result.arms),
            *manifest.get("notes", ()),
            *_joined(manifest["unseen"], [arm["arm"] for arm in manifest["arms"]]),
        ],
        grid=grid(result, tables, arms, quantities),
        sampling=_sampling(manifest["arms"], fits, mixed, verdicts, max_rank),
        tables=[paper_table(name, tables[name], whole.origin) for name in MORE if name in tables],
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


def _arm_rows(
    verdicts: pd.DataFrame, meaning: pd.DataFrame, mixed: pd.DataFrame, arms: list[dict[str, Any]]
) -> list[ArmRow]:
    """A row for each arm, the worst first, and those alike as the run has them."""
    worst = attention.worst(verdicts)
    effects = {(row["arm"], row["quantity"]): row for row in meaning.to_dict("records")}
    rows = []
    for arm in (each["arm"] for each in arms if each["arm"] in worst):
        own = verdicts[(verdicts["arm"] == arm).to_numpy()]
        first = own[(own["verdict"] == worst[arm]).to_numpy()].to_dict("records")
        # by the adjusted p-value that counts, then by the plain one: adjusted ones tie
        row = min(first, key=lambda each: (_last(attention.quoted(each)), _last(each["p"])))
        mix = mixed.loc[arm].to_dict() if arm in mixed.index else {}
        n, n_failed = int(own["n"].max()), int(own["n_failed"].min())
        rows.append(
            ArmRow(
                name=arm,
                verdict=worst[arm],
                quantity=str(row["quantity"]),
                p=attention.p_holm(row),
                effect=effect(effects.get((arm, row["quantity"]))),
                finds=f"{_sd(own['detectable_shift'].max())}" if n else "nothing",
                chains=_chains(mix),
                failed=f"{n_failed} of {n + n_failed}",
                any_failed=n_failed > 0,
                warns=mix.get("mixes", "unchecked") != "yes",
            )
        )
    return sorted(rows, key=lambda row: attention.SEVERITY.index(row.verdict))


def _last(p: float) -> float:
    return 2.0 if np.isnan(p) else p


def effect(row: Mapping[str, Any] | None) -> str:
    """How far draws are off, of a row of the table of meanings."""
    if row is None:
        return ""
    by, times = (
        Interval(row[name], row[f"{name}_low"], row[f"{name}_high"]) for name in ("shift", "scale")
    )
    return f"draws {shifted(by)}; {wide(times)}"


def _chains(row: Mapping[str, Any]) -> str:
    """Whether chains mix, in words."""
    if not row or not row["n"]:
        return "no completed fit"
    if row["mixes"] == "no":
        return f"do not mix in {words.percent(row['unmixed'])} of fits"
    return {"yes": "mix", "unchecked": "unchecked"}[row["mixes"]]


def _headline(rows: Sequence[ArmRow], verdicts: pd.DataFrame) -> tuple[str, str]:
    """The verdict in words, and whether it is bad, unsure or good."""
    total = len(rows)
    of = {
        verdict: [row for row in rows if row.verdict == verdict] for verdict in attention.SEVERITY
    }
    wrong, open_, right = (of[verdict] for verdict in attention.SEVERITY)
    most = verdicts.groupby("arm")["n"].max()
    lost = [row for row in open_ if most[row.name] == 0]
    turning = [row for row in open_ if row not in lost]
    failed = int(verdicts.groupby("arm")["n_failed"].max().sum())
    unmixed = [row for row in right if row.warns]
    said = []
    if wrong:
        said.append(f"{_some(len(wrong), total)} miscalibrated.")
    if lost:
        said.append(
            "Every fit failed: nothing can be said."
            if len(lost) == total
            else f"Every fit of {words.count(len(lost), 'arm')} failed."
        )
    if turning:
        said.append(f"{_some(len(turning), total)} inconclusive.")
    if right:
        said.append(f"{_some(len(right), total)} calibrated, as far as this run can see.")
    if unmixed:
        said.append(
            f"Of {'it' if len(right) == 1 else 'these'}, chains do not mix, or could not be "
            f"checked, in {words.count(len(unmixed), 'arm')}."
            if len(right) > 1
            else "Its chains do not mix, or could not be checked."
        )
    if failed and not (lost and len(lost) == total):
        said.append(f"{words.count(failed, 'fit')} failed.")
    state = "bad" if wrong else "unsure" if open_ or unmixed else "good"
    return " ".join(said), state


def _some(n: int, total: int) -> str:
    if n == total:
        return "The arm is" if total == 1 else f"All {total} arms are"
    return f"{n} of {total} arms {'is' if n == 1 else 'are'}"


def _level(verdicts: pd.DataFrame) -> str:
    """The false-alarm rate, without which no verdict stands."""
    family = words.count(len(verdicts), "quantity")
    return (
        f"False-alarm rate: if every arm were right, at most 5 % of such runs would call any of "
        f"the {family} of all arms miscalibrated (family-wise level, Holm). “Calibrated” means no "
        "evidence against: errors smaller than those that would have been found may be there."
        if len(verdicts) > 1
        else "False-alarm rate: if the arm were right, at most 5 % of such runs would call it "
        "miscalibrated. “Calibrated” means no evidence against: errors smaller than those that "
        "would have been found may be there."
    )


def _notices(folder: Path, manifest: Mapping[str, Any], n: int) -> list[str]:
    """What is unfinished of the run, or could not be made."""
    import pandas as pd

    said = []
    if n < manifest["simulations"]:
        said.append(
            f"A run of {words.count(manifest['simulations'], 'simulation')} has not ended; this is "
            f"of the first {n}. The same command goes on."
        )
    if (path := folder / "not_made.csv").exists():
        said += [
            f"{row['name']} could not be made: {row['why']}"
            for row in pd.read_csv(path).to_dict("records")
        ]
    if "asked_of" in manifest:
        said.append(
            f"These are answers about the draws kept by the run in "
            f"{manifest['asked_of'].get('folder')}; asked after a look at its verdicts, they add "
            "to "
            "its false alarms."
        )
    return said


def _sd(value: float) -> str:
    return f"{value:.2f} sd" if np.isfinite(value) else "more than 5 sd"


def _sampling(
    arms: Sequence[Mapping[str, Any]],
    fits: pd.DataFrame,
    mixed: pd.DataFrame,
    verdicts: pd.DataFrame,
    max_rank: int,
) -> list[Sampling]:
    rows = []
    low_ess = verdicts.groupby("arm")["low_ess"].max()
    for arm in (each["arm"] for each in arms):
        own = fits[(fits["arm"] == arm).to_numpy()]
        done = own[own["error"].isna().to_numpy()]
        mix = mixed.loc[arm].to_dict() if arm in mixed.index else {}
        shares = {
            heading: words.percent(mix.get(name, np.nan))
            for heading, name in (
                ("unmixed", "unmixed"),
                ("with divergences", "diverged"),
                ("divergent draws", "divergent_draws"),
                ("low E-BFMI", "low_e_bfmi"),
                ("deepest tree", "deepest_tree"),
            )
        }
        seconds = done["seconds"].to_numpy(dtype=float) if "seconds" in done else np.empty(0)
        ess = done["ess_bulk_min"].to_numpy(dtype=float) if "ess_bulk_min" in done else np.empty(0)
        rate = ess[seconds > 0] / seconds[seconds > 0] if len(ess) else ess
        rows.append(
            Sampling(
                arm,
                {
                    "fits": str(len(done)),
                    "failed": str(len(own) - len(done)),
                    **shares,
                    f"ESS below {max_rank}": words.percent(low_ess.get(arm, np.nan)),
                    "smallest ESS": _middle(ess),
                    "ESS a second": _middle(rate),
                    "seconds a fit": _middle(seconds),
                    "seconds in all": f"{np.nansum(own['seconds']):.3g}"
                    if "seconds" in own
                    else "-",
                },
            )
        )
    return rows


def _middle(values: np.ndarray) -> str:
    """Median, and the range of the middle 90 % of the fits."""
    known = values[np.isfinite(values)]
    if not len(known):
        return "-"
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def is_study(folder: Path) -> bool:
    """Whether a folder is that of a study."""
    return (folder / MANIFEST).exists() and isinstance(read_manifest(folder).get("study"), str)
