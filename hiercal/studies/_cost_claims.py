"""Claims on the cost of a leapfrog step and the length of trajectories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hiercal.studies._claims import Claim, Finding, below, every, near

if TYPE_CHECKING:
    import pandas as pd


REFERENCE = 128
"""Groups or observations from which on costs are compared."""


def _linear(tables: Mapping[str, pd.DataFrame]) -> Finding:
    scaling = tables["scaling"]
    sampled = scaling[(scaling["fitter"] != "exact").to_numpy()]
    parts = [
        below(
            rows["slope"].iloc[0],
            rows["slope_se"].iloc[0],
            1.1,
            f"power of size with which the time of a step grows, {rows['series'].iloc[0]}, "
            f"{rows['fitter'].iloc[0]}",
        )
        for rows in by_series(sampled)
    ]
    return every(parts)


def by_series(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The table's parts, one for each series and fitter."""
    return [part for _, part in table.groupby(["series", "fitter"], sort=False)]


def _typical(tables: Mapping[str, pd.DataFrame]) -> Finding:
    trajectories = tables["trajectories"]
    parts = [
        near(
            row["steps"],
            row["steps_se"],
            12.5,
            7.5,
            f"leapfrog steps a draw, {row['story']}, {row['library']}",
        )
        for row in trajectories.to_dict("records")
    ]
    inside = sum(part.verdict == "holds" for part in parts)
    worst = sorted(parts, key=lambda part: -abs(part.effect - 12.5))[0]
    remark = f"It holds in {inside} of {len(parts)}; farthest: {worst.effect:.0f}, {worst.measure}."
    return every(parts, remark)


CLAIMS = (
    Claim(
        "C28",
        "L244",
        "Cost per gradient is O(J + N).",
        "With either library the time of a leapfrog step grows no faster than the 1.1th power "
        f"of the number of groups, and of observations, from {REFERENCE} up.",
        _linear,
    ),
    Claim(
        "C29",
        "L244",
        "Trajectories take 5 to 20 leapfrog steps.",
        "In every story and library the mean over data sets of the steps a draw, non-centred "
        "at target 0.9, lies between 5 and 20.",
        _typical,
    ),
)
