"""Evidence against each arm, simulation by simulation."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from hiercal.plots._form import width_of
from hiercal.plots._layout import assemble, single
from hiercal.plots._style import BAND, SINGLE, ArmStyle, arm_styles, plain, style

_MANY = 100
"""Simulations from which on their axis is logarithmic."""
_DEEPEST = -6.0
"""Of the gamma statistic: one that is found at once would else squeeze all others."""


def evidence(
    paths: Mapping[str, Sequence[float]],
    threshold: float,
    *,
    gamma: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    level: float = 0.95,
    all_arms: Sequence[str] = (),
    note: str = "",
    axes: Axes | None = None,
) -> Figure:
    """E-values over simulations, and the line at which an arm is called miscalibrated.

    They may be looked at after each simulation: a correct arm's line ever passes the threshold with
    probability at most ``exp(-threshold)``. With `gamma`, a panel below has the statistic of the
    fixed-size test, over its critical value; that one keeps its false-alarm rate only at a number
    of simulations chosen beforehand.

    Parameters
    ----------
    paths : mapping of str to sequence of float
        Log e-value of each arm after each simulation, at most 8 arms, as of
        `hiercal.sbc.sequential`.
    threshold : float
        Log e-value that decides: log of the number of arms over the family-wise level.
    gamma : mapping of str to (n, log10 ratio), optional
        As of `hiercal.sbc.gamma.gamma_path`, by arm.
    level : float
        Level that gamma's critical value is of, for the note.
    all_arms : sequence of str, optional
        All that there are: an arm has its look by its place here.
    note : str
        Said below the figure, before what lines are.
    axes : Axes, optional
        Draw on these, without `gamma`; the note is then ``axes.get_label()``.

    Returns
    -------
    Figure
        Its note, for a caption, is ``figure.get_label()``.

    Raises
    ------
    ValueError
        More than 8 arms, or `gamma` with `axes`.

    Examples
    --------
    >>> len(evidence({"a": [0.1, 3.0], "b": [0.0]}, 7.0).axes)
    1
    """
    if gamma and axes is not None:
        raise ValueError("axes takes one panel; draw the e-values alone, without gamma")
    looks = arm_styles(list(all_arms) or list(paths), list(paths))
    with style():
        if gamma:
            figure = Figure((width_of(SINGLE), 3.6))
            panel, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
            panel.set_ylabel("log10 of the e-value")
            _draw_gamma(below, gamma, looks)
        else:
            figure, panel = single(axes, SINGLE, 2.5)
        panel.axhline(threshold / np.log(10), color=BAND, lw=0.8, gid="threshold")
        for name, path in paths.items():
            look, steps = looks[name], np.arange(1, len(path) + 1)
            panel.plot(
                steps, np.asarray(path) / np.log(10), color=look.colour, linestyle=look.linestyle,
                marker=look.marker, markevery=[len(path) - 1] if len(path) else [],
                markersize=3.5 * look.marker_scale, markeredgecolor=look.marker_edge,
                markeredgewidth=0.25, gid=name,
            )  # fmt: skip
        # an arm that is found at once would else squeeze all others against the axis
        low = min((min(path) for path in paths.values() if len(path)), default=0.0)
        panel.set_ylim(min(low, 0) / np.log(10) - 0.5, threshold / np.log(10) * 1.5)
        if max((len(path) for path in paths.values()), default=0) > _MANY:
            panel.set_xscale("log")
        else:
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles = [
            Line2D(
                [], [], label=plain(name), color=look.colour, linestyle=look.linestyle,
                marker=look.marker, markersize=3.5 * look.marker_scale,
                markeredgecolor=look.marker_edge, markeredgewidth=0.25,
            )
            for name, look in looks.items()
        ]  # fmt: skip
        handles.append(Line2D([], [], color=BAND, lw=0.8, label="decides"))
        said = "A line ends where the arm is decided, or where the simulations end."
        if gamma:
            said += (
                f" Below: the gamma statistic over its critical value at level {100 * level:g} %. "
                "It would reject below 0 at one number of simulations that was fixed beforehand; "
                "looked at all along, it does so too often."
            )
        return assemble(
            figure,
            handles,
            " ".join(filter(None, (note, said))),
            xlabel="Simulations",
            ylabel=None if gamma else "log10 of the e-value",
            axes=axes,
        )


def _draw_gamma(
    panel: Axes,
    gamma: Mapping[str, tuple[ArrayLike, ArrayLike]],
    looks: Mapping[str, ArmStyle],
) -> None:
    """The statistic over its critical value, which lies at 0."""
    panel.axhline(0, color=BAND, lw=0.8, gid="critical")
    lowest = 0.0
    for name, (n, log_ratio) in gamma.items():
        look, steps, ratio = looks[name], np.asarray(n), np.asarray(log_ratio, dtype=float)
        lowest = float(ratio.min(initial=lowest))
        panel.plot(
            steps, ratio, color=look.colour, linestyle=look.linestyle, marker=look.marker,
            markevery=[len(steps) - 1] if len(steps) else [], markersize=3.5 * look.marker_scale,
            markeredgecolor=look.marker_edge, markeredgewidth=0.25, gid=f"gamma {name}",
        )  # fmt: skip
    panel.set_ylim(bottom=max(lowest, _DEEPEST) - 0.3)
    panel.set_ylabel("log10 of gamma\nover critical")
