"""Records as the figures read them: checked, filtered, one panel for each arm and quantity."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from hiercal.plots._style import plain


@dataclass(frozen=True)
class Panel:
    """Completed fits of one quantity in one arm.

    Attributes
    ----------
    fits : DataFrame
        Rows of the completed fits.
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

    def note(self, explanation: str, *, name_arm: bool = False) -> str:
        """Number of simulations, story, what the figure shows, and where failed fits went.

        With `name_arm`, a single arm is named: a figure of one row does not label it.
        """
        totals = sorted({panel.n_total for panel in self.panels.values()})
        numbers = str(totals[0]) if len(totals) == 1 else f"{totals[0]} to {totals[-1]}"
        start = f"N = {numbers} simulations" + (f" of {plain(self.story)}" if self.story else "")
        if name_arm and len(self.arms) == 1:
            [arm] = self.arms
            start = f"{plain(arm)}, {self.counts(arm)}. {start}"
        failed = any(panel.n < panel.n_total for panel in self.panels.values())
        end = " Failed fits are left out of the panels and counted in n." if failed else ""
        return f"{start}. {explanation}{end}"


def count_text(n: int, n_total: int) -> str:
    """`n = 987 of 1000`, or `n = 1000` when no fit failed."""
    return f"n = {n}" if n == n_total else f"n = {n} of {n_total}"


def select(
    records: pd.DataFrame,
    quantities: Sequence[str],
    arms: Sequence[str] | None = None,
    columns: Iterable[str] = ("rank",),
) -> Selection:
    """Check the records and split them into panels.

    Parameters
    ----------
    records : DataFrame
        One row per arm, simulation and quantity; a column ``story`` is optional.
    quantities : sequence of str
        Quantities to draw, in this order.
    arms : sequence of str, optional
        Arms to draw, in this order; by default all of them.
    columns : iterable of str
        Columns that a completed fit must have filled: a row in which one of them is missing
        counts as not completed.

    Raises
    ------
    ValueError
        A column, quantity or arm is not in the records, something is there twice, nothing is
        left to draw, or the fits have different numbers of draws.
    """
    needed = {"arm", "simulation", "quantity", "status", "max_rank", *columns}
    if missing := sorted(needed - set(records.columns)):
        raise ValueError(f"records lack the columns {missing}; they have {list(records.columns)}")
    all_arms, known_quantities = _names(records["arm"]), _names(records["quantity"])
    arms = all_arms if arms is None else _checked("arm", arms, all_arms)
    quantities = _checked("quantity", quantities, known_quantities)

    used = records[records["arm"].isin(arms) & records["quantity"].isin(quantities)]
    used = used.reset_index(drop=True)
    if used.empty:
        raise ValueError(
            f"none of the arms {list(arms)} has any of the quantities {list(quantities)}"
        )
    if (repeated := used.duplicated(["arm", "simulation", "quantity"])).any():
        row = used[repeated].iloc[0]
        raise ValueError(
            f"arm {row['arm']!r}, simulation {row['simulation']}, quantity {row['quantity']!r} is "
            f"in the records more than once ({repeated.sum()} repeats); drop the repeats"
        )
    completed = (used["status"] == "ok") & used[list(columns)].notna().all(axis="columns")
    max_ranks = used["max_rank"].dropna().unique()
    if len(max_ranks) != 1:
        raise ValueError(
            f"expected one max_rank in all records, got {sorted(int(m) for m in max_ranks)}; "
            "draw fits with different numbers of draws in separate figures"
        )
    panels = {}
    for key, rows in used.groupby(["arm", "quantity"], observed=True, sort=False):
        arm, quantity = key
        fits = rows[completed.loc[rows.index]]
        prior_sd = float(rows["truth"].std()) if "truth" in rows else float("nan")
        panels[str(arm), str(quantity)] = Panel(fits, len(fits), len(rows), prior_sd)
    stories = list(used["story"].unique()) if "story" in used else []
    story = str(stories[0]) if len(stories) == 1 else ""
    return Selection(all_arms, arms, quantities, int(max_ranks[0]), panels, story)


def _names(column: pd.Series) -> tuple[str, ...]:
    """Names present, in the order of the categories, or else of appearance."""
    present = column.dropna().unique()
    if isinstance(column.dtype, pd.CategoricalDtype):
        return tuple(str(name) for name in column.cat.categories if name in set(present))
    return tuple(str(name) for name in present)


def _checked(kind: str, names: Sequence[str], available: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise TypeError(f"expected a sequence of {kind} names, got {names!r}; pass [{names!r}]")
    if not names:
        raise ValueError(f"got no {kind} to draw; available: {', '.join(available)}")
    if unknown := [name for name in names if name not in available]:
        raise ValueError(
            f"unknown {kind} {', '.join(map(repr, unknown))}; available: {', '.join(available)}"
        )
    if len(set(names)) < len(names):
        raise ValueError(f"a {kind} is named twice in {list(names)}; name each once")
    return tuple(names)
