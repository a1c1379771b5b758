"""What ``hiercal advise`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from hiercal import words
from hiercal.console._table import console, table_of

if TYPE_CHECKING:
    import pandas as pd


def show_advice(name: str, table: pd.DataFrame) -> None:
    """Print how well each parameterisation samples, the best first."""
    out = console()
    columns = (
        "arm",
        "ESS per 1000 gradients (90 %)",
        "worst",
        "divergent draws",
        "R-hat",
        "failed",
    )
    known = table["bias"].notna().any()
    shown = table_of(
        f"{name}: parameterisations on its data", *columns, *(["bias"] if known else []), "name",
        numeric=True,
    )  # fmt: skip
    shown.columns[-1].header = "advice"
    for row in table.to_dict("records"):
        advice = Text(row["advice"], "green" if row["advice"] == "take" else "")
        bias = [] if not known else ["-" if np.isnan(row["bias"]) else f"{row['bias']:+.2f}"]
        shown.add_row(
            Text(f"{row['library']}-{row['model']}"),
            f"{row['ess_per_gradient']:.3g} ({row['low']:.3g} to {row['high']:.3g})",
            Text(row["worst"]),
            words.percent(row["divergences"]),
            f"{row['r_hat']:.2f}",
            str(row["failed"]),
            *bias,
            advice,
        )
    out.print(shown)
    best = table.iloc[0]
    if best["advice"] != "take":
        out.print("None of them mixes: make longer fits, or write the model in another way.")
        return
    moved = best["noncentred"]
    what = f"with {moved} non-centred" if moved else f"as its model {best['model']}"
    out.print(
        Text(f"Take {best['library']} {what}.")
        if best["model"] != "as_written"
        else Text(f"Take {best['library']} with the model as it is written.")
    )
    out.print(
        "worst: the parameter with the fewest effective draws, which the rates are of. A rate "
        "within 10 % of the best counts as equal, and fewer divergences decide."
        + (" bias: of the worst posterior mean, in exact posterior sd." if known else "")
    )
