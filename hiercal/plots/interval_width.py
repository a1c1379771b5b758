"""Width of intervals against those of another model on the same data."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hiercal.plots.bias import chosen
from hiercal.plots.sweep import sweep


def interval_width(
    table: pd.DataFrame,
    *,
    x: str = "size",
    y: str | Sequence[str] = "width",
    series: str | None = None,
    labels: Sequence[str] = (),
    xlabel: str = "observations in the group",
    ylabel: str = "width of the interval",
    axes: Axes | None = None,
    **look: Any,
) -> Figure:
    """Width of intervals, or what pooling saves of it, against the size of the group.

    Bars are two Monte Carlo standard errors to either side, where the table has them. Widths say
    nothing unless the intervals cover equally often: compare ``coverage`` of the same table.

    Parameters
    ----------
    table : DataFrame
        A row per point, with widths in `y` and their standard errors in ``y_se``.
    x : str
        Column of the horizontal axis.
    y : str or sequence of str
        A column, or one for each line.
    series : str, optional
        Column that lines are named in, if `y` is a single column (at most 8).
    labels : sequence of str
        Names of the lines, if `y` is several columns; by default those of the columns.
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
        On a table without rows or without a column, or more than 8 lines.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"size": [5, 50], "partial": [3.0, 1.3], "partial_se": 0.02, "none": [4.0, 1.4]}
    ... )
    >>> len(interval_width(table, y=["partial", "none"], xscale="log").axes)
    1
    """
    columns = [y] if isinstance(y, str) else list(y)
    chosen(table, columns[0], None, (x, *columns[1:], *([series] if series else [])))
    parts = [
        table.assign(
            _y=table[column],
            _se=table.get(f"{column}_se", 0.0),
            _line=table[series] if series else label,
        )
        for column, label in zip(
            columns, labels or [each.replace("_", " ") for each in columns], strict=True
        )
    ]
    known = any(f"{column}_se" in table for column in columns)
    return sweep(
        pd.concat(parts, ignore_index=True),
        x=x,
        y="_y",
        se="_se" if known else None,
        series="_line",
        xlabel=xlabel,
        ylabel=ylabel,
        axes=axes,
        **look,
    )
