"""Laws of discrete ranks when the draws are off in a known way, and their derivatives."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, log_ndtr, ndtr

from hiercal.sbc.ranks import DRAWS_PER_EFFECTIVE

Array = NDArray[np.float64]
_END, _STEP = 9.0, 0.05
_N_LEVELS = 40


class Kernel(NamedTuple):
    """Law of the rank of a truth that lies at a known place among standard normal draws.

    Attributes
    ----------
    places
        Where the truth lies, shape (n_places,), in sds of the draws.
    law
        P(rank | place), shape (L + 1, n_places). The first column is the law of a truth below all
        draws, the last that of one above all.
    """

    places: Array
    law: Array


def effective_numbers(ess: ArrayLike, max_rank: int) -> NDArray[np.int64]:
    """Numbers of draws that `hiercal.sbc.ranks.effective_ranks` kept.

    Parameters
    ----------
    ess
        Smaller of the bulk and the tail effective sample size of each fit, shape (n,).
    max_rank
        L.

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> effective_numbers([30.0, 900.0, np.nan], 99).tolist()
    [10, 99, 1]
    """
    kept = np.nan_to_num(np.asarray(ess, dtype=float) / DRAWS_PER_EFFECTIVE)
    return np.clip(kept, 1, max_rank).astype(np.int64)


def kernel(max_rank: int, n_draws: ArrayLike | None = None) -> Kernel:
    """The kernel of plain ranks, or the mean one of effective ranks among `n_draws` draws.

    Parameters
    ----------
    max_rank
        L.
    n_draws
        Draws that each truth was ranked among before its rank was spread over 0..L, shape (n,).

    Returns
    -------
    Kernel

    Examples
    --------
    >>> kernel(3).law[:, 0].tolist(), kernel(3, [1, 1]).law[:, 0].tolist()
    ([1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0])
    """
    if n_draws is None:
        return Kernel(_places(max_rank), _law(max_rank, max_rank))
    # numbers of draws that differ by a few per cent have the same law to the eye
    levels = np.unique(np.geomspace(1, max_rank, _N_LEVELS).round().astype(np.int64))
    numbers = np.asarray(n_draws, dtype=np.int64)
    if not numbers.size or numbers.min() < 1 or numbers.max() > max_rank:
        raise ValueError(
            f"got {numbers.size} numbers of draws, expected some, each in 1..max_rank={max_rank}."
        )
    distinct, times = np.unique(numbers, return_counts=True)
    nearest = np.abs(np.log(distinct[:, None] / levels)).argmin(axis=1)
    counts = np.bincount(nearest, times, minlength=levels.size)
    used, shares = levels[counts > 0], counts[counts > 0] / numbers.size
    law = sum(
        share * _law(int(number), max_rank) for number, share in zip(used, shares, strict=True)
    )
    return Kernel(_places(max_rank), np.asarray(law))


def normal_law(of: Kernel, shift: float, log_scale: float) -> tuple[Array, Array]:
    """Law of the rank of a ``N(shift, scale^2)`` truth, and its derivatives.

    ``p = sum_x P(rank | x) w(x)``, with w the trapezoid weights of the normal density and, at the
    two end places, the tails beyond.

    Parameters
    ----------
    of
        From `kernel`.
    shift, log_scale
        Of the truth, in sds of the draws; (0, 0) is right.

    Returns
    -------
    p
        Shape (L + 1,).
    derivatives
        By shift and by log_scale, shape (2, L + 1).

    Examples
    --------
    >>> normal_law(kernel(3), 0.0, 0.0)[0].round(6)
    array([0.25, 0.25, 0.25, 0.25])
    """
    scale, x = np.exp(log_scale), of.places
    step = x[1] - x[0]
    z = (x - shift) / scale
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    weights = density * step / scale
    by_shift, by_scale = weights * z / scale, weights * (z**2 - 1)
    edges = np.array([x[0] - step / 2, x[-1] + step / 2])
    e = (edges - shift) / scale
    at_edge = np.exp(-0.5 * e**2) / np.sqrt(2 * np.pi)
    sign = np.array([1, -1])
    ends = [0, -1]
    weights[ends] += ndtr(sign * e)
    by_shift[ends] -= sign * at_edge / scale
    by_scale[ends] -= sign * e * at_edge
    laws = np.stack([weights, by_shift, by_scale]) @ of.law.T
    return laws[0] / laws[0].sum(), laws[1:]


@lru_cache(maxsize=8)
def _places(max_rank: int) -> Array:
    step = min(_STEP, 0.5 / float(np.sqrt(max_rank)))
    half = int(np.ceil(_END / step))
    places = step * np.arange(-half, half + 1, dtype=np.float64)
    places.flags.writeable = False
    return places


@lru_cache(maxsize=64)
def _law(n: int, max_rank: int) -> Array:
    """P(rank spread over 0..max_rank | place), of ranks 0..n."""
    x, r = _places(max_rank), np.arange(n + 1)
    log_choose = gammaln(n + 1) - gammaln(r + 1) - gammaln(n - r + 1)
    with np.errstate(under="ignore"):
        law = np.exp(log_choose[:, None] + np.outer(r, log_ndtr(x)) + np.outer(n - r, log_ndtr(-x)))
    law[:, 0], law[:, -1] = r == 0, r == n
    law /= law.sum(axis=0)
    if n != max_rank:
        law = _spread(n, max_rank) @ law
    law.flags.writeable = False
    return law


def _spread(n: int, max_rank: int) -> Array:
    """P(floor((L + 1) (r + U) / (n + 1)) = k), shape (max_rank + 1, n + 1)."""
    ranks = np.arange(n + 2) / (n + 1)
    cells = np.arange(max_rank + 2)[:, None] / (max_rank + 1)
    low = np.maximum(cells[:-1], ranks[:-1])
    high = np.minimum(cells[1:], ranks[1:])
    return np.maximum(high - low, 0) * (n + 1)
