"""An estimate over two knobs: a coloured cell with its number for each pair, 0 in the middle."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from hiercal.plots._form import width_of
from hiercal.plots._layout import assemble
from hiercal.plots._own_axes import check_single, figure_of
from hiercal.plots._style import DOUBLE, INK, SINGLE, SMALL_SIZE, plain, style

_COLOURS = "PuOr"
_DASHED = (0, (4, 2))
_LEAST = 0.1
"""Estimates smaller than this have pale cells even where all of them are."""


def heat_map(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    value: str,
    xlabel: str,
    ylabel: str,
    low: str,
    high: str,
    se: str | None = None,
    panel: str | None = None,
    titles: Mapping[str, str] | None = None,
    lines: Mapping[str, Callable[[np.ndarray], np.ndarray]] | None = None,
    line: str = "",
    note: str = "",
    axes: Axes | None = None,
) -> Figure:
    """An estimate over two knobs, both on logarithmic axes, a panel for each case.

    Parameters
    ----------
    table : DataFrame
        A row per cell; a cell without a row, or without a number, stays white.
    x, y, value : str
        Columns: the two knobs, both above 0, and the estimate.
    xlabel, ylabel : str
        Axis labels, with units.
    low, high : str
        What the legend calls negative and positive estimates.
    se : str, optional
        Column of standard errors, written below the estimates in brackets.
    panel : str, optional
        Column that the panels, side by side, are named after.
    titles : mapping, optional
        Titles of the panels where they are not the values in the column.
    lines : mapping of str to callable, optional
        By panel, y of a dashed line as a function of x; without `panel` the key is ``""``.
    line : str
        What the legend calls these lines.
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
    >>> points = pd.DataFrame({"n": [1, 9, 1, 9], "tau": [2, 2, 8, 8], "gain": [3.0, 1, 0, -2]})
    >>> made = heat_map(
    ...     points, x="n", y="tau", value="gain", xlabel="observations", ylabel="tau",
    ...     low="worse", high="better", lines={"": lambda n: 6 / n**0.5}, line="as good",
    ... )
    >>> [text.get_text() for text in made.axes[0].texts]
    ['+3.0', '+1.0', '+0.0', '-2.0']
    """
    columns, rows = _values(table, x), _values(table, y)
    panels = [""] if panel is None else list(dict.fromkeys(table[panel]))
    numbers = table[value].to_numpy(float)
    limit = float(np.abs(numbers[np.isfinite(numbers)]).max(initial=_LEAST))
    with style():
        figure, grid = _grid(len(panels), len(columns), axes)
        for name, drawn in zip(panels, grid, strict=True):
            own = table if panel is None else table[(table[panel] == name).to_numpy()]
            cells = own.pivot(index=y, columns=x, values=value).reindex(rows, columns=columns)
            drawn.pcolormesh(
                _edges(columns), _edges(rows), np.ma.masked_invalid(cells.to_numpy(float)),
                cmap=_COLOURS, vmin=-limit, vmax=limit, edgecolor="white", linewidth=0.5,
            )  # fmt: skip
            _write(drawn, own, x, y, value, se, limit)
            drawn.set(xscale="log", yscale="log")
            if panel is not None:
                drawn.set_title(plain((titles or {}).get(name, str(name))))
            limits = drawn.get_xlim(), drawn.get_ylim()
            if lines and name in lines:
                at = np.geomspace(*limits[0], 100)
                drawn.plot(at, lines[name](at), color=INK, lw=1.2, linestyle=_DASHED, gid="line")
            drawn.set(xlim=limits[0], ylim=limits[1])
            drawn.set_xticks(columns, [f"{number:g}" for number in columns])
            drawn.set_yticks(rows, [f"{number:g}" for number in rows])
            drawn.minorticks_off()
        handles: list[Patch | Line2D] = [
            Patch(facecolor=colormaps[_COLOURS](0.85), label=plain(high)),
            Patch(facecolor=colormaps[_COLOURS](0.2), label=plain(low)),
        ]
        if lines and line:
            handles.append(Line2D([], [], color=INK, lw=1.2, linestyle=_DASHED, label=plain(line)))
        return assemble(figure, handles, note, xlabel=xlabel, ylabel=ylabel, axes=axes)


def _grid(n_panels: int, n_columns: int, axes: Axes | None) -> tuple[Figure, list[Axes]]:
    """Panels side by side, or one below the other where their numbers would not fit."""
    if axes is not None:
        check_single(axes, panel=n_panels)
        return figure_of(axes), [axes]
    width = width_of(SINGLE if n_panels == 1 else DOUBLE)
    down = n_panels if width / n_panels < 0.35 * n_columns + 0.4 else 1
    figure = Figure((width, 2.4 * down if down == 1 else 2.0 * down))
    grid = figure.subplots(down, n_panels // down, sharex=True, sharey=True, squeeze=False)
    for drawn in grid.flat:
        drawn.tick_params(labelbottom=drawn in grid[-1])
    return figure, list(grid.flat)


def _values(table: pd.DataFrame, column: str) -> np.ndarray:
    values = np.sort(table[column].unique())
    if len(values) < 2 or not (values > 0).all():
        raise ValueError(
            f"{column} is {values.tolist()}; a heat map needs two or more values above 0"
        )
    return values


def _write(
    axes: Axes, rows: pd.DataFrame, x: str, y: str, value: str, se: str | None, limit: float
) -> None:
    """Numbers in the cells: white on dark ones, ink with a white rim on the others."""
    for row in rows.dropna(subset=value).to_dict("records"):
        text = f"{row[value]:+z.1f}"
        if se is not None:
            text += f"\n({row[se]:.1f})"
        dark = abs(row[value]) > 0.6 * limit
        axes.text(
            row[x], row[y], text, ha="center", va="center", fontsize=SMALL_SIZE,
            color="white" if dark else INK,
            path_effects=[] if dark else [withStroke(linewidth=1.5, foreground="white")],
        )  # fmt: skip


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of cells round points on a logarithmic axis."""
    logs = np.log(values)
    middles = (logs[1:] + logs[:-1]) / 2
    first, last = 2 * logs[0] - middles[0], 2 * logs[-1] - middles[-1]
    return np.exp(np.concatenate([[first], middles, [last]]))
