"""What came of running an archive again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from hiercal.console._table import console, table_of
from hiercal.report.agreement import ALPHA, POWER
from hiercal.words import count, p_value

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from rich.table import Table

    from hiercal.report.rerun import Rerun

STYLES = {"to the bit": "green", "agrees": "cyan", "disagrees": "bold red", "undecided": "yellow"}
SHOWN = 20
"""Lines of a kind that are printed."""
SAID = {
    "to the bit": "Everything is the same, to the bit.",
    "agrees": "It agrees as well as can be expected.",
    "disagrees": "It disagrees.",
    "undecided": "Too few fits to say whether it agrees.",
}


def show_rerun(found: Rerun, folder: Path) -> None:
    """Print what agrees, what does not, and what could be the cause."""
    out = console()
    for what, lines in (
        ("Processor", [found.other_cpu] if found.other_cpu else []),
        ("Vector instructions, platform", found.machine),
        ("Versions and code", found.code),
    ):
        out.print(f"{what}: {'; '.join(lines) if lines else 'the same'}")
    if found.simulations is not None:
        out.print(
            f"Only {count(found.simulations, 'simulation')} were run again; verdicts, which are of "
            "all, are not compared."
        )
    if len(found.arms):
        out.print(_arms(found))
        for row in found.arms[found.arms["why"] != ""].head(SHOWN).to_dict("records"):
            out.print(f"{_label(row)}: {row['why']}", style=STYLES[row["verdict"]], soft_wrap=True)
        if found.arms["p_holm"].notna().any():
            out.print(_tested(found), soft_wrap=True)
    if found.tables is not None and len(found.tables):
        out.print(_tables(found.tables))
    for line in found.changed[:SHOWN]:
        out.print(f"Another verdict: {line}", style="yellow", soft_wrap=True)
    if len(found.changed) > SHOWN:
        out.print(f"... and {len(found.changed) - SHOWN} more")
    if found.changed and not found.broken_claims:
        out.print(
            "A verdict near its bound can change where fits differ at all; that alone is not taken "
            "for disagreement.", soft_wrap=True
        )  # fmt: skip
    for claim in found.broken_claims:
        out.print(f"Claim {claim} has turned round.", style="bold red")
    out.print(Text(SAID[found.verdict], STYLES[found.verdict]))
    out.print(f"All of it: {folder}")


def _label(row: dict[str, object]) -> str:
    return f"{row['run']}: {row['arm']}" if row["run"] else str(row["arm"])


def _arms(found: Rerun) -> Table:
    table = table_of(
        "Fits that are the same to the bit",
        "arm", "verdict", "fits", "truths", "data", "ranks", "estimates", "statistics", "p (Holm)",
        numeric=True,
    )  # fmt: skip
    for row in found.arms.to_dict("records"):
        table.add_row(
            _label(row),
            Text(row["verdict"], STYLES[row["verdict"]]),
            str(row["fits"]) + (f" (+{row['left_out']})" if row["left_out"] else ""),
            *(
                _share(row[kind], row["data_known" if kind == "data" else "fits"])
                for kind in ("truths", "data", "ranks", "estimates", "statistics")
            ),
            "-" if row["verdict"] == "to the bit" else p_value(row["p_holm"]),
        )
    return table


def _share(same: int, of: int) -> str:
    return "-" if not of else "all" if same == of else str(same)


def _tested(found: Rerun) -> str:
    apart = found.arms[found.arms["verdict"] != "to the bit"]
    shift = apart["detectable_shift"].max()
    power = (
        f" A shift of {shift:.2g} posterior sd in any quantity would have been found in "
        f"{100 * POWER:.0f} % of reruns." if np.isfinite(shift) else ""
    )  # fmt: skip
    return (
        "Tested of arms that differ: posterior means and sds, ranks, divergences and failures, fit "
        f"against fit. By the same sampler, about {100 * ALPHA:.0f} % of reruns or fewer are said "
        f"to disagree.{power}"
    )


def _tables(tables: pd.DataFrame) -> Table:
    table = table_of("Tables", "name", "cells", "same", "largest difference (se)", numeric=True)
    for row in tables.to_dict("records"):
        z = row["largest_z"]
        shown = f"{z:.2g}" if np.isfinite(z) else "-"
        table.add_row(row["table"], str(row["cells"]), _share(row["same"], row["cells"]), shown)
    return table
