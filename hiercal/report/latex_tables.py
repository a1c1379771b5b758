"""Tables as LaTeX with booktabs, none wider than the text of a plain article."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hiercal.report.fitted import Part, parts, stacked
from hiercal.report.latex import in_latex, number_in_latex, quantity_in_latex

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 42
"""Lines of a table that stays on one page."""
FEWEST_ROWS = 3
"""Rows from which on a column that is the same in all is said in the caption."""
MOST_KEYS = 4


def latex_table(
    name: str,
    cells: pd.DataFrame,
    numeric: Sequence[bool],
    caption: str,
    *,
    keep_all: bool = False,
) -> str:
    """A table with a caption and the label ``tab:name``, in parts where it is too wide for one.

    Parameters
    ----------
    name : str
    cells : DataFrame of str
        A column per column of the table, under its heading.
    numeric : sequence of bool
        Whether each column holds numbers.
    caption : str
    keep_all : bool
        Keep columns that are the same in all rows, which are else said in the caption.
    """
    headings = [str(heading) for heading in cells.columns]
    columns = [[str(cell) for cell in cells.iloc[:, i]] for i in range(len(headings))]
    shown = list(range(len(headings)))
    if not keep_all and len(cells) >= FEWEST_ROWS:
        same = [i for i in shown if len(set(columns[i])) == 1]
        if 0 < len(same) < len(shown) - 1:
            shown = [i for i in shown if i not in same]
            said = ", ".join(f"{headings[i]} {columns[i][0]}" for i in same)
            caption = f"{caption} In all rows: {said}."
    headings, columns = [headings[i] for i in shown], [columns[i] for i in shown]
    of_numbers = [bool(numeric[i]) for i in shown]
    found = parts(headings, columns, of_numbers, _keys(columns, of_numbers))
    return "\n".join(
        _written(name, headings, columns, of_numbers, caption, part, place, len(found))
        for place, part in enumerate(found, 1)
    )


def _keys(columns: Sequence[Sequence[str]], numeric: Sequence[bool]) -> int:
    """Columns at the left that tell the rows apart, or all words at the left."""
    for n in range(1, min(MOST_KEYS, len(columns) - 1) + 1):
        if len(set(zip(*columns[:n], strict=True))) == len(columns[0]):
            return n
    words = next((i for i, is_number in enumerate(numeric) if is_number), len(numeric))
    return max(1, min(words, MOST_KEYS, len(columns) - 1))


def _written(
    name: str,
    headings: Sequence[str],
    columns: Sequence[Sequence[str]],
    numeric: Sequence[bool],
    caption: str,
    part: Part,
    place: int,
    n_parts: int,
) -> str:
    import pandas as pd

    long = part.lines > LONGEST
    ready: dict[str, list[str]] = {}
    formats = []
    for i in part.columns:
        width = part.widths.get(i)
        show = number_in_latex if numeric[i] else _breakable if width else in_latex
        show = quantity_in_latex if headings[i] == "quantity" else show
        ready[_heading(headings[i], right=numeric[i])] = [show(cell) for cell in columns[i]]
        ragged = rf">{{\raggedright\arraybackslash}}p{{{width:.0f}pt}}" if width else ""
        formats.append(ragged or ("r" if numeric[i] else "l"))
    if n_parts > 1:
        caption = (
            f"{caption} Part {place} of {n_parts}."
            if place == 1
            else (f"{name.replace('_', ' ').capitalize()}, continued: part {place} of {n_parts}.")
        )
    text = (
        pd.DataFrame(ready)
        .style.hide(axis="index")
        .to_latex(
            hrules=True,
            column_format="".join(formats),
            caption=in_latex(caption),
            label=f"tab:{name}" + (f"-{place}" if place > 1 else ""),
            position=None if long else "tbp",
            position_float=None if long else "centering",
            environment="longtable" if long else None,
        )
    )
    how = part.size + (f"\\setlength{{\\tabcolsep}}{{{part.space:g}pt}}" if part.space < 6 else "")
    if not how:
        return text
    if long:
        return f"\\begingroup{how}\n{text}\\endgroup\n"
    return text.replace("\\centering\n", f"\\centering{how}\n", 1)


def _breakable(text: str) -> str:
    """Text whose lines may end after a slash or an underscore, as after a hyphen."""
    return re.sub(r"(/|\\_)(?=\S)", r"\1\\allowbreak{}", in_latex(text))


def _heading(heading: str, *, right: bool) -> str:
    """A heading in lines, one above the other."""
    lines = [in_latex(line) for line in stacked(heading)]
    if len(lines) == 1:
        return lines[0]
    return f"\\shortstack[{'r' if right else 'l'}]{{" + "\\\\".join(lines) + "}"
