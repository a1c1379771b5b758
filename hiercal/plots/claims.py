"""The claims ledger as a figure: how far each effect lies from the bound of its claim."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hiercal.plots._style import BAND, DOUBLE, INK, OUTSIDE, SMALL_SIZE, plain, style, text_width

VERDICTS = {
    "holds": ("#117733", "o"),
    "holds in a regime": ("#332288", "D"),
    "fails": (OUTSIDE, "X"),
    "undecided": (BAND, "s"),
}
_ROW, _TOP, _BOTTOM = 0.19, 0.35, 0.45
_END = 1000.0


def claims(table: pd.DataFrame) -> Figure:
    """Distance of each effect from its bound in standard errors, right of 0 where the claim holds.

    Parameters
    ----------
    table : DataFrame
        A row per claim with ``claim, says, verdict, margin, se``: by how much the effect is on the
        claim's side of the bound, and its standard error.

    Returns
    -------
    Figure

    Examples
    --------
    >>> row = {"claim": "C01", "says": "2 > 1", "verdict": "holds", "margin": 1.0, "se": 0.1}
    >>> len(claims(pd.DataFrame([row])).axes)
    1
    """
    n = len(table)
    height = _TOP + _BOTTOM + _ROW * n
    margin, se = table["margin"].to_numpy(float), table["se"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(se > 0, margin / se, np.sign(margin) * _END)
    names = [
        _shortened(plain(f"{c} {s}"), 3.3)
        for c, s in zip(table["claim"], table["says"], strict=True)
    ]
    with style():
        figure = Figure((DOUBLE, height))
        axes = figure.add_axes((0.5, _BOTTOM / height, 0.48, 1 - (_BOTTOM + _TOP) / height))
        axes.axvspan(-3, 3, color=BAND, alpha=0.25, lw=0)
        axes.axvline(0, color=BAND, lw=0.6)
        for place, verdict in enumerate(table["verdict"]):
            colour, marker = VERDICTS[verdict]
            at = np.clip(distance[place], -_END, _END)
            axes.plot([0, at], [place, place], color=colour, lw=0.8)
            axes.plot(at, place, marker, color=colour, markersize=4.5)
        axes.set_xscale("symlog", linthresh=3, linscale=0.8)
        axes.set_xlim(-_END * 1.6, _END * 1.6)
        ticks = [-1000, -100, -10, 0, 10, 100, 1000]
        axes.set_xticks(ticks, ["≥1000", "100", "10", "0", "10", "100", "≥1000"])
        axes.set_xticks([-3, 3], minor=True)
        axes.set_yticks(range(n), names, fontsize=SMALL_SIZE)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(n - 0.4, -0.6)
        axes.set_xlabel("← against the claim      standard errors from the bound      for it →")
        handles = [
            Line2D([], [], linestyle="none", marker=marker, color=colour, label=verdict)
            for verdict, (colour, marker) in VERDICTS.items()
        ]
        figure.legend(handles=handles, loc="upper center", ncols=4, labelcolor=INK)
    return figure


def _shortened(text: str, width: float) -> str:
    if text_width(text, SMALL_SIZE) <= width:
        return text
    while text_width(text + "…", SMALL_SIZE) > width:
        text = text[:-1]
    return text.rstrip(" ,;:\\") + "…"
