"""Widths of two kinds of intervals for the same truths, compared where both cover equally often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from hiercal.studies._result import Result
    from hiercal.studies._study import Study


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals for the truths of several simulations.

    Parameters
    ----------
    lower, upper, truth : array_like, shape (n_simulations, n_items)
        Items of one simulation may depend on each other; simulations do not.

    Raises
    ------
    ValueError
        If the shapes differ, or an interval ends below its beginning.

    Examples
    --------
    >>> found = Intervals([[0.0], [0.0]], [[2.0], [4.0]], [[2.5], [2.0]])
    >>> found.width.tolist(), found.distance.tolist(), found.covers.tolist()
    ([[2.0], [4.0]], [[1.5], [0.0]], [[False], [True]])
    """

    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    truth: NDArray[np.float64]

    def __post_init__(self) -> None:
        for field in ("lower", "upper", "truth"):
            object.__setattr__(self, field, np.asarray(getattr(self, field), float))
        shapes = [np.shape(values) for values in (self.lower, self.upper, self.truth)]
        if len(shapes[0]) != 2 or len(set(shapes)) > 1:
            raise ValueError(
                f"got lower, upper, truth of shapes {shapes}; give each (n_simulations, n_items)"
            )
        if not np.all(self.width >= 0):
            raise ValueError("an interval has upper below lower or NaN; leave failed fits out")

    @property
    def width(self) -> NDArray[np.float64]:
        return self.upper - self.lower

    @property
    def covers(self) -> NDArray[np.bool_]:
        """Whether each interval holds its truth, ends included."""
        return (self.lower <= self.truth) & (self.truth <= self.upper)

    @property
    def distance(self) -> NDArray[np.float64]:
        """Distance of each truth from the middle of its interval, in half widths."""
        off = np.abs(self.truth - (self.lower + self.upper) / 2)
        # of an interval without width, its one point is covered by any scaling, no other by any
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(off > 0, off / (self.width / 2), 0.0)


def matching_factor(distance: ArrayLike, level: float) -> float:
    """Factor to scale intervals by, about their middles, so that they cover at `level`.

    Parameters
    ----------
    distance : array_like
        Of each truth from the middle of its interval, in half widths.
    level : float
        Inside (0, 1).

    Returns
    -------
    float
        The smallest factor with which a share of at least `level` of the truths is covered.

    Examples
    --------
    >>> matching_factor([0.1, 0.5, 0.8, 1.2], 0.75)
    0.8
    """
    return float(np.quantile(np.asarray(distance), level, method="inverted_cdf"))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two kinds of intervals for the same truths, with what a bootstrap makes of each estimate.

    Attributes
    ----------
    estimates : dict of str to float
        ``coverage`` and ``other_coverage``; ``factor`` and ``other_factor`` of `matching_factor`;
        ``ratio_of_means``, mean width over mean width; ``mean_ratio``, the mean over data sets of
        their ratio of mean widths; ``matched_ratio_of_means`` and ``matched_mean_ratio``, the same
        of the scaled intervals; ``reduction``, 1 less the last of these.
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
    >>> wide = Intervals(np.full((4, 1), -2.0), np.full((4, 1), 2.0), [[0.0], [1.0], [-1.0], [3.0]])
    >>> narrow = Intervals(wide.lower / 4, wide.upper / 4, wide.truth)
    >>> rows = resamples(4, np.random.default_rng(1))
    >>> found = compare(narrow, wide, 0.75, rows).estimates
    >>> found["coverage"], found["mean_ratio"], found["matched_mean_ratio"]
    (0.25, 0.25, 1.0)
    """
    shares = first.covers.mean(axis=1), other.covers.mean(axis=1)
    distances = first.distance, other.distance
    widths = first.width.mean(axis=1), other.width.mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # over all items of a data set: a proportion near 0 would swamp a mean of single ratios
        ratio = widths[0] / widths[1]

    def over(some: NDArray[np.int64] | slice) -> dict[str, float]:
        coverage, other_coverage = (float(share[some].mean()) for share in shares)
        factor, other_factor = (np.float64(matching_factor(d[some], level)) for d in distances)
        ratio_of_means = float(widths[0][some].mean() / widths[1][some].mean())
        mean_ratio = float(ratio[some].mean())
        with np.errstate(divide="ignore", invalid="ignore"):
            matched = float(factor / other_factor)
        return {
            "coverage": coverage,
            "other_coverage": other_coverage,
            "factor": float(factor),
            "other_factor": float(other_factor),
            "ratio_of_means": ratio_of_means,
            "mean_ratio": mean_ratio,
            "matched_ratio_of_means": matched * ratio_of_means,
            "matched_mean_ratio": matched * mean_ratio,
            "reduction": 1 - matched * mean_ratio,
        }

    each = [over(some) for some in rows]
    estimates = over(slice(None))
    return Comparison(
        estimates, {name: np.array([values[name] for values in each]) for name in estimates}
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


def complete(result: Result, study: Study) -> list[int]:
    """Simulations that every arm could fit."""
    fits = result.fits
    failed = set(fits.loc[fits["error"].notna(), "simulation"])
    whole = [i for i in range(study.simulations) if i not in failed]
    if len(whole) < 2:
        raise ValueError(f"{result.folder}: fewer than two data sets were fitted by every arm")
    return whole


def column(
    result: Result, arm: str, name: str, quantities: list[str], simulations: list[int]
) -> np.ndarray:
    """A column of the records, shape (n_simulations, n_quantities)."""
    records = result.records
    own = records[(records["arm"] == arm).to_numpy()]
    wide = own.pivot(index="simulation", columns="quantity", values=name)
    return wide.loc[simulations, quantities].to_numpy(float)


def intervals(result: Result, arm: str, items: list[str], simulations: list[int]) -> Intervals:
    ends = (column(result, arm, c, items, simulations) for c in ("lower", "upper", "truth"))
    return Intervals(*ends)
