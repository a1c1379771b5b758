"""Ranks as randomised PIT values in an ArviZ DataTree."""

from __future__ import annotations

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

    records = result.columns("arm", "simulation", "quantity", "rank", "max_rank")
    groups = {
        (str(story), f"{_sbc(arms)}_sbc"): _pit_values(
            records[records["arm"].isin(arms["arm"]).to_numpy()],
            result.manifest["seed"],
            arms["key"].to_dict(),
        )
        for story, arms in result.arms.groupby("story", sort=False)
    }
    flat = {name: group for (_, name), group in groups.items()}
    if len(flat) < len(groups):
        flat = {f"{file_name(story)}/{name}": group for (story, name), group in groups.items()}
    return xr.DataTree.from_dict(flat)


def _sbc(arms: pd.DataFrame) -> str:
    """What a story's truths are drawn from; runs of earlier versions know the prior only."""
    return str(arms["sbc"].iloc[0]) if "sbc" in arms else "prior"


def _pit_values(records: pd.DataFrame, seed: int, keys: dict[str, str]) -> xr.Dataset:
    import xarray as xr

    max_rank = int(records["max_rank"].iloc[0])
    wide = records.pivot(index=["arm", "simulation"], columns="quantity", values="rank")
    arms: dict[str, pd.DataFrame] = {}
    left_out: list[str] = []
    columns: list[str] = []
    for arm in records["arm"].unique():
        ranks = wide.loc[arm].dropna(axis="columns", how="all").dropna()
        if ranks.empty:
            left_out.append(arm)
            continue
        arms[arm] = ranks
        columns = columns or list(ranks.columns)
    n_simulations = records["simulation"].nunique()
    if not arms:
        return xr.Dataset(attrs={"arms_left_out": left_out, "n_left_out": n_simulations})
    columns = [c for c in columns if all(c in ranks for ranks in arms.values())]
    simulations = sorted(set.intersection(*(set(ranks.index) for ranks in arms.values())))
    pit = np.stack(
        [
            _pit(ranks.loc[simulations, columns], max_rank, seed, keys[arm])
            for arm, ranks in arms.items()
        ]
    )
    variables, coords = {}, {"arm": list(arms), "simulation": simulations}
    for parameter, indices in _by_parameter(columns).items():
        name = file_name(parameter)
        if len(indices) == 1 and "[" not in columns[indices[0]]:
            variables[name] = (("arm", "simulation"), pit[..., indices[0]])
        else:
            dim = f"{name}_dim_0"
            coords[dim] = [columns[i].partition("[")[2].rstrip("]") for i in indices]
            variables[name] = (("arm", "simulation", dim), pit[..., indices])
    attrs = {
        "max_rank": max_rank,
        "n_left_out": n_simulations - len(simulations),
        "arms_left_out": left_out,
    }
    return xr.Dataset(variables, coords, attrs)


def _pit(ranks: pd.DataFrame, max_rank: int, seed: int, key: str) -> np.ndarray:
    """PIT values (simulation, quantity); each depends on its arm, simulation and quantity alone."""
    whole = ranks.to_numpy(dtype=np.int64)
    simulations = ranks.index.to_numpy(dtype=np.int64)
    values = np.empty(whole.shape)
    for j, quantity in enumerate(ranks.columns):
        every = np.zeros(simulations.max(initial=0) + 1, np.int64)
        every[simulations] = whole[:, j]
        rng = stream(seed, "pit", key, quantity)
        values[:, j] = randomised_pit(every, max_rank, rng)[simulations]
    return values


def _by_parameter(columns: list[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for i, column in enumerate(columns):
        groups.setdefault(column.partition("[")[0], []).append(i)
    return groups
