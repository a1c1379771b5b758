"""Evidence against each arm, simulation by simulation."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from hiercal.plots._form import width_of
from hiercal.plots._layout import assemble
from hiercal.plots._style import BAND, SINGLE, arm_styles, plain, style


def evidence(paths: Mapping[str, Sequence[float]], threshold: float) -> Figure:
    """E-values over simulations, and the line at which an arm is called miscalibrated.

    Parameters
    ----------
    paths : mapping of str to sequence of float
        Log e-value of each arm after each simulation, at most 8 arms.
    threshold : float
        Log e-value that decides.

    Returns
    -------
    Figure

    Examples
    --------
    >>> len(evidence({"a": [0.1, 3.0], "b": [0.0]}, 7.0).axes)
    1
    """
    looks = arm_styles(list(paths))
    with style():
        figure = Figure((width_of(SINGLE), 2.5))
        axes = figure.subplots()
        axes.axhline(threshold / np.log(10), color=BAND, lw=0.8)
        for name, path in paths.items():
            look, steps = looks[name], np.arange(1, len(path) + 1)
            axes.plot(
                steps, np.asarray(path) / np.log(10), color=look.colour, linestyle=look.linestyle,
                marker=look.marker, markevery=[len(path) - 1] if len(path) else [],
                markersize=3.5 * look.marker_scale, markeredgecolor=look.marker_edge,
                markeredgewidth=0.25, gid=name,
            )  # fmt: skip
        # an arm that is found at once would else squeeze all others against the axis
        low = min((min(path) for path in paths.values() if len(path)), default=0.0)
        axes.set_ylim(min(low, 0) / np.log(10) - 0.5, threshold / np.log(10) * 1.5)
        if max((len(path) for path in paths.values()), default=0) > 100:
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles = [
            Line2D(
                [], [], label=plain(name), color=look.colour, linestyle=look.linestyle,
                marker=look.marker, markersize=3.5 * look.marker_scale,
                markeredgecolor=look.marker_edge, markeredgewidth=0.25,
            )
            for name, look in looks.items()
        ]  # fmt: skip
        handles.append(Line2D([], [], color=BAND, lw=0.8, label="decides"))
        note = "A line ends where the arm is decided, or where the simulations end."
        return assemble(figure, handles, note, xlabel="Simulations", ylabel="log10 of the e-value")
