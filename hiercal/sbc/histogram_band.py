"""Simultaneous band of a rank histogram, from the exact law of its bins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import xlog1py

from hiercal.sbc.bands import stirling_error


@dataclass(frozen=True, slots=True)
class HistogramBand:
    """Limits for the count in each bin of a rank histogram, the same in every bin.

    Attributes
    ----------
    expected
        Expected count.
    lower, upper
        Pointwise limits: one given bin stays within them with at least the level asked for.
    simultaneous_lower, simultaneous_upper
        All bins stay within them with at least the level asked for.
    """

    expected: float
    lower: int
    upper: int
    simultaneous_lower: int
    simultaneous_upper: int


@lru_cache(maxsize=128)
def histogram_band(n: int, n_bins: int, level: float = 0.95) -> HistogramBand:
    """Pointwise and simultaneous limits for the counts of a rank histogram.

    Pointwise: central quantiles of Binomial(n, 1 / B). Simultaneous: quantiles at the largest
    pointwise tail for which all B multinomial counts stay inside with probability `level`, found
    exactly (truncated Poisson counts, convolved and conditioned on their sum), not by Bonferroni.
    For display; test with `uniformity`, which has more power.

    Parameters
    ----------
    n
        Number of simulations.
    n_bins
        B, a divisor of L + 1.
    level
        Probability of each band.

    Returns
    -------
    HistogramBand

    Raises
    ------
    ValueError
        When an argument is out of range.

    References
    ----------
    Corrado (2011), Statistics and Computing 21:349, for the exact law of multinomial extremes.

    Examples
    --------
    >>> histogram_band(1000, 20)
    HistogramBand(expected=50.0, lower=37, upper=64, simultaneous_lower=31, simultaneous_upper=72)
    """
    if n < 1 or n_bins < 2 or not 0 < level < 1:
        raise ValueError(
            f"got n={n}, n_bins={n_bins}, level={level}: expected n >= 1, n_bins >= 2 and a level "
            "strictly inside (0, 1)."
        )

    from scipy.stats import binom  # half a second, and only figures need it

    def limits(tail: float) -> tuple[int, int]:
        return int(binom.ppf(tail, n, 1 / n_bins)), int(binom.isf(tail, n, 1 / n_bins))

    small, large = (1 - level) / (2 * n_bins), (1 - level) / 2
    while large / small > 1 + 1e-6:
        middle = float(np.sqrt(small * large))
        covers = _all_cells_within(n, n_bins, *limits(middle)) >= level
        small, large = (middle, large) if covers else (small, middle)
    return HistogramBand(n / n_bins, *limits((1 - level) / 2), *limits(small))


def bin_number(n_ranks: int, n: int) -> int:
    """How many bins a rank histogram has, so that a uniform rank fills them equally.

    Parameters
    ----------
    n_ranks
        L + 1.
    n
        Number of simulations.

    Returns
    -------
    int
        The divisor of `n_ranks` nearest to 20, or to n / 10 (at least 5) when n is small.

    Examples
    --------
    >>> bin_number(100, 1000), bin_number(100, 60), bin_number(64, 1000)
    (20, 5, 16)
    """
    target = min(20.0, max(5.0, n / 10))
    divisors = [d for d in range(2, n_ranks + 1) if n_ranks % d == 0]
    return min(divisors, key=lambda d: (abs(d - target), d))


def _all_cells_within(n: int, n_bins: int, lower: int, upper: int) -> float:
    """P(lower <= X_b <= upper for all b), X multinomial(n, uniform)."""
    counts = np.arange(lower, upper + 1)
    stirling = stirling_error(n)
    apart = counts - n / n_bins
    cell = np.exp(apart - xlog1py(counts, apart * n_bins / n) - stirling[counts])
    total, offset = np.ones(1), 0
    for bin_ in range(n_bins):
        total = np.convolve(total, cell)
        offset += lower
        # Partial sums that can no longer reach n are dropped to keep the convolution small.
        left = n_bins - bin_ - 1
        begin = max(0, n - left * upper - offset)
        end = n - left * lower - offset + 1
        total, offset = total[begin:end], offset + begin
        if not total.size:
            return 0.0
    return float(total[0] * np.exp(stirling[n]))
