"""Thinning of draws and the rank of a truth among them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def thin(n_draws: int, n_thinned: int) -> NDArray[np.int64]:
    """Indices of `n_thinned` evenly spaced draws, the last draw among them.

    The stride is ``floor(n_draws / n_thinned)``; draws left over are dropped at the start of the
    chain, where it is least settled.

    Parameters
    ----------
    n_draws
        Number of draws at hand.
    n_thinned
        Number of draws to keep.

    Returns
    -------
    array of shape (n_thinned,)
        Increasing indices into the draws.

    Raises
    ------
    ValueError
        When `n_thinned` is not between 1 and `n_draws`.

    Examples
    --------
    >>> thin(10, 3)
    array([3, 6, 9])
    """
    if not 1 <= n_thinned <= n_draws:
        raise ValueError(
            f"cannot keep n_thinned={n_thinned} of n_draws={n_draws} draws: expected "
            "1 <= n_thinned <= n_draws. Draw more, or lower the number of ranks."
        )
    stride = n_draws // n_thinned
    return n_draws - 1 - stride * np.arange(n_thinned - 1, -1, -1, dtype=np.int64)


def ranks(truth: ArrayLike, draws: ArrayLike, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rank of each true value among its draws, ties broken at random.

    ``r = #{l : draws_l < truth} + DiscreteUniform{0, ..., #{l : draws_l = truth}}``, in 0..L. If
    truth and draws are exchangeable given the data, r is uniform on 0..L, for discrete quantities
    as well as for continuous ones.

    Parameters
    ----------
    truth
        True values, shape (n_quantities,).
    draws
        Independent (well thinned) draws, shape (L, n_quantities).
    rng
        Breaks the ties. It is advanced equally whether or not there are any.

    Returns
    -------
    array of shape (n_quantities,)
        Ranks in 0..L.

    Raises
    ------
    ValueError
        When the shapes do not match or there is a NaN, for which no order exists.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari, Gelman (2018), arXiv:1804.06788, theorem 1; Modrák et al.
    (2023), Bayesian Analysis, definition 1, for the ties.

    Examples
    --------
    >>> ranks([0.5, 9.0], [[0.1, 1.0], [0.2, 2.0], [0.9, 3.0]], np.random.default_rng(1))
    array([2, 3])
    """
    truth, draws = np.asarray(truth), np.asarray(draws)
    if truth.ndim != 1 or draws.ndim != 2 or draws.shape[1] != truth.shape[0] or not draws.size:
        raise ValueError(
            f"got truth of shape {truth.shape} and draws of shape {draws.shape}: expected "
            "(n_quantities,) and (L, n_quantities) with L >= 1. Stack the chains and flatten the "
            "quantities first."
        )
    if np.isnan(truth).any() or np.isnan(draws).any():
        bad = np.flatnonzero(np.isnan(truth) | np.isnan(draws).any(axis=0))
        raise ValueError(
            f"NaN in the truth or the draws of quantities {bad.tolist()}: a NaN has no rank. "
            "Record the fit as failed instead."
        )
    below = np.count_nonzero(draws < truth, axis=0)
    equal = np.count_nonzero(draws == truth, axis=0)
    return below.astype(np.int64) + rng.integers(0, equal + 1)


DRAWS_PER_EFFECTIVE = 3.0
"""Effective draws for each draw that `effective_ranks` keeps: neighbours then correlate little."""


def effective_ranks(
    truth: ArrayLike,
    draws: ArrayLike,
    ess: ArrayLike,
    max_rank: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Rank of each truth among a third as many draws as are effective, spread over 0..max_rank.

    A chain that mixes too slowly for `max_rank` independent draws has ranks at both ends too often
    even where it is right. Thinned to ``n = min(max_rank, ess / 3)`` draws its rank r is uniform on
    0..n, and ``floor((max_rank + 1) (r + U) / (n + 1))``, U uniform on (0, 1), on 0..max_rank: what
    rejects uniformity of these is not autocorrelation. (Thinning until draws are independent:
    Talts et al. 2018, arXiv:1804.06788, section 5.1; the spread is the randomised PIT.)

    Parameters
    ----------
    truth
        True values, shape (n_quantities,).
    draws
        All draws of the fit in order, shape (n_draws, n_quantities).
    ess
        Effective sample sizes, shape (n_quantities,); NaN counts as none.
    max_rank
        L.
    rng
        Breaks ties and spreads.

    Returns
    -------
    int64 array of shape (n_quantities,)

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> draws = rng.normal(size=(1000, 2))
    >>> effective_ranks([-9, 9], draws, [900, 400], 99, rng).tolist()
    [0, 99]
    """
    truth, draws = np.asarray(truth, dtype=float), np.asarray(draws, dtype=float)
    kept = np.nan_to_num(np.asarray(ess, dtype=float) / DRAWS_PER_EFFECTIVE)
    kept = np.clip(kept, 1, min(max_rank, len(draws))).astype(np.int64)
    stride = len(draws) // kept
    back = np.arange(int(kept.max(initial=1)))[:, None]
    chosen = back < kept
    # the draws of `thin`, column by column
    thinned = draws[np.where(chosen, len(draws) - 1 - stride * back, 0), np.arange(kept.size)]
    below = ((thinned < truth) & chosen).sum(axis=0)
    tied = ((thinned == truth) & chosen).sum(axis=0)
    rank = below + rng.integers(tied, endpoint=True)
    spread = rng.uniform(size=rank.shape)
    return np.floor((max_rank + 1) * (rank + spread) / (kept + 1)).astype(np.int64)


def randomised_pit(
    ranks: ArrayLike, max_rank: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Continuous probability integral transform of discrete ranks.

    ``(r + U) / (L + 1)`` with U uniform on (0, 1): exactly uniform when r is uniform on 0..L, and
    kept strictly inside (0, 1), as ArviZ requires.

    Parameters
    ----------
    ranks
        Ranks in 0..max_rank, any shape.
    max_rank
        L, the number of draws each truth was ranked among.
    rng
        Source of U.

    Returns
    -------
    array of the shape of `ranks`

    Raises
    ------
    ValueError
        When a rank lies outside 0..max_rank.

    References
    ----------
    Säilynoja, Bürkner, Vehtari (2022), Statistics and Computing 32:32, section 2.

    Examples
    --------
    >>> randomised_pit([0, 3], 3, np.random.default_rng(1)).round(3)
    array([0.128, 0.988])
    """
    observed = np.asarray(ranks)
    if observed.size and (observed.min() < 0 or observed.max() > max_rank):
        raise ValueError(
            f"got ranks from {observed.min()} to {observed.max()}, expected 0..{max_rank}. "
            "max_rank is the number of draws ranked against, not the largest rank seen."
        )
    pit = (observed + rng.random(observed.shape)) / (max_rank + 1)
    # r = L with U next to 1 rounds to 1, and r = 0 with U = 0 is 0.
    return np.clip(pit, np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0))
