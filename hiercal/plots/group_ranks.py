"""Ranks of all group effects pooled, with bands that know which of them share a simulation."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from hiercal.plots._cut_bars import HIGHEST, SAID, write_cut
from hiercal.plots._layout import assemble, matrix
from hiercal.plots._records import count_text
from hiercal.plots._style import (
    BAND,
    BAR,
    INK,
    NOTE_SIZE,
    OUTSIDE,
    plain,
    style,
)
from hiercal.sbc.pooled import pooled_band

_BINS = 20


def group_ranks(
    ranks: pd.DataFrame,
    n_simulations: int,
    arms: Sequence[str] | None = None,
    *,
    parameter: str = "theta",
    story: str = "",
    level: float = 0.95,
    axes: Axes | None = None,
) -> Figure:
    """Histogram of the ranks of all group effects in all simulations, one row per arm.

    Effects of a simulation share its population, so their ranks depend on each other and a
    binomial band would be far too narrow. Each bin's band is its expected share plus and minus a
    t quantile times the standard error between simulations.

    Parameters
    ----------
    ranks : DataFrame
        One row per arm and completed fit, with `counts`, the number of effects of each rank.
    n_simulations : int
        Simulations of each arm, failed fits included.
    arms : sequence of str, optional
        Rows of the figure; by default all arms of `ranks`.
    parameter : str
        The group effects' name.
    story : str
        The story that they are of, for the note.
    level : float
        Probability that a bin of a correct sampler lies in its band, bin by bin.
    axes : Axes, optional
        Draw on these, which takes a single arm; the note is then ``axes.get_label()``.

    Returns
    -------
    Figure
        Its note, for a caption, is ``figure.get_label()``.

    Raises
    ------
    ValueError
        Missing column, nothing to draw, or numbers of ranks that differ.

    Examples
    --------
    >>> counts = np.random.default_rng(1).multinomial(500, np.full(100, 0.01), size=30)
    >>> ranks = pd.DataFrame(
    ...     {"arm": "normal/exact", "simulation": range(30), "counts": list(counts)}
    ... )
    >>> len(group_ranks(ranks, 30).axes)
    1
    """
    if missing := sorted({"arm", "simulation", "counts"} - set(ranks.columns)):
        raise ValueError(f"ranks lack the columns {missing}; they have {list(ranks.columns)}")
    arms = list(dict.fromkeys(ranks["arm"])) if arms is None else list(arms)
    if not arms:
        raise ValueError("got no arm to draw; give ranks of at least one")
    sizes = sorted({len(counts) for counts in ranks["counts"]})
    if len(sizes) > 1:
        raise ValueError(f"expected one number of ranks in all fits, got {sizes}")
    n_ranks = sizes[0] if sizes else _BINS
    n_bins = min(
        (d for d in range(2, n_ranks + 1) if n_ranks % d == 0), key=lambda d: abs(d - _BINS)
    )
    labels = {arm: plain(arm) for arm in arms}
    counts = {
        arm: np.array(ranks.loc[(ranks["arm"] == arm).to_numpy(), "counts"].to_list())
        for arm in arms
    }
    said = {arm: count_text(len(counts[arm]), n_simulations) for arm in arms}
    with style():
        rows = [f"{labels[arm]}\n{said[arm]}" for arm in arms]
        figure, panels = matrix(rows, [parameter], axes)
        n_cut = sum(
            _draw(panels[row, parameter], counts[arm], n_simulations, n_bins, n_ranks, level)
            for row, arm in enumerate(arms)
        )
        percent = f"{100 * level:g} %"
        handles = [
            Patch(facecolor=BAR, edgecolor="white", label="bin inside its band"),
            Patch(facecolor=OUTSIDE, edgecolor="white", label="bin outside its band"),
            Patch(facecolor=BAND, alpha=0.5, label=f"{percent} band, bin by bin"),
            Line2D([], [], color=INK, linestyle=(0, (4, 2)), linewidth=0.8, label="expected"),
        ]
        return assemble(
            figure,
            handles,
            _note(arms, labels, said, counts, n_simulations, story)
            + f" L = {n_ranks - 1} draws, among which effects are ranked. {n_bins} bins of "
            f"{n_ranks // n_bins} ranks each. Bands are the expected share plus and minus t "
            f"standard errors between simulations: of a correct sampler's {n_bins} bins about "
            f"{n_bins * (1 - level):.2g} lie outside, more when simulations are few."
            + (SAID if n_cut else "")
            + (
                " Failed fits are left out of the panels and counted in n."
                if any(len(rows) < n_simulations for rows in counts.values())
                else ""
            ),
            xlabel=f"Rank of a true effect among {n_ranks - 1} posterior draws",
            ylabel="Share of the effects (%)",
            axes=axes,
        )


def _note(
    arms: Sequence[str],
    labels: dict[str, str],
    said: dict[str, str],
    counts: dict[str, np.ndarray],
    n_simulations: int,
    story: str,
) -> str:
    """Arm, simulations, and how many effects each has."""
    totals = sorted({int(row.sum()) for rows in counts.values() for row in rows})
    effects = f" with {' or '.join(f'{n:,}' for n in totals)} effects each" if totals else ""
    start = f"{labels[arms[0]]}, {said[arms[0]]}. " if len(arms) == 1 else ""
    of_story = f" of {plain(story)}" if story else ""
    return f"{start}N = {n_simulations} simulations{of_story}{effects}."


def _draw(
    axes: Axes, counts: np.ndarray, n_total: int, n_bins: int, n_ranks: int, level: float
) -> int:
    """Draw one panel; the number of bars cut off."""
    margin = 0.5 + 0.01 * n_ranks
    axes.set(xlim=(-margin, n_ranks - 1 + margin), xticks=[0, n_ranks - 1])
    if not len(counts):
        axes.set_yticks([])
        axes.text(
            0.5, 0.5, f"0 of {n_total}\ncompleted", transform=axes.transAxes, ha="center",
            va="center", fontsize=NOTE_SIZE,
        )  # fmt: skip
        return 0
    shares, half_widths = (100 * values for values in pooled_band(counts, n_bins, level))
    expected = 100 / n_bins
    edges = np.linspace(0, n_ranks, n_bins + 1) - 0.5
    colours = [OUTSIDE if off else BAR for off in np.abs(shares - expected) > half_widths]
    axes.bar(
        edges[:-1], shares, np.diff(edges), align="edge", color=colours, edgecolor="white",
        linewidth=0.25,
    )  # fmt: skip
    lower, upper = np.maximum(expected - half_widths, 0), expected + half_widths
    axes.fill_between(
        edges, np.append(lower, lower[-1]), np.append(upper, upper[-1]), step="post", color=BAND,
        alpha=0.35, linewidth=0, gid="band",
    )  # fmt: skip
    axes.axhline(expected, color=INK, linestyle=(0, (4, 2)), linewidth=0.6, gid="expected")
    wanted = np.append(shares, upper[np.isfinite(upper)]).max()
    top = 1.08 * min(float(wanted), HIGHEST * expected)
    axes.set_ylim(0, top)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    return write_cut(axes, shares, edges, top)
