"""The claims of named studies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from hiercal.console._table import console, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

CLAIM_STYLES = {
    "holds": "green",
    "fails": "bold red",
    "holds in a regime": "cyan",
    "undecided": "yellow",
}


def show_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> bool:
    """Print what a named study found; return whether any of its claims fails."""
    out = console()
    claims = tables.get("claims")
    if claims is not None:
        out.print(_claim_table(claims))
    out.print("Tables: " + ", ".join(f"{n}.csv ({len(t)} rows)" for n, t in sorted(tables.items())))
    out.print(f"All tables and figures: {folder}")
    return claims is not None and bool((claims["verdict"] == "fails").any())


def show_claims(claims: pd.DataFrame) -> None:
    """Print the claims ledger."""
    console().print(_claim_table(claims))


def _claim_table(claims: pd.DataFrame) -> Table:
    table = table_of("Claims", "", "claim", "verdict", "effect (se)", "bound", "of")
    for row in claims.to_dict("records"):
        table.add_row(
            row["claim"],
            row["says"],
            Text(row["verdict"], CLAIM_STYLES[row["verdict"]]),
            f"{row['effect']:.3g} ({row['se']:.2g})" if row["se"] else f"{row['effect']:.4g}",
            f"{row['bound']:.3g}",
            row["measure"],
        )
    return table
