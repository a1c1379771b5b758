"""Bars that end above the axes: a spike would flatten all else. It is cut, its height written."""

import numpy as np
from matplotlib.axes import Axes

from hiercal.plots._style import NOTE_SIZE

HIGHEST = 3.0
"""How many times the expected height axes may be high."""

SAID = " Numbers at the top are the heights of bars cut off there, of neighbours from the left."


def write_cut(axes: Axes, heights: np.ndarray, edges: np.ndarray, top: float) -> int:
    """Write the heights of the bars that are higher than `top`; their number.

    Those of neighbours stand one below the other, beside the last of them.
    """
    cut = np.flatnonzero(heights > top)
    for run in np.split(cut, np.flatnonzero(np.diff(cut) > 1) + 1) if len(cut) else []:
        more_room_right = len(heights) - 1 - run[-1] >= run[0]
        x, side = (edges[run[-1] + 1], "left") if more_room_right else (edges[run[0]], "right")
        axes.text(
            float(x), 0.98 * top, "\n".join(f"{height:.0f}" for height in heights[run]),
            ha=side, va="top", fontsize=NOTE_SIZE - 0.5, linespacing=1.0, gid="cut",
        )  # fmt: skip
    return len(cut)
