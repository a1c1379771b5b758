"""Ranks as randomised PIT values in an ArviZ DataTree."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from hiercal.runs.manifest import file_name
from hiercal.runs.streams import stream
from hiercal.sbc.ranks import randomised_pit

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from hiercal.runs.result import Result


def pit_tree(result: Result) -> xr.DataTree:
    """A DataTree whose ``prior_sbc`` group holds PIT values, dims (arm, simulation, group).

    Those of a story around data are in the group ``posterior_sbc``:
    ``az.plot_ecdf_pit(tree, group="posterior_sbc", sample_dims="simulation")``.

    ArviZ takes no missing values, so the group holds the simulations that every arm fitted and the
    quantities that every arm has; ``n_left_out`` says how many simulations that leaves out. Where a
    run has several groups of one name, each is below the name of its story, shortened and without a
    slash where a store asks for it. An arm without a single
    fit is left out and named in ``arms_left_out``.
    """
    import xarray as xr

    groups = {
        (str(story), f"{_sbc(arms)}_sbc"): _pit_values(result, arms["key"].to_dict())
        for story, arms in result.arms.groupby("story", sort=False)
    }
    flat = {name: group for (_, name), group in groups.items()}
    if len(flat) < len(groups):
        flat = {f"{file_name(story)}/{name}": group for (story, name), group in groups.items()}
    return xr.DataTree.from_dict(flat)


def _sbc(arms: pd.DataFrame) -> str:
    """What a story's truths are drawn from; runs of earlier versions know the prior only."""
    return str(arms["sbc"].iloc[0]) if "sbc" in arms else "prior"


def _pit_values(result: Result, keys: dict[str, str]) -> xr.Dataset:
    """PIT values of the arms of one story."""
    import xarray as xr

    max_rank, seed = result.manifest["run"]["max_rank"], result.manifest["seed"]
    arms: dict[str, pd.DataFrame] = {}
    left_out: list[str] = []
    columns: list[str] = []
    every = np.empty(0, np.int64)
    for arm in keys:
        simulations, ranks = _ranks(result, arm, max_rank)
        every = np.union1d(every, simulations)
        if ranks.empty:
            left_out.append(arm)
            continue
        arms[arm] = ranks
        columns = columns or list(ranks.columns)
    if not arms:
        return xr.Dataset(attrs={"arms_left_out": left_out, "n_left_out": len(every)})
    columns = [c for c in columns if all(c in ranks for ranks in arms.values())]
    simulations = reduce(np.intersect1d, [ranks.index.to_numpy() for ranks in arms.values()])
    variables, coords = {}, {"arm": list(arms), "simulation": simulations}
    for parameter, names in _by_parameter(columns).items():
        name = file_name(parameter)
        pit = np.empty((len(arms), len(simulations), len(names)))
        for i, (arm, ranks) in enumerate(arms.items()):
            for j, quantity in enumerate(names):
                rng = stream(seed, "pit", keys[arm], quantity)
                pit[i, :, j] = _pit(ranks.loc[simulations, quantity], max_rank, rng)
        if names == [parameter]:
            variables[name] = (("arm", "simulation"), pit[..., 0])
        else:
            dim = f"{name}_dim_0"
            coords[dim] = [each.partition("[")[2].rstrip("]") for each in names]
            variables[name] = (("arm", "simulation", dim), pit)
    attrs = {
        "max_rank": max_rank,
        "n_left_out": len(every) - len(simulations),
        "arms_left_out": left_out,
    }
    return xr.Dataset(variables, coords, attrs)


def _ranks(result: Result, arm: str, max_rank: int) -> tuple[np.ndarray, pd.DataFrame]:
    """An arm's simulations, and the ranks of those with all quantities, in as few bytes as hold."""
    import pandas as pd

    ranks: dict[str, np.ndarray] = {}
    simulations, complete = np.empty(0, np.int64), np.empty(0, bool)
    for _, quantity, rows in result.cells("simulation", "rank", arms=[arm]):
        simulations, done = rows["simulation"].to_numpy(), rows["rank"].notna().to_numpy()
        if done.any():
            complete = complete & done if ranks else done
            ranks[quantity] = rows["rank"].to_numpy(np.min_scalar_type(max_rank), na_value=0)
    fitted = pd.DataFrame(ranks, index=simulations) if ranks else pd.DataFrame()
    return simulations, fitted[complete]


def _pit(ranks: pd.Series, max_rank: int, rng: np.random.Generator) -> np.ndarray:
    """PIT values of one quantity, by simulation; each depends on its simulation alone."""
    simulations = ranks.index.to_numpy()
    every = np.zeros(simulations.max(initial=0) + 1, np.int64)
    every[simulations] = ranks.to_numpy()
    return randomised_pit(every, max_rank, rng)[simulations]


def _by_parameter(columns: list[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for column in columns:
        groups.setdefault(column.partition("[")[0], []).append(column)
    return groups
