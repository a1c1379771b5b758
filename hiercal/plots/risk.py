"""Risk of estimators, such as James-Stein's, against what it depends on."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hiercal.plots.bias import chosen
from hiercal.plots.sweep import sweep


def risk(
    table: pd.DataFrame,
    rules: Sequence[str] | None = None,
    *,
    x: str = "tau",
    y: str = "risk",
    series: str = "rule",
    xlabel: str = r"true $\tau$",
    ylabel: str = "mean squared error",
    axes: Axes | None = None,
    **look: Any,
) -> Figure:
    """Risk of rules for estimating group effects, such as complete, partial and no pooling.

    Bars are two Monte Carlo standard errors to either side, where the table has them. Give the risk
    of no pooling as ``reference``, to see which rules are better.

    Parameters
    ----------
    table : DataFrame
        A row per rule and value of `x`, with the risk in `y` and its standard error in ``y_se``.
    rules : sequence of str, optional
        Those of the series to draw, in this order; by default all (at most 8).
    x, y, series : str
        Columns: what the risk is over, the risk, the rule.
    xlabel, ylabel : str
        Axis labels, with units.
    axes : Axes, optional
        Draw on these, which takes a single panel; the note is then ``axes.get_label()``.
    **look
        Further options of `sweep`, such as ``panel``, ``reference`` and ``note``.

    Returns
    -------
    Figure
        Its note, for a caption, is ``figure.get_label()``.

    Raises
    ------
    ValueError
        On a table without rows or without a column, an unknown rule, or more than 8 rules.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"tau": [0.0, 5.0], "rule": "James-Stein", "risk": [60.0, 75.0], "risk_se": 0.5}
    ... )
    >>> risk(table, reference=100.0, reference_label="no pooling").get_supylabel()
    'mean squared error'
    """
    shown = chosen(table, series, rules, (x, y))
    se = f"{y}_se"
    return sweep(
        shown,
        x=x,
        y=y,
        se=se if se in shown else None,
        series=series,
        xlabel=xlabel,
        ylabel=ylabel,
        axes=axes,
        **look,
    )
