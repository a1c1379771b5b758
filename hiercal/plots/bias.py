"""Bias of an estimate against the exact one, over whatever it is broken down by."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hiercal.plots.sweep import sweep


def bias(
    table: pd.DataFrame,
    arms: Sequence[str] | None = None,
    *,
    x: str | None = None,
    series: str = "arm",
    xlabel: str = "",
    ylabel: str = "posterior mean minus\nthe exact one",
    axes: Axes | None = None,
    **look: Any,
) -> Figure:
    """Posterior mean minus the exact one, a line or a mark for each arm, with its errors.

    Of ``bias.csv`` of a run, by the true value, in ranges. Bars are two Monte Carlo standard errors
    to either side; at 0, where there is no bias, is a line.

    Parameters
    ----------
    table : DataFrame
        A row per point with ``bias`` and its standard error ``se`` or ``bias_se``, and with
        ``truth_from`` and ``truth_to`` if `x` is not given.
    arms : sequence of str, optional
        Those of the series to draw, in this order; by default all.
    x : str, optional
        Column of the horizontal axis; by default the range of true values.
    series : str
        Column that arms are named in (at most 8).
    xlabel, ylabel : str
        Axis labels, with units.
    axes : Axes, optional
        Draw on these, which takes a single panel; the note is then ``axes.get_label()``.
    **look
        Further options of `sweep`, such as ``panel``, ``xscale`` and ``note``.

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
    ...     {"arm": "centred", "quantity": "tau", "truth_from": [0, 0, 4], "truth_to": [9, 4, 9],
    ...      "bias": [0.3, 0.5, 0.1], "se": 0.05}
    ... )
    >>> [tick.get_text() for tick in bias(table).axes[0].get_xticklabels()]
    ['0 to 9', '0 to 4', '4 to 9']
    """
    shown = chosen(table, series, arms, ("bias",))
    if x is None:
        shown, names = _ranges(shown)
        quantities = list(dict.fromkeys(shown.get("quantity", ())))
        of = f" of {quantities[0]}" if len(quantities) == 1 else ""
        look = {"xscale": "category", "categories": names, "columns": 2} | look
        x, xlabel = "_range", xlabel or f"true value{of}, in ranges"
        if len(quantities) > 1:
            look = {"panel": "quantity", "share_y": False} | look
        look = {"note": counted(shown, "range")} | look
    options: dict[str, Any] = {"reference": 0.0} | look
    return sweep(
        shown,
        x=x,
        y="bias",
        se="bias_se" if "bias_se" in shown else "se",
        series=series,
        xlabel=xlabel or x.replace("_", " "),
        ylabel=ylabel,
        axes=axes,
        **options,
    )


def chosen(
    table: pd.DataFrame, series: str, names: Sequence[str] | None, needed: Sequence[str]
) -> pd.DataFrame:
    """Rows of some series in their order; a ValueError for what the table has not."""
    if missing := [column for column in (series, *needed) if column not in table]:
        raise ValueError(f"the table lacks {', '.join(missing)}; it has {', '.join(table.columns)}")
    if names is None:
        return table
    there = list(dict.fromkeys(table[series]))
    if unknown := [name for name in names if name not in there]:
        raise ValueError(
            f"there is no {series} {', '.join(map(repr, unknown))}; there are "
            f"{', '.join(map(str, there))}"
        )
    order = {name: place for place, name in enumerate(names)}
    own = table[table[series].isin(list(names)).to_numpy()]
    return own.sort_values(series, key=lambda column: column.map(order), kind="stable")


def _ranges(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The place of each range of true values among all, the widest first; their names."""
    if missing := {"truth_from", "truth_to"} - set(table.columns):
        raise ValueError(f"the table lacks {', '.join(sorted(missing))}; give x, a column of it")
    ends = [
        (float(f"{low:.2g}"), float(f"{high:.2g}"))
        for low, high in zip(table["truth_from"], table["truth_to"], strict=True)
    ]
    every = sorted(set(ends), key=lambda pair: (pair[0], -pair[1]))
    return (
        table.assign(_range=[every.index(pair) for pair in ends]),
        [f"{low:g} to {high:g}" for low, high in every],
    )


def counted(table: pd.DataFrame, where: str) -> str:
    """How many fits a point is of, and how many failed; empty if the table does not say."""
    if "n" not in table:
        return ""
    low, high = int(table["n"].min()), int(table["n"].max())
    text = (
        f"N = {low} fits in each {where}"
        if low == high
        else f"N = {low} to {high} fits in a {where}"
    )
    failed = int(table["n_failed"].max()) if "n_failed" in table else 0
    return f"{text}." + (f" Up to {failed} failed and are left out." if failed else "")
