"""Crossover: where a falling log ratio passes 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression


def crossover(
    cells: Sequence[tuple[float, np.ndarray]], rng: np.random.Generator, *, samples: int
) -> dict[str, Any]:
    """Where a falling log ratio passes 0, with a bootstrap standard error.

    Cell means are made to fall with kappa by isotonic regression (Barlow et al. 1972), and 0 is
    found between them on the logarithm of kappa.

    Parameters
    ----------
    cells : sequence of (float, ndarray)
        kappa and the log ratios of its data sets; cells without any are left out.
    rng : numpy Generator
        Draws data sets within each cell.
    samples : int
        Number of bootstrap samples.

    Returns
    -------
    dict
        ``crossover`` and ``crossover_se``, NaN where the ratio does not pass 0, and ``crossed``,
        the share of bootstrap samples in which it does; less than 0.9 leaves no standard error.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> crossing = crossover([(0.1, np.ones(2)), (10.0, -np.ones(2))], rng, samples=50)
    >>> round(crossing["crossover"], 6), crossing["crossover_se"]
    (1.0, 0.0)
    """
    kept = sorted((cell for cell in cells if len(cell[1])), key=lambda cell: cell[0])
    if not kept:
        return {"crossover": np.nan, "crossover_se": np.nan, "crossed": 0.0}
    log_kappa = np.log([kappa for kappa, _ in kept])
    groups = [values for _, values in kept]
    weights = np.array([len(values) for values in groups], float)

    def root(means: np.ndarray) -> float:
        fall = isotonic_regression(means, weights=weights, increasing=False).x
        if not fall[0] > 0 > fall[-1]:
            return np.nan
        last, first = np.flatnonzero(fall > 0)[-1], np.flatnonzero(fall < 0)[0]
        share = fall[last] / (fall[last] - fall[first])
        return log_kappa[last] + share * (log_kappa[first] - log_kappa[last])

    roots = [
        root(np.array([rng.choice(values, len(values)).mean() for values in groups]))
        for _ in range(samples)
    ]
    at = float(np.exp(root(np.array([values.mean() for values in groups]))))
    crossed = float(np.isfinite(roots).mean())
    spread = float(np.nanstd(roots)) if crossed >= 0.9 else np.nan
    return {"crossover": at, "crossover_se": at * spread, "crossed": crossed}
