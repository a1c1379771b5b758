"""Simultaneous bands for the empirical distribution and the histogram of discrete ranks.

Counts of ranks are compared at ``z_k = k / K`` where K divides L + 1, so that every grid point is a
point of the discrete distribution and the nominal probabilities are exact. For other grids the
bands of continuous uniforms are wrong for ranks, by a lot when there are many simulations.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, gammaln, xlog1py, xlogy

_NEGLIGIBLE = 1e-40
TIE = 1e-9
"""Relative difference up to which values of the statistic, equal by symmetry, count as equal."""


def ecdf_counts(ranks: ArrayLike, max_rank: int, n_cells: int) -> NDArray[np.int64]:
    """Number of ranks in the first k of K equal cells of 0..L, for k = 1..K.

    Rank r is counted at k when ``(r + 1) K <= k (L + 1)``, compared as integers.

    Parameters
    ----------
    ranks
        Ranks in 0..max_rank, shape (n_simulations,).
    max_rank
        L, the number of draws each truth was ranked among.
    n_cells
        K, a divisor of L + 1.

    Returns
    -------
    array of shape (n_cells,)
        Cumulative counts; the last is the number of ranks.

    Raises
    ------
    ValueError
        When K does not divide L + 1, or the ranks are not whole numbers in 0..max_rank.

    Examples
    --------
    >>> ecdf_counts([0, 0, 3, 7], 7, 4)
    array([2, 3, 3, 4])
    """
    checked = check_ranks(ranks, max_rank)
    if n_cells < 1 or (max_rank + 1) % n_cells:
        raise ValueError(
            f"got n_cells={n_cells}, expected a divisor of max_rank + 1 = {max_rank + 1}. Any "
            "other grid would be tested against probabilities that discrete ranks do not have."
        )
    cells = checked // ((max_rank + 1) // n_cells)
    return np.cumsum(np.bincount(cells, minlength=n_cells))


def check_ranks(ranks: ArrayLike, max_rank: int) -> NDArray[np.int64]:
    """The ranks as a whole-number array, or a ValueError that says what is wrong with them.

    Parameters
    ----------
    ranks
        Ranks in 0..max_rank, shape (n_simulations,).
    max_rank
        L, the number of draws each truth was ranked among.

    Returns
    -------
    array of shape (n_simulations,)

    Raises
    ------
    ValueError
        When `ranks` is not one-dimensional, not of whole numbers, or leaves 0..max_rank.

    Examples
    --------
    >>> check_ranks([0.0, 3.0], 3)
    array([0, 3])
    """
    values = np.asarray(ranks)
    if max_rank < 1:
        raise ValueError(f"got max_rank={max_rank}, expected at least 1 draw to rank against.")
    if values.ndim != 1:
        raise ValueError(f"got ranks of shape {values.shape}, expected (n_simulations,).")
    whole = values.astype(np.int64) if np.isfinite(values).all() else None
    if whole is None or not np.array_equal(whole, values):
        raise ValueError(
            "got ranks that are not whole numbers, expected 0..max_rank. Pass raw ranks, not PIT "
            "values, and leave failed fits out."
        )
    if whole.size and (whole.min() < 0 or whole.max() > max_rank):
        raise ValueError(
            f"got ranks from {whole.min()} to {whole.max()}, expected 0..{max_rank}. max_rank is "
            "the number of draws ranked against, not the largest rank seen."
        )
    return whole


def inside_probability(
    n: int, lower: ArrayLike, upper: ArrayLike, cell_probabilities: ArrayLike
) -> float:
    """Probability that cumulative multinomial counts stay within limits at every cell.

    ``P(lower_k <= R_k <= upper_k for k = 1..K)`` where ``R_k = X_1 + ... + X_k`` and X is
    multinomial(n, p). Cells that are independent Poisson(n p_k), given that they sum to n, have
    this law, so one forward pass of small convolutions is exact. With uniform p it gives the
    coverage of a band, with another p the exact power of the test.

    Parameters
    ----------
    n
        Number of simulations.
    lower, upper
        Limits, shape (K,) or (K - 1,): R_K is n in any case.
    cell_probabilities
        p, shape (K,), summing to 1.

    Returns
    -------
    float
        Absolute rounding error about 1e-13.

    Raises
    ------
    ValueError
        When the shapes do not match or `cell_probabilities` is no distribution.

    References
    ----------
    Säilynoja, Bürkner, Vehtari (2022), Statistics and Computing 32:32, algorithm 1 (binomial
    steps); Corrado (2011), Statistics and Computing 21:349, for conditioning Poisson counts.

    Examples
    --------
    >>> round(inside_probability(2, [0, 1], [1, 2], [0.5, 0.25, 0.25]), 6)
    0.6875
    """
    p = np.asarray(cell_probabilities, dtype=float)
    low, high = np.asarray(lower, dtype=np.int64), np.asarray(upper, dtype=np.int64)
    if p.ndim != 1 or low.shape != high.shape or low.shape not in ((p.size,), (p.size - 1,)):
        raise ValueError(
            f"got {low.shape} lower and {high.shape} upper limits for {p.shape} cell "
            "probabilities: expected (K,) or (K - 1,) limits for (K,) probabilities."
        )
    if (p < 0).any() or abs(p.sum() - 1) > 1e-8:
        raise ValueError(f"cell probabilities sum to {p.sum()}, expected 1 with none negative.")
    low, high = np.maximum(low, 0), np.minimum(high, n)
    if low.size == p.size:
        if not low[-1] <= n <= high[-1]:
            return 0.0
        low, high = low[:-1], high[:-1]
    if (low > high).any():
        return 0.0
    low, high = np.append(low, n).tolist(), np.append(high, n).tolist()
    means = n * p
    stirling = stirling_error(n)
    mass, start = np.ones(1), 0
    for k, mean in enumerate(means.tolist()):
        first, last = max(low[k], start), high[k]
        if first > last:
            return 0.0
        smallest = max(0, first - start - mass.size + 1)
        step = np.arange(smallest, last - start + 1)
        if mean > 0:
            apart = step - mean
            pmf = np.exp(apart - xlog1py(step, apart / mean) - stirling[step])
        else:
            pmf = (step == 0).astype(float)
        weighty = np.flatnonzero(pmf > _NEGLIGIBLE)
        if not weighty.size:
            return 0.0
        # The Poisson mass is unimodal: what is negligible lies at the two ends.
        smallest, pmf = smallest + int(weighty[0]), pmf[weighty[0] : weighty[-1] + 1]
        reached = np.convolve(mass, pmf)
        origin = start + smallest
        begin, end = max(first - origin, 0), last - origin + 1
        mass, start = reached[begin:end], origin + begin
        if not mass.size:
            return 0.0
    return float(min(1.0, mass[-1] * np.exp(stirling[n])))


def stirling_error(n: int) -> NDArray[np.float64]:
    """``log x! - x log x + x`` for x = 0..n, which leaves no large terms to cancel in a pmf."""
    x = np.arange(n + 1, dtype=float)
    small = x[:16]
    exact = gammaln(small + 1) - xlogy(small, small) + small
    x = x[16:]
    series = (
        1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / 1188 / x**2) / x**2) / x**2) / x**2
    ) / x
    return np.concatenate((exact, 0.5 * np.log(2 * np.pi * x) + series))


def acceptance_region(
    n: int, n_cells: int, statistic: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts at which the pointwise two-sided binomial tail stays at least `statistic`.

    Counts x with ``2 min{BinCDF(x), 1 - BinCDF(x - 1)} >= statistic`` for Binomial(n, k / K).

    Parameters
    ----------
    n
        Number of simulations.
    n_cells
        K.
    statistic
        Pointwise level, above 0.

    Returns
    -------
    lower, upper
        Arrays of shape (n_cells - 1,), for k = 1..K-1. Where no count qualifies, lower > upper.

    References
    ----------
    Säilynoja, Bürkner, Vehtari (2022), section 3.2.

    Examples
    --------
    >>> acceptance_region(10, 2, 0.1)
    (array([2]), array([8]))
    """
    z = np.arange(1, n_cells) / n_cells
    target = statistic / 2
    # Smallest x with BinCDF(x) >= target, by bisection for all k at once: invariant
    # cdf(below) < target <= cdf(above).
    below, above = np.full(z.size, -1), np.full(z.size, n)
    while (above - below > 1).any():
        middle = (below + above) // 2
        reached = bdtr(middle, n, z) >= target
        above = np.where(reached, middle, above)
        below = np.where(reached, below, middle)
    # 1 - BinCDF(x - 1; z) = BinCDF(n - x; 1 - z), so the upper limits mirror the lower ones.
    return above, n - above[::-1]


@lru_cache(maxsize=512)
def pointwise_level(n: int, n_cells: int, level: float) -> float:
    """Pointwise level gamma at which a band holds simultaneously with probability `level`.

    The largest gamma for which ``P(g >= gamma) >= level``, where ``g = 2 min_k min{BinCDF(R_k),
    1 - BinCDF(R_k - 1)}``. g is discrete, and gamma is one of the values it can take.

    Parameters
    ----------
    n
        Number of simulations, at least 1.
    n_cells
        K, at least 2.
    level
        Simultaneous level, in (0, 1).

    Returns
    -------
    float
        Reject uniformity when g < gamma.

    Raises
    ------
    ValueError
        When an argument is out of range.

    References
    ----------
    Säilynoja, Bürkner, Vehtari (2022), section 3.2 and algorithm 1.

    Examples
    --------
    >>> f"{pointwise_level(1000, 20, 0.95):.5f}"
    '0.00555'
    """
    if n < 1 or n_cells < 2 or not 0 < level < 1:
        raise ValueError(
            f"got n={n}, n_cells={n_cells}, level={level}: expected n >= 1, n_cells >= 2 and a "
            "level strictly inside (0, 1)."
        )
    uniform = np.full(n_cells, 1 / n_cells)

    def covers(gamma: float) -> bool:
        lower, upper = acceptance_region(n, n_cells, gamma)
        return inside_probability(n, lower, upper, uniform) >= level - 1e-12

    # By the union bound P(g < gamma) <= K gamma, so the first value covers; g never exceeds 2.
    small, large = (1 - level) / n_cells, 2.0
    while large / small > 1 + 1e-10:
        middle = float(np.sqrt(small * large))
        small, large = (middle, large) if covers(middle) else (small, middle)
    lower, _ = acceptance_region(n, n_cells, small)
    attained = 2 * bdtr(lower, n, np.arange(1, n_cells) / n_cells)
    return float(attained.min())


def ecdf_band(
    n: int, n_cells: int, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Simultaneous band for the cumulative counts of `ecdf_counts`.

    For a plot of the ECDF difference, draw ``lower / n - z`` and ``upper / n - z``.

    Parameters
    ----------
    n
        Number of simulations.
    n_cells
        K, a divisor of L + 1.
    level
        Probability that uniform ranks stay inside everywhere.

    Returns
    -------
    z, lower, upper
        Arrays of shape (n_cells,), for k = 1..K; at the last, both limits are n.

    Raises
    ------
    ValueError
        When an argument is out of range.

    References
    ----------
    Säilynoja, Bürkner, Vehtari (2022), section 3.2.

    Examples
    --------
    >>> z, lower, upper = ecdf_band(100, 4)
    >>> z.tolist(), lower.tolist(), upper.tolist()
    ([0.25, 0.5, 0.75, 1.0], [15, 39, 65, 100], [35, 61, 85, 100])
    """
    gamma = pointwise_level(n, n_cells, level)
    lower, upper = acceptance_region(n, n_cells, gamma * (1 - TIE))
    z = np.arange(1, n_cells + 1) / n_cells
    return z, np.append(lower, n), np.append(upper, n)
