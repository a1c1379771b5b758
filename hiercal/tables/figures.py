"""The figures of every run, from its tables and the draws that it kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def figure_makers(result: Result) -> Makers:
    """What makes each of the run's figures, by name; of several stories, by name and story."""
    by_story = dict(list(result.arms.groupby("story", sort=False)))
    makers: Makers = {}
    for story, arms in by_story.items():
        end = f"-{file_name(str(story))}" if len(by_story) > 1 else ""
        of_story = _figures_of_records(result, arms)
        if result.summarises_groups and arms["groups"].iloc[0]:
            of_story["group_ranks"] = partial(_group_ranks, result, arms)
        panels, titles = _funnel_panels(result, arms)
        if titles:
            of_story["funnel"] = partial(_funnel, arms, panels, titles)
        makers |= {f"{name}{end}": make for name, make in of_story.items()}
    return makers


def _figures_of_records(result: Result, arms: pd.DataFrame) -> Makers:
    from hiercal import plots

    fitters, story = arms["fitter"].to_dict(), arms["story"].iloc[0]
    names = list(dict.fromkeys(name for arm in fitters for name in result.quantities[arm]))
    overlaid = names if len(names) <= OVERLAID else _representative(names)[:OVERLAID]
    scattered = _representative(names)[:SCATTERED]

    def records(quantities: list[str], *columns: str) -> Iterator[pd.DataFrame]:
        columns = ("simulation", "status", "max_rank", *columns)
        for _, _, cell in result.cells(*columns, arms=fitters, quantities=quantities):
            yield cell.assign(arm=cell["arm"].cat.rename_categories(fitters), story=story)

    return {
        "ranks": lambda: plots.rank_histogram(records(scattered, "rank"), scattered),
        "ecdf": lambda: plots.ecdf_difference(records(overlaid, "rank"), overlaid),
        "coverage": lambda: plots.coverage(records(overlaid, "rank"), overlaid),
        "recovery": lambda: plots.recovery(records(scattered, "truth", "mean", "sd"), scattered),
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
