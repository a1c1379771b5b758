"""What ``hiercal parity`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from hiercal import words
from hiercal.console._table import console, table_of

if TYPE_CHECKING:
    from hiercal.user_models.parity import Parity

STYLES = {"equal": "green", "agrees": "green", "not checked": "yellow", "not compared": "yellow"}
"""Of verdicts; others that begin with equal are green, and what is left is red."""


def show_parity(found: Parity) -> None:
    """Print the factors, the variables whose draws were checked, and what was found."""
    out = console()
    if len(found.factors):
        a, b = found.labels
        table = table_of(None, "name", f"in {a}", f"in {b}", "difference", "verdict")
        for row in found.factors.to_dict("records"):
            table.add_row(
                Text(row["factor"]),
                Text(row["in_a"]),
                Text(row["in_b"]),
                _number(row["difference"]),
                _verdict(row["verdict"]),
            )
        out.print(table)
        out.print("difference: the largest, relative to one plus the log density.")
    table = table_of(None, "name", "model", "KS distance", "p (Holm)", "verdict")
    for row in found.generators.to_dict("records"):
        table.add_row(
            Text(row["variable"]),
            Text(row["model"]),
            "-" if np.isnan(row["distance"]) else f"{row['distance']:.3f}",
            words.p_value(row["p_holm"]),
            _verdict(row["verdict"]),
        )
    out.print(table)
    out.print("KS distance: of forward draws from the variable's own density, given its parents.\n")
    for sentence in found.sentences:
        out.print(Text(sentence), soft_wrap=True)


def _number(difference: float) -> str:
    return "-" if np.isnan(difference) else f"{difference:.1e}"


def _verdict(verdict: str) -> Text:
    usual = "green" if verdict.startswith("equal") else "bold red"
    return Text(verdict, STYLES.get(verdict, usual))
