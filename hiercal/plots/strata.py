"""Mean ranks within strata of the simulations, which a histogram of all ranks averages over."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hiercal.plots.bias import chosen, counted
from hiercal.plots.sweep import sweep

BY = {"truth": "quarters of the true scale", "data": "quarters of its exact posterior mean"}
"""What strata are of, by the name in the column ``by``."""


def strata(
    table: pd.DataFrame,
    arms: Sequence[str] | None = None,
    *,
    by: str | None = None,
    series: str = "arm",
    xlabel: str = "",
    axes: Axes | None = None,
    **look: Any,
) -> Figure:
    """Mean rank minus the expected one within strata, from the smallest, a mark for each arm.

    Of ``strata.csv`` of a run. By the ``truth``, ranks are held against those of the exact
    posterior of the same simulations, by the ``data`` against one half, which is correct in each
    stratum. Bars are two Monte Carlo standard errors to either side.

    Parameters
    ----------
    table : DataFrame
        A row per arm, ``by`` and ``stratum``, with ``shift`` as a share of all ranks, and
        ``shift_se``.
    arms : sequence of str, optional
        Those of the series to draw, in this order; by default all (at most 8).
    by : {"truth", "data"}, optional
        Strata of these alone; by default a panel for each.
    series : str
        Column that arms are named in.
    xlabel : str
        Axis label; by default what the strata are of.
    axes : Axes, optional
        Draw on these, which takes a single panel; the note is then ``axes.get_label()``.
    **look
        Further options of `sweep`, such as ``panel`` and ``note``.

    Returns
    -------
    Figure
        Its note, for a caption, is ``figure.get_label()``.

    Raises
    ------
    ValueError
        On a table without rows or without a column, an unknown arm, or more than 8 arms.

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"arm": "centred", "by": "truth", "stratum": [1, 2, 3, 4],
    ...      "shift": [-0.03, 0.0, 0.01, 0.02], "shift_se": 0.005}
    ... )
    >>> strata(table, by="truth").get_supxlabel()
    'quarters of the true scale, from the smallest'
    """
    shown = chosen(table, series, arms, ("by", "stratum", "shift", "shift_se"))
    if by is not None:
        shown = shown[(shown["by"] == by).to_numpy()]
        xlabel = xlabel or f"{BY.get(by, by)}, from the smallest"
    elif "panel" not in look and shown["by"].nunique() > 1:
        look |= {"panel": "by", "titles": BY, "columns": 2}
    note = f"{counted(shown, 'stratum')} Below 0 the truth ranks too low: small values are missing."
    options: dict[str, Any] = {"reference": 0.0, "xscale": "category", "note": note.strip()} | look
    return sweep(
        shown,
        x="stratum",
        y="shift",
        se="shift_se",
        series=series,
        xlabel=xlabel or "stratum, from the smallest",
        ylabel="mean rank shift\n(share of ranks)",
        axes=axes,
        **options,
    )
