"""Posterior z-score against contraction: is the posterior right, and how much does it learn."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiercal.plots._layout import assemble, mark_empty, matrix
from hiercal.plots._records import Panel, Records, select
from hiercal.plots._style import INK, NOTE_SIZE, OUTSIDE, plain, style
from hiercal.sbc.recovery import contraction, z_score

_Z_LIMITS = (4.5, 10)
_LOWEST = -0.5
# The mark: a chain that is stuck has an sd near 0, and one such z would swamp a mean and an sd.
_MIDDLE = (0.16, 0.5, 0.84)
# Above this number single points merge into a blot, and bins show the density instead.
_MOST_POINTS = 1500
_POINT = "#5b7fa6"
_DENSITY = LinearSegmentedColormap.from_list("density", ["#dfe8f2", "#8aa9cb", "#3f6698"])


def zscore_contraction(
    records: Records,
    quantities: Sequence[str],
    arms: Sequence[str] | None = None,
    *,
    axes: Axes | None = None,
) -> Figure:
    """Posterior z-score against contraction, one row per arm and one column per quantity.

    Following Schad, Betancourt and Vasishth (2021, doi:10.1037/met0000275), z is the posterior
    mean minus the truth in posterior standard deviations and contraction is
    1 - (posterior sd / prior sd)^2, with the standard deviation of the truths over all simulations
    of the arm as the prior's. The mark is the median contraction, and the median and the middle
    68 % of z: near 0 and -1 to 1 when the posterior's location and width are right. No band is
    drawn, since z has no law of its own; `recovery` has the estimates themselves.

    Parameters
    ----------
    records : DataFrame or iterable of DataFrame
        One row per arm, simulation and quantity, with `truth`, `mean` and `sd`.
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
    >>> import pandas as pd
    >>> truth = np.random.default_rng(1).normal(size=50)
    >>> records = pd.DataFrame(
    ...     {"arm": "normal/exact", "simulation": range(50), "quantity": "mu", "status": "ok",
    ...      "max_rank": 99, "truth": truth, "mean": truth / 2, "sd": 0.7}
    ... )
    >>> len(zscore_contraction(records, ["mu"]).axes)
    1
    """
    selection = select(records, quantities, arms, columns=("truth", "mean", "sd"))
    points = {key: _points(panel) for key, panel in selection.panels.items()}
    every = np.concatenate([shrunk for shrunk, _ in points.values()])
    # Fits wider than the prior are rare: room for them only where there are some.
    lowest = _LOWEST if np.sum(every < 0) > 0.005 * len(every) else 0.0
    reach = [np.abs(np.quantile(z, _MIDDLE)).max() for _, z in points.values() if len(z)]
    highest = float(np.clip(1.1 * max(reach, default=0), *_Z_LIMITS))
    n_moved = 0
    with style():
        figure, panels = matrix(
            [f"{plain(arm)}\n{selection.counts(arm)}" for arm in selection.arms],
            selection.quantities,
            axes,
        )
        for (row, quantity), panel_axes in panels.items():
            panel = selection.panels.get((selection.arms[row], quantity))
            if panel is None or panel.n == 0:
                mark_empty(panel_axes, panel)
            elif points[selection.arms[row], quantity][0].size == 0:
                panel_axes.text(
                    0.5, 0.5, "sd is 0\nor unknown", transform=panel_axes.transAxes, ha="center",
                    va="center", fontsize=NOTE_SIZE,
                )  # fmt: skip
            else:
                n_moved += _draw(
                    panel_axes, *points[selection.arms[row], quantity], lowest, highest
                )
            panel_axes.set(xlim=(lowest - 0.06, 1.06), ylim=(-1.07 * highest, 1.07 * highest))
            panel_axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            panel_axes.set_yticks([-2, 0, 2], ["$-2$", "", "2"])
        binned = any(panel.n > _MOST_POINTS for panel in selection.panels.values())
        handles = [
            Line2D(
                [], [], linestyle="none", marker="o", markersize=2.5, color=_POINT,
                label="simulations (darker: more)" if binned else "one simulation",
            ),
            Line2D([], [], color=OUTSIDE, marker="o", markersize=2.5, linewidth=1.1,
                   label="median and middle 68 % of $z$"),
            Line2D([], [], color=INK, linestyle=(0, (4, 2)), linewidth=0.6, label="$z = \\pm 2$"),
        ]  # fmt: skip
        n_left_out = sum(panel.n for panel in selection.panels.values()) - len(every)
        left_out = f" {n_left_out} values without a positive sd are left out." if n_left_out else ""
        moved = f" {n_moved} fits beyond the axes are drawn on their edge." if n_moved else ""
        return assemble(
            figure,
            handles,
            selection.note(
                "z = (posterior mean $-$ truth) / posterior sd; the prior sd is that of the truths "
                "over all simulations. In a calibrated fit the median is near 0, the middle 68 % "
                "near $\\pm 1$." + left_out + moved,
                name_arm=True,
                ranked=False,
            ),
            xlabel=r"Posterior contraction, $1 - (\mathrm{posterior\ sd}/\mathrm{prior\ sd})^2$",
            ylabel="Posterior $z$-score",
            axes=axes,
        )


def _points(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Contraction and z-score of the completed fits that have both."""
    fits = panel.fits[["truth", "mean", "sd"]].to_numpy(dtype=float)
    fits = fits[fits[:, 2] > 0] if panel.prior_sd > 0 else fits[:0]
    truth, mean, sd = fits.T
    return contraction(sd, panel.prior_sd if len(fits) else 1.0), z_score(truth, mean, sd)


def _draw(axes: Axes, shrunk: np.ndarray, z: np.ndarray, lowest: float, highest: float) -> int:
    """Draw one panel; number of points moved onto the edge."""
    drawn_z = np.clip(z, -highest, highest)
    drawn_shrunk = np.clip(shrunk, lowest, 1)
    if len(z) > _MOST_POINTS:
        axes.hexbin(
            drawn_shrunk, drawn_z, gridsize=(30, 18), bins="log", mincnt=1, cmap=_DENSITY,
            extent=(lowest, 1, -highest, highest), linewidths=0.2, edgecolors="face",
            rasterized=True, gid="fits",
        )  # fmt: skip
    else:
        axes.scatter(
            drawn_shrunk, drawn_z, s=2.5, color=_POINT, alpha=min(0.8, 10 / np.sqrt(len(z))),
            linewidths=0, rasterized=True, gid="fits",
        )  # fmt: skip
    for guide in (-2, 2):
        axes.axhline(guide, color=INK, linewidth=0.5, linestyle=(0, (4, 2)))
    axes.axhline(0, color=INK, linewidth=0.5)
    x = float(np.clip(np.median(shrunk), lowest, 1))
    low, y, high = np.clip(np.quantile(z, _MIDDLE), -highest, highest).tolist()
    # A white rim keeps the mark readable on dense points.
    axes.vlines(x, low, high, color="white", linewidth=2.8, zorder=3)
    axes.errorbar(
        x, y, [[y - low], [high - y]], color=OUTSIDE, marker="o", markersize=3,
        markeredgecolor="white", markeredgewidth=0.4, elinewidth=1.1, capsize=1.6,
        capthick=0.9, zorder=4, gid="mean",
    )  # fmt: skip
    return int(np.sum((drawn_z != z) | (drawn_shrunk != shrunk)))
