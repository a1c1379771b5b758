"""How far each strategy of pooling moves the estimates of the groups of one data set."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiercal.plots._form import width_of
from hiercal.plots._layout import assemble, side_by_side, single
from hiercal.plots._one_data_set import Estimates, note_of, of_one_data_set
from hiercal.plots._overlay import truth_mark
from hiercal.plots._own_axes import figure_of
from hiercal.plots._records import Records
from hiercal.plots._style import (
    INK,
    NOTE_SIZE,
    SINGLE,
    SMALL_SIZE,
    arm_styles,
    plain,
    quantity_label,
    style,
    text_width,
    wrap,
)

_HEIGHT, _LONGEST_NAME = 2.5, 1.3
"""Inches of the panel, and of a line of a name that stands on end."""
_MOST_NAMED = 16
"""Groups whose names are written beside their lines."""


def shrinkage(
    records: Records,
    groups: Sequence[str],
    arms: Sequence[str] | None = None,
    *,
    simulation: int = 0,
    labels: Sequence[str] = (),
    ylabel: str = "posterior mean",
    axes: Axes | None = None,
) -> Figure:
    """Estimates of all groups side by side: without pooling, partly and completely pooled.

    A line for each group goes from strategy to strategy, and its true value stands at the right.
    Lines come together where estimates are drawn to each other.

    Parameters
    ----------
    records : DataFrame or iterable of DataFrame
        One row per arm, simulation and quantity, with `mean`, and with `truth` where there is one.
    groups : sequence of str
        Quantities, a line each.
    arms : sequence of str, optional
        The strategies, from the left; by default all arms.
    simulation : int
        Which data set.
    labels : sequence of str
        What the strategies are called, where it is not the name of the arm.
    ylabel : str
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
        Unknown group, arm or simulation, missing column, no fit that came back, labels that are not
        as many as arms, or more than 8 arms.

    Examples
    --------
    >>> import pandas as pd
    >>> records = pd.DataFrame(
    ...     {"arm": ["no pooling", "partial", "complete"] * 2, "simulation": 0, "status": "ok",
    ...      "quantity": ["theta[A]"] * 3 + ["theta[B]"] * 3, "max_rank": 99,
    ...      "mean": [9.0, 6.0, 5.0, 1.0, 4.0, 5.0]}
    ... )
    >>> made = shrinkage(records, ["theta[A]", "theta[B]"])
    >>> [tick.get_text() for tick in made.axes[0].get_xticklabels()]
    ['no pooling', 'partial', 'complete']
    """
    shown = of_one_data_set(records, groups, arms, simulation)
    names = list(labels) or list(shown.arms)
    if len(names) != len(shown.arms):
        raise ValueError(f"got {len(names)} labels for {len(shown.arms)} arms; give one for each")
    looks = arm_styles(shown.all_arms, shown.arms)
    places = [plain(name) for name in (*names, *(["truth"] if shown.truths else []))]
    broken = side_by_side(places, width_of(SINGLE) - 0.65 if axes is None else 3.0)
    lines = [wrap(name, _LONGEST_NAME, SMALL_SIZE) for name in places]
    on_end = 0 if broken else max(text_width(each, SMALL_SIZE) for own in lines for each in own)
    places = broken or ["\n".join(own) for own in lines]
    with style():
        figure, panel = single(axes, SINGLE, _HEIGHT + on_end)
        _draw(panel, shown, looks, own_height=axes is None)
        panel.set_xticks(range(len(places)), places, rotation=0 if broken else 90)
        named = shown.groups if len(shown.groups) <= _MOST_NAMED else ()
        widest = max((text_width(quantity_label(g), NOTE_SIZE) for g in named), default=0.0)
        # as much of the panel as the names of the groups take at its left
        share = min(widest / (width_of(SINGLE) - 0.65), 0.5)
        left = 0.2 + (len(places) - 0.5) * share / (1 - share)
        panel.set_xlim(-left, len(places) - 0.7)
        handles = [
            Line2D([], [], color=INK, linewidth=0.6, marker="o", markersize=3, label="a group")
        ]
        if shown.truths:
            handles.append(truth_mark([], [], 6.5, "its true value"))
        said = "A line for each group; marks are posterior means. No band is drawn."
        return assemble(figure, handles, note_of(shown, said), ylabel=ylabel, axes=axes)


def _draw(panel: Axes, shown: Estimates, looks: dict, *, own_height: bool) -> None:
    last = len(shown.arms)
    for group in shown.groups:
        means = [shown.values.get((arm, group), (np.nan,))[0] for arm in shown.arms]
        panel.plot(range(last), means, color=INK, linewidth=0.6, zorder=2, gid=f"line {group}")
        if group in shown.truths:
            truth = shown.truths[group]
            panel.plot(
                [last - 1, last], [means[-1], truth], color=INK, linewidth=0.4, zorder=1,
                linestyle=(0, (2, 2)),
            )  # fmt: skip
            panel.add_line(truth_mark([last], [truth], 6.5))
    for place, arm in enumerate(shown.arms):
        means = [
            shown.values[arm, group][0] for group in shown.groups if (arm, group) in shown.values
        ]
        look = looks[arm]
        panel.plot(
            [place] * len(means), means, color=look.colour, marker=look.marker, linestyle="none",
            markersize=3.2 * look.marker_scale, markeredgecolor=look.marker_edge,
            markeredgewidth=0.25, zorder=3, gid=arm,
        )  # fmt: skip
    if len(shown.groups) <= _MOST_NAMED:
        inches = panel.get_position().height * figure_of(panel).get_figheight()
        _name(panel, shown, _HEIGHT - 0.6 if own_height else inches)


def _name(panel: Axes, shown: Estimates, inches: float) -> None:
    """Names of the groups left of their first marks, moved apart where they would overlap."""
    first = {
        group: shown.values[shown.arms[0], group][0]
        for group in shown.groups
        if (shown.arms[0], group) in shown.values
    }
    if not first:
        return
    low, high = panel.get_ylim()
    apart = 1.15 * NOTE_SIZE / 72 / max(inches, 0.5) * (high - low)
    order = sorted(first, key=first.__getitem__)
    heights = np.array([first[group] for group in order])
    for _ in range(200):  # push neighbours apart until none overlap
        gaps = np.diff(heights)
        close = np.flatnonzero(gaps < apart * 0.999)
        if not len(close):
            break
        for i in close:
            push = (apart - (heights[i + 1] - heights[i])) / 2
            if push > 0:
                heights[i] -= push
                heights[i + 1] += push
    for group, height in zip(order, heights, strict=True):
        panel.annotate(
            quantity_label(group), (0, first[group]), xytext=(-0.1, height), textcoords="data",
            ha="right", va="center", fontsize=NOTE_SIZE, gid="name",
            arrowprops={"arrowstyle": "-", "linewidth": 0.3, "color": INK, "shrinkA": 0,
                        "shrinkB": 1.5},
        )  # fmt: skip
    panel.set_ylim(min(low, heights[0] - apart), max(high, heights[-1] + apart))
