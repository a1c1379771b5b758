"""Widths of two kinds of intervals for the same truths, compared where both cover equally often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hiercal.sbc import intervals

Kind = Literal["central", "hdi"]

FACTORS = np.geomspace(1 / 8, 8, 385)
"""Factors that intervals are scaled by, until they cover as often as they should; 1 is one."""
AS_THEY_COME = len(FACTORS) // 2


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals for the same truths, of each of several data sets.

    Attributes
    ----------
    width : ndarray, shape (n_simulations,)
        Mean over the truths of a data set.
    held : ndarray, shape (n_simulations, len(FACTORS))
        Probability, given the data, that an interval scaled by each factor about its middle holds
        its truth; mean over the truths of a data set.
    """

    width: NDArray[np.float64]
    held: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.held.shape != (*self.width.shape, len(FACTORS)) or self.width.ndim != 1:
            raise ValueError(
                f"got widths of shape {self.width.shape} and held of shape {self.held.shape}; give "
                f"(n_simulations,) and (n_simulations, {len(FACTORS)})"
            )
        if not (np.all(self.width >= 0) and np.all(np.isfinite(self.held))):
            raise ValueError("a width is negative or NaN, or a probability is; leave failures out")


def measured(
    draws: ArrayLike, truths: ArrayLike, level: float, kind: Kind = "central"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Widths of a data set's intervals, and how probably each holds its truth when scaled.

    Parameters
    ----------
    draws : array_like, shape (n_draws, n_items)
        Of the posterior that the intervals are of.
    truths : array_like, shape (n_truths, n_items)
        Draws of the truths given the data, from the law that the data sets come from. They have to
        be independent of `draws`.
    level : float
        Inside (0, 1).
    kind : {"central", "hdi"}
        Central intervals, or those of highest density.

    Returns
    -------
    width : ndarray, shape (n_items,)
    held : ndarray, shape (n_items, len(FACTORS))
        Share of the truths inside, by factor.

    Examples
    --------
    >>> width, held = measured(np.linspace(-1, 1, 101)[:, None], [[0.0], [0.95]], 0.9)
    >>> width.round(2).tolist(), held[0, [0, AS_THEY_COME, -1]].tolist()
    ([1.8], [0.5, 0.5, 1.0])
    """
    ordered = np.sort(np.asarray(draws, float), axis=0)
    if kind == "hdi":
        lower, upper = intervals.hdi(ordered, level).T
    else:
        lower, upper = intervals.central(ordered, level)
    # of an interval without width, its one point is held by any scaling, no other by any
    off = np.abs(np.asarray(truths, float) - (lower + upper) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.sort(np.where(off > 0, off / ((upper - lower) / 2), 0.0), axis=0)
    held = [np.searchsorted(own, FACTORS, side="right") / len(own) for own in distance.T]
    return upper - lower, np.array(held)


def matching_factor(held: ArrayLike, level: float) -> float:
    """Factor to scale intervals by, about their middles, so that they cover at `level`.

    Parameters
    ----------
    held : array_like, shape (len(FACTORS),)
        Share of truths inside by factor, not decreasing.
    level : float
        Inside (0, 1).

    Returns
    -------
    float
        Linear between factors; NaN where none of them reaches the level.

    Examples
    --------
    >>> round(matching_factor(FACTORS / 10, 0.25), 12)
    2.5
    """
    held = np.asarray(held, float)
    if not held[0] <= level <= held[-1]:
        return float("nan")
    return float(np.interp(level, held, FACTORS))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two kinds of intervals for the same truths, with what a bootstrap makes of each estimate.

    Attributes
    ----------
    estimates : dict of str to float
        ``coverage`` and ``other_coverage``; ``factor`` and ``other_factor`` of `matching_factor`;
        ``mean_ratio`` and ``median_ratio``, over data sets, of their ratio of mean widths as they
        come; ``matched_mean_ratio``, the mean of the scaled intervals'; ``reduction``, 1 less
        that.
    resampled : dict of str to ndarray, shape (n_resamples,)
        The same in each resample.
    """

    estimates: dict[str, float]
    resampled: dict[str, NDArray[np.float64]]

    def pair(self, name: str) -> tuple[float, float]:
        """An estimate and its standard error."""
        return self.estimates[name], float(self.resampled[name].std(ddof=1))


def resamples(n: int, rng: np.random.Generator, times: int = 1000) -> NDArray[np.int64]:
    """Numbers of simulations drawn with replacement, shape (times, n); whole ones, as clusters."""
    return rng.integers(n, size=(times, n))


def compare(
    first: Intervals, other: Intervals, level: float, rows: NDArray[np.int64]
) -> Comparison:
    """Compare the widths of two kinds of intervals for the same truths, as they come and matched.

    Narrower intervals that cover less often are no gain. So each kind is also scaled about its
    middles, by one factor over all data sets, until exactly a share `level` of its truths is
    covered, and the scaled widths are compared. Standard errors are those of the nonparametric
    bootstrap (Efron 1979, Annals of Statistics 7, 1) over whole simulations; it finds the
    factors anew in each resample.

    Parameters
    ----------
    first, other : Intervals
        For the same truths.
    level : float
        Coverage to be matched.
    rows : ndarray, shape (n_resamples, n_simulations)
        Of `resamples`; the same ones for groups of the same data sets keep them paired.

    Returns
    -------
    Comparison

    Examples
    --------
    >>> held = np.minimum(0.8 * FACTORS, 1)[None].repeat(3, axis=0)
    >>> wide, narrow = Intervals(np.full(3, 4.0), held), Intervals(np.full(3, 3.0), held)
    >>> rows = resamples(3, np.random.default_rng(1))
    >>> estimates = compare(narrow, wide, 0.9, rows).estimates
    >>> estimates["coverage"], estimates["mean_ratio"], estimates["reduction"]
    (0.8, 0.75, 0.25)
    """
    ratio = first.width / other.width
    times = np.stack([np.bincount(some, minlength=len(ratio)) for some in rows]) / len(ratio)

    def estimated(weights: NDArray[np.float64], median: NDArray[np.float64]) -> dict[str, NDArray]:
        held, other_held = weights @ first.held, weights @ other.held
        factor, other_factor = (
            np.array([matching_factor(row, level) for row in each]) for each in (held, other_held)
        )
        mean, matched = weights @ ratio, factor / other_factor
        return {
            "coverage": held[:, AS_THEY_COME],
            "other_coverage": other_held[:, AS_THEY_COME],
            "factor": factor,
            "other_factor": other_factor,
            "mean_ratio": mean,
            "median_ratio": median,
            "matched_mean_ratio": matched * mean,
            "reduction": 1 - matched * mean,
        }

    even = np.full((1, len(ratio)), 1 / len(ratio))
    whole = estimated(even, np.array([np.median(ratio)]))
    return Comparison(
        {name: float(value[0]) for name, value in whole.items()},
        estimated(times, np.median(ratio[rows], axis=1)),
    )


@dataclass(frozen=True, eq=False)
class Shrinkage:
    """Shrinkage of each group.

    Attributes
    ----------
    weights : ndarray, shape (n_groups,)
    resampled : ndarray, shape (n_resamples, n_groups)
    """

    weights: NDArray[np.float64]
    resampled: NDArray[np.float64]

    def pair(self, group: int) -> tuple[float, float]:
        """Weight of a group and its standard error."""
        return float(self.weights[group]), float(self.resampled[:, group].std(ddof=1))

    def times(self, group: int, other: int) -> tuple[float, float]:
        """Weight of a group over that of another, and its standard error."""
        ratios = self.resampled[:, group] / self.resampled[:, other]
        return float(self.weights[group] / self.weights[other]), float(ratios.std(ddof=1))


def shrinkage(raw: ArrayLike, pooled: ArrayLike, centre: ArrayLike, rows: NDArray) -> Shrinkage:
    """How far estimates move from the raw ones to a common centre: 0 not at all, 1 all the way.

    The least-squares slope of ``pooled - raw`` on ``centre - raw`` through the origin. For the
    Dirichlet-multinomial model at known alpha and pi0 it is alpha / (n + alpha), exactly.

    Parameters
    ----------
    raw, pooled : array_like, shape (n_simulations, n_groups, n_items)
        Each group's own estimate and its estimate in the hierarchy.
    centre : array_like, shape (n_simulations, n_items)
        What all groups are drawn to.
    rows : ndarray, shape (n_resamples, n_simulations)
        Of `resamples`.

    Returns
    -------
    Shrinkage

    Examples
    --------
    >>> raw, centre = np.array([[[0.2, 0.8]], [[0.5, 0.5]]]), np.array([[0.6, 0.4], [0.9, 0.1]])
    >>> rows = resamples(2, np.random.default_rng(1), times=10)
    >>> shrinkage(raw, 0.75 * raw + 0.25 * centre[:, None], centre, rows).weights.round(6).tolist()
    [0.25]
    """
    raw, pooled, centre = (np.asarray(values, float) for values in (raw, pooled, centre))
    gap = centre[:, None] - raw
    moved = ((pooled - raw) * gap).sum(axis=-1)
    whole = np.square(gap).sum(axis=-1)
    return Shrinkage(
        moved.sum(axis=0) / whole.sum(axis=0),
        moved[rows].sum(axis=1) / whole[rows].sum(axis=1),
    )
