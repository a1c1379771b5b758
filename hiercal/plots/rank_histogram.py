"""Rank histograms: how often each rank of the truth came up."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from hiercal.plots._cut_bars import HIGHEST, SAID, write_cut
from hiercal.plots._layout import assemble, mark_empty, matrix
from hiercal.plots._records import Records, select
from hiercal.plots._style import BAND, BAR, INK, OUTSIDE, plain, style
from hiercal.sbc.histogram_band import bin_number, histogram_band


def rank_histogram(
    records: Records,
    quantities: Sequence[str],
    arms: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    axes: Axes | None = None,
) -> Figure:
    """Rank histograms, one row per arm and one column per quantity.

    A correct sampler gives a flat histogram (Talts et al. 2018, arXiv:1804.06788): a posterior
    that is too narrow gives a U, one too wide an arch, one too high a slope down. Bins number
    about 20, fewer when that leaves less than 10 simulations a bin, and always divide
    ``max_rank + 1``, so that a uniform rank fills them equally.

    `arviz_plots.plot_rank` shows other ranks: those of draws among the chains of one fit.

    Parameters
    ----------
    records : DataFrame or iterable of DataFrame
        One row per arm, simulation and quantity, with `rank` and `max_rank`.
    quantities : sequence of str
        Columns of the figure.
    arms : sequence of str, optional
        Rows of the figure; by default all arms.
    level : float
        Probability that all bins of a correct sampler's panel lie in its band.
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
    >>> import pandas as pd
    >>> ranks = np.random.default_rng(1).integers(0, 100, 200)
    >>> records = pd.DataFrame(
    ...     {"arm": "normal/exact", "simulation": range(200), "quantity": "mu", "status": "ok",
    ...      "rank": ranks, "max_rank": 99}
    ... )
    >>> len(rank_histogram(records, ["mu"]).axes)
    1
    """
    selection = select(records, quantities, arms)
    n_ranks = selection.max_rank + 1
    n_bins = bin_number(n_ranks, max((panel.n for panel in selection.panels.values()), default=0))
    n_cut = 0
    with style():
        figure, panels = matrix(
            [f"{plain(arm)}\n{selection.counts(arm)}" for arm in selection.arms],
            selection.quantities,
            axes,
        )
        for row, arm in enumerate(selection.arms):
            top, counts = 0.0, {}
            for quantity in selection.quantities:
                panel = selection.panels.get((arm, quantity))
                if panel is None or panel.n == 0:
                    mark_empty(panels[row, quantity], panel)
                    continue
                ranks = panel.fits["rank"].to_numpy(dtype=np.int64)
                counts[quantity] = np.bincount(ranks, minlength=n_ranks).reshape(n_bins, -1).sum(1)
                highest = _draw(panels[row, quantity], counts[quantity], n_ranks, level)
                top = max(top, 1.08 * highest)
            for quantity in selection.quantities:
                _limit(panels[row, quantity], top, n_ranks)
            for quantity, panel_counts in counts.items():
                edges = _edges(n_bins, n_ranks)
                n_cut += write_cut(panels[row, quantity], panel_counts, edges, top)
        percent = f"{100 * level:g} %"
        handles = [
            Patch(facecolor=BAR, edgecolor="white", label="bin inside the band"),
            Patch(facecolor=OUTSIDE, edgecolor="white", label="bin outside the band"),
            Patch(facecolor=BAND, alpha=0.5, label=f"{percent} band of a correct sampler"),
            Line2D([], [], color=INK, linestyle=(0, (4, 2)), linewidth=0.8, label="expected"),
        ]
        return assemble(
            figure,
            handles,
            selection.note(
                f"{n_bins} bins of {n_ranks // n_bins} ranks each. The band holds all bins of a "
                f"correct sampler's panel with probability {percent}." + (SAID if n_cut else ""),
                name_arm=True,
            ),
            xlabel=f"Rank of the truth among {selection.max_rank} posterior draws",
            ylabel="Simulations per bin",
            axes=axes,
        )


def _draw(axes: Axes, counts: np.ndarray, n_ranks: int, level: float) -> float:
    """Draw one panel; how high it wants to be seen."""
    n, n_bins = int(counts.sum()), len(counts)
    band = histogram_band(n, n_bins, level)
    lower, upper = band.simultaneous_lower, band.simultaneous_upper
    edges = _edges(n_bins, n_ranks)
    colours = [BAR if lower <= count <= upper else OUTSIDE for count in counts]
    axes.bar(
        edges[:-1], counts, np.diff(edges), align="edge", color=colours,
        edgecolor="white", linewidth=0.25,
    )  # fmt: skip
    axes.fill_between(edges[[0, -1]], lower, upper, color=BAND, alpha=0.35, linewidth=0, gid="band")
    axes.hlines([lower, upper], edges[0], edges[-1], color=BAND, linewidth=0.5)
    axes.axhline(n / n_bins, color=INK, linestyle=(0, (4, 2)), linewidth=0.6, gid="expected")
    return max(upper, min(float(counts.max()), HIGHEST * n / n_bins))


def _edges(n_bins: int, n_ranks: int) -> np.ndarray:
    return np.linspace(0, n_ranks, n_bins + 1) - 0.5


def _limit(axes: Axes, top: float, n_ranks: int) -> None:
    margin = 0.5 + 0.01 * n_ranks
    axes.set(xlim=(-margin, n_ranks - 1 + margin), xticks=[0, n_ranks - 1])
    if top > 0:
        axes.set_ylim(0, top)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    else:
        axes.set_yticks([])
