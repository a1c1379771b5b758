"""Verdicts, claims and tables of two results: which are others now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hiercal.studies._finished import read_finished
from hiercal.studies._study import CLAIMS
from hiercal.words import p_value

if TYPE_CHECKING:
    import pandas as pd

OPPOSITE = {"holds", "fails"}
"""Verdicts on a claim: chance alone, which has to move an effect by six standard errors, does not
turn one into the other."""


def changed_verdicts(there: Path, here: Path) -> list[str]:
    """A line for each quantity whose verdict is another one now."""
    import pandas as pd

    key = ["arm", "quantity"]
    both = [pd.read_csv(each / "verdicts.csv").set_index(key) for each in (there, here)]
    lines = []
    for at in both[0].index.intersection(both[1].index):
        before, now = (each.loc[at] for each in both)
        if before["verdict"] != now["verdict"]:
            lines.append(
                f"{at[0]}, {at[1]}: {before['verdict']} there (p {p_value(before['p_holm'])}), "
                f"{now['verdict']} now (p {p_value(now['p_holm'])})"
            )
    return lines


def of_study(there: Path, here: Path) -> tuple[pd.DataFrame, list[str], list[str]]:
    """A row per table of a study; claims with another verdict, and those that turned round."""
    import pandas as pd

    before, now = read_finished(there), read_finished(here)
    rows, lines, broken = [], [], []
    for name, table in before.items():
        other = now.get(name)
        row = {"table": name, "cells": table.size, "same": 0, "largest_z": np.nan}
        if other is not None and table.shape == other.shape and [*table] == [*other]:
            same = (table == other) | (table.isna() & other.isna())
            row |= {"same": int(same.to_numpy().sum()), "largest_z": _largest_z(table, other)}
        rows.append(row)
    if CLAIMS in before and CLAIMS in now:
        verdicts = [each[CLAIMS].set_index("claim")["verdict"] for each in (before, now)]
        for claim, verdict in verdicts[0].items():
            found = verdicts[1].get(claim, "not tested")
            if verdict != found:
                lines.append(f"claim {claim}: {verdict} there, {found} now")
                if {verdict, found} == OPPOSITE:
                    broken.append(str(claim))
    return pd.DataFrame(rows), lines, broken


def _largest_z(table: pd.DataFrame, other: pd.DataFrame) -> float:
    """The largest difference of an estimate from its other self, in standard errors of it."""
    largest = np.nan
    for name in table:
        error = f"{name}_se"
        if error not in table:
            continue
        spread = np.hypot(table[error].astype(float), other[error].astype(float)).to_numpy()
        apart = np.abs(table[name].astype(float) - other[name].astype(float)).to_numpy()
        known = (spread > 0) & np.isfinite(apart)
        largest = np.fmax(largest, np.max(apart[known] / spread[known], initial=-np.inf))
    return float(largest) if np.isfinite(largest) else np.nan
