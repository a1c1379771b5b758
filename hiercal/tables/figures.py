"""The figures of every run, from its tables and the draws that it kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from hiercal.runs.manifest import file_name
from hiercal.tables._cells import measured_arms
from hiercal.tables.evidence_paths import ALPHA, evidence_paths

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.plots.funnel import FunnelDraws
    from hiercal.runs.result import Result

NO_DRAWS = {"scale": ()}
OVERLAID, SCATTERED = 14, 5
"""Quantities that a figure with a panel each, or a column each, shows."""
WRITTEN = (
    *("ranks", "ecdf", "coverage_difference", "zscore_contraction"),
    *("group_ranks", "funnel"),
)
"""Figures that a run writes; the others are drawn when they are asked for."""
MOST_LINES = 8
"""Arms that one panel can tell apart."""


@dataclass(frozen=True)
class Maker:
    """A figure that has not been made: what it raises costs no other.

    Attributes
    ----------
    draw : callable
        From arms and quantities to a figure.
    arms, quantities : tuple of str
        What it shows.
    """

    draw: Callable[[Sequence[str], Sequence[str]], Figure]
    arms: tuple[str, ...]
    quantities: tuple[str, ...]

    def __call__(self) -> Figure:
        """The figure, or a `hiercal.plots.TooMuch` where it cannot be read."""
        return self.draw(self.arms, self.quantities)

    def pages(self) -> list[Figure]:
        """The figure, or several that can be read, each of fewer arms or quantities."""
        from hiercal.plots import TooMuch

        try:
            return [self()]
        except TooMuch as error:
            names = getattr(self, error.fewer)
            if len(names) < 2:
                raise
            half = math.ceil(len(names) / 2)
            return [
                page
                for part in (names[:half], names[half:])
                for page in replace(self, **{error.fewer: part}).pages()
            ]


Makers = dict[str, Maker]
"""Figures by name."""


def figure_makers(
    result: Result, arms: Sequence[str] = (), quantities: Sequence[str] = ()
) -> Makers:
    """What makes each of the run's figures, by name; of several stories, by name and story.

    Parameters
    ----------
    result : Result
    arms, quantities : sequence of str
        Show these alone, in this order; by default all arms, and as many quantities as there is
        room for. Figures of other stories, or without any of the quantities, are left out.
    """
    _check_names(result, arms, quantities)
    by_story = dict(list(result.arms.groupby("story", sort=False)))
    makers: Makers = {}
    for story, own in by_story.items():
        chosen = [arm for arm in arms or own["arm"] if arm in own["arm"]]
        named = [
            name for name in quantities if any(name in result.quantities[arm] for arm in chosen)
        ]
        if not chosen or (quantities and not named):
            continue
        end = f"-{file_name(str(story))}" if len(by_story) > 1 else ""
        of_story = _figures_of_records(result, own, chosen, named)
        of_story |= _figures_of_tables(result, own, chosen, named)
        shown = own.loc[chosen]
        if result.summarises_groups and own["groups"].iloc[0]:
            of_story["group_ranks"] = Maker(partial(_group_ranks, result, own), tuple(chosen), ())
        fitted = _with_draws(result, shown)
        if fitted:
            of_story["funnel"] = Maker(partial(_funnel, result, own), tuple(fitted), ())
        makers |= {f"{name}{end}": make for name, make in of_story.items()}
    return makers


def paged(name: str, pages: Sequence[Figure]) -> list[tuple[str, Figure]]:
    """Names of the pages of a figure, numbered where there are several."""
    if len(pages) == 1:
        return [(name, pages[0])]
    return [(f"{name}-{i}", page) for i, page in enumerate(pages, 1)]


def written(makers: Makers) -> Makers:
    """Those of the figures that a run writes."""
    return {name: make for name, make in makers.items() if name.partition("-")[0] in WRITTEN}


def _check_names(result: Result, arms: Sequence[str], quantities: Sequence[str]) -> None:
    """Raise a ValueError for an arm or a quantity that the run has not."""
    of_arms = result.quantities
    there = {
        "arm": (arms, list(of_arms)),
        "quantity": (quantities, list(dict.fromkeys(q for own in of_arms.values() for q in own))),
    }
    for kind, (given, known) in there.items():
        for name in given:
            if name not in known:
                raise ValueError(f"there is no {kind} {name!r}; there are {', '.join(known)}")


def _figures_of_records(
    result: Result, of_story: pd.DataFrame, arms: Sequence[str], quantities: list[str]
) -> Makers:
    """Those of the records, in which an arm looks the same whichever others are shown."""
    from hiercal import plots

    fitters, story = of_story["fitter"].to_dict(), of_story["story"].iloc[0]
    names = list(dict.fromkeys(name for arm in arms for name in result.quantities[arm]))
    overlaid = names if len(names) <= OVERLAID else _representative(names)[:OVERLAID]
    scattered = _representative(names)[:SCATTERED]
    overlaid, scattered = quantities or overlaid, quantities or scattered
    groups = [name for name in names if name.startswith(f"{of_story['groups'].iloc[0]}[")]

    def records(quantities: Sequence[str], *columns: str) -> Iterator[pd.DataFrame]:
        columns = ("simulation", "status", "max_rank", *columns)
        for _, _, cell in result.cells(*columns, arms=fitters, quantities=quantities):
            yield cell.assign(arm=cell["arm"].cat.rename_categories(fitters), story=story)

    def maker(function: Callable[..., Figure], shown: Sequence[str], *columns: str) -> Maker:
        def draw(arms: Sequence[str], quantities: Sequence[str]) -> Figure:
            return function(records(quantities, *columns), quantities, [fitters[a] for a in arms])

        return Maker(draw, tuple(arms), tuple(shown))

    interval = ("truth", "mean", "hdi_lower", "hdi_upper")
    makers = {
        "ranks": maker(plots.rank_histogram, scattered, "rank"),
        "ecdf": maker(plots.ecdf_difference, overlaid, "rank"),
        "coverage": maker(plots.coverage, overlaid, "rank"),
        "coverage_difference": maker(plots.coverage_difference, overlaid, "rank"),
        "recovery": maker(plots.recovery, scattered, *interval),
        "zscore_contraction": maker(plots.zscore_contraction, scattered, "truth", "mean", "sd"),
        "evidence": Maker(partial(_evidence, result, of_story), tuple(arms), tuple(overlaid)),
    }
    shown = [name for name in quantities if name in groups] if quantities else groups
    known = _fitted_by_most(result, arms, shown[0]) if len(shown) > 1 else None
    if known is not None:
        level = result.manifest["run"]["level"]
        forest = partial(plots.forest, simulation=known, level=level)
        makers["forest"] = maker(forest, shown, *interval)
        shrinkage = partial(plots.shrinkage, simulation=known)
        makers["shrinkage"] = maker(shrinkage, shown, "truth", "mean")
    return makers


def _fitted_by_most(result: Result, arms: Sequence[str], quantity: str) -> int | None:
    """The first of the data sets that most arms completed; None if no fit came back."""
    completed: Counter[int] = Counter()
    cells = result.cells("simulation", "status", arms=list(arms), quantities=[quantity])
    for _, _, cell in cells:
        completed.update(map(int, cell.loc[(cell["status"] == "ok").to_numpy(), "simulation"]))
    if not completed:
        return None
    most = max(completed.values())
    return min(simulation for simulation, n in completed.items() if n == most)


def _figures_of_tables(
    result: Result, of_story: pd.DataFrame, arms: Sequence[str], quantities: list[str]
) -> Makers:
    """Those of the tables of the between-group scale, of a run with an exact arm."""
    from hiercal import plots
    from hiercal.tables.bias import bias
    from hiercal.tables.strata import strata

    scale = next((name for name in of_story["scale"] if name), "")
    measured = [arm for arm in arms if not of_story.loc[arm, "is_exact"]]
    exact = of_story["is_exact"].any() and bool(scale) and scale in (quantities or [scale])
    fitters = of_story["fitter"].to_dict()

    def maker(table: Callable[[Result], pd.DataFrame], function: Callable[..., Figure]) -> Maker:
        def draw(arms: Sequence[str], _: Sequence[str]) -> Figure:
            made = table(result)
            made = made[made["arm"].isin(list(fitters)).to_numpy()]
            named = made.assign(arm=made["arm"].map(fitters))
            shown = [fitters[arm] for arm in arms if arm in set(made["arm"])]
            return function(named, shown, all_series=list(fitters.values()))

        return Maker(draw, tuple(measured), (scale,))

    if not exact or not measured or not _measured(result, measured):
        return {}
    return {"bias": maker(bias, plots.bias), "strata": maker(strata, plots.strata)}


def _measured(result: Result, arms: Sequence[str]) -> bool:
    """Whether any of the arms is held against an exact one."""
    return any(arm in arms for own in measured_arms(result).values() for arm in own)


def _evidence(
    result: Result, of_story: pd.DataFrame, arms: Sequence[str], quantities: Sequence[str]
) -> Figure:
    from hiercal import plots

    if len(arms) > MOST_LINES:
        raise plots.TooMuch(f"got {len(arms)} arms, at most {MOST_LINES} can be told apart", "arms")
    found = evidence_paths(result, arms, quantities)
    fitters = of_story["fitter"].to_dict()
    n_arms, n = len(result.arms), result.n_simulations
    of = quantities[0] if len(quantities) == 1 else f"{len(quantities)} quantities together"
    note = (
        f"N = {n} simulations of {of_story['story'].iloc[0]}, by the ranks of {of} among "
        f"L = {result.manifest['run']['max_rank']} draws. A correct arm's line ever passes the "
        f"threshold with probability at most {ALPHA:g} over all {n_arms} arms of the run."
        + (f" Up to {found.failed} fits of an arm failed." if found.failed else "")
    )
    threshold = math.log(n_arms / ALPHA)
    return plots.evidence(
        {fitters[arm]: _until(path, threshold) for arm, path in found.log_e.items()},
        threshold,
        all_arms=list(fitters.values()),
        gamma={fitters[arm]: path for arm, path in found.gamma.items()},
        note=note.replace("$", r"\$"),
    )


def _until(path: np.ndarray, threshold: float) -> list[float]:
    """A path up to where it decides, as `hiercal check` would have stopped."""
    decided = (path >= threshold).nonzero()[0]
    return path[: decided[0] + 1 if len(decided) else None].tolist()


def _group_ranks(
    result: Result, of_story: pd.DataFrame, arms: Sequence[str], _: Sequence[str]
) -> Figure:
    from hiercal.plots import group_ranks

    ranks = result.group_ranks
    own = ranks[ranks["arm"].isin(list(arms)).to_numpy()]
    fitters = of_story["fitter"].to_dict()
    return group_ranks(
        own.assign(arm=own["arm"].cat.rename_categories(fitters)),
        result.manifest["simulations"],
        [fitters[arm] for arm in arms],
        parameter=of_story["groups"].iloc[0],
        story=of_story["story"].iloc[0],
    )


def _funnel(
    result: Result, of_story: pd.DataFrame, arms: Sequence[str], _: Sequence[str]
) -> Figure:
    from hiercal import plots

    panels, titles = _funnel_panels(result, of_story.loc[list(arms)])
    with_scale = of_story[(of_story["scale"] != "").to_numpy()].iloc[0]
    scale, group = (plots.quantity_label(with_scale[key]) for key in ("scale", "first_group"))
    return plots.funnel(panels, titles, scale_label=scale, group_label=group)


def _representative(names: list[str]) -> list[str]:
    """Scalars, and the first of each vector."""
    firsts: dict[str, str] = {}
    for name in names:
        firsts.setdefault(name.partition("[")[0], name)
    return list(firsts.values())


def _with_draws(result: Result, arms: pd.DataFrame) -> list[str]:
    """Arms that fitted all data sets of which any arm has draws."""
    kept = result.draws()
    data_sets = dict.fromkeys(data for arm, data in kept if arm in arms.index)
    return [
        arm
        for arm in arms.index
        if data_sets and all(len(kept.get((arm, d), NO_DRAWS)["scale"]) for d in data_sets)
    ]


def _funnel_panels(result: Result, arms: pd.DataFrame) -> tuple[list[list[FunnelDraws]], list[str]]:
    """Panels, a row for each data set and a column for each arm; titles of the rows."""
    kept = result.draws()
    fitters = arms["fitter"].to_dict()
    first = next(iter(fitters))
    rows: list[list[FunnelDraws]] = []
    titles = []
    for data in dict.fromkeys(data for arm, data in kept if arm in fitters):
        known = kept[first, data].get("truth")
        truth = None if known is None else (float(known[0]), float(known[1]))
        titles.append(f"Simulation {data}" if data.isdigit() else "Real data")
        rows.append(
            [
                {
                    "scale": kept[arm, data]["scale"],
                    "group": kept[arm, data]["group"],
                    "diverging": kept[arm, data]["diverging"],
                    "title": fitter,
                    "truth": truth,
                }
                for arm, fitter in fitters.items()
            ]
        )
    return rows, titles
