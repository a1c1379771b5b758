"""Calibration within strata of the simulations, which a marginal histogram averages over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hiercal.sbc.paired import paired_test
from hiercal.sbc.uniformity import holm, uniformity_test
from hiercal.tables._cells import measured_arms
from hiercal.tables.estimates import mean_se, named, paired

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result

STRATA = 4


def strata(result: Result) -> pd.DataFrame:
    """Test the ranks of the between-group scale within quarters of the simulations.

    By the ``truth``: quarters of the true scale. Shrinkage moves the ranks of a correct posterior
    there, so they are compared with the exact arm's of the same simulations
    (`hiercal.sbc.paired.paired_test`). By the ``data``: quarters of the exact posterior mean of the
    scale, which is a function of the data alone (how much signal there is between groups for the
    noise), so that correct ranks are uniform in each and are tested as such.

    Parameters
    ----------
    result : Result
        Result of a run with an ``exact`` arm for each story that is to have rows.

    Returns
    -------
    DataFrame
        A row per arm, kind of stratum ``by`` and stratum: ``low`` and ``high`` ends of the scale,
        completed pairs ``n`` and ``n_failed``, of those that the exact arm completed; the mean
        ``shift`` of the rank against the exact arm's, as a share of the ranks, and its standard
        error; ``p`` and ``p_holm`` over all rows; ``low_ess``, the share of fits with fewer
        effective draws than are ranked, where autocorrelation alone can make p small. Empty without
        an exact arm.
    """
    import pandas as pd

    rows = []
    measured = [(arm, exact) for exact, arms in measured_arms(result).items() for arm in arms]
    for arm, exact in measured:
        scale = result.arms.loc[arm, "scale"]
        pairs = paired(result, arm, exact, scale)
        pairs = pairs[pairs[["truth", "other_mean"]].notna().all(axis=1).to_numpy()]
        if pairs.empty:
            continue
        for by, values in (("truth", pairs["truth"]), ("data", pairs["other_mean"])):
            edges = np.quantile(values, np.linspace(0, 1, STRATA + 1))
            stratum = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, STRATA - 1)
            for k in range(STRATA):
                here = pairs[stratum == k]
                done = here[((here["status"] == "ok") & (here["other_status"] == "ok")).to_numpy()]
                rows.append(
                    {
                        "arm": arm,
                        "quantity": scale,
                        "by": by,
                        "stratum": k + 1,
                        "low": edges[k],
                        "high": edges[k + 1],
                        "n": len(done),
                        "n_failed": len(here) - len(done),
                        **_tested(done, by),
                    }
                )
    table = pd.DataFrame(rows)
    if len(table):
        table["p_holm"] = holm(table["p"].to_numpy())
    return table


def _tested(done: pd.DataFrame, by: str) -> dict[str, float]:
    if done.empty:
        return {"shift": np.nan, "shift_se": np.nan, "p": np.nan, "low_ess": np.nan}
    max_rank = int(done["max_rank"].iloc[0])
    first, second = (done[c].to_numpy(dtype=np.int64) for c in ("rank", "other_rank"))
    if by == "truth":
        p = paired_test(first, second, max_rank).p
    else:
        p = uniformity_test(first, max_rank).p
    return {
        **named(shift=mean_se((first - second) / (max_rank + 1))),
        "p": p,
        "low_ess": float((done["ess_bulk"] < max_rank).mean()),
    }
