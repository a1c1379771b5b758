"""Verdict on each quantity of each arm."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from hiercal.sbc import verdict as rule

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result


def verdicts(result: Result, alpha: float = 0.05, power: float = 0.9) -> pd.DataFrame:
    """Test every quantity of every arm, as one family.

    Parameters
    ----------
    result : Result
    alpha : float
        Family-wise level over all quantities and arms (Holm 1979).
    power : float
        Power at which the detectable errors are stated.

    Returns
    -------
    DataFrame
        A row per arm and quantity: ``n`` completed fits, ``n_failed``; p-values ``p_ecdf`` and
        ``p_smooth`` of the two tests of uniformity, their combination ``p``, and ``p_holm``
        adjusted for the family, with failed fits ranked as badly as can be (``p_holm_worst``) and
        as well (``p_holm_best``); ``p_effective_holm``, of the ranks among effective draws, which
        counts where ``low_ess`` is above 0.2: the share of fits whose bulk ESS is below L, the
        number of draws that a truth is ranked among; ``verdict`` and its ``reason``. The smallest
        errors found with the stated power: ``detectable_shift`` (in posterior sds) and
        ``detectable_scale`` (a sd so many times too large or too small) if this quantity alone is
        wrong, ``shared_shift`` and ``shared_scale`` if all quantities of the arm are, and err
        independently. Fields of `hiercal.sbc.verdict.Verdict`.
    """
    import pandas as pd

    columns = ("status", "rank", "rank_effective", "max_rank", "ess_bulk")
    keys = []

    def hypotheses() -> Iterator[rule.Hypothesis]:
        for arm, quantity, rows in result.cells(*columns):
            done = rows[(rows["status"] == "ok").to_numpy()]
            keys.append({"arm": arm, "quantity": quantity})
            yield rule.Hypothesis(
                ranks=done["rank"].to_numpy(dtype=np.int64),
                effective_ranks=done["rank_effective"].to_numpy(dtype=np.int64),
                n_failed=len(rows) - len(done),
                ess_bulk=done["ess_bulk"].to_numpy(),
                max_rank=int(rows["max_rank"].iloc[0]),
                arm=arm,
            )

    judged = rule.verdicts(hypotheses(), alpha=alpha, power=power)
    return pd.DataFrame(
        [key | dataclasses.asdict(verdict) for key, verdict in zip(keys, judged, strict=True)]
    )
