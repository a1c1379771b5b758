"""Neal's funnel: joint draws of the between-group scale and one group effect."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiercal.plots._layout import assemble, funnel_grid, log_ticks
from hiercal.plots._overlay import truth_mark
from hiercal.plots._style import INK, NOTE_SIZE, OUTSIDE, plain, style

_POINT = "#5b7fa6"
# A handful of extreme draws would press all others into a line.
_TAIL = 0.001


class FunnelDraws(TypedDict):
    """Draws of one panel.

    `scale` (not its logarithm), `group` and `diverging` have shape (n_draws,);
    `truth` is the (scale, group) that the data came from, None or absent for real data.
    """

    scale: np.ndarray
    group: np.ndarray
    diverging: np.ndarray
    title: str
    truth: NotRequired[tuple[float, float] | None]


def funnel(
    draws: Sequence[Sequence[FunnelDraws]],
    titles: Sequence[str],
    *,
    scale_label: str = r"$\tau$",
    group_label: str = r"$\theta_A$",
    axes: Axes | None = None,
) -> Figure:
    """Group effect against between-group scale, one row per data set, one column per fit.

    Centred draws that cannot enter the neck at small scales stop short of it, often with
    divergences there (Betancourt and Girolami 2015, arXiv:1312.0906). Panels of a row share their
    axes. The scale's axis is logarithmic if all scales, true ones too, are positive.
    `arviz_plots.plot_pair` draws all pairs of parameters of one fit, without truths.

    Parameters
    ----------
    draws : sequence of rows, each a sequence of FunnelDraws
        All rows of the same length.
    titles : sequence of str
        Name of each row's data set.
    scale_label, group_label : str
        Axis labels; a logarithmic axis says so.
    axes : Axes, optional
        Draw on these, which takes a single panel; the note is then ``axes.get_label()``.

    Returns
    -------
    Figure
        Its note, for a caption, is ``figure.get_label()``.

    Raises
    ------
    ValueError
        Rows of unequal length, another number of titles, arrays of different or zero length, or a
        scale that is not finite.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> scale = rng.lognormal(size=100)
    >>> panel = {"scale": scale, "group": scale * rng.normal(size=100),
    ...          "diverging": scale < 0.2, "title": "centred", "truth": (1.0, 0.5)}
    >>> len(funnel([[panel]], ["simulated"]).axes)
    1
    """
    _check(draws, titles)
    has_truth = any(panel.get("truth") is not None for row in draws for panel in row)
    n_outside = 0
    log = all((_scales(panel) > 0).all() for row in draws for panel in row)
    with style():
        figure, panels, turned = funnel_grid(len(draws), len(draws[0]), axes)
        for row, row_draws in enumerate(draws):
            for column, panel in enumerate(row_draws):
                _draw(panels[row, column], panel, log)
                panels[row, column].set_title(plain(panel["title"]))
                panels[row, column].set_xlabel(f"{scale_label} (log scale)" if log else scale_label)
                if turned or column == 0:
                    panels[row, column].set_ylabel(group_label)
            if axes is None:
                _name(panels[row], plain(titles[row]), turned)
            n_outside += _limit(panels[row], row_draws, log)
        handles = [
            Line2D([], [], linestyle="none", marker="o", markersize=2.5, color=_POINT,
                   label="draw"),
            Line2D([], [], linestyle="none", marker="x", markersize=4, color=OUTSIDE,
                   label="divergent transition"),
        ]  # fmt: skip
        if has_truth:
            handles.append(truth_mark([], []))
        sizes = sorted({len(panel["scale"]) for row in draws for panel in row})
        n_draws = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        return assemble(
            figure,
            handles,
            f"N = {n_draws} draws in each panel. Axes are shared within a "
            f"{'column' if turned else 'row'}; no band is drawn."
            + (f" {n_outside} extreme draws lie outside the axes." if n_outside else ""),
            axes=axes,
        )


def _name(axes: Sequence[Axes], title: str, turned: bool) -> None:
    """Name the data of a row beside its last panel, or above its first where it is a column."""
    panel, place, offset = (axes[0], (0.5, 1), (0, 14)) if turned else (axes[-1], (1, 0.5), (5, 0))
    panel.annotate(
        title, place, xytext=offset, xycoords="axes fraction", textcoords="offset points",
        rotation=0 if turned else 270, ha="center" if turned else "left",
        va="bottom" if turned else "center", fontweight="bold", annotation_clip=False,
    )  # fmt: skip


def _scales(panel: FunnelDraws) -> np.ndarray:
    """All scales of a panel, the true one too."""
    truth = panel.get("truth")
    return np.append(panel["scale"], [] if truth is None else truth[0])


def _draw(axes: Axes, panel: FunnelDraws, log: bool) -> None:
    scale, group = np.asarray(panel["scale"]), np.asarray(panel["group"])
    diverging = np.asarray(panel["diverging"], dtype=bool)
    axes.set_xscale("log" if log else "linear")
    axes.scatter(
        scale, group, s=3, color=_POINT, alpha=min(0.7, 18 / np.sqrt(len(scale))), linewidths=0,
        rasterized=True, gid="draws",
    )  # fmt: skip
    axes.scatter(
        scale[diverging], group[diverging], s=11, marker="x", color=OUTSIDE, linewidths=0.8,
        zorder=4, gid="diverging",
    )  # fmt: skip
    truth = panel.get("truth")
    if truth is not None:
        axes.add_line(truth_mark([truth[0]], [truth[1]]))
    count = int(diverging.sum())
    axes.text(
        0.02, 0.98, f"{count} divergence{'' if count == 1 else 's'}\nin {len(scale)} draws",
        transform=axes.transAxes, ha="left", va="top", fontsize=NOTE_SIZE, color=INK, zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
    )  # fmt: skip


def _limit(axes: Sequence[Axes], row: Sequence[FunnelDraws], log: bool) -> int:
    """Same limits for a row, around nearly all draws and every truth; number of draws outside."""
    known = [truth for panel in row if (truth := panel.get("truth")) is not None]
    forward, back = (np.log, np.exp) if log else (np.asarray, np.asarray)
    scale = forward(np.concatenate([panel["scale"] for panel in row]))
    group = np.concatenate([panel["group"] for panel in row])
    left, right = _range(scale, forward(np.array([scale for scale, _ in known])))
    bottom, top = _range(group, np.array([effect for _, effect in known]))
    for panel_axes in axes:
        panel_axes.set(xlim=back((left, right)), ylim=(bottom, top))
        if log:
            log_ticks(panel_axes.xaxis, *np.exp((left, right)))
    outside = (scale < left) | (scale > right) | (group < bottom) | (group > top)
    return int(outside.sum())


def _range(draws: np.ndarray, known: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, [_TAIL, 1 - _TAIL])
    margin = 0.15 * (high - low) + 1e-3
    inner = np.clip([draws.min(), draws.max()], low - margin, high + margin)
    ends = np.append(inner, known)
    space = 0.03 * np.ptp(ends) + 1e-3
    return float(ends.min() - space), float(ends.max() + space)


def _check(draws: Sequence[Sequence[FunnelDraws]], titles: Sequence[str]) -> None:
    if not draws or not draws[0]:
        raise ValueError("got no draws; pass rows of panels")
    if len({len(row) for row in draws}) > 1:
        raise ValueError(f"expected rows of one length, got {[len(row) for row in draws]}")
    if len(titles) != len(draws):
        raise ValueError(f"expected a title for each of {len(draws)} rows, got {len(titles)}")
    for panel in (panel for row in draws for panel in row):
        shapes = [np.shape(panel[key]) for key in ("scale", "group", "diverging")]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1 or shapes[0][0] == 0:
            raise ValueError(
                f"panel {panel['title']!r}: expected scale, group and diverging of one shape "
                f"(n_draws,), got {shapes}"
            )
        if not np.isfinite(_scales(panel)).all():
            raise ValueError(
                f"panel {panel['title']!r}: expected finite scales, got {_scales(panel).min()} to "
                f"{_scales(panel).max()}"
            )
