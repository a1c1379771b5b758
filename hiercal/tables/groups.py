"""Pooled ranks of all single group effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hiercal.sbc import pooled, uniformity

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result


def groups(result: Result) -> pd.DataFrame:
    """Test the pooled ranks of all single group effects, with ``groups = "summary"``.

    Returns
    -------
    DataFrame
        A row per arm: completed fits ``n``, ``n_failed``, ``n_groups``; ``p`` of
        `hiercal.sbc.pooled.pooled_test` and ``p_holm`` over the arms, both of the completed fits
        and NaN without one or without group effects; and the worst ``ess_bulk_min`` and
        ``r_hat_max`` of any quantity or group effect in any fit. Where that ESS is below the draws
        ranked, autocorrelation alone can make p small.
    """
    import pandas as pd

    fits, ranks = result.fits, result.group_ranks
    rows = []
    for arm in result.arms["arm"]:
        of_arm = fits[(fits["arm"] == arm).to_numpy()]
        own = ranks[(ranks["arm"] == arm).to_numpy()]
        n_failed = int(of_arm["error"].notna().sum())
        p = np.nan
        if len(own):
            covariances = np.stack(own["covariance"].to_list())
            order = pooled.ORDER
            p = pooled.pooled_test(
                np.stack(own["counts"].to_list()), covariances.reshape(-1, order, order)
            ).p
        rows.append(
            {
                "arm": arm,
                "n": len(of_arm) - n_failed,
                "n_failed": n_failed,
                "n_groups": result.arms.loc[arm, "n_groups"],
                "p": p,
                "ess_bulk_min": of_arm["ess_bulk_min"].min(),
                "r_hat_max": of_arm["r_hat_max"].max(),
            }
        )
    table = pd.DataFrame(rows)
    table.insert(5, "p_holm", uniformity.holm(table["p"].to_numpy()))
    return table
