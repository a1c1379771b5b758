"""Arms beside the exact one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hiercal.runs.result import Result


def measured_arms(result: Result) -> dict[str, list[str]]:
    """By exact arm, the arms of its story that report the scale and are measured by it."""
    arms = result.arms
    measured: dict[str, list[str]] = {}
    for row in arms[(arms["scale"] != "").to_numpy()].to_dict("records"):
        if row["exact"] not in ("", row["arm"]):
            measured.setdefault(row["exact"], []).append(row["arm"])
    return measured
