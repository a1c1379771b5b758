"""The claims ledger: every claim of every study, with its verdict, as a page, a table, a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiercal._words import markdown
from hiercal.studies import _experiment
from hiercal.studies._experiment import CLAIMS, Experiment, Say
from hiercal.studies._manifest import replace

if TYPE_CHECKING:
    import pandas as pd


def ledger(
    experiments: Sequence[Experiment],
    out: Path,
    *,
    quick: bool = False,
    say: Say = print,
    **where: Any,
) -> pd.DataFrame:
    """Run what has not been run, and write ``claims.md``, ``claims.csv`` and ``claims.png``.

    Parameters
    ----------
    experiments : sequence of Experiment
        Those without claims are left out.
    out : Path
        Each experiment has a folder of its name in it; one that is complete, with the same options,
        is not run again.
    quick : bool
        Names of folders and files end in ``-quick``.
    say : callable
        Is told what is being done.
    where
        Workers or scheduler, as of `hiercal.Study.run`.

    Returns
    -------
    DataFrame
        A row per claim, by its number; see `Experiment.judged`.
    """
    import pandas as pd

    from hiercal.plots import save
    from hiercal.plots.claims import claims as figure

    end = "-quick" if quick else ""
    parts = []
    for experiment in (each for each in experiments if each.claims):
        folder = out / f"{experiment.name}{end}"
        if _experiment.finished(experiment, folder):
            say(f"{experiment.name}: taken from {folder}")
        else:
            _experiment.run(experiment, folder, say=say, **where)
        parts.append(pd.read_csv(folder / f"{CLAIMS}.csv", keep_default_na=False))
    table = pd.concat(parts, ignore_index=True).sort_values("claim", kind="stable")
    table = table.reset_index(drop=True)
    table.to_csv(out / f"claims{end}.csv", index=False, lineterminator="\n")
    save(figure(table), out / f"claims{end}", "claims")
    pictures = [f"claims{end}/claims.png"] + [
        path.relative_to(out).as_posix()
        for study in dict.fromkeys(table["study"])
        for path in sorted((out / f"{study}{end}" / "figures").glob("*.png"))
    ]
    replace(out / f"claims{end}.md", page(table, pictures, quick))
    return table


def page(table: pd.DataFrame, pictures: Sequence[str] = (), quick: bool = False) -> str:
    """The ledger in Markdown, with pictures by their paths from the page."""
    counts = table["verdict"].value_counts()
    found = ", ".join(f"{counts.get(v, 0)} {v}" for v in ("confirmed", "refuted", "undecided"))
    command = "hiercal claims --quick" if quick else "hiercal claims"
    lines = [
        "# Claims of the textbook and the article\n",
        f"Written by `{command}`: {len(table)} claims, {found}. The rules were fixed before the "
        "full runs. An effect has to pass its bound by three Monte Carlo standard errors, "
        "which chance alone does once in 740 claims at the bound; otherwise the claim is "
        "undecided.\n",
        "| | claim | verdict | effect (se) | bound | of | remark | study |",
        "|---|---|---|---:|---:|---|---|---|",
    ]
    for row in table.to_dict("records"):
        error = f"({_number(row['se'])})" if row["se"] else "(exact)"
        lines.append(
            f"| {row['claim']} | {markdown(row['says'])} | **{row['verdict']}** | "
            f"{_number(row['effect'])} {error} | {_number(row['bound'])} | "
            f"{markdown(row['measure'])} | {markdown(row['remark'])} | {markdown(row['study'])} |"
        )
    lines.append("\n## Rules\n")
    lines += [f"- **{row['claim']}**: {markdown(row['rule'])}" for row in table.to_dict("records")]
    if pictures:
        lines.append("\n## Figures\n")
        lines += [f"![{path}]({path})\n" for path in pictures]
    return "\n".join(lines) + "\n"


def _number(x: float) -> str:
    return f"{x:.3g}" if abs(x) < 1000 else f"{x:,.0f}"
