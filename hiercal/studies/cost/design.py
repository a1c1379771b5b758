"""What the study of cost is designed by: sizes and lengths that its claims are about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = 128
"""Groups or observations from which on costs are compared."""
LEAST, MOST = 5, 20
"""Leapfrog steps of a typical trajectory, as the textbook has it (L244)."""


def by_series(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The table's parts, one for each series and fitter."""
    return [part for _, part in table.groupby(["series", "fitter"], sort=False)]
