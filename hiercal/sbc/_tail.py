"""Null law of the smooth statistic: an expansion, and importance sampling in the far tail."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from hiercal.sbc._smooth import discrete_legendre, smooth_moments

FEW = 200
"""Number of simulations from which the expansion is right in the tail, to 4 % at p = 1.25e-5."""
FAR = 1e-3
"""p-value below which the expansion is not trusted with fewer simulations."""
SMALLEST = 1e-12
_LEVELS = (14.0, 22.0, 32.0, 46.0, 66.0, 95.0)
_DIRECTIONS, _SAMPLES, _CHUNK = 60, 36_000, 4_000
_MOST_TILTED = 0.85
_LEAST_SEEN = 200


def smooth_p(statistic: float, n: int, max_rank: int, order: int) -> float:
    """Upper tail of the smooth statistic under uniform ranks, by the formula of `smooth_test`.

    With fewer than `FEW` simulations and below `FAR`, `tail` instead, where that is larger.
    """
    fourth, third = smooth_moments(max_rank, order)
    g0, g1, g2, g3 = chdtrc(order + 2 * np.arange(4), statistic).tolist()
    correction = fourth * (g2 - 2 * g1 + g0) + third * (g3 - 3 * g2 + 3 * g1 - g0)
    p = float(min(1.0, max(0.0, g0 + correction / n)))
    return p if n >= FEW or p >= FAR else min(FAR, max(p, tail(statistic, n, max_rank, order)))


def tail(statistic: float, n: int, max_rank: int, order: int) -> float:
    """``P(T >= statistic)`` of the smooth statistic under uniform ranks.

    Parameters
    ----------
    statistic
        T, above about 10: nearer to the middle, samples are few.
    n
        Number of simulations.
    max_rank, order
        As in `hiercal.sbc.uniformity.smooth_test`.

    Returns
    -------
    float
        Within 10 % down to 1e-7 and 25 % down to 1e-9, by comparison with other samples; at least
        `SMALLEST`.

    Examples
    --------
    >>> round(1e6 * tail(34.14, 20, 99, 4), -1)  # the expansion gives 12.5
    30.0
    """
    values, at_least = _table(n, max_rank, order)
    # beyond what was sampled often, the probability of what was, which is larger
    reached = min(statistic, float(values[_LEAST_SEEN - 1])) * (1 - 1e-9)
    i = int(np.searchsorted(-values, -reached, side="right"))
    return max(SMALLEST, float(at_least[i - 1]))


@lru_cache(maxsize=32)
def _table(n: int, max_rank: int, order: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sampled statistics in falling order, and the probability of at least each.

    The ranks are sampled from exponential tilts ``p(r) ~ exp(theta u h(r))`` in many directions u,
    each at the theta where ``n |mean u h|^2`` is one of several levels, and weighted by uniform
    over the mixture of all of them (the balance heuristic: Veach and Guibas 1995), so that weights
    are bounded wherever some tilt goes.
    """
    rng = np.random.default_rng(1937)
    h = discrete_legendre(max_rank, order)
    half = rng.normal(size=(_DIRECTIONS // 2, order))
    directions = np.concatenate([half, -half]) / np.tile(np.linalg.norm(half, axis=1), 2)[:, None]
    tilts = np.array(
        [u * _tilt(u @ h, np.sqrt(level / n)) for level in _LEVELS for u in directions]
    )
    exponents = tilts @ h
    top = exponents.max(axis=1, keepdims=True)
    masses = np.exp(exponents - top)
    log_norm = top[:, 0] + np.log(masses.mean(axis=1))
    masses /= masses.sum(axis=1, keepdims=True)
    each = _SAMPLES // len(tilts)
    counts = rng.multinomial(n, np.repeat(masses, each, axis=0))
    sums = counts @ h.T
    log_weights = np.empty(len(sums))
    for start in range(0, len(sums), _CHUNK):
        part = slice(start, start + _CHUNK)
        ratios = sums[part] @ tilts.T - n * log_norm
        largest = ratios.max(axis=1)
        log_weights[part] = -largest - np.log(np.exp(ratios - largest[:, None]).mean(axis=1))
    statistics = (sums**2).sum(axis=1) / n
    falling = np.argsort(-statistics, kind="stable")
    at_least = np.cumsum(np.exp(log_weights[falling])) / len(sums)
    return statistics[falling], np.minimum(at_least, 1.0)


def _tilt(scores: NDArray[np.float64], target: float) -> float:
    """theta at which the tilted mean of the scores is `target`, or most of what it can be."""
    target = min(target, _MOST_TILTED * float(scores.max()))
    low, high = 0.0, 200.0
    for _ in range(60):
        middle = (low + high) / 2
        mass = np.exp(middle * (scores - scores.max()))
        below = float(mass @ scores / mass.sum()) < target
        low, high = (middle, high) if below else (low, middle)
    return low
