"""The figures of every run, from its tables and the draws that it kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from hiercal.runs.manifest import file_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.plots.funnel import FunnelDraws
    from hiercal.runs.result import Result

NO_DRAWS = {"scale": ()}
OVERLAID, SCATTERED = 14, 5
"""Quantities that a figure with a panel each, or a column each, shows."""

Makers = dict[str, Callable[[], "Figure"]]
"""Figures by name, none made yet: what one raises costs no other."""


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
        shown = own.loc[chosen]
        if result.summarises_groups and own["groups"].iloc[0]:
            of_story["group_ranks"] = partial(_group_ranks, result, shown)
        panels, titles = _funnel_panels(result, shown)
        if titles:
            of_story["funnel"] = partial(_funnel, shown, panels, titles)
        makers |= {f"{name}{end}": make for name, make in of_story.items()}
    return makers


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
    """Those of the ranks, in which an arm looks the same whichever others are shown."""
    from hiercal import plots

    fitters, story = of_story["fitter"].to_dict(), of_story["story"].iloc[0]
    names = list(dict.fromkeys(name for arm in arms for name in result.quantities[arm]))
    overlaid = names if len(names) <= OVERLAID else _representative(names)[:OVERLAID]
    scattered = _representative(names)[:SCATTERED]
    overlaid, scattered = quantities or overlaid, quantities or scattered
    shown = [fitters[arm] for arm in arms]

    def records(quantities: list[str], *columns: str) -> Iterator[pd.DataFrame]:
        columns = ("simulation", "status", "max_rank", *columns)
        for _, _, cell in result.cells(*columns, arms=fitters, quantities=quantities):
            yield cell.assign(arm=cell["arm"].cat.rename_categories(fitters), story=story)

    return {
        "ranks": lambda: plots.rank_histogram(records(scattered, "rank"), scattered, shown),
        "ecdf": lambda: plots.ecdf_difference(records(overlaid, "rank"), overlaid, shown),
        "coverage": lambda: plots.coverage(records(overlaid, "rank"), overlaid, shown),
        "recovery": lambda: plots.recovery(
            records(scattered, "truth", "mean", "sd"), scattered, shown
        ),
    }


def _group_ranks(result: Result, arms: pd.DataFrame) -> Figure:
    from hiercal.plots.group_ranks import group_ranks

    ranks, labels = result.group_ranks, list(arms["arm"])
    own = ranks[ranks["arm"].isin(labels).to_numpy()]
    return group_ranks(
        own.assign(arm=own["arm"].cat.rename_categories(arms["fitter"].to_dict())),
        result.manifest["simulations"],
        list(arms["fitter"]),
        parameter=arms["groups"].iloc[0],
        story=arms["story"].iloc[0],
    )


def _funnel(arms: pd.DataFrame, panels: list[list[FunnelDraws]], titles: list[str]) -> Figure:
    from hiercal import plots

    with_scale = arms[(arms["scale"] != "").to_numpy()].iloc[0]
    scale, group = (plots.quantity_label(with_scale[key]) for key in ("scale", "first_group"))
    return plots.funnel(panels, titles, scale_label=scale, group_label=group)


def _representative(names: list[str]) -> list[str]:
    """Scalars, and the first of each vector."""
    firsts: dict[str, str] = {}
    for name in names:
        firsts.setdefault(name.partition("[")[0], name)
    return list(firsts.values())


def _funnel_panels(result: Result, arms: pd.DataFrame) -> tuple[list[list[FunnelDraws]], list[str]]:
    """Panels, a row for each data set and a column for each arm that fitted them all; titles."""
    kept = result.draws()
    fitters = arms["fitter"].to_dict()
    data_sets = list(dict.fromkeys(data for arm, data in kept if arm in fitters))
    columns = [
        arm for arm in fitters if all(len(kept.get((arm, d), NO_DRAWS)["scale"]) for d in data_sets)
    ]
    rows: list[list[FunnelDraws]] = []
    titles = []
    for data in data_sets if columns else []:
        known = kept[columns[0], data].get("truth")
        truth = None if known is None else (float(known[0]), float(known[1]))
        titles.append(f"Simulation {data}" if data.isdigit() else "Real data")
        rows.append(
            [
                {
                    "scale": kept[arm, data]["scale"],
                    "group": kept[arm, data]["group"],
                    "diverging": kept[arm, data]["diverging"],
                    "title": fitters[arm],
                    "truth": truth,
                }
                for arm in columns
            ]
        )
    return rows, titles
