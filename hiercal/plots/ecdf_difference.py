"""Rank ECDFs against the uniform distribution."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hiercal.plots._layout import assemble, wrapped_grid
from hiercal.plots._overlay import arm_handles, zero_line
from hiercal.plots._records import Records, select
from hiercal.plots._style import BAND, arm_styles, style
from hiercal.sbc.bands import ecdf_band, ecdf_counts

_TWO_BANDS = (
    " Arms differ in completed fits: the darker band is that of the most fits, the lighter one "
    "that of the fewest."
)


def ecdf_difference(
    records: Records,
    quantities: Sequence[str],
    arms: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    axes: Axes | None = None,
) -> Figure:
    """ECDF of the ranks minus the uniform one, a panel per quantity, all arms overlaid.

    Drawn at every attainable point k / (max_rank + 1), with the simultaneous band of Säilynoja,
    Bürkner and Vehtari (2022, doi:10.1007/s11222-022-10090-6) for discrete ranks: a correct
    sampler's line stays inside throughout with probability `level`. The band depends on the number
    of fits; where arms differ in it, the band of the most fits lies inside that of the fewest.

    `arviz_plots.plot_ecdf_pit` draws the same curve of the store ``sbc.zarr`` of a run. It takes
    values for continuous ones, for which the run spreads ranks out at random, so its curve and its
    test are those of one such draw; here both are exact for the ranks as they are.

    Parameters
    ----------
    records : DataFrame or iterable of DataFrame
        One row per arm, simulation and quantity, with `rank` and `max_rank`.
    quantities : sequence of str
        Panels of the figure.
    arms : sequence of str, optional
        Arms to draw; by default all. An arm looks the same in every figure of these records.
    level : float
        Simultaneous level of the band.
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
    >>> ranks = np.random.default_rng(1).integers(0, 10, 50)
    >>> records = pd.DataFrame(
    ...     {"arm": "normal/exact", "simulation": range(50), "quantity": "mu", "status": "ok",
    ...      "rank": ranks, "max_rank": 9}
    ... )
    >>> len(ecdf_difference(records, ["mu"]).axes)
    1
    """
    selection = select(records, quantities, arms)
    styles = arm_styles(selection.all_arms, selection.arms)
    n_ranks = selection.max_rank + 1
    z = np.arange(n_ranks + 1) / n_ranks
    limit, bands_differ = 0.0, False
    with style():
        figure, panels = wrapped_grid(selection.quantities, 4, axes)
        for quantity in selection.quantities:
            sizes = set()
            for place, arm in enumerate(selection.arms):
                panel = selection.panels.get((arm, quantity))
                if panel is None or panel.n == 0:
                    continue
                sizes.add(panel.n)
                ranks = panel.fits["rank"].to_numpy(dtype=np.int64)
                counts = ecdf_counts(ranks, selection.max_rank, n_ranks)
                difference = np.append(0, counts) / panel.n - z
                limit = max(limit, float(np.abs(difference).max()))
                look = styles[arm]
                panels[quantity].plot(
                    z, difference, color=look.colour, linestyle=look.linestyle, marker=look.marker,
                    markevery=(place * n_ranks // 40 + 1, max(1, n_ranks // 5)),
                    markeredgecolor=look.marker_edge, markeredgewidth=0.4,
                    markersize=3.5 * look.marker_scale, zorder=3, gid=arm,
                )  # fmt: skip
            bands_differ |= len(sizes) > 1
            for n in sorted({min(sizes), max(sizes)} if sizes else ()):
                _, low_count, high_count = ecdf_band(n, n_ranks, level)
                lower = np.append(0, low_count) / n - z
                upper = np.append(0, high_count) / n - z
                limit = max(limit, float(-lower.min()), float(upper.max()))
                panels[quantity].fill_between(
                    z, lower, upper, color=BAND, alpha=0.3, linewidth=0, gid="band"
                )
            zero_line(panels[quantity])
        top = 1.05 * limit or 1.0
        for panel_axes in panels.values():
            panel_axes.set(xlim=(0, 1), ylim=(-top, top))
            panel_axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        percent = f"{100 * level:g} %"
        handles = [
            *arm_handles(selection, styles),
            Patch(facecolor=BAND, alpha=0.3, label=f"{percent} band of a correct sampler"),
        ]
        return assemble(
            figure,
            handles,
            selection.note(
                f"The band holds the whole line of a correct sampler with probability {percent}."
                + (_TWO_BANDS if bands_differ else "")
            ),
            xlabel=f"Scaled rank of the truth among {selection.max_rank} posterior draws, $z$",
            ylabel="ECDF($z$) $-$ $z$",
            axes=axes,
        )
