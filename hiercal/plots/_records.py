"""Records as the figures read them: checked, filtered, one panel for each arm and quantity."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from hiercal.plots._style import plain

Records = pd.DataFrame | Iterable[pd.DataFrame]
"""Records as a table, or in pieces, so that not all of them are in memory at once."""


@dataclass(frozen=True)
class Panel:
    """Completed fits of one quantity in one arm.

    Attributes
    ----------
    fits : DataFrame
        Rows of the completed fits, with the columns that the figure needs.
    n : int
        Number of completed fits.
    n_total : int
        Number of simulations, failed fits included.
    prior_sd : float
        Standard deviation of the truths over all simulations, failed fits included: a truth does
        not depend on whether its fit came back. NaN where the records carry no truth.
    """

    fits: pd.DataFrame
    n: int
    n_total: int
    prior_sd: float


@dataclass(frozen=True)
class Selection:
    """Panels of a figure; an arm that never ranked a quantity has no panel for it.

    ``story`` is the one story that all records are of, where they have a column that says so.
    """

    all_arms: tuple[str, ...]
    arms: tuple[str, ...]
    quantities: tuple[str, ...]
    max_rank: int
    panels: dict[tuple[str, str], Panel]
    story: str = ""

    def counts(self, arm: str) -> str:
        """Completed and all fits of an arm, over the quantities of the figure."""
        shown = [panel for (name, _), panel in self.panels.items() if name == arm]
        completed = [panel.n for panel in shown]
        total = max((panel.n_total for panel in shown), default=0)
        low, high = min(completed, default=0), max(completed, default=0)
        if low == high:
            return count_text(low, total)
        return f"n = {low} to {high} of {total}"

    def note(self, explanation: str, *, name_arm: bool = False, ranked: bool = True) -> str:
        """Number of simulations, story, what the figure shows, and where failed fits went.

        With `name_arm`, a single arm is named: a figure of one row does not label it. With
        `ranked`, among how many draws truths were ranked.
        """
        totals = sorted({panel.n_total for panel in self.panels.values()})
        numbers = str(totals[0]) if len(totals) == 1 else f"{totals[0]} to {totals[-1]}"
        start = f"N = {numbers} simulations" + (f" of {plain(self.story)}" if self.story else "")
        if name_arm and len(self.arms) == 1:
            [arm] = self.arms
            start = f"{plain(arm)}, {self.counts(arm)}. {start}"
        failed = any(panel.n < panel.n_total for panel in self.panels.values())
        end = " Failed fits are left out of the panels and counted in n." if failed else ""
        among = f" L = {self.max_rank} draws, among which truths are ranked." if ranked else ""
        return f"{start}.{among} {explanation}{end}"


def count_text(n: int, n_total: int) -> str:
    """`n = 987 of 1000`, or `n = 1000` when no fit failed."""
    return f"n = {n}" if n == n_total else f"n = {n} of {n_total}"


def select(
    records: Records,
    quantities: Sequence[str],
    arms: Sequence[str] | None = None,
    columns: Sequence[str] = ("rank",),
) -> Selection:
    """Check the records and split them into panels.

    Parameters
    ----------
    records : DataFrame or iterable of DataFrame
        One row per arm, simulation and quantity; a column ``story`` is optional. Of an iterable,
        each piece has all rows of the arms and quantities in it.
    quantities : sequence of str
        Quantities to draw, in this order.
    arms : sequence of str, optional
        Arms to draw, in this order; by default all of them.
    columns : sequence of str
        Columns that a completed fit must have filled: a row in which one of them is missing
        counts as not completed.

    Raises
    ------
    ValueError
        A column, quantity or arm is not in the records, something is there twice, nothing is
        left to draw, or the fits have different numbers of draws.
    """
    for kind, names in (("arm", arms), ("quantity", quantities)):
        if isinstance(names, str):
            raise TypeError(f"expected a sequence of {kind} names, got {names!r}; pass [{names!r}]")
    panels: dict[tuple[str, str], Panel] = {}
    known = {"arm": _Names(), "quantity": _Names()}
    max_ranks, stories = set[int](), dict[str, None]()
    for piece in [records] if isinstance(records, pd.DataFrame) else records:
        needed = {"arm", "simulation", "quantity", "status", "max_rank", *columns}
        if missing := sorted(needed - set(piece.columns)):
            raise ValueError(f"records lack the columns {missing}; they have {list(piece.columns)}")
        for kind, names in known.items():
            names.add(piece[kind])
        used = piece if arms is None else piece[piece["arm"].isin(arms).to_numpy()]
        used = used[used["quantity"].isin(quantities).to_numpy()]
        max_ranks |= {int(m) for m in used["max_rank"].dropna().unique()}
        stories |= dict.fromkeys(map(str, used["story"].unique() if "story" in used else ()))
        for (arm, quantity), rows in used.groupby(["arm", "quantity"], observed=True, sort=False):
            if (str(arm), str(quantity)) in panels:
                raise ValueError(f"{quantity!r} of arm {arm!r} is in several pieces of the records")
            panels[str(arm), str(quantity)] = _panel(rows, columns)
    all_arms, known_quantities = (known[kind].ordered() for kind in ("arm", "quantity"))
    arms = all_arms if arms is None else _checked("arm", arms, all_arms)
    quantities = _checked("quantity", quantities, known_quantities)
    if not panels:
        raise ValueError(
            f"none of the arms {list(arms)} has any of the quantities {list(quantities)}"
        )
    if len(max_ranks) != 1:
        raise ValueError(
            f"expected one max_rank in all records, got {sorted(max_ranks)}; "
            "draw fits with different numbers of draws in separate figures"
        )
    story = next(iter(stories)) if len(stories) == 1 else ""
    return Selection(all_arms, arms, quantities, max_ranks.pop(), panels, story)


def _panel(rows: pd.DataFrame, columns: Sequence[str]) -> Panel:
    """Rows of one quantity in one arm; a ValueError if a simulation is there twice."""
    if (repeated := rows.duplicated("simulation")).any():
        row = rows[repeated].iloc[0]
        raise ValueError(
            f"arm {row['arm']!r}, simulation {row['simulation']}, quantity {row['quantity']!r} is "
            f"in the records more than once ({repeated.sum()} repeats); drop the repeats"
        )
    completed = (rows["status"] == "ok") & rows[list(columns)].notna().all(axis="columns")
    fits = rows.loc[completed, list(columns)].reset_index(drop=True)
    prior_sd = float(rows["truth"].std()) if "truth" in rows else float("nan")
    return Panel(fits, len(fits), len(rows), prior_sd)


class _Names:
    """Names present in a column, in the order of its categories, or else of appearance."""

    def __init__(self) -> None:
        self._present: dict[str, None] = {}
        self._categories: list[str] = []

    def add(self, column: pd.Series) -> None:
        self._present |= dict.fromkeys(str(name) for name in column.dropna().unique())
        if isinstance(column.dtype, pd.CategoricalDtype):
            self._categories = [str(name) for name in column.cat.categories]

    def ordered(self) -> tuple[str, ...]:
        if not self._categories:
            return tuple(self._present)
        return tuple(name for name in self._categories if name in self._present)


def _checked(kind: str, names: Sequence[str], available: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError(f"got no {kind} to draw; available: {', '.join(available)}")
    if unknown := [name for name in names if name not in available]:
        raise ValueError(
            f"unknown {kind} {', '.join(map(repr, unknown))}; available: {', '.join(available)}"
        )
    if len(set(names)) < len(names):
        raise ValueError(f"a {kind} is named twice in {list(names)}; name each once")
    return tuple(names)
