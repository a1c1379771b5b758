"""Coverage of central intervals against their nominal level, on the diagonal of a correct one."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hiercal.plots._layout import assemble, wrapped_grid
from hiercal.plots._overlay import arm_handles
from hiercal.plots._records import Records, select
from hiercal.plots._style import BAND, INK, arm_styles, style
from hiercal.sbc.coverage import calibrated_counts, central_coverage

_MOST_LEVELS = 50
_TWO_BANDS = " Where arms differ in completed fits, the band is that of the fewest."


def coverage(
    records: Records,
    quantities: Sequence[str],
    arms: Sequence[str] | None = None,
    *,
    level: float = 0.95,
    axes: Axes | None = None,
) -> Figure:
    """Coverage of central intervals against their nominal level, a panel per quantity.

    The interval between order statistics k and L + 1 - k of L draws covers with probability
    exactly 1 - 2 k / (L + 1), so coverage comes from the ranks. The band around the diagonal holds
    what a correct posterior's intervals cover: it is the central region of the binomial, at each
    level by itself. `coverage_difference` shows small errors better.

    Parameters
    ----------
    records : DataFrame or iterable of DataFrame
        One row per arm, simulation and quantity, with `rank` and `max_rank`.
    quantities : sequence of str
        Panels of the figure.
    arms : sequence of str, optional
        Arms to draw; by default all. An arm looks the same in every figure of these records.
    level : float
        Probability of the band at each nominal level.
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
    >>> coverage(records, ["mu"]).get_supylabel()
    'Coverage (%)'
    """
    selection = select(records, quantities, arms)
    styles = arm_styles(selection.all_arms, selection.arms)
    most = max(1, selection.max_rank // 2)
    k = np.unique(np.linspace(1, most, min(most, _MOST_LEVELS)).round().astype(int))[::-1]
    nominal = 1 - 2 * k / (selection.max_rank + 1)
    sizes: set[int] = set()
    with style():
        figure, panels = wrapped_grid(selection.quantities, 3, axes)
        for quantity, panel_axes in panels.items():
            fewest = 0
            for place, arm in enumerate(selection.arms):
                panel = selection.panels.get((arm, quantity))
                if panel is None or panel.n == 0:
                    continue
                fewest = min(fewest or panel.n, panel.n)
                sizes.add(panel.n)
                ranks = panel.fits["rank"].to_numpy(dtype=np.int64)
                covered = central_coverage(ranks, selection.max_rank, k).coverage
                look = styles[arm]
                panel_axes.plot(
                    100 * nominal, 100 * covered, color=look.colour, linestyle=look.linestyle,
                    marker=look.marker, markersize=3.5 * look.marker_scale,
                    markevery=(place * len(k) // 40, max(1, len(k) // 5)),
                    markeredgecolor=look.marker_edge, markeredgewidth=0.4, zorder=3, gid=arm,
                )  # fmt: skip
            if fewest:
                lower, upper = calibrated_counts(fewest, nominal, level)
                panel_axes.fill_between(
                    100 * nominal, 100 * lower / fewest, 100 * upper / fewest, color=BAND,
                    alpha=0.3, linewidth=0, gid="band",
                )  # fmt: skip
            panel_axes.plot([0, 100], [0, 100], color=INK, linewidth=0.5, zorder=1, gid="diagonal")
            panel_axes.set(xlim=(0, 100), ylim=(0, 100))
            panel_axes.set_xticks([0, 50, 100])
            panel_axes.set_yticks([0, 50, 100])
        percent = f"{100 * level:g} %"
        handles = [
            *arm_handles(selection, styles),
            Patch(facecolor=BAND, alpha=0.3, label=f"{percent} band, level by level"),
        ]
        return assemble(
            figure,
            handles,
            selection.note(
                f"At each level by itself, a correct posterior's coverage lies in the band with "
                f"probability {percent}. Below the diagonal, intervals hold the truth too rarely."
                + (_TWO_BANDS if len(sizes) > 1 else "")
            ),
            xlabel="Nominal level of the central posterior interval (%)",
            ylabel="Coverage (%)",
            axes=axes,
        )
