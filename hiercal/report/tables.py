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
from hiercal.report.defaults import CAPTIONS, HEADINGS, left_out
from hiercal.report.latex_tables import latex_table
from hiercal.report.of_folder import Finished, finished

if TYPE_CHECKING:
    import pandas as pd

FORMATS = {"latex": "tex", "markdown": "md", "csv": "csv"}
"""What tables are written as, and the suffix of the files."""
SE = "_se"
"""End of the name of a column that holds the standard errors of another."""
SHARES = ("unmixed", "diverged", "low_e_bfmi", "deepest_tree")
LIMITS = ("lower", "upper")
ROUNDING = 1e-12
"""Of a number, what a standard error is more than."""
P_VALUE = re.compile(r"p|p_.*")
QUOTED = {"p_holm", "p_effective_holm", "low_ess"}
"""Columns that settle together which adjusted p-value counts."""


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
    columns_chosen : bool
        Whether somebody chose the columns: LaTeX then shows all of them.
    """

    name: str
    cells: pd.DataFrame
    numeric: tuple[bool, ...]
    caption: str
    columns_chosen: bool = False

    def text(self, format: str) -> str:
        """The table as LaTeX with booktabs, Markdown or CSV."""
        return {"latex": self._latex, "markdown": self._markdown, "csv": self._csv}[format]()

    def _latex(self) -> str:
        return latex_table(
            self.name, self.cells, self.numeric, self.caption, keep_all=self.columns_chosen
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
    columns: Sequence[str] = (),
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
    columns : sequence of str
        Columns of the files to show, in this order, of the tables that have any of them; by default
        those that a paper has use for. An estimate brings its standard error with it.

    Raises
    ------
    FileNotFoundError
        If the folder is neither's, or what was run there has not ended.
    JournalError
        If a table is not what was written.
    ValueError
        If there is no table, arm, quantity or column of a name.
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
    _chosen({column: None for table in chosen.values() for column in table}, "column", columns)
    made = []
    for name, table in chosen.items():
        if columns and not set(columns) & set(table.columns):
            continue
        for column, names in kept.items():
            if names and column in table:
                table = table[table[column].isin(list(names)).to_numpy()]
        if len(table):
            made.append(paper_table(name, table, whole, columns))
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


def paper_table(
    name: str, table: pd.DataFrame, of: Finished, chosen: Sequence[str] = ()
) -> PaperTable:
    """A table of a run or study as text, with a caption that ends in where it comes from."""
    import pandas as pd

    errors = _standard_errors(table)
    ready: dict[str, list[str]] = {}
    if set(table.columns) >= QUOTED:
        ready["p_holm"] = [attention.p_holm(row) for row in table.to_dict("records")]
    columns: dict[str, list[str]] = {}
    numeric = []
    spared = {*left_out(of.study, name), *(error for error, _ in errors.values())}
    shown = [column for column in table.columns if column not in spared]
    for column in [column for column in chosen if column in table] or shown:
        values = table[column]
        numeric.append(pd.api.types.is_numeric_dtype(values) and values.dtype != bool)
        heading = HEADINGS.get(column, column.replace("_", " "))
        if column in ready:
            cells = ready[column]
        elif column in errors:
            _, se = errors[column]
            cells = [_estimate(v, e) for v, e in zip(values, se, strict=True)]
        else:
            cells = [_cell(column, of.arms.get(value, value)) for value in values]
        columns[heading if heading not in columns else column.replace("_", " ")] = cells
    caption = CAPTIONS.get(name, f"{name.replace('_', ' ').capitalize()}.")
    return PaperTable(
        name, pd.DataFrame(columns), tuple(numeric), f"{caption} {of.origin}", bool(chosen)
    )


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


def _estimate(value: float, error: float) -> str:
    """A number with its standard error; one that is nothing but rounding is none."""
    return words.rounded(value, 0.0 if error < ROUNDING * abs(value) else error)


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
    if isinstance(value, int | np.integer) or not 1000 <= abs(value) < 1e6:
        return str(value) if isinstance(value, int | np.integer) else f"{value:.3g}"
    return f"{float(f'{value:.3g}'):.0f}"


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
