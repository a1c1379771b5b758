"""Figures as grids of panels with one legend above and one note below, nothing overlapping."""

import math
import re
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from hiercal.plots._form import carries_note, fits_page, width_of
from hiercal.plots._own_axes import check_single, figure_of, finished, titled
from hiercal.plots._records import Panel
from hiercal.plots._style import (
    DOUBLE,
    NOTE_SIZE,
    SINGLE,
    SMALL_SIZE,
    TEXT_SIZE,
    plain_label,
    quantity_label,
    text_width,
    wrap,
)

_MARGIN = 0.05
_HINTED = 1.05
"""Small letters on few pixels are up to this much wider than their outlines."""
_ROW_LABEL_WIDTH = 1.05
_MATRIX_COLUMNS = 7
_SINGLE_COLUMNS = 2
_FEW_DECADES = 2.2
BREAKS = re.compile(r"(?<=[/_-])|\s+")
"""Where a line of a name may end."""


def single(axes: Axes | None, suits: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one panel, or the one that `axes` is in."""
    if axes is not None:
        return figure_of(axes), axes
    figure = Figure((width_of(suits), height))
    return figure, figure.subplots()


def wrapped_grid(
    quantities: Sequence[str], n_columns: int, axes: Axes | None = None
) -> tuple[Figure, dict[str, Axes]]:
    """One panel per quantity, filled row by row in at most `n_columns`, all with the same axes."""
    n_panels = len(quantities)
    if axes is not None:
        check_single(axes, quantity=n_panels)
        return figure_of(axes), {quantities[0]: titled(axes, quantities[0])}
    width = width_of(SINGLE if n_panels == 1 else DOUBLE)
    n_columns = min(n_columns, _SINGLE_COLUMNS) if width == SINGLE else n_columns
    n_columns = math.ceil(n_panels / math.ceil(n_panels / n_columns))
    n_rows = math.ceil(n_panels / n_columns)
    panel_height = {1: 2.1, 2: 2.1, 3: 1.6}.get(n_columns, 1.7 if n_rows == 1 else 1.35)
    if width == SINGLE and n_columns > 1:
        panel_height = 1.3
    fits_page(n_rows * panel_height, "quantities")
    figure = Figure((width, n_rows * panel_height))
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for spare in grid.flat[n_panels:]:
        spare.remove()
    panels: dict[str, Axes] = dict(zip(quantities, grid.flat, strict=False))
    panel_width = (width - 0.6) / n_columns - 0.15
    for place, (quantity, panel) in enumerate(panels.items()):
        _title(panel, quantity, panel_width)
        panel.tick_params(labelbottom=place + n_columns >= n_panels)
    return figure, panels


def matrix(
    row_labels: Sequence[str],
    quantities: Sequence[str],
    axes: Axes | None = None,
    *,
    own_scales: bool = False,
) -> tuple[Figure, dict[tuple[int, str], Axes]]:
    """One row per label, one column per quantity; too many columns continue in a block below.

    The key of a panel is (row, quantity). Ticks are labelled on the outer panels of a block, so
    a row must have the same y limits throughout and all panels the same x limits; with
    `own_scales`, the panels of a column share theirs instead. A single row is left unlabelled.
    """
    n_rows = len(row_labels)
    if axes is not None:
        check_single(axes, arm=n_rows, quantity=len(quantities))
        return figure_of(axes), {(0, quantities[0]): titled(axes, quantities[0])}
    width = width_of(SINGLE if len(quantities) == 1 else DOUBLE)
    most = _MATRIX_COLUMNS if width == DOUBLE else _SINGLE_COLUMNS + (n_rows == 1)
    n_blocks = math.ceil(len(quantities) / most)
    n_columns = math.ceil(len(quantities) / n_blocks)
    labels = [
        [piece for line in label.split("\n") for piece in wrap(line, _ROW_LABEL_WIDTH, SMALL_SIZE)]
        for label in row_labels
    ]
    row_height = 1.6 if n_rows * n_blocks == 1 else min(1.0, max(0.43, 6.2 / (n_rows * n_blocks)))
    if n_rows > 1:
        row_height = max(row_height, max(map(len, labels)) * 1.3 * SMALL_SIZE / 72)
    height = n_blocks * (n_rows * row_height + 0.3)
    fits_page(height, "quantities" if n_blocks > 1 else "arms")
    figure = Figure((width, height))
    grid = figure.subplots(n_blocks * n_rows, n_columns, squeeze=False)
    own_scales &= n_columns * n_blocks > 1
    row_label_width = _ROW_LABEL_WIDTH if n_rows > 1 else 0.0
    panel_width = (width - row_label_width - 0.7) / n_columns - 0.08
    panels: dict[tuple[int, str], Axes] = {}
    for block, row, column in np.ndindex(n_blocks, n_rows, n_columns):
        panel = grid[block * n_rows + row, column]
        place = block * n_columns + column
        if place >= len(quantities):
            panel.remove()
            continue
        panels[row, quantities[place]] = panel
        panel.tick_params(labelbottom=row == n_rows - 1, labelleft=own_scales or column == 0)
        if row == 0:
            _title(panel, quantities[place], panel_width)
        if column == 0 and n_rows > 1:
            panel.set_ylabel(
                "\n".join(labels[row]),
                rotation=0,
                ha="right",
                va="center",
                fontsize=SMALL_SIZE,
                labelpad=5,
            )
    figure.align_ylabels(grid[:, 0])
    return figure, panels


def funnel_grid(
    n_rows: int, n_columns: int, axes: Axes | None = None
) -> tuple[Figure, np.ndarray, bool]:
    """Grid whose rows share their axes, and whether it is turned: as many columns as rows were.

    Turned where the columns would be too narrow; the panels are indexed as if it were not.
    """
    if axes is not None:
        check_single(axes, data_set=n_rows, fit=n_columns)
        return figure_of(axes), np.array([[axes]]), False
    width = width_of(SINGLE if n_columns == 1 else DOUBLE)
    most = _SINGLE_COLUMNS if width == SINGLE else _MATRIX_COLUMNS
    if n_rows == 1 and n_columns > most:
        return _wrapped_row(n_columns, most, width)
    turned = n_columns > most
    down, across = (n_columns, n_rows) if turned else (n_rows, n_columns)
    height = 1.5 if width == SINGLE and across > 1 else 2.3 if across <= 2 else 1.9
    fits_page(down * height, "arms")
    figure = Figure((width, down * height))
    share = "col" if turned else "row"
    grid = figure.subplots(down, across, sharex=share, sharey=share, squeeze=False)
    for panel in grid.flat:
        panel.tick_params(labelbottom=True)
    return figure, grid.T if turned else grid, turned


def _wrapped_row(n_panels: int, most: int, width: float) -> tuple[Figure, np.ndarray, bool]:
    """A single row of panels in several, all with the same axes."""
    down = math.ceil(n_panels / most)
    height = 1.5 if width == SINGLE else 1.9
    fits_page(down * height, "arms")
    figure = Figure((width, down * height))
    grid = figure.subplots(down, most, sharex=True, sharey=True, squeeze=False)
    for spare in grid.flat[n_panels:]:
        spare.remove()
    for panel in grid.flat[:n_panels]:
        panel.tick_params(labelbottom=True)
    return figure, grid.flatten()[None, :n_panels], False


def assemble(
    figure: Figure,
    handles: Sequence[Artist],
    note: str,
    xlabel: str | None = None,
    ylabel: str | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Add the shared axis labels, the legend above and the note below; lay out once, and keep it.

    A fixed layout makes all file formats and all savings of a figure the same. On `axes` of
    somebody's own, their layout is left alone, and the note is their label.
    """
    if axes is not None:
        return finished(axes, handles, note, xlabel, ylabel)
    width, height = figure.get_size_inches()
    room = (width - 2 * _MARGIN) / _HINTED
    entry_width = room - 3.3 * SMALL_SIZE / 72
    labels = ["\n".join(wrap(str(h.get_label()), entry_width, SMALL_SIZE)) for h in handles]
    n_columns = _legend_columns(labels, room)
    columns = np.array_split([label.count("\n") + 1 for label in labels], n_columns)
    legend_height = max(c.sum() for c in columns) * 1.4 * SMALL_SIZE / 72 + _MARGIN
    figure.set_label(note)
    lines = wrap(note, room, NOTE_SIZE) if carries_note() else []
    note_height = len(lines) * 1.25 * NOTE_SIZE / 72 + 2 * _MARGIN
    total = height + note_height + legend_height
    figure.set_size_inches(width, total)
    figure.legend(handles, labels, loc="outside upper center", ncols=n_columns)
    if lines:
        figure.text(
            _MARGIN / width,
            _MARGIN / total,
            "\n".join(lines),
            fontsize=NOTE_SIZE,
            va="bottom",
            linespacing=1.25,
            gid="note",
        )
    xlabel = "\n".join(wrap(xlabel or "", room, TEXT_SIZE))
    shared_x = figure.supxlabel(xlabel) if xlabel else None
    ylabel_lines = [
        piece
        for line in (ylabel or "").split("\n")
        for piece in wrap(line, height - 0.4, TEXT_SIZE)
    ]
    shared_y = (
        figure.supylabel("\n".join(ylabel_lines), multialignment="center") if ylabel else None
    )
    bottom = note_height / total
    rect = (0, bottom, 1, 1 - bottom)
    ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02, rect=rect).execute(
        figure
    )
    for panel in figure.axes:
        # The layout's solver sums in the order of memory addresses, so the last digits vary.
        panel.set_position(tuple(np.round(panel.get_position().bounds, 6)))
    # Shared labels are placed by the edges of the figure, which the note and row labels take up.
    boxes = [panel.get_position() for panel in figure.axes]
    if shared_x is not None:
        centre = (min(b.x0 for b in boxes) + max(b.x1 for b in boxes)) / 2
        # A label much wider than its panel would be cut off if centred below it.
        widest = max(text_width(line, TEXT_SIZE) for line in xlabel.split("\n"))
        half = widest / width / 2 + _MARGIN / width
        centre = 0.5 if half >= 0.5 else min(max(centre, half), 1 - half)
        shared_x.set_position((centre, shared_x.get_position()[1] + bottom))
    if shared_y is not None:
        centre = (min(b.y0 for b in boxes) + max(b.y1 for b in boxes)) / 2
        shared_y.set_position((shared_y.get_position()[0], centre))
    return figure


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Label a logarithmic axis from `low` to `high` so that there are ticks, and none overlap."""
    axis.set_minor_formatter(NullFormatter())
    if high / low < 10**_FEW_DECADES:
        # powers of ten alone would leave one tick or none
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))


def side_by_side(names: Sequence[str], inches: float) -> list[str] | None:
    """Names in lines that stand side by side in so many inches; None if a word is too long."""
    room = inches / max(len(names), 1) - 0.04
    lines = [line for name in names for line in name.split("\n")]
    if all(text_width(line, SMALL_SIZE) <= room for line in lines):
        return list(names)
    if any(text_width(word, SMALL_SIZE) > room for line in lines for word in BREAKS.split(line)):
        return None
    return [
        "\n".join(part for line in name.split("\n") for part in wrap(line, room, SMALL_SIZE))
        for name in names
    ]


def mark_empty(axes: Axes, panel: Panel | None) -> None:
    """Say in a panel without fits why it is empty."""
    text = "not\nranked" if panel is None else f"0 of {panel.n_total}\ncompleted"
    axes.text(
        0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=NOTE_SIZE
    )


def _title(axes: Axes, quantity: str, width: float) -> None:
    label = quantity_label(quantity)
    if text_width(label, SMALL_SIZE) > width:
        # Mathematics cannot be broken into lines, a plain name can.
        label = plain_label(quantity)
    if text_width(label, TEXT_SIZE) <= width:
        axes.set_title(label)
    else:
        axes.set_title("\n".join(wrap(label, width, SMALL_SIZE)), fontsize=SMALL_SIZE)


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """Columns for the fewest, evenly filled rows; matplotlib fills a legend column by column."""
    em = SMALL_SIZE / 72
    widths = [
        max(text_width(line, SMALL_SIZE) for line in label.split("\n")) + (2.8 + 0.5) * em
        for label in labels
    ]

    def fits(n_columns: int) -> bool:
        columns = np.array_split(widths, n_columns)
        taken = sum(float(c.max()) for c in columns) + 1.4 * em * (n_columns - 1) + em
        return n_columns == 1 or taken <= width

    most = next(n for n in range(len(labels), 0, -1) if fits(n))
    n_rows = math.ceil(len(labels) / most)
    balanced = math.ceil(len(labels) / n_rows)
    return balanced if fits(balanced) else most
