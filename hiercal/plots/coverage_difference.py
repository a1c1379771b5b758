"""Coverage of central intervals minus their nominal level."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hiercal.plots._layout import assemble, wrapped_grid
from hiercal.plots._overlay import arm_handles, zero_line
from hiercal.plots._records import Records, select
from hiercal.plots._style import arm_styles, style
from hiercal.sbc.coverage import DRAWN_LEVELS, central_coverage, order_statistics

_FEWER_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
_MOST_ARMS = 3


def coverage_difference(
    records: Records,
    quantities: Sequence[str],
    arms: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    axes: Axes | None = None,
) -> Figure:
    """Coverage minus nominal level of central intervals, a panel per quantity, arms overlaid.

    The interval between order statistics k and L + 1 - k of L draws covers with probability
    exactly 1 - 2 k / (L + 1), so coverage comes from the ranks. About ten levels are drawn, five
    when more than three arms are overlaid; bars are Clopper-Pearson intervals, one by one.

    Parameters
    ----------
    records : DataFrame or iterable of DataFrame
        One row per arm, simulation and quantity, with `rank` and `max_rank`.
    quantities : sequence of str
        Panels of the figure.
    arms : sequence of str, optional
        Arms to draw; by default all. An arm looks the same in every figure of these records.
    level : float
        Level of the Clopper-Pearson intervals.
    axes : Axes, optional
        Draw on these, which takes a single quantity; the note is then ``axes.get_label()``.

    Returns
    -------
    Figure
        Its note, for a caption, is ``figure.get_label()``.

    Raises
    ------
    ValueError
        Unknown quantity or arm, missing column, mixed `max_rank`, or more than 8 arms.

    Examples
    --------
    >>> import pandas as pd
    >>> ranks = np.random.default_rng(1).integers(0, 100, 50)
    >>> records = pd.DataFrame(
    ...     {"arm": "normal/exact", "simulation": range(50), "quantity": "mu", "status": "ok",
    ...      "rank": ranks, "max_rank": 99}
    ... )
    >>> coverage_difference(records, ["mu"]).get_supxlabel()
    'Nominal level of the central posterior interval (%)'
    """
    selection = select(records, quantities, arms)
    styles = arm_styles(selection.all_arms, selection.arms)
    levels = DRAWN_LEVELS if len(selection.arms) <= _MOST_ARMS else _FEWER_LEVELS
    k = order_statistics(selection.max_rank, levels)
    nominal = 100 * (1 - 2 * k / (selection.max_rank + 1))
    spacing = float(np.diff(np.sort(nominal)).min()) if len(k) > 1 else 10.0
    step = 0.7 * spacing / max(len(selection.arms), 3)
    # With ten levels, every other one is named, which leaves room for the numbers.
    ticks = np.sort(nominal)[:: 1 if len(k) <= len(_FEWER_LEVELS) else 2]
    with style():
        figure, panels = wrapped_grid(selection.quantities, 3, axes)
        for quantity, panel_axes in panels.items():
            for place, arm in enumerate(selection.arms):
                panel = selection.panels.get((arm, quantity))
                if panel is None or panel.n == 0:
                    continue
                ranks = panel.fits["rank"].to_numpy(dtype=np.int64)
                result = central_coverage(ranks, selection.max_rank, k, level=level)
                deviation = 100 * result.coverage - nominal
                bars = 100 * np.stack(
                    [result.coverage - result.lower, result.upper - result.coverage]
                )
                look = styles[arm]
                panel_axes.errorbar(
                    nominal + step * (place - (len(selection.arms) - 1) / 2), deviation, bars,
                    linestyle="none", color=look.colour, marker=look.marker, elinewidth=0.7,
                    markersize=3 * look.marker_scale, markeredgecolor=look.marker_edge,
                    markeredgewidth=0.25, gid=arm,
                )  # fmt: skip
            zero_line(panel_axes)
            panel_axes.set_xlim(0, 100)
            panel_axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
        return assemble(
            figure,
            arm_handles(selection, styles, lines=False),
            selection.note(
                f"Bars are {100 * level:g} % Clopper-Pearson intervals, one by one. "
                + ("Markers of one level stand side by side. " if len(selection.arms) > 1 else "")
                + "Below the zero line, posterior intervals hold the truth too rarely."
            ),
            xlabel="Nominal level of the central posterior interval (%)",
            ylabel="Coverage minus nominal level\n(percentage points)",
            axes=axes,
        )
