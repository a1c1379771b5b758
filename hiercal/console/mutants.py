"""The table of mutants."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from rich.text import Text

from hiercal.console._table import console, table_of
from hiercal.mutants import all_mutants, label_of
from hiercal.mutants._gates import GATES

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.mutant_table import Options


def show_list() -> None:
    """Print every mutant and the first line of its file."""
    shown = table_of("Mutants", "name", "what is wrong", "reported in")
    for mutant in all_mutants():
        about = inspect.getdoc(inspect.getmodule(type(mutant))) or ""
        shown.add_row(
            Text(label_of(mutant), "bold"), about.partition("\n\n")[0], mutant.thread or "-"
        )
    console().print(shown)


def show_mutants(rows: pd.DataFrame, options: Options) -> None:
    """Print what was found, and of the honest fitters whether they were left alone."""
    out = console()
    for kind, title in (("mutant", "Mutants"), ("honest", "Honest fitters")):
        some = rows[rows["kind"] == kind]
        if some.empty:
            continue
        shown = table_of(
            title, "name", "found by", "quantity", "simulations", "CPU s", "fixed N", *GATES
        )
        for row in some.to_dict("records"):
            right = row["found"] == (kind == "mutant")
            said = row["by"] if row["found"] else "NOT found" if kind == "mutant" else "-"
            shown.add_row(
                row["mutant"] + (f"\n{row['thread']}" if row["thread"] else ""),
                Text(said, "" if right else "bold red"),
                row["quantity"] if row["found"] else "-",
                str(row["simulations"]),
                f"{row['cpu_seconds']:.1f}",
                {"miscalibrated": "found", "calibrated": "-"}.get(row["fixed"], row["fixed"]),
                *(_share(row[f"gate {gate}"], kind) for gate in GATES),
            )
        out.print(shown)
    real = rows[(rows["kind"] == "mutant") & (rows["thread"] != "")]
    honest = rows[rows["kind"] == "honest"]
    out.print(
        f"{int(real['found'].sum())} of {len(real)} real errors found, and "
        f"{int(honest['found'].sum())} of {len(honest)} honest fitters called out, at alpha = "
        f"{options.alpha:g} within {options.max_simulations} simulations and {options.seconds:g} "
        "CPU seconds each.\n"
        "fixed N: hiercal's verdict after 200 simulations. Under a gate of another project: "
        "whether it catches half of the fits or more; of an honest fitter, the share it catches."
    )


def _share(share: float, kind: str) -> str:
    if share != share:
        return ""
    if kind == "honest":
        return f"{100 * share:.1f} %"
    return "yes" if share >= 0.5 else "no"
