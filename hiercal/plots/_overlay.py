"""Parts of the figures that overlay the arms in one panel."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from hiercal.plots._records import Selection
from hiercal.plots._style import INK, ArmStyle, plain


def arm_handles(
    selection: Selection, styles: Mapping[str, ArmStyle], *, lines: bool = True
) -> list[Line2D]:
    """Legend entries of the arms, with the number of completed fits."""
    return [
        Line2D(
            [], [], color=styles[arm].colour, marker=styles[arm].marker,
            linestyle=styles[arm].linestyle if lines else "none", markeredgewidth=0.4,
            markeredgecolor=styles[arm].marker_edge, markersize=4.5 * styles[arm].marker_scale,
            label=f"{plain(arm)} ({selection.counts(arm)})",
        )
        for arm in selection.arms
    ]  # fmt: skip


def zero_line(axes: Axes) -> None:
    """Where a correct sampler lies on average."""
    axes.axhline(0, color=INK, linewidth=0.5, zorder=1, gid="zero")
