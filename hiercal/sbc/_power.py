"""What a run of a given size can see: the smallest errors it detects with a given power."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, gammaln, log_ndtr

from hiercal.sbc._smooth import discrete_legendre
from hiercal.sbc._tail import smooth_p
from hiercal.sbc.bands import TIE, acceptance_region, inside_probability, pointwise_level

_ORDER = 4
_LARGEST_SHIFT = 5.0
_LARGEST_SCALE = 10.0
# The normal limit of the smooth statistic's law under an error is not trusted below.
_FEWEST_FOR_SMOOTH = 20


class Detectable(NamedTuple):
    """Smallest errors of a posterior that are detected; infinite where none in reach is.

    Attributes
    ----------
    shift
        Distance d of the posterior mean from where it ought to be, in posterior sds.
    scale
        Factor s > 1: a posterior sd s times too small and one s times too large are both detected.
    """

    shift: float
    scale: float


@lru_cache(maxsize=256)
def detectable(n: int, max_rank: int, level: float, power: float = 0.9) -> Detectable:
    """Smallest shift and scale error that `uniformity_test` detects with the power asked for.

    The truth is N(d, s^2) on the z-scale of a normal posterior, so a rank has probability
    ``P(r) = int Binomial(r; L, Phi(d + s z)) phi(z) dz``. Both tests run at level / 2; the power of
    their union is at least the larger of the two powers, and that bound is used. The power of the
    ECDF test is exact. That of the smooth test is the normal limit of the mean polynomials with
    their exact mean and covariance under the error, by a Monte Carlo with a fixed seed (standard
    error .002); below 20 simulations only the ECDF test counts.

    Parameters
    ----------
    n
        Number of simulations.
    max_rank
        L, the number of draws each truth was ranked among, at least 4.
    level
        Level of the combined test for this one hypothesis: alpha over the size of the family.
    power
        Probability of detection.

    Returns
    -------
    Detectable
        Infinite where a shift of 5 or a factor of 10 is still missed, as with a handful of
        simulations.

    Raises
    ------
    ValueError
        When an argument is out of range.

    References
    ----------
    Säilynoja, Bürkner, Vehtari (2022), algorithm 1, with unequal cells for the exact power.

    Examples
    --------
    >>> smallest = detectable(200, 99, 0.05)
    >>> round(smallest.shift, 2), round(smallest.scale, 2)
    (0.29, 1.28)
    """
    if n < 0 or max_rank < _ORDER or not 0 < level < 1 or not 0 < power < 1:
        raise ValueError(
            f"got n={n}, max_rank={max_rank}, level={level}, power={power}: expected n >= 0, "
            f"max_rank >= {_ORDER}, level and power strictly inside (0, 1)."
        )
    if n == 0:
        return Detectable(float("inf"), float("inf"))
    return smallest_found(_power_function(n, max_rank, level / 2), power)


def smallest_found(found: Callable[[float, float], float], power: float) -> Detectable:
    """The smallest errors for which ``found(shift, scale)``, a probability, reaches `power`."""
    return Detectable(
        shift=_smallest(lambda d: found(d, 1.0) - power, 0.0, _LARGEST_SHIFT),
        scale=_smallest(
            lambda s: min(found(0.0, s), found(0.0, 1 / s)) - power, 1.0, _LARGEST_SCALE
        ),
    )


def _smallest(excess: Callable[[float], float], least: float, largest: float) -> float:
    """Where the excess power turns positive: doubling steps from `least`, then Brent's method."""
    from scipy.optimize import brentq  # which workers do not load

    below, step = least, 0.05
    while excess(min(below + step, largest)) < 0:
        below += step
        step *= 2
        if below >= largest:
            return float("inf")
    above = min(below + step, largest)
    if excess(below) >= 0:
        return below
    return float(brentq(excess, below, above, xtol=1e-4))


def _power_function(n: int, max_rank: int, level: float) -> Callable[[float, float], float]:
    """Larger of the powers of the two tests, each at `level`, as a function of (shift, scale)."""
    cells = max_rank + 1
    gamma = pointwise_level(n, cells, 1 - level)
    lower, upper = acceptance_region(n, cells, gamma * (1 - TIE))
    polynomials = discrete_legendre(max_rank, _ORDER)
    enough = n >= _FEWEST_FOR_SMOOTH
    critical = _critical_value(n, max_rank, level) if enough else np.inf
    normal = np.random.default_rng(20218).standard_normal((10_000, _ORDER))
    normal = np.concatenate((normal, -normal))

    def detects(shift: float, scale: float) -> float:
        p = rank_probabilities(max_rank, shift, scale)
        ecdf = 1 - inside_probability(n, lower, upper, p)
        if not enough:
            return ecdf
        mean = polynomials @ p
        covariance = (polynomials * p) @ polynomials.T - np.outer(mean, mean)
        values, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.maximum(values, 0))
        sums = np.sqrt(n) * mean + normal @ root.T
        smooth = np.mean(np.einsum("ij,ij->i", sums, sums) > critical)
        return max(ecdf, float(smooth))

    return detects


def _critical_value(n: int, max_rank: int, level: float) -> float:
    from scipy.optimize import brentq

    guess = float(chdtri(_ORDER, level))
    return float(
        brentq(lambda x: smooth_p(x, n, max_rank, _ORDER) - level, guess / 4, 4 * guess + 20)
    )


def rank_probabilities(max_rank: int, shift: float, scale: float) -> NDArray[np.float64]:
    """Law of the rank of a N(shift, scale^2) truth among L standard normal draws.

    Parameters
    ----------
    max_rank
        L.
    shift, scale
        In posterior sds; the posterior is right at (0, 1).

    Returns
    -------
    array of shape (max_rank + 1,)

    Examples
    --------
    >>> rank_probabilities(3, 0.0, 1.0).round(12)
    array([0.25, 0.25, 0.25, 0.25])
    """
    # The trapezoid rule is exact to rounding at 2/3 of the narrowest Gaussian-like factor.
    step = min(0.8 / np.sqrt(max_rank), scale / 1.5)
    half = int(np.ceil(9 * scale / step))
    offsets = step * np.arange(-half, half + 1)
    weights = np.exp(-0.5 * (offsets / scale) ** 2)
    weights /= weights.sum()
    truth = shift + offsets
    r = np.arange(max_rank + 1)
    log_choose = gammaln(max_rank + 1) - gammaln(r + 1) - gammaln(max_rank - r + 1)
    log_below, log_above = log_ndtr(truth), log_ndtr(-truth)
    exponents = np.outer(r, log_below) + np.outer(max_rank - r, log_above)
    p = np.exp(exponents + log_choose[:, None]) @ weights
    return p / p.sum()
