"""Parts of the figures that overlay the arms in one panel."""

from collections.abc import Mapping, Sequence

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


def truth_mark(
    x: Sequence[float], y: Sequence[float], size: float = 9, label: str = "truth"
) -> Line2D:
    """A star where the truth is."""
    return Line2D(
        x, y, linestyle="none", marker="*", markersize=size, color="#f2c230",
        markeredgecolor="black", markeredgewidth=0.07 * size + 0.07, label=label, zorder=5,
        gid="truth",
    )  # fmt: skip
