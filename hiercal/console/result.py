"""The verdicts of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hiercal import words
from hiercal.console._table import console, table_of
from hiercal.report import attention
from hiercal.report.told import errors, found, not_uniform, said

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from hiercal.runs.result import Result

STYLES = {"calibrated": "green", "miscalibrated": "bold red", "inconclusive": "yellow"}
WIDTHS = {"arm": 32, "verdict": 13}
"""How wide columns are at least."""
LEGEND = (
    "worst: the quantity with the smallest p. p (Holm): adjusted for all quantities of all arms; "
    "(eff.): of the ranks among effective draws, where autocorrelation can make the plain p small. "
    "failed: fits, of all simulations. unmixed, diverged: share of the completed fits whose chains "
    "do not mix, that have a divergence. ESS < L: largest share, over the quantities, of fits with "
    "fewer effective draws than the L = {max_rank} that a truth is ranked among."
)


def show_verdict(result: Result) -> None:
    """Print a run's verdicts before its figures, which are drawn after it returns."""
    show_result(result, drawing=True)


def show_result(result: Result, every: bool = False, *, drawing: bool = False) -> None:
    """Print a run's verdicts, what its chains and failed fits warn of, and what it could see."""
    import pandas as pd

    out = console()
    path = result.folder / "verdicts.csv"
    if not path.exists() and (result.folder / "evidence.csv").exists():
        raise FileNotFoundError(
            f"{result.folder} is of hiercal check; the same command prints what it found again, "
            "from the fits that are there"
        )
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is not there; the run has not ended: run the same command again to go on"
        )
    verdicts = pd.read_csv(path)
    manifest = result.manifest
    made_of = manifest["made_of"]
    shown = made_of.get("tables")
    if shown is None or shown != made_of.get("records", shown):
        raise FileNotFoundError(
            f"{result.folder} has ended before its tables were written; run the same command again "
            "to go on"
        )
    out.print(
        Text("\n").append(str(manifest["name"]), "bold"),
        f": {words.count(shown, 'simulation')}, seed {manifest['seed']}, "
        f"{words.count(len(manifest['arms']), 'arm')}",
        sep="",
    )
    if shown < manifest["simulations"] and not manifest["complete"]:
        out.print(
            f"A run of {words.count(manifest['simulations'], 'simulation')} has not ended; below "
            f"are the verdicts on the first {shown}. The same command goes on.",
            style="yellow",
        )
    path = result.folder / "mixing.csv"
    mixed = pd.read_csv(path).set_index("arm") if path.exists() else pd.DataFrame()
    worst = attention.worst(verdicts)
    _show_first(out, verdicts)
    out.print(_arm_table(verdicts, mixed, worst))
    out.print(LEGEND.format(max_rank=manifest["run"]["max_rank"]), markup=False)
    for who, finds in found(verdicts):
        out.print(f"{who}: {finds}", markup=False)
    out.print()
    for arm, row in mixed.iterrows():
        if warnings := said(row.to_dict()):
            joined = "; ".join(warnings)
            so = f"{worst[str(arm)]}{', but' if worst[str(arm)] == 'calibrated' else ';'} {joined}"
            out.print(Text(f"{arm}: ", "yellow").append(so), soft_wrap=True)
    _show_errors(out, result)
    if every:
        out.print(_quantity_table(verdicts, "Every quantity"))
    else:
        _show_uncalibrated(out, verdicts, result.folder)
    _show_meaning(out, verdicts, result.folder)
    bias = result.folder / "bias.csv"
    if bias.exists():
        table = pd.read_csv(bias)
        for _, arms in result.arms.groupby("story", sort=False):
            own = table[table["arm"].isin(arms["arm"]).to_numpy()]
            if len(own):
                out.print(_bias_table(own))
    family = len(verdicts)
    not_made = result.folder / "not_made.csv"
    if not_made.exists():
        for row in pd.read_csv(not_made).to_dict("records"):
            out.print(f"{row['name']} could not be made: {row['why']}", markup=False)
    notes = (*manifest.get("notes", ()), *manifest["unseen"])  # older runs have no notes
    for sentence in (*notes, *not_uniform(result.arms)):
        out.print(sentence, markup=False)
    out.print(
        f"Family-wise level 5 % over {family} {'quantity' if family == 1 else 'quantities'} of all "
        "arms (Holm). 'calibrated' is no "
        "evidence against: errors smaller than the detectable ones may be there.\n"
        f"All numbers and figures: {result.folder}"
    )
    if made_of.get("figures", shown) is None and drawing:
        out.print("Its figures are being drawn.")
    elif made_of.get("figures", shown) is None:
        out.print(
            "Its figures are still to be drawn; if nothing draws them, the same command or "
            f"`hiercal show {result.folder} --figures png` does.",
            soft_wrap=True,
        )


def _show_errors(out: Console, result: Result) -> None:
    """The first error of each kind, with how many there are."""
    from hiercal.runs.result import FITS

    if not (result.folder / FITS).exists():
        return
    for row in errors(result.fits).to_dict("records"):
        out.print(
            Text(f"{words.count(row['count'], 'fit')} failed: ", "bold red").append(
                f"{row['error']} ({row['arm']}, simulation {row['simulation']}"
                f"{', the first' if row['count'] > 1 else ''})",
                "default not bold",
            ),
            soft_wrap=True,
        )


def _arm_table(verdicts: pd.DataFrame, mixed: pd.DataFrame, worst: dict[str, str]) -> Table:
    table = table_of(
        "Verdicts",
        "arm",
        "verdict",
        "worst",
        "p (Holm)",
        "failed",
        "unmixed",
        "diverged",
        "ESS < L",
        numeric=True,
        widths=WIDTHS,
    )
    for arm, rows in verdicts.groupby("arm", sort=False):
        quoted = rows.assign(quoted=[attention.quoted(row) for row in rows.to_dict("records")])
        known = quoted["quoted"].notna().any()
        least = quoted.loc[quoted["quoted"].idxmin()] if known else quoted.iloc[0]
        verdict = worst[str(arm)]
        row = mixed.loc[arm].to_dict() if arm in mixed.index else {}
        shown = Text(verdict, STYLES[verdict])
        if row.get("mixes") == "no" and verdict == "calibrated":
            shown.append(
                f", but chains do not mix in {words.percent(row['unmixed'])} of fits", "yellow"
            )
        table.add_row(
            str(arm),
            shown,
            least["quantity"],
            attention.p_holm(least.to_dict()),
            f"{least['n_failed']} of {least['n'] + least['n_failed']}",
            *(words.percent(row.get(name, np.nan)) for name in ("unmixed", "diverged")),
            words.percent(rows["low_ess"].max()),
        )
    return table


def _show_first(out: Console, verdicts: pd.DataFrame) -> None:
    """The few quantities with the strongest evidence against them, elements of a vector as one."""
    rows = attention.first(verdicts)
    if not rows:
        return
    table = table_of("Look here first", "arm", "quantity", "verdict", "p (Holm)", widths=WIDTHS)
    for row in rows[: attention.MOST_ROWS]:
        table.add_row(
            row["arm"],
            row["what"],
            Text(row["verdict"], STYLES[row["verdict"]]),
            attention.p_holm(row),
        )
    out.print(table)
    if (more := len(rows) - attention.MOST_ROWS) > 0:
        out.print(f"{words.count(more, 'more such row')} below or in verdicts.csv.")


def _show_uncalibrated(out: Console, verdicts: pd.DataFrame, folder: Path) -> None:
    """The quantities that are not calibrated, or the first of them."""
    seen = verdicts[(verdicts["verdict"] != "calibrated").to_numpy()]
    if seen.empty:
        return
    more = len(seen) - attention.MOST_QUANTITIES
    title = "Not calibrated, by quantity"
    if more <= 0:
        out.print(_quantity_table(seen, title))
        return
    shown = attention.ranked(verdicts).head(attention.MOST_QUANTITIES)
    out.print(_quantity_table(shown, f"{title}: the smallest p"))
    out.print(
        f"{more} more that are not calibrated are in {folder / 'verdicts.csv'}; "
        f"`hiercal show {folder} --all` prints every quantity.",
        soft_wrap=True,
    )


def _show_meaning(out: Console, verdicts: pd.DataFrame, folder: Path) -> None:
    """What the strongest failures mean, a paragraph each."""
    import pandas as pd

    path = folder / "meaning.csv"
    if not path.exists():
        return
    meaning = pd.read_csv(path, keep_default_na=False)
    said = attention.sentences(meaning, verdicts)
    if not said:
        return
    out.print(Text("What it means", "bold"))
    for who, what in said[: attention.MOST_ROWS]:
        out.print(Text(f"{who}: ", "bold red").append(what, "default not bold"), soft_wrap=True)
    if (more := len(said) - attention.MOST_ROWS) > 0:
        out.print(f"{words.count(more, 'more explanation')} in {path}", soft_wrap=True)
    out.print()


def _quantity_table(verdicts: pd.DataFrame, title: str) -> Table:
    names = ("arm", "quantity", "verdict", "p ECDF", "p smooth", "p (Holm)", "why")
    table = table_of(title, *names, widths={"why": 30})
    for row in verdicts.to_dict("records"):
        table.add_row(
            row["arm"],
            row["quantity"],
            Text(row["verdict"], STYLES[row["verdict"]]),
            *(words.p_value(row[p]) for p in ("p_ecdf", "p_smooth")),
            attention.p_holm(row),
            row["reason"],
        )
    return table


def _bias_table(bias: pd.DataFrame) -> Table:
    name = bias["quantity"].iloc[0]
    table = table_of(
        f"Posterior mean of {name} minus the exact one, by the true {name} (standard error)", "arm"
    )
    ranges = list(dict.fromkeys(zip(bias["truth_from"], bias["truth_to"], strict=True)))
    for i, (low, high) in enumerate(ranges):
        table.add_column("all" if i == 0 else f"{low:.2g} to {high:.2g}", justify="right")
    least = bias["se"][bias["se"] > 0].min()
    digits = 3 if np.isnan(least) else max(3, 1 - int(np.floor(np.log10(least))))
    for arm, rows in bias.groupby("arm", sort=False):
        table.add_row(
            str(arm),
            *(
                f"{b:+.{digits}f} ({s:.{digits}f})"
                for b, s in zip(rows["bias"], rows["se"], strict=True)
            ),
        )
    return table
