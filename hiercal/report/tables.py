"""Tables for papers, of a finished run or study: each number rounded to its standard error."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal import words
from hiercal.report import attention
from hiercal.report.latex import in_latex, number_in_latex, quantity_in_latex
from hiercal.report.of_folder import finished

if TYPE_CHECKING:
    import pandas as pd

FORMATS = {"latex": "tex", "markdown": "md", "csv": "csv"}
"""What tables are written as, and the suffix of the files."""
SE = "_se"
"""End of the name of a column that holds the standard errors of another."""
LONGEST = 45
"""Rows of a LaTeX table that stays on one page."""
SHARES = ("unmixed", "diverged", "low_e_bfmi", "deepest_tree")
LIMITS = ("lower", "upper")
P_VALUE = re.compile(r"p|p_.*")
LEFT_OUT = {
    "verdicts": (
        *("p_ecdf", "p_smooth", "p", "p_holm_worst", "p_holm_best", "p_effective_holm"),
        *("low_ess", "reason", "detectable_scale", "shared_shift", "shared_scale"),
    ),
    "coverage": ("covered", "p"),
    "mixing": ("r_hat_limit", "ess_limit", "high_r_hat", "low_ess_tail", "divergent_draws"),
    "strata": ("fitter", "stratum", "p", "low_ess"),
    "claims": (
        *("study", "source", "rule", "fixed", "measure", "remark", "parts", "where"),
        *("tells_apart", "times_the_data"),
    ),
}
"""Columns that a paper has no use for; the files of the folder have them."""
QUOTED = {"p_holm", "p_effective_holm", "low_ess"}
"""Columns that settle together which adjusted p-value counts."""
HEADINGS = {
    "n": "fits",
    "n_failed": "failed",
    "p_holm": "p (Holm)",
    "detectable_shift": "shift found",
    "low_e_bfmi": "low E-BFMI",
    "lower": "from",
    "upper": "to",
    "truth_from": "truth from",
    "truth_to": "to",
}
"""Of columns whose name says too little; of all others, the name without underscores."""
CAPTIONS = {
    "verdicts": "Verdict on each quantity. p (Holm) is of the test that ranks are uniform, "
    "adjusted for all quantities of all arms (eff.: of ranks among effective draws). Shift found: "
    "the smallest shift in posterior standard deviations that is found with probability 0.9, if "
    "this quantity alone is wrong.",
    "coverage": "Share of intervals that hold the true value, with its standard error and exact "
    "95 % limits. Level: the share that a correct posterior reaches.",
    "bias": "Posterior mean minus the exact one, with its standard error, by the true value.",
    "mixing": "Shares of completed fits whose chains are unmixed, that have a divergence, too low "
    "an E-BFMI, or reach the largest tree depth; and whether the arm mixes.",
    "strata": "Mean of the rank as a share of L, minus that of the exact posterior's (by truth) or "
    "one half (by data), with its standard error, within quarters from low to high of the true "
    "scale or of its exact posterior mean.",
    "claims": "Claims, with the effect, its standard error, and the bound that it is judged by.",
}


@dataclass(frozen=True)
class PaperTable:
    """A table as text, before it is written in one of the formats.

    Attributes
    ----------
    name : str
        Of the table in the folder of the run or study.
    cells : DataFrame of str
        A column per column of the table, under its heading.
    numeric : tuple of bool
        Whether each column holds numbers.
    caption : str
        What it shows, of how many simulations, with which seed.
    """

    name: str
    cells: pd.DataFrame
    numeric: tuple[bool, ...]
    caption: str

    def text(self, format: str) -> str:
        """The table as LaTeX with booktabs, Markdown or CSV."""
        return {"latex": self._latex, "markdown": self._markdown, "csv": self._csv}[format]()

    def _latex(self) -> str:
        import pandas as pd

        long = len(self.cells) > LONGEST
        columns = {}
        for (heading, cells), numeric in zip(self.cells.items(), self.numeric, strict=True):
            shown = in_latex if not numeric else number_in_latex
            shown = quantity_in_latex if heading == "quantity" else shown
            columns[in_latex(str(heading))] = [shown(cell) for cell in cells]
        styler = pd.DataFrame(columns).style.hide(axis="index")
        return styler.to_latex(
            hrules=True,
            column_format="".join("r" if numeric else "l" for numeric in self.numeric),
            caption=in_latex(self.caption),
            label=f"tab:{self.name}",
            position=None if long else "tbp",
            position_float=None if long else "centering",
            environment="longtable" if long else None,
        )

    def _markdown(self) -> str:
        rows = [
            list(self.cells.columns),
            ["---:" if numeric else "---" for numeric in self.numeric],
            *self.cells.to_numpy().tolist(),
        ]
        escaped = [
            row if i == 1 else [words.markdown(cell) for cell in row] for i, row in enumerate(rows)
        ]
        lines = [f"| {' | '.join(row)} |" for row in escaped]
        return "\n".join([words.markdown(self.caption), "", *lines]) + "\n"

    def _csv(self) -> str:
        return self.cells.to_csv(index=False, lineterminator="\n")


def paper_tables(
    folder: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    arms: Sequence[str] = (),
    quantities: Sequence[str] = (),
) -> list[PaperTable]:
    """The tables of a finished run or study, each number rounded to its standard error.

    Parameters
    ----------
    folder : path
        Of a run or study.
    only : sequence of str
        Names of tables, such as ``"coverage"``; by default all.
    arms, quantities : sequence of str
        Rows of these alone, in tables that have such a column.

    Raises
    ------
    FileNotFoundError
        If the folder is neither's, or what was run there has not ended.
    JournalError
        If a table is not what was written.
    ValueError
        If there is no table, arm or quantity of a name.
    """
    whole = finished(Path(folder))
    chosen = _chosen(whole.tables, "table", only)
    kept = {"arm": arms, "quantity": quantities}
    for column, names in kept.items():
        here = {
            name: None
            for table in chosen.values()
            if column in table
            for name in table[column].unique()
        }
        _chosen(here, column, names)
    made = []
    for name, table in chosen.items():
        for column, names in kept.items():
            if names and column in table:
                table = table[table[column].isin(list(names)).to_numpy()]
        if len(table):
            made.append(paper_table(name, table, whole.origin))
    return made


def _chosen(each: Mapping[str, Any], what: str, names: Sequence[str]) -> dict[str, Any]:
    """Those of some names, in the order in which they were asked for; by default all."""
    for name in names:
        if name not in each:
            raise ValueError(
                f"there is no {what} {name!r}; there {'is' if len(each) == 1 else 'are'} "
                f"{', '.join(map(str, each)) or 'none'}"
            )
    return {name: each[name] for name in names or each}


def paper_table(name: str, table: pd.DataFrame, origin: str) -> PaperTable:
    """A table of a run or study as text, with a caption that ends in where it comes from."""
    import pandas as pd

    errors = _standard_errors(table)
    ready: dict[str, list[str]] = {}
    if set(table.columns) >= QUOTED:
        ready["p_holm"] = [attention.p_holm(row) for row in table.to_dict("records")]
    columns: dict[str, list[str]] = {}
    numeric = []
    for column in table.columns:
        if column in LEFT_OUT.get(name, ()) or column in {error for error, _ in errors.values()}:
            continue
        values = table[column]
        numeric.append(pd.api.types.is_numeric_dtype(values) and values.dtype != bool)
        heading = HEADINGS.get(column, column.replace("_", " "))
        if column in ready:
            cells = ready[column]
        elif column in errors:
            _, se = errors[column]
            cells = [words.rounded(v, e) for v, e in zip(values, se, strict=True)]
        else:
            cells = [_cell(column, value) for value in values]
        columns[heading if heading not in columns else column.replace("_", " ")] = cells
    caption = CAPTIONS.get(name, f"{name.replace('_', ' ').capitalize()}.")
    return PaperTable(name, pd.DataFrame(columns), tuple(numeric), f"{caption} {origin}")


def _standard_errors(table: pd.DataFrame) -> dict[str, tuple[str, pd.Series]]:
    """By column, the name of the column of its standard errors, and these."""
    errors = {
        column: (f"{column}{SE}", table[f"{column}{SE}"])
        for column in table.columns
        if f"{column}{SE}" in table
    }
    for column in ("bias", "effect"):
        if column in table and "se" in table and column not in errors:
            errors[column] = ("se", table["se"])
    if {"coverage", "n", "lower"} <= set(table.columns) and "coverage" not in errors:
        share = table["coverage"]
        errors["coverage"] = ("", np.sqrt(share * (1 - share) / table["n"]))
    return errors


def _cell(column: str, value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if np.isnan(value):
        return "-"
    if P_VALUE.fullmatch(column):
        return words.p_value(value)
    if column in LIMITS:
        return f"{value:.3f}"
    if column in SHARES:
        return words.percent(value)
    return str(value) if isinstance(value, int | np.integer) else f"{value:.3g}"


def write(tables: Sequence[PaperTable], out: Path, formats: Sequence[str]) -> list[Path]:
    """Write tables into a folder in some of `FORMATS`; return the files."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for table in tables:
        for format in dict.fromkeys(formats):
            path = out / f"{table.name}.{FORMATS[format]}"
            path.write_text(table.text(format), encoding="utf-8")
            paths.append(path)
    return paths
