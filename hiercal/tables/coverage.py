"""Coverage of intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hiercal.sbc import coverage as shares
from hiercal.sbc import intervals

if TYPE_CHECKING:
    import pandas as pd

    from hiercal.runs.result import Result

CENTRAL_LEVELS = (0.5, 0.8, 0.9)


def coverage(result: Result) -> pd.DataFrame:
    """Coverage of central intervals and of the highest-density interval.

    Returns
    -------
    DataFrame
        A row per arm, quantity and interval: the ``level`` that a correct posterior reaches, the
        completed fits ``n`` and those that ``covered`` the truth, ``coverage`` with its exact 95 %
        limits ``lower`` and ``upper`` (Clopper and Pearson 1934), and the two-sided binomial
        ``p``, uncorrected. Central intervals are those of order statistics, whose level is exact;
        the HDI's is that of as many independent normal draws as the median bulk ESS.
    """
    import pandas as pd

    columns = ("status", "rank", "max_rank", "truth", "hdi_lower", "hdi_upper", "ess_bulk")
    nominal = result.manifest["run"]["level"]
    rows = []
    for arm, quantity, every in result.cells(*columns):
        cell = every[(every["status"] == "ok").to_numpy()]
        if cell.empty:
            continue
        n, max_rank = len(cell), int(cell["max_rank"].iloc[0])
        rank = cell["rank"].to_numpy(dtype=np.int64)
        orders = [max(1, round((1 - level) * (max_rank + 1) / 2)) for level in CENTRAL_LEVELS]
        for k in dict.fromkeys(orders):
            covered = int(((rank >= k) & (rank <= max_rank - k)).sum())
            rows.append((arm, quantity, "central", 1 - 2 * k / (max_rank + 1), n, covered))
        truth = cell["truth"].to_numpy()
        inside = (cell["hdi_lower"].to_numpy() <= truth) & (truth <= cell["hdi_upper"].to_numpy())
        ess = _two_digits(float(cell["ess_bulk"].median()))
        reached = intervals.hdi_level(ess, nominal)
        rows.append((arm, quantity, f"hdi {nominal:g}", reached.level, n, int(inside.sum())))
    columns = ["arm", "quantity", "interval", "level", "n", "covered"]
    table = pd.DataFrame(rows, columns=columns)
    if table.empty:
        return table
    table["coverage"] = table["covered"] / table["n"]
    counts = table["covered"].to_numpy(), table["n"].to_numpy()
    table["lower"], table["upper"] = shares.clopper_pearson(*counts)
    table["p"] = shares.coverage_p(*counts, table["level"].to_numpy())
    return table


def _two_digits(x: float) -> int:
    """Rounded to two significant digits, so that levels of similar sizes are computed once."""
    return int(float(f"{max(x, 10.0):.2g}"))
