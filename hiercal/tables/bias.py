"""Bias of the between-group scale, against the exact posterior."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from hiercal.tables._cells import measured_arms

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result

SCALE_BINS = 3


def bias(result: Result) -> pd.DataFrame:
    """Posterior mean of the between-group scale minus that of the ``exact`` arm, by the truth.

    Both arms met the same data, so shrinkage, which is not an error, cancels: what is left is the
    sampler's own bias (and the Monte Carlo error of both). Failed fits are left out and counted.

    Returns
    -------
    DataFrame
        A row per arm and range of the true scale: ``bias``, its standard error ``se``, ``n`` pairs
        and ``n_failed``. Empty without an exact arm.
    """
    import pandas as pd

    rows = []
    for exact, arms in measured_arms(result).items():
        scale = result.arms.loc[exact, "scale"]
        own = {
            arm: cell.set_index("simulation")
            for arm, _, cell in result.cells(
                "simulation", "truth", "mean", arms=[exact, *arms], quantities=[scale]
            )
        }
        truth = own[exact]["truth"].dropna()
        if truth.empty:
            continue
        edges = np.quantile(truth, np.linspace(0, 1, SCALE_BINS + 1))
        ranges = [(edges[0], edges[-1]), *itertools.pairwise(edges)]
        for arm in arms:
            difference = (own[arm]["mean"] - own[exact]["mean"]).reindex(truth.index)
            for low, high in ranges:
                here = difference[(truth >= low) & (truth <= high)]
                pairs = here.dropna()
                se = pairs.std() / np.sqrt(len(pairs)) if len(pairs) > 1 else np.nan
                rows.append(
                    {
                        "arm": arm,
                        "quantity": scale,
                        "truth_from": low,
                        "truth_to": high,
                        "n": len(pairs),
                        "n_failed": len(here) - len(pairs),
                        "bias": pairs.mean(),
                        "se": se,
                    }
                )
    return pd.DataFrame(rows)
