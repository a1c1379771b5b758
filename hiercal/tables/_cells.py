"""Records of one arm and quantity at a time, and arms beside the exact one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result


def cells(records: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Rows of each arm and quantity, in the order of the run."""
    for arm in records["arm"].cat.categories:
        own = records[(records["arm"] == arm).to_numpy()]
        for quantity in records["quantity"].cat.categories:
            rows = own[(own["quantity"] == quantity).to_numpy()]
            if len(rows):
                yield arm, quantity, rows


def measured_arms(result: Result) -> dict[str, list[str]]:
    """By exact arm, the arms of its story that report the scale and are measured by it."""
    arms = result.arms
    measured: dict[str, list[str]] = {}
    for row in arms[(arms["scale"] != "").to_numpy()].to_dict("records"):
        if row["exact"] not in ("", row["arm"]):
            measured.setdefault(row["exact"], []).append(row["arm"])
    return measured
