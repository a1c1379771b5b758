"""Measurements fit by fit: a strip of points for each arm, a panel for each measurement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiercal.plots._form import width_of
from hiercal.plots._layout import assemble
from hiercal.plots._style import DOUBLE, INK, OUTSIDE, arm_styles, plain, style

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

    Returns
    -------
    Figure

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
        figure = Figure((width_of(DOUBLE), 0.55 + 0.35 * len(names)))
        grid = figure.subplots(1, len(measurements), sharey=True, squeeze=False).flat
        for axes, shown in zip(grid, measurements, strict=True):
            if shown.reference is not None:
                axes.axvline(shown.reference, color=OUTSIDE, lw=0.9, gid="reference")
            for place, name in enumerate(names):
                values = table.loc[(table[arm] == name).to_numpy(), shown.column].dropna()
                # multiples of the golden ratio spread evenly, without random numbers
                height = place + _HALF * (2 * (np.arange(len(values)) * _GOLDEN % 1) - 1)
                axes.plot(
                    values, height, linestyle="none", marker=".", markersize=2.2,
                    markeredgewidth=0, color=looks[name].colour, alpha=0.6, gid=str(name),
                )  # fmt: skip
                if len(values):
                    middle = float(np.median(values))
                    axes.plot(
                        [middle, middle], [place - 0.42, place + 0.42], color=INK, lw=1.3,
                        gid="median",
                    )  # fmt: skip
            axes.set_xscale(shown.scale, **({"linthresh": 1} if shown.scale == "symlog" else {}))
            axes.set_xlabel(shown.label)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.set_yticks(range(len(names)), [plain(str(name)) for name in names])
        handles = [Line2D([], [], color=INK, lw=1.3, label="median")]
        if reference_label:
            handles.append(Line2D([], [], color=OUTSIDE, lw=0.9, label=plain(reference_label)))
        return assemble(figure, handles, note)
