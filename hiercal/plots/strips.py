"""Measurements fit by fit: a strip of points for each arm, a panel for each measurement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiercal.plots._form import fits_page, width_of
from hiercal.plots._layout import assemble
from hiercal.plots._own_axes import check_single, figure_of
from hiercal.plots._style import DOUBLE, INK, OUTSIDE, SINGLE, arm_styles, plain, style

_GOLDEN = 0.6180339887498949
_HALF = 0.3
"""Half of a strip's height, in strips."""


@dataclass(frozen=True)
class Measurement:
    """A panel: a column of the table, its label with its unit, its scale, and a reference."""

    column: str
    label: str
    scale: Literal["linear", "log", "symlog"] = "linear"
    reference: float | None = None


def strips(
    table: pd.DataFrame,
    measurements: Sequence[Measurement],
    *,
    arm: str,
    reference_label: str = "",
    note: str = "",
    axes: Axes | None = None,
) -> Figure:
    """Every fit as a point, with the median of each strip.

    Parameters
    ----------
    table : DataFrame
        A row per fit.
    measurements : sequence of Measurement
        Panels, side by side; a missing number is left out.
    arm : str
        Column that strips are named after, from the top in their order (at most 8).
    reference_label : str
        What the legend calls the references.
    note : str
        Said below the figure.
    axes : Axes, optional
        Draw on these, which takes a single measurement; the note is then ``axes.get_label()``.

    Returns
    -------
    Figure
        Its note, for a caption, is ``figure.get_label()``.

    Raises
    ------
    ValueError
        On an empty table or more than 8 strips.

    Examples
    --------
    >>> fits = pd.DataFrame({"arm": ["a", "a", "b"], "tau": [4.0, 5.0, 4.8]})
    >>> made = strips(fits, [Measurement("tau", "tau", reference=4.8)], arm="arm")
    >>> [tick.get_text() for tick in made.axes[0].get_yticklabels()]
    ['a', 'b']
    """
    if table.empty:
        raise ValueError("got no rows; strips need at least one fit")
    names = list(dict.fromkeys(table[arm]))
    looks = arm_styles(names)
    with style():
        figure, grid = _grid(len(measurements), len(names), axes)
        for drawn, shown in zip(grid, measurements, strict=True):
            if shown.reference is not None:
                drawn.axvline(shown.reference, color=OUTSIDE, lw=0.9, gid="reference")
            for place, name in enumerate(names):
                values = table.loc[(table[arm] == name).to_numpy(), shown.column].dropna()
                # multiples of the golden ratio spread evenly, without random numbers
                height = place + _HALF * (2 * (np.arange(len(values)) * _GOLDEN % 1) - 1)
                drawn.plot(
                    values, height, linestyle="none", marker=".", markersize=2.2,
                    markeredgewidth=0, color=looks[name].colour, alpha=0.6, gid=str(name),
                )  # fmt: skip
                if len(values):
                    middle = float(np.median(values))
                    drawn.plot(
                        [middle, middle], [place - 0.42, place + 0.42], color=INK, lw=1.3,
                        gid="median",
                    )  # fmt: skip
            drawn.set_xscale(shown.scale, **({"linthresh": 1} if shown.scale == "symlog" else {}))
            drawn.set_xlabel(shown.label)
            drawn.set_ylim(len(names) - 0.5, -0.5)
            drawn.set_yticks(range(len(names)), [plain(str(name)) for name in names])
        handles = [Line2D([], [], color=INK, lw=1.3, label="median")]
        if reference_label:
            handles.append(Line2D([], [], color=OUTSIDE, lw=0.9, label=plain(reference_label)))
        return assemble(figure, handles, note, axes=axes)


def _grid(n_panels: int, n_strips: int, axes: Axes | None) -> tuple[Figure, list[Axes]]:
    """Panels side by side, one below the other in a column of a paper."""
    if axes is not None:
        check_single(axes, measurement=n_panels)
        return figure_of(axes), [axes]
    width, height = width_of(DOUBLE), 0.55 + 0.35 * n_strips
    down = n_panels if width == SINGLE else 1
    height = (0.45 + 0.22 * n_strips) * down if down > 1 else height
    fits_page(height, "arms")
    figure = Figure((width, height))
    grid = figure.subplots(down, n_panels // down, sharey=True, squeeze=False)
    return figure, list(grid.flat)
