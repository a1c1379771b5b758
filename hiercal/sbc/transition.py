"""Exact ranks of single transitions of a Markov kernel, for kernels that mix or do not.

A kernel that leaves the posterior invariant leaves the joint distribution of truth and data
invariant: after it, ``(theta', y)`` has the law of ``(theta, y)``. That is tested here, without
warm-up, effective sample sizes or thinning in the way (Gandy and Scott 2020, arXiv:2001.06465).

Two ranks are uniform under it. `OnlineRanks` compares theta' with fresh draws of the joint, and
assumes invariance alone. `chain_ranks` places theta among the states of its own chain, and assumes
reversibility.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from hiercal.sbc._power import Detectable, rank_probabilities, smallest_found
from hiercal.sbc.sequential import rank_log_e

Array = NDArray[np.float64]

DIGITS = 12
"""Significant digits in which values of one chain are compared: a state that did not move ties."""
WIDEST = 400
"""Columns of data that `expectation` looks at, evenly spread where there are more."""
_PENALTIES = np.geomspace(1e-6, 1e4, 16)
_REACH = 60.0


class OnlineRanks:
    """Ranks of a sequence of values among fresh draws of the law that they should have.

    Each value is ranked among a pool of fresh draws and all values before it: with n of them,

    ``p = (#{smaller} + U #{equal, itself too}) / (n + 1)``, ``rank = floor((L + 1) p)``,

    U uniform on (0, 1). If values and fresh draws are independent and of one law, the p are
    independent and uniform (Vovk, Gammerman and Shafer 2005, Algorithmic Learning in a Random
    World, theorem 8.1, for the conformity score "the value"), for discrete laws too. So the ranks
    are independent and uniform on 0..L, exactly, and a product of their e-values is a martingale.

    A pool is used again and again and stays exact, since each value joins it once it is ranked. The
    price is power: values of a wrong law dilute it. With four fresh draws a value, at most 20 % of
    it are such.

    Parameters
    ----------
    pool
        Fresh draws, shape (n_pool, n_quantities). A quantity that is not a number counts as the
        least.
    max_rank
        L.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> ranks = OnlineRanks(rng.normal(size=(1000, 1)), 9)
    >>> ranks(rng.normal(-9, 1, size=(3, 1)), rng.normal(size=(12, 1)), rng).tolist()
    [[0], [0], [0]]
    """

    def __init__(self, pool: ArrayLike, max_rank: int) -> None:
        self._max_rank = max_rank
        # sorted parts, each at least twice as long as the next: few to search, cheap to merge
        self._parts: list[Array] = []
        self._add(_ordered(pool))

    def __call__(
        self, values: ArrayLike, fresh: ArrayLike, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Rank values, one after another, once fresh draws have joined the pool.

        Parameters
        ----------
        values
            Shape (n, n_quantities).
        fresh
            Shape (n_fresh, n_quantities).
        rng
            Source of U.

        Returns
        -------
        array of shape (n, n_quantities)
            Ranks in 0..L.
        """
        values = _ordered(values)
        self._add(_ordered(fresh))
        smaller, up_to = self._below(values, "left"), self._below(values, "right")
        before = np.tril(np.ones((len(values), len(values)), dtype=bool), -1)[..., None]
        equal = up_to - smaller + (before & (values[None] == values[:, None])).sum(axis=1) + 1
        smaller = smaller + (before & (values[None] < values[:, None])).sum(axis=1)
        n = sum(part.shape[1] for part in self._parts) + np.arange(len(values))[:, None] + 1
        p = (smaller + rng.random(values.shape) * equal) / n
        self._add(values)
        return np.minimum((self._max_rank + 1) * p, self._max_rank).astype(np.int64)

    def _below(self, values: Array, side: Literal["left", "right"]) -> NDArray[np.int64]:
        """How many of the pool are below each value, or not above it."""
        found = np.zeros(values.shape, dtype=np.int64)
        for part in self._parts:
            for column, (pool, each) in enumerate(zip(part, values.T, strict=True)):
                found[:, column] += np.searchsorted(pool, each, side=side)
        return found

    def _add(self, values: Array) -> None:
        part = np.sort(values.T, axis=1)
        while self._parts and self._parts[-1].shape[1] < 2 * part.shape[1]:
            part = np.sort(np.concatenate([self._parts.pop(), part], axis=1), axis=1, kind="stable")
        self._parts.append(part)


def restarts(n: int, n_transitions: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """After how many transitions each chain goes back to its truth, to go on from there.

    The states before it are those of one direction of time, and the states after it those of the
    other: a reversible kernel runs backwards as it runs forwards. The truth is then at a uniformly
    random place in a chain of ``n_transitions + 1`` states in equilibrium.

    Parameters
    ----------
    n
        Number of chains.
    n_transitions
        L.
    rng
        Draws the places.

    Returns
    -------
    array of shape (n,)
        Uniform on 0..L.

    References
    ----------
    Gandy and Scott (2020), arXiv:2001.06465, section 3.2 (the exact rank test); Besag and Clifford
    (1989), Biometrika 76:633, for the random place.
    """
    return rng.integers(0, n_transitions, size=n, endpoint=True)


def chain_ranks(states: ArrayLike, rng: np.random.Generator) -> NDArray[np.int64]:
    """Ranks of truths among the states of their chains, ties broken at random.

    Uniform on 0..L, and independent between chains, if the kernel is reversible with respect to the
    posterior and chains go back to the truth at `restarts`: truth and states are then one chain in
    equilibrium whose element at a random place is the truth.

    Values are compared in 12 significant digits. A rejected proposal leaves the state where it is,
    and a state that came back from a transform with another last digit must still tie.

    Parameters
    ----------
    states
        A quantity at the truth and after each transition, shape (n, L + 1, n_quantities). What is
        not a number counts as the least.
    rng
        Breaks ties.

    Returns
    -------
    array of shape (n, n_quantities)

    Examples
    --------
    >>> chain_ranks(np.array([[[2.0], [1.0], [3.0]]]), np.random.default_rng(1)).tolist()
    [[1]]
    """
    values = _ordered(states)
    finite = np.isfinite(values) & (values != 0)
    places = (
        DIGITS - 1 - np.floor(np.log10(np.abs(values), where=finite, out=np.zeros_like(values)))
    )
    unit = 10.0 ** np.clip(places, -300, 300)
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.where(finite, np.round(values * unit) / unit, values)
    truth, rest = rounded[:, :1], rounded[:, 1:]
    below = (rest < truth).sum(axis=1)
    return below + rng.integers(0, (rest == truth).sum(axis=1), endpoint=True)


def expectation(data: ArrayLike, values: ArrayLike) -> Callable[[ArrayLike], Array]:
    """A prediction of quantities from data, linear in the data and their squares.

    A posterior may be much narrower than its prior. Then theta' is compared with fresh draws where
    the error of a kernel shows: as the distance from what the data predict. Ranks of
    ``theta' - f(y)`` are exact for any f that was fixed before; a better f gives more power. This
    one is ridge regression on standardised columns, fitted to two thirds of the rows with the
    penalty that predicts the rest best.

    Parameters
    ----------
    data
        Shape (n, n_columns).
    values
        Shape (n, n_quantities). Rows with a value that is not finite are left out.

    Returns
    -------
    callable
        Takes data (m, n_columns) to predictions (m, n_quantities).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> y = rng.normal(size=(500, 1))
    >>> predict = expectation(y, 3 * y + rng.normal(size=(500, 1)))
    >>> bool(5.8 < predict([[2.0]])[0, 0] < 6.2)
    True
    """
    values = np.asarray(values, dtype=float)
    kept = np.isfinite(values).all(axis=1)
    columns = np.asarray(data, dtype=float)
    mean = values[kept].mean(axis=0) if kept.any() else np.zeros(values.shape[1])
    if not columns.shape[1] or kept.sum() < 3:
        return lambda data: np.broadcast_to(mean, (len(np.asarray(data)), len(mean)))
    chosen = np.unique(np.linspace(0, columns.shape[1] - 1, WIDEST // 2).astype(int))
    centre, spread = columns[kept].mean(axis=0), columns[kept].std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)

    def features(data: ArrayLike) -> Array:
        scaled = np.clip((np.asarray(data, dtype=float) - centre) / spread, -4, 4)[:, chosen]
        return np.concatenate([scaled, scaled**2 - 1], axis=1)

    seen = features(columns[kept])
    middle = seen.mean(axis=0)
    n = 2 * len(seen) // 3
    u, s, vt = np.linalg.svd(seen[:n] - middle, full_matrices=False)
    inside = u.T @ (values[kept][:n] - mean)
    # shape (n_penalties, n_columns, n_quantities)
    weights = np.stack([vt.T @ ((s / (s**2 + n * c))[:, None] * inside) for c in _PENALTIES])
    misfit = (values[kept][n:] - mean - (seen[n:] - middle) @ weights) ** 2
    best = misfit.sum(axis=1).argmin(axis=0)
    weights = weights[best, :, np.arange(len(best))].T
    return lambda data: mean + (features(data) - middle) @ weights


def smallest_error(
    n: int, max_rank: int, log_threshold: float, *, wrong_share: float = 0.0, own: bool = False
) -> Detectable:
    """The smallest errors whose expected evidence after n ranks reaches a threshold.

    A quantity N(d, s^2) in place of N(0, 1) has rank probabilities q, and the evidence of ``n q``
    counts is about the median of what is found: half of the runs find such an error by then.

    Parameters
    ----------
    n
        Number of ranks.
    max_rank
        L.
    log_threshold
        Of the log e-value of one quantity.
    wrong_share
        Share of the pool that has the wrong law, for `OnlineRanks`.
    own
        Whether ranks are `chain_ranks`, of a chain whose states are independent.

    Returns
    -------
    Detectable
        In sds of the quantity. Infinite where a shift of 5 or a factor of 10 is missed.

    Examples
    --------
    >>> smallest = smallest_error(5000, 99, 9.5)
    >>> round(smallest.shift, 2), round(smallest.scale, 2)
    (0.07, 1.05)
    """

    def found(shift: float, scale: float) -> float:
        law = (
            rank_probabilities(max_rank, -shift / scale, 1 / scale)
            if own
            else _law(max_rank, shift, scale, wrong_share)
        )
        return float(rank_log_e(n * law, max_rank)[0] - log_threshold)

    return smallest_found(found, 0.0)


def _law(max_rank: int, shift: float, scale: float, wrong_share: float) -> Array:
    """Rank probabilities of N(shift, scale^2) in a pool, shape (max_rank + 1,)."""
    x = np.linspace(-_REACH, _REACH, 24001)
    wrong = ndtr((x - shift) / scale)
    pool = (1 - wrong_share) * ndtr(x) + wrong_share * wrong
    edges = np.interp(np.arange(1, max_rank + 1) / (max_rank + 1), pool, wrong)
    return np.diff(edges, prepend=0.0, append=1.0)


def _ordered(values: ArrayLike) -> Array:
    values = np.asarray(values, dtype=float)
    return np.where(np.isnan(values), -np.inf, values)
