"""The worst of several cells, estimated from other data sets than those that chose it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

HALVES = (slice(0, None, 2), slice(1, None, 2))


def worst_case(cells: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Largest mean loss of any cell, with its selection accounted for.

    The largest of noisy means is too large on average, the more so the more cells are as bad. So
    every other data set chooses the cell and the others estimate its mean, and the other way round;
    the two estimates are averaged. Neither is biased for the cell chosen, whose loss is that of the
    worst cell or less.

    Parameters
    ----------
    cells : mapping of str to ndarray
        Losses by data set, larger is worse; cells with fewer than four data sets are left out.

    Returns
    -------
    dict
        ``value`` and ``value_se``, ``chosen``: the cell, or the two, and ``naive``: the largest
        mean of all data sets. NaN and no name without cells.

    Examples
    --------
    >>> worst = worst_case({"a": np.array([1.0, 2.0, 1.0, 2.0]), "b": np.zeros(4)})
    >>> worst["value"], worst["chosen"]
    (1.5, 'a')
    """
    kept = {name: values for name, values in cells.items() if len(values) >= 4}
    if not kept:
        return {"value": np.nan, "value_se": np.nan, "chosen": "", "naive": np.nan}
    chosen, means, variances = [], [], []
    for choosing, estimating in (HALVES, HALVES[::-1]):
        name = max(kept, key=lambda cell: kept[cell][choosing].mean())
        left = kept[name][estimating]
        chosen.append(name)
        means.append(left.mean())
        variances.append(left.var(ddof=1) / left.size)
    return {
        "value": float(np.mean(means)),
        "value_se": float(np.sqrt(sum(variances)) / 2),
        "chosen": " and ".join(dict.fromkeys(chosen)),
        "naive": float(max(values.mean() for values in kept.values())),
    }
