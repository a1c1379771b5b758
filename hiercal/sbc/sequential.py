"""Evidence that may be looked at after every simulation: test martingales and e-values.

An *e-value* is a statistic that is at least 0 and on average at most 1 where the null hypothesis
holds. A *test martingale* is a sequence of them, a wealth that starts at 1 and that bets fairly on
each new observation. It passes 1 / alpha, ever, with probability at most alpha (Ville 1939). So
one may stop whenever one likes, and a run that saw nothing can be gone on with.

Two hypotheses are tested. That ranks are uniform on 0..L: `rank_log_e`. That draws come from the
exact posterior, where it is known: `exact_scores` and `difference_log_e`. Averages of e-values are
e-values, however they depend on each other (Vovk & Wang 2021): `family_log_e`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, logsumexp, ndtri, xlog1py, xlogy

from hiercal.sbc._power import rank_probabilities
from hiercal.sbc.efficiency import ess_of_mean

Array = NDArray[np.float64]

FUNCTIONALS = ("mean", "sd", "lower tail", "upper tail")
"""What of the draws is compared with the exact posterior; see `exact_scores`."""
TAIL = 0.1
"""Exact posterior probability of each tail."""
_BETS = np.array([0.25, 0.5, 1.0, 2.0])
_LARGEST_Z = 4.0
_MOST_ESS = 1.5


class _Mixture(NamedTuple):
    """Laws of a rank to bet on: log of law over uniform, (L + 1, K), and log weights, (K,)."""

    log_ratio: Array
    log_weight: Array


def rank_log_e(counts: ArrayLike, max_rank: int, failed: ArrayLike = 0) -> tuple[Array, Array]:
    """Log e-value of how often each rank occurred, against uniform ranks on 0..L.

    ``M = sum_k w_k prod_i (L + 1) p_k(r_i)``, a mixture of likelihood ratios with laws p_k of the
    rank of a N(d, s^2) truth among standard normal draws. As the number of simulations grows, M is
    a test martingale, exactly, for every L. The mixture has 75 laws: shifts d from .04 to 1.5,
    scales s from exp(-1.2) to exp(1.2) in steps of a factor 1.5 of d and of log s, some of both,
    and ranks that are too often 0, L or either.

    Where the truth is N(d, s^2) on the z-scale of the draws, M grows by the factor exp(growth) a
    simulation. With alpha = .001 and L = 99, against a bet by an oracle that knows the error:

    =========  ========  ===============  ============  ======
    d or s     growth    its largest      median stop   ratio
    =========  ========  ===============  ============  ======
    d = .05    .0012     .0012            8700          1.6
    d = .2     .0194     .0194            520           1.6
    s = .97    .0008     .0008            10900         1.4
    s = .95    .0022     .0023            3900          1.4
    s = 1.05   .0021     .0021            4000          1.4
    s = 1.15   .0175     .0180            510           1.5
    s = .8     .0384     .0393            260           1.6
    =========  ========  ===============  ============  ======

    ``uv run benchmarks/sequential.py`` prints the whole table, with errors and false alarms.

    Parameters
    ----------
    counts
        How often each rank occurred, shape (..., L + 1).
    max_rank
        L, the number of draws each truth was ranked among.
    failed
        Number of simulations without a rank, shape (...).

    Returns
    -------
    low, high
        Log e-values of shape (...): the least and the largest that the ranks of failed simulations
        could have made of it. They are equal where none failed.

    Raises
    ------
    ValueError
        When the last axis of `counts` has another length than L + 1.

    References
    ----------
    Ville (1939); Arnold, Henzi, Ziegel (2023), Annals of Applied Statistics 17:1909,
    arXiv:2109.11761, for e-values of rank histograms.

    Examples
    --------
    >>> low, high = rank_log_e(np.full(100, 2), 99)
    >>> bool(low == high < 0)
    True
    """
    array = np.asarray(counts, dtype=float)
    if array.shape[-1:] != (max_rank + 1,):
        raise ValueError(
            f"got counts of shape {array.shape}, expected (..., {max_rank + 1}): one for each rank "
            f"in 0..{max_rank}."
        )
    log_ratio, log_weight = _mixture(max_rank)
    wealth = array @ log_ratio + log_weight
    n_failed = np.asarray(failed, dtype=float)[..., None]
    low, high = log_ratio.min(axis=0), log_ratio.max(axis=0)
    return (
        logsumexp(wealth + n_failed * low, axis=-1),
        logsumexp(wealth + n_failed * high, axis=-1),
    )


def rank_log_e_path(ranks: ArrayLike, max_rank: int, *, least: bool = False) -> Array:
    """Log e-value after each simulation, `rank_log_e` of the first, the first two, and so on.

    Parameters
    ----------
    ranks
        Ranks in 0..max_rank, shape (n, ...); negative where there is none, which changes nothing.
    max_rank
        L.
    least
        Take of a rank that is missing the least that it could have been evidence of, as
        `rank_log_e` does of failed fits.

    Returns
    -------
    array of shape (n, ...)

    Raises
    ------
    ValueError
        When a rank is above max_rank.

    Examples
    --------
    >>> rank_log_e_path([0] * 40, 99)[[0, 9, 39]].round(1)
    array([  0.9,  29.2, 131.8])
    """
    array = np.asarray(ranks)
    if array.size and array.max() > max_rank:
        raise ValueError(
            f"got a rank of {array.max()}, expected at most max_rank = {max_rank}: the number of "
            "draws ranked among, not the largest rank seen."
        )
    log_ratio, log_weight = _mixture(max_rank)
    none = log_ratio.min(axis=0) if least else np.zeros_like(log_weight)
    of_none = np.vstack([log_ratio, none])
    flat = np.where(array < 0, max_rank + 1, array).reshape(len(array), -1).astype(np.int64)
    path = np.empty(flat.shape)
    for column, each in enumerate(flat.T):
        path[:, column] = logsumexp(np.cumsum(of_none[each], axis=0) + log_weight, axis=-1)
    return path.reshape(array.shape)


def family_log_e(log_e: ArrayLike, axis: int | None = -1) -> Array:
    """Log of the mean of e-values: an e-value of the hypothesis that all are right.

    It holds under any dependence, and of martingales it is one. A single quantity of P is named as
    wrong where its own log e-value is at least ``log(P / alpha)``, at family-wise level alpha.

    Parameters
    ----------
    log_e
        Log e-values; NaN where a quantity was not tested, which is then none of the family.
    axis
        That of the quantities; None for all.

    Returns
    -------
    array without that axis

    References
    ----------
    Vovk, Wang (2021), Annals of Statistics 49:1736, arXiv:1912.06116.

    Examples
    --------
    >>> family_log_e([np.log(3.0), 0.0, np.nan]).round(3)
    np.float64(0.693)
    """
    values = np.asarray(log_e, dtype=float)
    tested = ~np.isnan(values)
    with np.errstate(divide="ignore"):
        return logsumexp(np.where(tested, values, -np.inf), axis=axis) - np.log(
            tested.sum(axis=axis)
        )


class CoverageSequence(NamedTuple):
    """Bounds of a coverage that hold at all times at once, and the evidence against a level."""

    lower: float
    upper: float
    log_e: float


def coverage_sequence(
    covered: int, n: int, level: float, *, alpha: float = 0.001
) -> CoverageSequence:
    """Confidence sequence of the coverage of an interval, by a Beta(1, 1) mixture.

    ``M(p) = B(x + 1, n - x + 1) / (p^x (1 - p)^(n - x))``; the bounds hold all p with ``M(p) < 1 /
    alpha``, and with probability 1 - alpha they hold the true coverage after every simulation.

    Parameters
    ----------
    covered, n
        x of n intervals hold the truth.
    level
        Coverage that is asserted, in (0, 1).
    alpha
        Probability that the bounds ever miss.

    Returns
    -------
    CoverageSequence

    Raises
    ------
    ValueError
        When the counts, the level or alpha are out of range.

    References
    ----------
    Ville (1939), Étude critique de la notion de collectif, for the mixture; Howard, Ramdas,
    McAuliffe, Sekhon (2021), Annals of Statistics 49:1055, arXiv:1810.08240.

    Examples
    --------
    >>> sequence = coverage_sequence(882, 1000, 0.89, alpha=0.05)
    >>> round(sequence.lower, 3), round(sequence.upper, 3), round(sequence.log_e, 3)
    (0.841, 0.916, -3.346)
    """
    if not (0 <= covered <= n and 0 < level < 1 and 0 < alpha < 1):
        raise ValueError(
            f"got covered={covered}, n={n}, level={level}, alpha={alpha}: expected 0 <= covered <= "
            "n, and level and alpha strictly inside (0, 1)."
        )
    from scipy.optimize import brentq

    marginal = betaln(covered + 1, n - covered + 1)

    def log_e(p: float) -> float:
        return float(marginal - xlogy(covered, p) - xlog1py(n - covered, -p))

    def excess(p: float) -> float:
        return log_e(p) + np.log(alpha)

    best = covered / n if n else 0.5
    tiny = 1e-12
    lower = 0.0 if excess(tiny) < 0 else brentq(excess, tiny, max(best, 2 * tiny))
    upper = 1.0 if excess(1 - tiny) < 0 else brentq(excess, min(best, 1 - 2 * tiny), 1 - tiny)
    return CoverageSequence(float(lower), float(upper), log_e(level))


def exact_scores(places: ArrayLike) -> tuple[Array, Array]:
    """How draws of one fit differ from the exact posterior, and the effective sample sizes.

    A draw x has the place u = F(x) under the exact posterior's distribution function, uniform if
    the draw is right, and the normal score z of u. Four functions of it have mean 0 and variance 1
    then: z, whose mean is the shift in posterior sds; ``(z^2 - 1) / sqrt(2)``, for the sd; and the
    standardised indicators of u < .1 and of u > .9.

    Parameters
    ----------
    places
        F at each draw, in [0, 1], shape (n_chains, n_draws, n_quantities).

    Returns
    -------
    means, ess
        Of the `FUNCTIONALS`, shape (n_quantities, 4). No effective sample size is taken to be
        larger than 1.5 times that of z: draws that never enter a tail show no correlation there.

    Examples
    --------
    >>> draws = np.random.default_rng(1).uniform(size=(2, 500, 3))
    >>> means, ess = exact_scores(draws)
    >>> means.shape, bool((np.abs(means) * np.sqrt(ess) < 4).all())
    ((3, 4), True)
    """
    u = np.clip(np.asarray(places, dtype=float), 1e-15, 1 - 1e-15)
    z = ndtri(u)
    spread = np.sqrt(TAIL * (1 - TAIL))
    each = [
        z,
        (z**2 - 1) / np.sqrt(2),
        ((u < TAIL) - TAIL) / spread,
        ((u > 1 - TAIL) - TAIL) / spread,
    ]
    means = np.stack([values.mean(axis=(0, 1)) for values in each], axis=-1)
    ess = np.stack([ess_of_mean(values) for values in each], axis=-1)
    return means, np.minimum(ess, _MOST_ESS * ess[..., :1])


def difference_log_e(means: ArrayLike, ess: ArrayLike) -> Array:
    """Log e-value after each fit that draws differ from the exact posterior.

    In standard errors, ``z_i = mean_i sqrt(ESS_i)``, cut at 4 so that no single fit decides. Bets
    of size b on either sign multiply to ``prod_i exp(+-b z_i - b^2 v_i / 2)``, and the e-value is
    their mean over b = .25, .5, 1, 2. The variance ``v_i = 1.2 (1 + 5 / ESS_i)`` allows for the
    error of the estimated ESS: with the ESS known v = 1 would do. Measured on autoregressive
    chains (correlation -.3 to .98, 1 or 4 chains, 200 to 4,000 draws, ESS from 4 to 7,500), the
    variance that ``log E exp(b z) = b^2 v / 2`` asks for is at most 1.25, 1.44 at an ESS of 12, and
    2.1 at 4.

    The factors are e-values given the past, so the product is a test martingale to the extent that
    this variance holds; ``benchmarks/sequential.py`` measures its false alarms.

    Parameters
    ----------
    means, ess
        As `exact_scores` returns them, fit by fit, shape (n, ...); NaN of a failed fit, which
        changes nothing.

    Returns
    -------
    array of shape (n, ...)

    Examples
    --------
    >>> difference_log_e(np.full(8, 0.07), np.full(8, 1000.0)).round(1)[[0, -1]]
    array([ 0.8, 14.1])
    """
    wealth = difference_wealth(means, ess)
    return logsumexp(wealth, axis=-1) - np.log(wealth.shape[-1])


def difference_wealth(means: ArrayLike, ess: ArrayLike) -> Array:
    """Log wealth of each single bet of `difference_log_e` after each fit, (n, ..., 8).

    Wealth of one session times that of the next is that of both: what evidence is carried by.
    """
    mean, size = np.asarray(means, dtype=float), np.asarray(ess, dtype=float)
    known = np.isfinite(mean) & np.isfinite(size) & (size > 0)
    size = np.where(known, size, 1.0)
    z = np.where(
        known, np.clip(np.where(known, mean, 0.0) * np.sqrt(size), -_LARGEST_Z, _LARGEST_Z), 0.0
    )
    variance = np.where(known, 1.2 * (1 + 5 / size), 0.0)
    wealth = [
        np.cumsum(sign * bet * z - bet**2 * variance / 2, axis=0)
        for bet in _BETS
        for sign in (1, -1)
    ]
    return np.stack(wealth, axis=-1)


@lru_cache(maxsize=16)
def _mixture(max_rank: int) -> _Mixture:
    """Laws and weights. Small errors of the sd have most: they need the most simulations."""
    bets: list[tuple[float, Array]] = []
    shifts, scales = _geometric(0.04, 1.5), _geometric(0.025, 1.2)
    for d in shifts:
        bets += [(0.135 / len(shifts), rank_probabilities(max_rank, s * d, 1)) for s in (1, -1)]
    share = np.where(scales < 0.12, 4.0, 1.0)
    for t, part in zip(scales, share / share.sum(), strict=True):
        bets += [
            (0.305 * part, rank_probabilities(max_rank, 0, float(np.exp(s * t)))) for s in (1, -1)
        ]
    both = [(d, s) for d in (0.15, 0.4, 1.0) for s in (0.5, 0.75, 1.33, 2.0)]
    for d, s in both:
        bets += [(0.035 / len(both), rank_probabilities(max_rank, sign * d, s)) for sign in (1, -1)]
    for extra in (0.03, 0.1, 0.3):
        low = np.full(max_rank + 1, (1 - extra) / (max_rank + 1))
        low[0] += extra
        bets += [(0.05 / 9, law) for law in (low, low[::-1], (low + low[::-1]) / 2)]
    weights = np.array([weight for weight, _ in bets])
    # a law that underflows would make one rank refute it for good
    laws = np.maximum(np.array([law for _, law in bets]), 1e-12)
    laws /= laws.sum(axis=1, keepdims=True)
    mixture = _Mixture(np.log(laws.T * (max_rank + 1)), np.log(weights / weights.sum()))
    for array in mixture:
        array.flags.writeable = False
    return mixture


def _geometric(first: float, last: float) -> Array:
    """From first to last, each at most 1.5 times the one before."""
    return np.geomspace(first, last, int(np.ceil(np.log(last / first) / np.log(1.5))) + 1)
