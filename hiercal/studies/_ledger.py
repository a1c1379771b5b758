"""The claims ledger: every claim of every study, with its verdict, as a page, a table, a figure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiercal.runs.executors import Where
from hiercal.runs.manifest import replace
from hiercal.studies import _run
from hiercal.studies._claims import VERDICTS
from hiercal.studies._study import CLAIMS, Study
from hiercal.words import markdown

if TYPE_CHECKING:
    import pandas as pd


def ledger(
    studies: Sequence[Study],
    out: Path,
    *,
    quick: bool = False,
    fresh: bool = False,
    where: Where | None = None,
    say: _run.Say = print,
) -> pd.DataFrame:
    """Run what has not been run, and write ``claims.md``, ``claims.csv`` and ``claims.png``.

    Parameters
    ----------
    studies : sequence of Study
        Those without claims are left out.
    out : Path
        Each study has a folder of its name in it; one that is complete, with the same options,
        is not run again. If other code made it, that is said.
    quick : bool
        Names of folders and files end in ``-quick``.
    fresh : bool
        Run everything again; see `hiercal.studies._run.run`.
    where : Where
        See `hiercal.run`.
    say : callable
        Is told what is being done.

    Returns
    -------
    DataFrame
        A row per claim, by its number; see `Study.judged`.
    """
    import pandas as pd

    from hiercal.plots import save
    from hiercal.plots.claims import claims as figure

    end = "-quick" if quick else ""
    parts = []
    for study in (each for each in studies if each.claims):
        folder = out / f"{study.name}{end}"
        tables = _run.run(study, folder, say=say, fresh=fresh, where=where)
        parts.append(tables[CLAIMS])
    table = pd.concat(parts, ignore_index=True).sort_values("claim", kind="stable")
    table = table.reset_index(drop=True)
    table.to_csv(out / f"claims{end}.csv", index=False, lineterminator="\n")
    save(figure(table), out / f"claims{end}", "claims")
    pictures = [f"claims{end}/claims.png"] + [
        path.relative_to(out).as_posix()
        for study in dict.fromkeys(table["study"])
        for path in sorted((out / f"{study}{end}" / "figures").glob("*.png"))
    ]
    minutes = {
        study: json.loads((out / f"{study}{end}" / "manifest.json").read_text(encoding="utf-8"))[
            "seconds"
        ]
        / 60
        for study in table["study"].unique()
    }
    replace(out / f"claims{end}.md", page(table, pictures, quick, minutes))
    return table


def page(
    table: pd.DataFrame,
    pictures: Sequence[str] = (),
    quick: bool = False,
    minutes: Mapping[str, float] | None = None,
) -> str:
    """The ledger in Markdown.

    Parameters
    ----------
    table : DataFrame
        A row per claim, as `ledger` returns it.
    pictures : sequence of str
        Paths of the figures, relative to the page.
    quick : bool
        Whether the claims were tested at the size of ``--quick``.
    minutes : mapping of str to float
        How long each study took, for the cost of a decisive run.
    """
    counts = table["verdict"].value_counts()
    tally = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    command = "hiercal claims --quick" if quick else "hiercal claims"
    lines = [
        "# Claims of the textbook and the article\n",
        f"Written by `{command}`: {len(table)} claims, {tally}.\n",
        "L is a line of the textbook's chapter, A one of the article. An effect has to pass its "
        "bound by three Monte Carlo standard errors (se), which chance alone does once in 740 "
        "claims at the bound. Where one of several effects is enough for a verdict, it has to pass "
        "by more, so that this holds for the whole claim. *Told apart* is the distance from the "
        "bound that the study would have told apart with a power of 90 %. Everything between is "
        "undecided. Below the table, each rule says when it was fixed.\n",
        "| | source | claim | verdict | effect (se) | bound | told apart | of | remark | study |",
        "|---|---|---|---|---:|---:|---:|---|---|---|",
    ]
    for row in table.to_dict("records"):
        exact = row["se"] == 0
        error = "(exact)" if exact else f"({_number(row['se'])})"
        cells = (
            row["claim"],
            row["source"],
            markdown(row["says"]),
            f"**{row['verdict']}**",
            f"{_number(row['effect'])} {error}",
            _number(row["bound"]),
            "any" if exact else _number(row["tells_apart"]),
            markdown(row["measure"]),
            markdown(_remark(row, minutes or {})),
            row["study"],
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines.append("\n## Rules\n")
    lines += [
        f"- **{row['claim']}** (fixed {row['fixed']}): {markdown(row['rule'])}"
        for row in table.to_dict("records")
    ]
    if pictures:
        lines.append("\n## Figures\n")
        lines += [f"![{path}]({path})\n" for path in pictures]
    return "\n".join(lines) + "\n"


def _remark(row: Mapping[str, Any], minutes: Mapping[str, float]) -> str:
    """The remark, with where a regime is shown and what a decisive run would cost."""
    said = [str(row["remark"])]
    if row["where"]:
        said.append(f"Shown by {row['where']} of {row['study']}.")
    times = row["times_the_data"]
    if row["verdict"] == "undecided" and row["se"] > 0 and times < 1e4:
        took = minutes.get(row["study"])
        of = f" of {max(1, round(took))} min" if took else ""
        said.append(f"Decided by about {_number(float(f'{times:.1g}'))} times this run{of}.")
    return " ".join(filter(None, said))


def _number(x: float) -> str:
    return f"{x:.3g}" if abs(x) < 1000 else f"{x:,.0f}"
