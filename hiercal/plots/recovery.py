"""How well fits recover the truth: posterior mean and interval against the true value."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hiercal.plots._layout import assemble, mark_empty, matrix
from hiercal.plots._records import Panel, Records, Selection, select
from hiercal.plots._style import INK, NOTE_SIZE, OUTSIDE, plain, style

_POINT = "#5b7fa6"
_DENSITY = LinearSegmentedColormap.from_list("density", ["#dfe8f2", "#8aa9cb", "#3f6698"])
_MOST_BARS, _MOST_POINTS = 150, 1500
"""Fits up to which intervals are drawn, and up to which each is a point: beyond, bins of many."""
_TAIL, _TAIL_OF_BARS = 0.01, 0.03
"""Shares of means, and of ends of intervals, on either side that may be far beyond the others."""


def recovery(
    records: Records,
    quantities: Sequence[str],
    arms: Sequence[str] | None = None,
    *,
    axes: Axes | None = None,
) -> Figure:
    """Posterior mean against the true value, one row per arm and one column per quantity.

    With the posterior interval where there are at most 150 fits. A correct posterior shrinks
    towards its prior, so points need not lie along the dashed line where the mean is the truth:
    that intervals hold the truth as often as they say is what `coverage` tests. The number in a
    panel is the correlation of means and truths, with its standard error ``(1 - r^2) / sqrt(n)``.

    Parameters
    ----------
    records : DataFrame or iterable of DataFrame
        One row per arm, simulation and quantity, with `truth` and `mean`; intervals are those from
        `hdi_lower` to `hdi_upper`, where the records have them.
    quantities : sequence of str
        Columns of the figure.
    arms : sequence of str, optional
        Rows of the figure; by default all arms.
    axes : Axes, optional
        Draw on these, which takes a single quantity of a single arm; the note is then
        ``axes.get_label()``.

    Returns
    -------
    Figure
        Its note, for a caption, is ``figure.get_label()``.

    Raises
    ------
    ValueError
        Unknown quantity or arm, missing column, or mixed `max_rank`.

    Examples
    --------
    >>> truth = np.random.default_rng(1).normal(size=50)
    >>> records = pd.DataFrame(
    ...     {"arm": "normal/exact", "simulation": range(50), "quantity": "mu", "status": "ok",
    ...      "max_rank": 99, "truth": truth, "mean": truth / 2}
    ... )
    >>> recovery(records, ["mu"]).get_supylabel()
    'Posterior mean'
    """
    pieces = [records] if isinstance(records, pd.DataFrame) else list(records)
    intervals = all({"hdi_lower", "hdi_upper"} <= set(piece.columns) for piece in pieces)
    wanted = ("truth", "mean", *(("hdi_lower", "hdi_upper") if intervals else ()))
    selection = select(pieces, quantities, arms, columns=wanted)
    intervals &= all(panel.n <= _MOST_BARS for panel in selection.panels.values())
    limits = {
        quantity: _limits(selection, quantity, intervals) for quantity in selection.quantities
    }
    n_outside = 0
    with style():
        figure, panels = matrix(
            [f"{plain(arm)}\n{selection.counts(arm)}" for arm in selection.arms],
            selection.quantities,
            axes,
            own_scales=True,
        )
        for (row, quantity), panel_axes in panels.items():
            panel = selection.panels.get((selection.arms[row], quantity))
            if panel is None or panel.n == 0:
                mark_empty(panel_axes, panel)
            else:
                n_outside += _draw(panel_axes, panel, limits[quantity], intervals)
            _limit(panel_axes, *limits[quantity])
        handles = [
            Line2D(
                [], [], linestyle="none", marker="o", markersize=2.5, color=_POINT,
                label="one simulation"
                if all(panel.n <= _MOST_POINTS for panel in selection.panels.values())
                else "simulations (darker: more)",
            ),
            Line2D([], [], color=INK, linestyle=(0, (4, 2)), linewidth=0.8, label="mean = truth"),
        ]  # fmt: skip
        if intervals:
            handles.insert(1, Line2D([], [], color=_POINT, linewidth=0.6, label="interval (HDI)"))
        return assemble(
            figure,
            handles,
            selection.note(
                "A correct posterior's mean is drawn towards that of the prior, the more so the "
                "less the data say; no band is drawn. r: correlation of means and truths, with its "
                "standard error."
                + (f" {n_outside} fits lie beyond the axes." if n_outside else ""),
                name_arm=True,
                ranked=False,
            ),
            xlabel="True value",
            ylabel="Posterior mean",
            axes=axes,
        )


def _limits(
    selection: Selection, quantity: str, intervals: bool
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of truths and of means in all panels of a quantity: all truths, nearly all means."""
    fits = [
        panel.fits[["truth", "mean"]].to_numpy(dtype=float)
        for (_, name), panel in selection.panels.items()
        if name == quantity and panel.n
    ]
    if not fits:
        return (0, 1), (0, 1)
    truth, mean = np.concatenate(fits).T
    low, high = np.quantile(mean, [_TAIL, 1 - _TAIL], method="nearest")
    room = 0.5 * (high - low)
    bottom, top = max(low - room, mean.min()), min(high + room, mean.max())
    if intervals:
        ends_of = [p.fits for (_, name), p in selection.panels.items() if name == quantity and p.n]
        bottom = min(bottom, *(fits["hdi_lower"].quantile(_TAIL_OF_BARS) for fits in ends_of))
        top = max(top, *(fits["hdi_upper"].quantile(1 - _TAIL_OF_BARS) for fits in ends_of))
    ends = [(truth.min(), truth.max()), (bottom, top)]
    (x, y) = ((a - 0.05 * (b - a or 1), b + 0.05 * (b - a or 1)) for a, b in ends)
    return x, y


def _limit(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    axes.set(xlim=x, ylim=y)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=3))


def _draw(
    axes: Axes,
    panel: Panel,
    limits: tuple[tuple[float, float], tuple[float, float]],
    intervals: bool,
) -> int:
    """Draw one panel; number of fits beyond the axes."""
    (left, right), (bottom, top) = limits
    truth, mean = panel.fits[["truth", "mean"]].to_numpy(dtype=float).T
    if intervals:
        lower, upper = panel.fits[["hdi_lower", "hdi_upper"]].to_numpy(dtype=float).T
        axes.vlines(truth, lower, upper, color=_POINT, linewidth=0.4, alpha=0.5, gid="intervals")
    if len(truth) > _MOST_POINTS:
        axes.hexbin(
            truth, mean, gridsize=(30, 18), bins="log", mincnt=1, cmap=_DENSITY,
            extent=(left, right, bottom, top), linewidths=0.2, edgecolors="face",
            rasterized=True, gid="fits",
        )  # fmt: skip
    else:
        axes.scatter(
            truth, mean, s=3, color=_POINT, alpha=min(0.9, 12 / np.sqrt(len(truth))),
            linewidths=0, rasterized=len(truth) > _MOST_BARS, gid="fits",
        )  # fmt: skip
    axes.axline((left, left), slope=1, color=INK, linestyle=(0, (4, 2)), linewidth=0.6, gid="line")
    if len(truth) > 2 and np.ptp(truth) > 0 and np.ptp(mean) > 0:
        r = float(np.corrcoef(truth, mean)[0, 1])
        axes.text(
            0.03, 0.97, f"r = {r:.2f} ({(1 - r**2) / np.sqrt(len(truth)):.2f})",
            transform=axes.transAxes, ha="left", va="top", fontsize=NOTE_SIZE, color=OUTSIDE,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}, gid="r",
        )  # fmt: skip
    return int(np.sum((mean < bottom) | (mean > top)))
