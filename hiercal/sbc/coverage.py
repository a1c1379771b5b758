"""How often intervals cover the truth, and how often they ought to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, bdtrik, betaincinv

DRAWN_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.96)
"""Nominal levels that are drawn where there is room."""


@dataclass(frozen=True, slots=True, eq=False)
class CentralCoverage:
    """Coverage of central intervals, one entry of each array for each interval.

    Attributes
    ----------
    k
        The interval runs from the k-th smallest to the k-th largest draw, shape (n_intervals,).
    nominal
        Its exact level, ``1 - 2 k / (L + 1)``.
    covered
        Number of truths inside.
    n
        Number of truths.
    coverage
        ``covered / n``.
    lower, upper
        Clopper-Pearson interval for the true coverage.
    """

    k: NDArray[np.int64]
    nominal: NDArray[np.float64]
    covered: NDArray[np.int64]
    n: int
    coverage: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


def central_coverage(
    ranks: ArrayLike, max_rank: int, k: ArrayLike | None = None, *, level: float = 0.95
) -> CentralCoverage:
    """Coverage of the central intervals between order statistics, from the ranks alone.

    The interval from the k-th to the (L+1-k)-th of L sorted draws holds the truth if and only if
    ``k <= r <= L - k``, which has probability exactly ``1 - 2 k / (L + 1)`` when the posterior is
    right. No quantile is estimated, so there is no estimation error to correct for.

    Parameters
    ----------
    ranks
        Ranks in 0..max_rank, shape (n_simulations,).
    max_rank
        L, the number of draws each truth was ranked among.
    k
        Intervals to look at, each in 1..floor(L/2); all of them by default, widest first.
    level
        Confidence level of the Clopper-Pearson intervals.

    Returns
    -------
    CentralCoverage

    Raises
    ------
    ValueError
        When there is no rank, a rank lies outside 0..max_rank, or a k is out of range.

    References
    ----------
    David and Nagaraja (2003), Order Statistics, section 7.1, for the level.

    Examples
    --------
    >>> coverage = central_coverage(np.arange(100), 99, k=[5, 25])
    >>> coverage.nominal.tolist(), coverage.covered.tolist()
    ([0.9, 0.5], [90, 50])
    """
    observed = np.asarray(ranks)
    if observed.ndim != 1 or not observed.size or observed.min() < 0 or observed.max() > max_rank:
        raise ValueError(
            f"got ranks of shape {observed.shape}, expected a non-empty (n_simulations,) array in "
            f"0..{max_rank}. Leave failed fits out before asking for coverage."
        )
    half = max_rank // 2
    chosen = np.arange(1, half + 1) if k is None else np.atleast_1d(np.asarray(k))
    if not chosen.size or chosen.min() < 1 or chosen.max() > half:
        raise ValueError(
            f"got k={chosen.tolist()}, expected whole numbers in 1..{half} for max_rank={max_rank}."
        )
    outermost = np.minimum(observed, max_rank - observed)
    # r is inside interval k exactly if its distance to the nearer edge is at least k.
    nearer = np.cumsum(np.bincount(outermost.astype(np.int64), minlength=half + 1))
    covered = observed.size - nearer[chosen - 1]
    nominal = 1 - 2 * chosen / (max_rank + 1)
    lower, upper = clopper_pearson(covered, observed.size, level)
    return CentralCoverage(
        k=chosen.astype(np.int64),
        nominal=nominal,
        covered=covered,
        n=observed.size,
        coverage=covered / observed.size,
        lower=lower,
        upper=upper,
    )


def order_statistics(max_rank: int, levels: ArrayLike) -> NDArray[np.int64]:
    """Order statistics whose central intervals come nearest to some levels, widest first.

    Parameters
    ----------
    max_rank
        L, the number of draws.
    levels
        Nominal levels inside (0, 1).

    Returns
    -------
    array of int
        Each k once, as of `central_coverage`.

    Examples
    --------
    >>> order_statistics(99, [0.5, 0.9])
    array([ 5, 25])
    """
    nearest = np.rint((1 - np.asarray(levels)) * (max_rank + 1) / 2).astype(np.int64)
    return np.unique(np.clip(nearest, 1, max(1, max_rank // 2)))


def clopper_pearson(
    x: ArrayLike, n: ArrayLike, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Exact confidence interval for a binomial probability.

    ``Beta(alpha/2; x, n-x+1)`` to ``Beta(1-alpha/2; x+1, n-x)``; 0 and 1 at the ends.

    Parameters
    ----------
    x
        Successes, any shape.
    n
        Trials, broadcast against `x`.
    level
        Confidence level.

    Returns
    -------
    lower, upper
        Arrays of the broadcast shape.

    Raises
    ------
    ValueError
        When not ``0 <= x <= n``, ``n >= 1`` and ``0 < level < 1``.

    References
    ----------
    Clopper and Pearson (1934), Biometrika 26:404.

    Examples
    --------
    >>> [round(float(end), 4) for end in clopper_pearson(882, 1000)]
    [0.8604, 0.9013]
    """
    x, n = _successes(x, n, level)
    tail = (1 - level) / 2
    lower = np.where(x == 0, 0.0, betaincinv(np.maximum(x, 1), n - x + 1, tail))
    upper = np.where(x == n, 1.0, betaincinv(x + 1, np.maximum(n - x, 1), 1 - tail))
    return lower, upper


def coverage_p(x: ArrayLike, n: ArrayLike, level: ArrayLike) -> NDArray[np.float64]:
    """Two-sided binomial p-value of `x` covered out of `n` against a coverage level.

    The sum of the probabilities of all counts no more likely than `x` (`scipy.stats.binomtest`).
    For highest-density intervals of draws, `level` is that of `hdi_level`, not the nominal one.

    Parameters
    ----------
    x
        Truths covered, any shape.
    n
        Truths, broadcast against `x`.
    level
        Coverage under the null hypothesis, broadcast likewise.

    Returns
    -------
    array of the broadcast shape

    Raises
    ------
    ValueError
        When not ``0 <= x <= n``, ``n >= 1`` and ``0 < level < 1``.

    References
    ----------
    Sterne (1954), Biometrika 41:275, for ordering the counts by their probability.

    Examples
    --------
    >>> round(float(coverage_p(882, 1000, 0.89)), 3)
    0.419
    """
    level = np.asarray(level, dtype=float)
    x, n = _successes(x, n, level)
    return _binomial_p(x, n, level)


@np.vectorize
def _binomial_p(x: int, n: int, level: float) -> float:
    from scipy.stats import binomtest  # half a second, which not every command spends

    return float(binomtest(int(x), int(n), float(level)).pvalue)


def _successes(
    x: ArrayLike, n: ArrayLike, level: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    x, n, level = np.asarray(x), np.asarray(n), np.asarray(level)
    if not (np.all(n >= 1) and np.all(x >= 0) and np.all(x <= n)):
        raise ValueError(f"got x={x!s} of n={n!s}: expected 0 <= x <= n and n >= 1.")
    if not np.all((level > 0) & (level < 1)):
        raise ValueError(f"got level={level!s}: expected a probability strictly inside (0, 1).")
    return x, n


def calibrated_counts(
    n: int, nominal: ArrayLike, level: float = 0.95
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Least and largest count of covered truths of a right posterior, at each level by itself.

    The central region of the binomial of `n` and the nominal level: outside it on either side lies
    at most ``(1 - level) / 2``.

    Parameters
    ----------
    n
        Number of truths.
    nominal
        Levels of the intervals, shape (n_levels,).
    level
        Probability of the region, at least.

    Returns
    -------
    lower, upper
        Counts, shape (n_levels,).

    Raises
    ------
    ValueError
        When `n` is below 1, or a level is not inside (0, 1).

    Examples
    --------
    >>> [count.tolist() for count in calibrated_counts(100, [0.5, 0.9])]
    [[40, 84], [60, 95]]
    """
    p = np.asarray(nominal, dtype=float)
    if n < 1 or not ((p > 0) & (p < 1)).all() or not 0 < level < 1:
        raise ValueError(
            f"got n={n}, nominal={p.tolist()}, level={level}: expected n >= 1 and levels inside "
            "(0, 1)."
        )
    tail = (1 - level) / 2

    def least(target: float) -> NDArray[np.int64]:
        # bdtrik inverts a continuous extension: the count is at most one off where it is whole
        count = np.ceil(bdtrik(target, n, p) - 1e-9).astype(np.int64)
        count = np.clip(np.nan_to_num(count), 0, n)
        below = bdtr(np.maximum(count - 1, 0), n, p)
        return np.where((count > 0) & (below >= target), count - 1, count)

    return least(tail), least(1 - tail)
