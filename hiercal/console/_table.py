"""Standard output, and tables on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDEST = {"verdict": 24, "p (Holm)": 9}
"""How wide columns are at most, so that the table of the arms fits."""


def console() -> Console:
    """Standard output, wide enough for the tables where it is not a terminal."""
    # names come from files and data: brackets and colons in them are no markup
    plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    terminal = Console(**plain)
    return terminal if terminal.is_terminal else Console(**plain, width=118)


def table_of(
    title: str | None,
    *columns: str,
    numeric: bool = False,
    widths: Mapping[str, int] | None = None,
) -> Table:
    """A table whose columns of words are on the left, and numbers on the right if `numeric`."""
    from rich.box import SIMPLE_HEAD

    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    table.padding = (0, 1, 0, 0)
    for i, column in enumerate(columns):
        words = column in ("", "arm", "verdict", "worst", "quantity", "why", "name")
        table.add_column(
            column,
            justify="left" if i == 0 or words or not numeric else "right",
            overflow="fold",
            min_width=(widths or {}).get(column),
            max_width=WIDEST.get(column),
        )
    return table
