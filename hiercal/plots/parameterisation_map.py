"""Which parameterisation samples better, over observations in a group and the true scale."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hiercal.plots.heat_map import heat_map


def parameterisation_map(
    table: pd.DataFrame,
    *,
    x: str = "n",
    y: str = "tau",
    value: str = "log2_ratio",
    panel: str | None = None,
    titles: Mapping[str, str] | None = None,
    xlabel: str = "observations in each group",
    ylabel: str = r"true $\tau$",
    boundary: Mapping[str, Callable[[np.ndarray], np.ndarray]] | None = None,
    note: str = "",
    axes: Axes | None = None,
) -> Figure:
    """How much better the non-centred model samples than the centred one, as powers of 2.

    Each cell has its number: +1 where the non-centred model has twice the efficiency (such as
    effective draws of the worst parameter for a gradient), -1 where it has half of it, with the
    Monte Carlo standard error in brackets below. Numbers have signs, so that the map can be read in
    grey.

    Parameters
    ----------
    table : DataFrame
        A row per cell; `x` and `y` above 0, and the log2 ratio of non-centred to centred in
        `value`, with its standard error in ``value_se``.
    x, y, value : str
        Columns.
    panel : str, optional
        Column that panels, such as libraries, are named after.
    titles : mapping, optional
        Titles of the panels where they are not the values in the column.
    xlabel, ylabel : str
        Axis labels, with units.
    boundary : mapping of str to callable, optional
        By panel, y where both are as good, as a function of x; without `panel` the key is ``""``.
    note : str
        Said below the figure.
    axes : Axes, optional
        Draw on these, which takes a single panel; the note is then ``axes.get_label()``.

    Returns
    -------
    Figure
        Its note, for a caption, is ``figure.get_label()``.

    Raises
    ------
    ValueError
        On an axis with fewer than two values, or with one that is not above 0.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"n": [1, 9, 1, 9], "tau": [2, 2, 8, 8], "log2_ratio": [3.0, 1.0, 0.0, -2.0]}
    ... )
    >>> [text.get_text() for text in parameterisation_map(table).axes[0].texts]
    ['+3.0', '+1.0', '+0.0', '-2.0']
    """
    se = f"{value}_se"
    return heat_map(
        table,
        x=x,
        y=y,
        value=value,
        se=se if se in table else None,
        panel=panel,
        titles=titles,
        xlabel=xlabel,
        ylabel=ylabel,
        low="centred better",
        high="non-centred better",
        lines=boundary,
        line="as good",
        note=note,
        axes=axes,
    )
