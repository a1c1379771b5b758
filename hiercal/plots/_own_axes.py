"""Figures of one panel drawn on axes of somebody's own, whose layout is left alone."""

from collections.abc import Sequence
from typing import cast

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hiercal.plots._style import SMALL_SIZE, quantity_label


def check_single(axes: Axes, **counts: int) -> None:
    """Raise a ValueError unless there is one of each to draw."""
    if not isinstance(axes, Axes):
        raise TypeError(f"axes is {axes!r}; give one matplotlib Axes, such as one of subplots()")
    for what, n in counts.items():
        if n != 1:
            name = what.replace("_", " ")
            many = {"quantity": "quantities"}.get(name, f"{name}s")
            raise ValueError(f"axes takes one panel, got {n} {many}; choose one {name}")


def figure_of(axes: Axes) -> Figure:
    """The figure that axes are in, or in a part of."""
    return cast(Figure, axes.get_figure(root=True))


def titled(axes: Axes, quantity: str) -> Axes:
    """The axes, with the quantity as their title."""
    axes.set_title(quantity_label(quantity))
    return axes


def finished(
    axes: Axes, handles: Sequence[Artist], note: str, xlabel: str | None, ylabel: str | None
) -> Figure:
    """Label axes, give them the legend and the note as their label; the figure they are in."""
    if xlabel:
        axes.set_xlabel(xlabel)
    if ylabel:
        axes.set_ylabel(ylabel)
    if handles:
        axes.legend(
            handles=handles, fontsize=SMALL_SIZE, frameon=True, framealpha=0.8, edgecolor="none"
        )
    axes.set_label(note)
    return figure_of(axes)
