"""Arms by quantities: the evidence on each, and what a cell of the table opens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from hiercal import words
from hiercal.report import attention
from hiercal.report.page.drawings import Drawings

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result

MOST_CELLS, MOST_DRAWN = 3000, 500
"""Cells of the table, and cells that open: a page of more would be slow, and large."""
MOST_BYTES = 1_750_000
"""Of the table and what its cells open, so that the page stays below 2 MB."""
STEPS = (0.5, 0.05, 1e-3, 1e-6)
"""Adjusted p-values at which the colour changes; 0.05 is the level."""


@dataclass(frozen=True)
class Cell:
    """One quantity of one arm.

    Attributes
    ----------
    anchor : str
        Of what it opens.
    shade : str
        Name of its colour: e0 to e4 by the adjusted p-value, or eq if inconclusive.
    p : str
        The adjusted p-value that counts.
    strength : float
        Minus its log10, by which rows are sorted; -1 without one.
    facts : list of (str, str)
        What there is to say of it.
    meaning : str
        How its draws are wrong.
    coverage : list of tuple of str
        Interval, level, coverage with its standard error, exact 95 % limits.
    drawings : tuple of Markup
        Rank histogram, ECDF difference, coverage; empty without a completed fit.
    opens : bool
        Whether there is room for what it opens.
    """

    anchor: str
    arm: str
    quantity: str
    verdict: str
    shade: str
    p: str
    strength: float
    facts: Sequence[tuple[str, str]]
    meaning: str
    coverage: Sequence[tuple[str, ...]]
    drawings: tuple[Markup, ...] = ()
    opens: bool = False


@dataclass(frozen=True)
class Grid:
    """Rows of quantities and columns of arms; None where an arm has no such quantity.

    ``heads`` are the arms without their story, if it is the same in all.
    """

    arms: Sequence[str]
    heads: Sequence[str]
    quantities: Sequence[str]
    rows: Sequence[Sequence[Cell | None]]
    left_out: str
    symbols: Markup = field(default_factory=lambda: Markup(""))

    @property
    def opened(self) -> Iterator[Cell]:
        """Cells that open, the strongest evidence first."""
        each = [cell for row in self.rows for cell in row if cell is not None and cell.opens]
        return iter(sorted(each, key=urgency))

    @property
    def tally(self) -> list[tuple[str, int]]:
        """How many quantities have each verdict, the worst first."""
        each = [cell.verdict for row in self.rows for cell in row if cell is not None]
        return [(name, each.count(name)) for name in attention.SEVERITY if name in each]


def urgency(cell: Cell) -> tuple[int, float]:
    """By which cells are put in order: the verdict, then the evidence."""
    return attention.SEVERITY.index(cell.verdict), -cell.strength


def grid(
    result: Result,
    tables: Mapping[str, pd.DataFrame],
    arms: Sequence[str] = (),
    quantities: Sequence[str] = (),
) -> Grid:
    """The table of a run.

    Parameters
    ----------
    result : Result
    tables : mapping of str to DataFrame
        ``verdicts``, and ``meaning`` and ``coverage`` where there are.
    arms, quantities : sequence of str
        Show these alone, in this order.

    Raises
    ------
    ValueError
        If there is no arm or quantity of a name.
    """
    verdicts = tables["verdicts"]
    here = {name: list(dict.fromkeys(verdicts[name].astype(str))) for name in ("arm", "quantity")}
    for kind, names in (("arm", arms), ("quantity", quantities)):
        for name in names:
            if name not in here[kind]:
                raise ValueError(
                    f"there is no {kind} {name!r}; there are {', '.join(here[kind][:50])}"
                )
    columns, names = list(arms or here["arm"]), list(quantities or here["quantity"])
    cells = {(c.arm, c.quantity): c for c in _cells(tables, columns, names)}
    n_all = len(names)
    most = max(MOST_CELLS // max(len(columns), 1), 1)
    if n_all > most:
        best = {
            name: min(urgency(cells[a, name]) for a in columns if (a, name) in cells)
            for name in names
        }
        shown = set(sorted(names, key=best.__getitem__)[:most])
        names = [name for name in names if name in shown]
    kept = [cells[a, name] for name in names for a in columns if (a, name) in cells]
    room = MOST_BYTES - sum(200 + 4 * len(cell.quantity) // len(columns) for cell in kept)
    drawn, symbols = _drawn(result, sorted(kept, key=urgency)[:MOST_DRAWN], room)
    rows = [[drawn.get((a, name), cells.get((a, name))) for a in columns] for name in names]
    whole = result.arms["story"].nunique() > 1
    heads = columns if whole else [str(result.arms.loc[a, "fitter"]) for a in columns]
    left_out = _left_out(n_all, len(names), len(kept), len(drawn))
    return Grid(columns, heads, names, rows, left_out, symbols)


def _left_out(n_quantities: int, n_shown: int, n_cells: int, n_drawn: int) -> str:
    said = []
    if n_shown < n_quantities:
        said.append(
            f"Of {n_quantities} quantities, the {n_shown} with the strongest evidence are shown; "
            "verdicts.csv has all."
        )
    if n_drawn < n_cells:
        said.append(
            f"Of {n_cells} cells, the {n_drawn} with the strongest evidence open; hiercal report "
            "--arms and --quantities choose others."
        )
    return " ".join(said)


def _cells(
    tables: Mapping[str, pd.DataFrame], arms: Sequence[str], quantities: Sequence[str]
) -> Iterator[Cell]:
    meant = {
        (row["arm"], row["quantity"]): " ".join(
            text for name in ("sentence", "cause", "advice") if isinstance(text := row[name], str)
        )
        for row in (tables["meaning"].to_dict("records") if "meaning" in tables else ())
    }
    covered: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for row in tables["coverage"].to_dict("records") if "coverage" in tables else ():
        covered.setdefault((row["arm"], row["quantity"]), []).append(_interval(row))
    wanted = {name: set(names) for name, names in (("arm", arms), ("quantity", quantities))}
    for i, row in enumerate(tables["verdicts"].to_dict("records")):
        arm, quantity = str(row["arm"]), str(row["quantity"])
        if arm not in wanted["arm"] or quantity not in wanted["quantity"]:
            continue
        p = attention.quoted(row)
        yield Cell(
            anchor=f"c{i}",
            arm=arm,
            quantity=quantity,
            verdict=row["verdict"],
            shade="eq" if row["verdict"] == "inconclusive" else _shade(p),
            p=attention.p_holm(row),
            # no p-value below the least that is told apart sorts before another
            strength=-1.0 if np.isnan(p) else -float(np.log10(max(p, words.SMALLEST_P))),
            facts=_facts(row),
            meaning=meant.get((arm, quantity), ""),
            coverage=covered.get((arm, quantity), ()),
        )


def _shade(p: float) -> str:
    return f"e{sum(p < step for step in STEPS)}"


def _interval(row: Mapping[str, Any]) -> tuple[str, ...]:
    share, n = row["coverage"], row["n"]
    return (
        str(row["interval"]),
        f"{100 * row['level']:.1f}",
        words.rounded(100 * share, 100 * float(np.sqrt(share * (1 - share) / n))),
        f"{100 * row['lower']:.1f} to {100 * row['upper']:.1f}",
    )


def _facts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What there is to say of a row of the verdicts."""
    n, n_failed = int(row["n"]), int(row["n_failed"])
    facts = [("why", str(row["reason"])), ("fits", f"{n} completed, {n_failed} failed")]
    if not n:
        return facts
    p = words.p_value
    holm = p(row["p_holm"])
    if n_failed:
        holm += (
            f"; with failed fits ranked as badly as can be {p(row['p_holm_worst'])}, as well "
            f"{p(row['p_holm_best'])}"
        )
    return [
        *facts,
        ("p of the ECDF test, of the smooth test", f"{p(row['p_ecdf'])}, {p(row['p_smooth'])}"),
        ("p (Holm), over all quantities of all arms", holm),
        ("p (Holm), ranks among effective draws", p(row["p_effective_holm"])),
        ("fits with fewer effective draws than L", words.percent(row["low_ess"])),
        (
            "found with probability 0.9, if it alone is wrong",
            words.detectable(row["detectable_shift"], row["detectable_scale"]),
        ),
    ]


def _drawn(
    result: Result, cells: Sequence[Cell], room: int
) -> tuple[dict[tuple[str, str], Cell], Markup]:
    """Of cells in order of urgency, those that there is room for in bytes, with their graphics."""
    import dataclasses

    drawings = Drawings()
    wanted = {(cell.arm, cell.quantity): cell for cell in cells}
    arms, quantities = ({key[i] for key in wanted} for i in (0, 1))
    made: dict[tuple[str, str], tuple[Markup, ...]] = {}
    for arm, quantity, rows in result.cells(
        "status", "rank", "max_rank", arms=arms, quantities=quantities
    ):
        if (arm, quantity) not in wanted:
            continue
        done = rows[(rows["status"] == "ok").to_numpy()]
        ranks = done["rank"].to_numpy(dtype=np.int64)
        if len(ranks):
            max_rank = int(done["max_rank"].iloc[0])
            made[arm, quantity] = tuple(
                draw(ranks, max_rank)
                for draw in (drawings.histogram, drawings.ecdf, drawings.coverage)
            )
        else:
            made[arm, quantity] = ()
    drawn = {}
    for key, cell in wanted.items():
        own = made.get(key, ())
        room -= 2000 + sum(map(len, own)) + 2 * (len(cell.arm) + len(cell.quantity))
        room -= len(cell.meaning)
        if room < 0:
            break
        drawn[key] = dataclasses.replace(cell, drawings=own, opens=True)
    return drawn, drawings.symbols()
