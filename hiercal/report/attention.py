"""What is shown first of many verdicts: the quantities to look at, and what their ranks mean."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from hiercal import words
from hiercal.sbc.mixing import MAX_LOW_ESS

if TYPE_CHECKING:
    import pandas as pd

SEVERITY = ("miscalibrated", "inconclusive", "calibrated")
"""Verdicts, the worst first."""
MOST_ROWS = 5
"""Rows of the block that comes first, and sentences on what failures mean."""
MOST_QUANTITIES = 15
"""Rows of the table of quantities that are not calibrated."""


def autocorrelated(row: dict[str, Any]) -> bool:
    """Whether effective ranks decide, as autocorrelation can make the plain p small."""
    return row["low_ess"] > MAX_LOW_ESS


def quoted(row: dict[str, Any]) -> float:
    """The adjusted p-value that counts: of effective ranks where autocorrelation misleads."""
    return row["p_effective_holm" if autocorrelated(row) else "p_holm"]


def p_holm(row: dict[str, Any]) -> str:
    """The same in words."""
    return words.p_value(quoted(row)) + (" (eff.)" if autocorrelated(row) else "")


def worst(verdicts: pd.DataFrame) -> dict[str, str]:
    """By arm, the worst verdict on any of its quantities."""
    return {
        str(arm): min(rows["verdict"], key=SEVERITY.index)
        for arm, rows in verdicts.groupby("arm", sort=False)
    }


def vector(quantity: str) -> str:
    """The vector that a quantity is an element of; its own name where it is none.

    Labels are read here only to print many elements on one line.

    Examples
    --------
    >>> vector("theta[17]"), vector("tau"), vector("[x]")
    ('theta', 'tau', '[x]')
    """
    name, bracket, _ = quantity.partition("[")
    return name if name and bracket and quantity.endswith("]") else quantity


def ranked(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Quantities that are not calibrated, the strongest evidence first."""
    seen = verdicts[(verdicts["verdict"] != "calibrated").to_numpy()]
    p = [quoted(row) for row in seen.to_dict("records")]
    # adjusted p-values tie at 1 and at the smallest that can be told apart
    order = seen.assign(_p=p).sort_values(["_p", "p"], kind="stable", na_position="last")
    return order.drop(columns="_p")


def first(verdicts: pd.DataFrame) -> list[dict[str, Any]]:
    """Vectors and single quantities to look at, ranked by their smallest adjusted p-value.

    Returns
    -------
    list of dict
        ``what`` to look at, and the row of `verdicts` of its worst quantity.
    """
    sizes = verdicts.groupby([verdicts["arm"], verdicts["quantity"].map(vector)]).size()
    groups: dict[Hashable, list[dict[str, Any]]] = {}
    for row in ranked(verdicts).to_dict("records"):
        groups.setdefault((row["arm"], vector(row["quantity"])), []).append(row)
    return [
        rows[0] | {"what": _what(rows, int(sizes[rows[0]["arm"], vector(rows[0]["quantity"])]))}
        for rows in groups.values()
    ]


def _what(rows: list[dict[str, Any]], size: int) -> str:
    worst = str(rows[0]["quantity"])
    if size == 1:
        return worst
    return f"{vector(worst)}: {len(rows)} of {words.count(size, 'element')}, worst {worst}"


def sentences(meaning: pd.DataFrame, verdicts: pd.DataFrame) -> list[tuple[str, str]]:
    """Who, and what it means: one for each arm, vector and pattern, in the order of the evidence.

    Parameters
    ----------
    meaning, verdicts : DataFrame
        The tables of that name.
    """
    place = {(row["arm"], row["quantity"]): i for i, row in enumerate(_records(ranked(verdicts)))}
    rows = sorted(
        (row for row in _records(meaning) if (row["arm"], row["quantity"]) in place),
        key=lambda row: place[row["arm"], row["quantity"]],
    )
    groups: dict[Hashable, list[dict[str, Any]]] = {}
    for row in rows:
        key = (row["arm"], vector(row["quantity"]), row["pattern"], row["cause"], row["advice"])
        groups.setdefault(key, []).append(row)
    said = []
    for own in groups.values():
        row = own[0]
        more = f", the worst of {len(own)} in {vector(row['quantity'])}" if len(own) > 1 else ""
        parts = [row["sentence"], row["cause"], row["advice"], f"See {row['docs']}."]
        said.append((f"{row['arm']}, {row['quantity']}{more}", " ".join(filter(None, parts))))
    return said


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.to_dict("records")
