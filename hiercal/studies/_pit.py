"""Ranks as randomised PIT values in an ArviZ DataTree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hiercal.sbc.ranks import randomised_pit
from hiercal.studies._manifest import file_name
from hiercal.studies._random import stream

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from hiercal.studies._result import Result


def pit_tree(result: Result) -> xr.DataTree:
    """A DataTree whose ``prior_sbc`` group holds PIT values, dims (arm, simulation, group).

    ArviZ takes no missing values, so the group holds the simulations that every arm fitted and the
    quantities that every arm has; ``n_left_out`` says how many simulations that leaves out. The
    groups of a study of several stories are below the name of each story, shortened and without a
    slash where a store asks for it. An arm without a single
    fit is left out and named in ``arms_left_out``.
    """
    import xarray as xr

    records = result.columns("arm", "simulation", "quantity", "rank", "max_rank")
    seed = result.manifest["seed"]
    groups = {
        story: _prior_sbc(records[records["arm"].isin(role["arms"]).to_numpy()], seed)
        for story, role in result.manifest["roles"].items()
    }
    if len(groups) == 1:
        return xr.DataTree.from_dict({"prior_sbc": next(iter(groups.values()))})
    return xr.DataTree.from_dict(
        {f"{file_name(story)}/prior_sbc": group for story, group in groups.items()}
    )


def _prior_sbc(records: pd.DataFrame, seed: int) -> xr.Dataset:
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
    uniform = [
        randomised_pit(
            ranks.loc[simulations, columns].to_numpy(dtype=np.int64),
            max_rank,
            stream(seed, "pit", arm),
        )
        for arm, ranks in arms.items()
    ]
    pit = np.stack(uniform)
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


def _by_parameter(columns: list[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for i, column in enumerate(columns):
        groups.setdefault(column.partition("[")[0], []).append(i)
    return groups
