"""Estimates of all groups of one data set, model by model, beside the truth."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiercal.plots._form import fits_page
from hiercal.plots._layout import assemble, single
from hiercal.plots._one_data_set import note_of, of_one_data_set
from hiercal.plots._overlay import truth_mark
from hiercal.plots._records import Records
from hiercal.plots._style import BAND, SINGLE, arm_styles, plain, quantity_label, style

_ROW = 0.075
"""Inches of an arm in a group's row."""


def forest(
    records: Records,
    groups: Sequence[str],
    arms: Sequence[str] | None = None,
    *,
    simulation: int = 0,
    level: float = 0.89,
    xlabel: str = "group effect",
    axes: Axes | None = None,
) -> Figure:
    """Posterior mean and interval of each group, an arm below the other, with the true values.

    Arms are models of the same data, such as no pooling, partial pooling and the exact posterior.
    `arviz_plots.plot_forest` draws intervals of the draws of fits; this one is of the records of a
    run, which keep no draws, and has the truth.

    Parameters
    ----------
    records : DataFrame or iterable of DataFrame
        One row per arm, simulation and quantity, with `mean`, and with `hdi_lower`, `hdi_upper` and
        `truth` where there are any.
    groups : sequence of str
        Quantities, from the top.
    arms : sequence of str, optional
        Arms to draw; by default all. An arm looks the same in every figure of these records.
    simulation : int
        Which data set.
    level : float
        What the intervals in the records are of, for the note.
    xlabel : str
        Label of the effects, with their unit.
    axes : Axes, optional
        Draw on these; the note is then ``axes.get_label()``.

    Returns
    -------
    Figure
        Its note, for a caption, is ``figure.get_label()``.

    Raises
    ------
    ValueError
        Unknown group, arm or simulation, missing column, no fit that came back, or more than 8
        arms.

    Examples
    --------
    >>> import pandas as pd
    >>> records = pd.DataFrame(
    ...     {"arm": ["no pooling", "partial"] * 2, "simulation": 0, "status": "ok", "max_rank": 99,
    ...      "quantity": ["theta[A]"] * 2 + ["theta[B]"] * 2, "mean": [9.0, 5.0, 1.0, 3.0],
    ...      "hdi_lower": -2.0, "hdi_upper": 12.0, "truth": [6.0, 6.0, 2.0, 2.0]}
    ... )
    >>> made = forest(records, ["theta[A]", "theta[B]"])
    >>> [text.get_text() for text in made.legends[0].get_texts()]
    ['no pooling', 'partial', 'truth']
    """
    shown = of_one_data_set(records, groups, arms, simulation)
    looks = arm_styles(shown.all_arms, shown.arms)
    n_arms = len(shown.arms)
    height = 0.35 + len(shown.groups) * max(0.16, _ROW * (n_arms + 1))
    fits_page(height, "quantities")
    step = 0.8 / (n_arms + 1)
    with style():
        figure, panel = single(axes, SINGLE, height)
        for row, group in enumerate(shown.groups):
            for place, arm in enumerate(shown.arms):
                if (arm, group) not in shown.values:
                    continue
                mean, lower, upper = shown.values[arm, group]
                look, at = looks[arm], row + step * (place - (n_arms - 1) / 2)
                if np.isfinite(lower + upper):
                    panel.plot(
                        [lower, upper], [at, at], color=look.colour, linestyle=look.linestyle,
                        linewidth=0.9, gid="interval",
                    )  # fmt: skip
                panel.plot(
                    mean, at, color=look.colour, marker=look.marker, linestyle="none",
                    markersize=3.2 * look.marker_scale, markeredgecolor=look.marker_edge,
                    markeredgewidth=0.25, gid=arm,
                )  # fmt: skip
            if group in shown.truths:
                panel.add_line(truth_mark([shown.truths[group]], [row], 7.5))
        for row in range(1, len(shown.groups)):
            panel.axhline(row - 0.5, color=BAND, linewidth=0.3)
        panel.autoscale_view(scaley=False)  # to truths too
        panel.set_ylim(len(shown.groups) - 0.5, -0.5)
        panel.set_yticks(range(len(shown.groups)), [quantity_label(g) for g in shown.groups])
        panel.tick_params(axis="y", length=0)
        handles = [
            Line2D(
                [], [], color=look.colour, marker=look.marker, linestyle=look.linestyle,
                markersize=3.2 * look.marker_scale, markeredgecolor=look.marker_edge,
                markeredgewidth=0.25, label=plain(arm),
            )
            for arm, look in looks.items()
        ]  # fmt: skip
        if shown.truths:
            handles.append(truth_mark([], [], 7.5))
        known = any(np.isfinite(lower + upper) for _, lower, upper in shown.values.values())
        said = f"Marks are posterior means{f', bars {100 * level:g} % HDIs' if known else ''}."
        return assemble(figure, handles, note_of(shown, said), xlabel=xlabel, axes=axes)
