"""What ``hiercal check`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.text import Text

from hiercal import words
from hiercal.console._table import console, table_of

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.evidence import ArmEvidence
    from hiercal.tables.evidence import Decision

STYLES = {"no evidence": "green", "miscalibrated": "bold red", "undecided": "yellow"}
MOST = 3
"""Quantities that are named of an arm."""
LEGEND = (
    "e-value: what a bet of 1 against the arm has grown to; it passes {needed:,.0f} in at most "
    "{alpha:g} of checks in which all arms are right, whenever one looks. found in: the quantity "
    "with the largest, and whether by ranks or against the exact posterior."
)


def show_evidence(found: Decision) -> None:
    """Print the verdict on each arm, what is wrong with it, or what it would have shown."""
    out, arms, table, alpha = console(), found.arms, found.table, found.alpha
    shown = table_of(
        None, "arm", "verdict", "simulations", "failed", "e-value", "found in", numeric=True
    )
    for arm in arms:
        own = table[(table["arm"] == arm.label).to_numpy()]
        best = _strongest(own)[0]
        shown.add_row(
            Text(arm.label),
            Text(arm.verdict, STYLES[arm.verdict]),
            str(arm.simulations),
            str(arm.failed),
            words.e_value(arm.path[-1] / np.log(10)) if arm.path else "-",
            Text(f"{best['quantity']} ({_test(best)})") if arm.rejected else "",
        )
    out.print(shown)
    out.print(LEGEND.format(needed=len(arms) / alpha, alpha=alpha))
    out.print()
    for arm in arms:
        own = table[(table["arm"] == arm.label).to_numpy()]
        for line in lines(arm, own):
            out.print(Text(line), soft_wrap=True)
    out.print(f"All numbers and the figure: {found.folder}", soft_wrap=True)


def lines(arm: ArmEvidence, table: pd.DataFrame) -> list[str]:
    """What is to be said of an arm, a sentence each.

    Parameters
    ----------
    arm : ArmEvidence
    table : DataFrame
        Its rows of `hiercal.tables.evidence`.
    """
    said = [
        f"{arm.label}: {words.count(n, 'fit')} failed: {error}"
        for error, n in sorted(arm.errors.items(), key=lambda pair: -pair[1])[:MOST]
    ]
    if arm.verdict == "miscalibrated":
        strong = _strongest(table)
        wrong = [row for row in strong if row["named"]] or strong[:1]
        return said + [f"{arm.label}: {row['quantity']} {size(row)}." for row in wrong[:MOST]]
    if arm.verdict == "undecided":
        return [
            *said,
            f"{arm.label}: undecided; whether there is evidence turns on the failed fits."
            if arm.failed < arm.simulations
            else f"{arm.label}: undecided; no fit was completed.",
        ]
    return [*said, f"{arm.label}: no evidence. With probability 0.9 {unseen(table)}"]


def size(row: dict[str, Any]) -> str:
    """How the draws of a quantity differ, from a row of the table."""
    if row["source"] == "exact":
        shift = f"{row['shift']:+.3f} (se {row['shift_se']:.3f})"
        scale = f"{row['scale']:.3f} (se {row['scale_se']:.3f})"
        return (
            f"differs from the exact posterior in its {row['differs_in']}: its mean is off by "
            f"{shift} posterior sd, its sd by the factor {scale}"
            if row["log10_e_exact"] >= row["log10_e_ranks"]
            else f"has ranks that are not uniform: its mean is off by {shift} posterior sd, its sd "
            f"by the factor {scale}"
        )
    return (
        f"has ranks that are not uniform ({row['pattern']}): its draws are shifted by "
        f"{row['shift']:+.2f} (se {row['shift_se']:.2f}) sd, and their sd is off by the factor "
        f"{row['scale']:.2f} (se {row['scale_se']:.2f})"
    )


def unseen(table: pd.DataFrame) -> str:
    """The smallest errors that would have been found."""
    first = table.iloc[0]
    said = (
        f"it would have found, by ranks, a shift of {_sd(first['detectable_shift'])} or an sd off "
        f"by {_factor(first['detectable_scale'])} in any one quantity"
    )
    exact = table.dropna(subset=["detectable_shift_exact"])
    if len(exact):
        said += (
            f"; and against the exact posterior, in {words.count(len(exact), 'quantity')}, a shift "
            f"of {_sd(exact['detectable_shift_exact'].max())} or an sd off by "
            f"{_factor(exact['detectable_scale_exact'].max())}"
        )
    return f"{said}."


def _strongest(table: pd.DataFrame) -> list[dict[str, Any]]:
    largest = np.fmax(table["log10_e_ranks"], table["log10_e_exact"])
    order = np.argsort(-largest.to_numpy(), kind="stable")
    return table.iloc[order].to_dict("records")


def _test(row: dict[str, Any]) -> str:
    exact = row["log10_e_exact"]
    return "exact" if exact == exact and exact >= row["log10_e_ranks"] else "ranks"


def _sd(value: float) -> str:
    return f"{value:.2g} sd" if np.isfinite(value) else "more than 5 sd"


def _factor(value: float) -> str:
    return f"the factor {value:.3g}" if np.isfinite(value) else "more than 10 times"
