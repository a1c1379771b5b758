"""An estimate against the knob that a study turns: lines with error bars, a panel for each case."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiercal.plots._form import fits_page, width_of
from hiercal.plots._layout import assemble, log_ticks, side_by_side
from hiercal.plots._own_axes import check_single, figure_of
from hiercal.plots._style import (
    BAND,
    DOUBLE,
    SINGLE,
    SMALL_SIZE,
    TEXT_SIZE,
    arm_styles,
    plain,
    style,
    text_width,
    wrap,
)

_ERRORS = 2.0
_LABELS = 0.45
"""Inches that the labels of a panel take of its width."""


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
    all_series: Sequence[str] = (),
    note: str = "",
    axes: Axes | None = None,
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
        Where a horizontal line is drawn.
    reference_label : str
        What the legend calls it; without, it is not there.
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
    all_series : sequence of str, optional
        All that there are, also those not in this table: a series has its look by its place here.
    note : str
        Said below the figure, after what the bars are.
    axes : Axes, optional
        Draw on these, which takes a single panel; the note is then ``axes.get_label()``.

    Returns
    -------
    Figure
        Its note, for a caption, is ``figure.get_label()``.

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
    looks = arm_styles(list(all_series) or names, names)
    with style():
        values = sorted(table[x].unique()) if xscale == "category" else []
        ticks = categories or [f"{value:g}" for value in values]
        figure, grid = _grid(panels, columns, ticks, bool(categories), share_y, axes)
        across = 1 if axes is not None else grid.shape[1]
        for place, (name, drawn) in enumerate(zip(panels, grid.flat, strict=False)):
            rows = table if panel is None else table[(table[panel] == name).to_numpy()]
            if reference is not None:
                drawn.axhline(reference, color=BAND, lw=0.8)
            _draw(drawn, rows, x, y, se, series, names, looks, values)
            drawn.set_yscale(yscale, **({"linthresh": linthresh} if yscale == "symlog" else {}))
            if yscale == "log":
                shown = table[y] if share_y else rows[y]
                log_ticks(drawn.yaxis, shown.min(), shown.max())
            if xscale == "category":
                _name_ticks(drawn, ticks)
                drawn.set_xlim(-0.5, len(values) - 0.5)
            else:
                drawn.set_xscale(xscale)
                if xscale == "log":
                    log_ticks(drawn.xaxis, table[x].min(), table[x].max())
            drawn.tick_params(labelbottom=place + across >= len(panels))
            if name is not None:
                drawn.set_title(_title(plain((titles or {}).get(name, str(name))), drawn))
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
            figure,
            handles,
            " ".join(filter(None, (bars, note))),
            xlabel=xlabel,
            ylabel=ylabel,
            axes=axes,
        )


def _grid(
    panels: Sequence,
    columns: int,
    ticks: Sequence[str],
    named: bool,
    share_y: bool,
    axes: Axes | None,
) -> tuple[Figure, np.ndarray]:
    """Panels in at most `columns`, fewer where the figure is a column of a paper."""
    if axes is not None:
        check_single(axes, panel=len(panels))
        return figure_of(axes), np.array([[axes]])
    across = min(columns, len(panels))
    width = width_of(SINGLE if across == 1 and not named else DOUBLE)
    if width == SINGLE:
        across = min(across, 2)
        if across == 2 and side_by_side(ticks, width / 2 - _LABELS) is None:
            across = 1
    down = math.ceil(len(panels) / across)
    height = {1: 2.3, 2: 2.1}.get(across, 1.8)
    if width == SINGLE and len(panels) > 1:
        height = 1.5
    if side_by_side(ticks, width / across - _LABELS) is None:  # names stand on end
        height += 0.5 * max(text_width(" ".join(name.split()), SMALL_SIZE) for name in ticks)
    fits_page(height * down, "quantities")
    figure = Figure((width, height * down))
    grid = figure.subplots(down, across, sharex=True, sharey=share_y, squeeze=False)
    for spare in grid.flat[len(panels) :]:
        spare.remove()
    return figure, grid


def _inches(axes: Axes) -> float:
    """Width of a panel before it is laid out, without its tick labels."""
    root = figure_of(axes)
    spec = axes.get_subplotspec()
    if spec is None or axes.get_figure() is not root:
        return axes.get_window_extent().width / root.dpi
    return root.get_figwidth() / spec.get_gridspec().ncols - _LABELS


def _title(text: str, axes: Axes) -> str:
    """A title in lines that fit over the panel."""
    return "\n".join(
        line for part in text.split("\n") for line in wrap(part, _inches(axes), TEXT_SIZE)
    )


def _name_ticks(axes: Axes, names: Sequence[str]) -> None:
    """Names of categories, in lines or on end where they would run into each other."""
    broken = side_by_side(names, _inches(axes))
    on_end = [" ".join(name.split()) for name in names]
    axes.set_xticks(range(len(names)), broken or on_end, rotation=0 if broken else 90)


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
