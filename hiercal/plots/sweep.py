"""An estimate against the knob that a study turns: lines with error bars, a panel for each case."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiercal.plots._layout import assemble, log_ticks
from hiercal.plots._style import BAND, DOUBLE, SINGLE, arm_styles, plain, style

_ERRORS = 2.0


def sweep(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    series: str,
    xlabel: str,
    ylabel: str,
    se: str | None = None,
    panel: str | None = None,
    reference: float | None = None,
    reference_label: str = "",
    xscale: Literal["linear", "log", "category"] = "linear",
    yscale: Literal["linear", "log", "symlog"] = "linear",
    linthresh: float = 1.0,
    share_y: bool = True,
    columns: int = 3,
    titles: Mapping[str, str] | None = None,
    categories: Sequence[str] = (),
    note: str = "",
) -> Figure:
    """An estimate against a knob, a line for each series, a panel for each case.

    Parameters
    ----------
    table : DataFrame
        A row per point.
    x, y, series : str
        Columns: the knob, the estimate, what the lines are named after (at most 8).
    se : str, optional
        Column of standard errors; bars reach two of them to either side.
    panel : str, optional
        Column that the panels are named after.
    xlabel, ylabel : str
        Axis labels, with units.
    reference : float, optional
        Where a horizontal line is drawn, named `reference_label` in the legend if it has a name.
    xscale : {"linear", "log", "category"}
        ``category`` puts the values of x at even distances, series side by side, without lines.
    yscale, linthresh
        As of matplotlib.
    share_y : bool
        The same y axis for all panels.
    columns : int
        Panels side by side, at most.
    titles : mapping, optional
        Titles of the panels where they are not the values in the column.
    categories : sequence of str, optional
        Names of the values of x in their order, with ``xscale="category"``.
    note : str
        Said below the figure, after what the bars are.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        On an empty table or more than 8 series.

    Examples
    --------
    >>> points = pd.DataFrame({"J": [3, 10], "risk": [2.0, 1.5], "rule": "James-Stein"})
    >>> made = sweep(points, x="J", y="risk", series="rule", xlabel="groups", ylabel="risk")
    >>> len(made.axes)
    1
    """
    if table.empty:
        raise ValueError("got no rows; a sweep needs at least one point")
    panels = [None] if panel is None else list(dict.fromkeys(table[panel]))
    names = list(dict.fromkeys(table[series]))
    looks = arm_styles(names)
    across = min(columns, len(panels))
    down = math.ceil(len(panels) / across)
    width = SINGLE if across == 1 and not categories else DOUBLE
    height = {1: 2.3, 2: 2.1}.get(across, 1.8)
    with style():
        figure = Figure((width, height * down))
        grid = figure.subplots(down, across, sharex=True, sharey=share_y, squeeze=False)
        for spare in grid.flat[len(panels) :]:
            spare.remove()
        values = sorted(table[x].unique()) if xscale == "category" else []
        for place, (name, axes) in enumerate(zip(panels, grid.flat, strict=False)):
            rows = table if panel is None else table[(table[panel] == name).to_numpy()]
            if reference is not None:
                axes.axhline(reference, color=BAND, lw=0.8)
            _draw(axes, rows, x, y, se, series, names, looks, values)
            axes.set_yscale(yscale, **({"linthresh": linthresh} if yscale == "symlog" else {}))
            if yscale == "log":
                shown = table[y] if share_y else rows[y]
                log_ticks(axes.yaxis, shown.min(), shown.max())
            if xscale == "category":
                names_of_x = categories or [f"{value:g}" for value in values]
                axes.set_xticks(range(len(values)), names_of_x)
                axes.set_xlim(-0.5, len(values) - 0.5)
            else:
                axes.set_xscale(xscale)
                if xscale == "log":
                    log_ticks(axes.xaxis, table[x].min(), table[x].max())
            axes.tick_params(labelbottom=place + across >= len(panels))
            if name is not None:
                axes.set_title(plain((titles or {}).get(name, str(name))))
        handles = [
            Line2D(
                [], [], label=plain(str(name)), color=look.colour, marker=look.marker,
                linestyle="none" if xscale == "category" else look.linestyle,
                markersize=3.5 * look.marker_scale, markeredgecolor=look.marker_edge,
                markeredgewidth=0.25,
            )
            for name, look in looks.items()
        ]  # fmt: skip
        if reference is not None and reference_label:
            handles.append(Line2D([], [], color=BAND, lw=0.8, label=reference_label))
        bars = "Bars are two Monte Carlo standard errors to either side." if se else ""
        return assemble(
            figure, handles, " ".join(filter(None, (bars, note))), xlabel=xlabel, ylabel=ylabel
        )


def _draw(
    axes, rows: pd.DataFrame, x: str, y: str, se: str | None, series: str,
    names: Sequence[str], looks: Mapping, values: Sequence[float],
) -> None:  # fmt: skip
    for k, name in enumerate(names):
        own = rows[(rows[series] == name).to_numpy()].sort_values(x)
        if own.empty:
            continue
        look = looks[name]
        at = own[x].to_numpy(float)
        if values:
            step = 0.7 / len(names)
            at = np.array([values.index(v) for v in own[x]]) + step * (k - (len(names) - 1) / 2)
        axes.errorbar(
            at, own[y], None if se is None else _ERRORS * own[se].to_numpy(),
            color=look.colour, marker=look.marker, elinewidth=0.7,
            linestyle="none" if values else look.linestyle,
            markersize=3 * look.marker_scale, markeredgecolor=look.marker_edge,
            markeredgewidth=0.25, gid=str(name),
        )  # fmt: skip
