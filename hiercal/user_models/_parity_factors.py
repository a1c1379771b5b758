"""Whether the factors of two densities are equal, from their values at the same points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

EQUAL = "equal"
CONSTANT = "equal up to a constant"
OF_DATA = "equal up to the data"
DIFFERS = "differs"
SUPPORT = "support differs"


@dataclass(frozen=True)
class Values:
    """A factor in both codings.

    Attributes
    ----------
    a, b : ndarray, shape (n_points, n_elements)
        Log densities, by element where both codings have the same ones; else their sums.
    use : ndarray of bool, shape (n_points,)
        Points at which no factor before this one is zero in one coding only.
    from_a : ndarray of bool, shape (n_points,)
        Whether a point was drawn from the first model.
    """

    a: np.ndarray
    b: np.ndarray
    use: np.ndarray
    from_a: np.ndarray

    @property
    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Log densities of the factor at the points in use that both give one."""
        where = self.both
        return self.a[where].sum(axis=1), self.b[where].sum(axis=1)

    @property
    def both(self) -> np.ndarray:
        """Points in use at which both densities are finite."""
        return self.use & finite(self.a) & finite(self.b)


@dataclass(frozen=True)
class Factor:
    """What was found of a factor.

    Attributes
    ----------
    name : str
    worst : float
        Largest difference, relative to one plus the larger of the two log densities.
    verdict : str
    constant : float
        Log density in b minus that in a, where it is the same at all points.
    only_in_a, only_in_b : int
        Points at which only one coding has a density.
    elements : tuple of int
        Elements that differ, and how many there are.
    """

    name: str
    worst: float
    verdict: str
    constant: float = 0.0
    only_in_a: int = 0
    only_in_b: int = 0
    elements: tuple[tuple[int, ...], int] = ((), 1)

    @property
    def equal(self) -> bool:
        """Whether the posterior is the same as far as this factor goes."""
        return self.verdict in (EQUAL, CONSTANT, OF_DATA)


def finite(terms: np.ndarray) -> np.ndarray:
    """Points at which a factor has a density, (n_points,)."""
    return np.isfinite(terms).all(axis=1)


def compared(
    name: str, values: Values, fixed: Sequence[tuple[np.ndarray, np.ndarray]], tolerance: float
) -> Factor:
    """Verdict on a factor.

    Parameters
    ----------
    fixed : sequence of pair of ndarray, shape (n_points,)
        Of an observed variable, its log densities in both codings on one data set, with the
        parameters of all points; one pair for each data set.
    """
    a, b = values.sums
    gap = b - a
    scale = 1 + np.maximum(np.abs(a), np.abs(b))
    worst = float((np.abs(gap) / scale).max(initial=0.0))
    only_a = int((values.use & finite(values.a) & ~finite(values.b)).sum())
    only_b = int((values.use & ~finite(values.a) & finite(values.b)).sum())
    verdict, constant = EQUAL, 0.0
    if worst > tolerance:
        verdict = DIFFERS
        if _constant(gap, scale, tolerance):
            verdict, constant = CONSTANT, float(np.median(gap))
        elif fixed and all(_same_shift(one, other, tolerance) for one, other in fixed):
            verdict = OF_DATA
    if verdict == EQUAL and not len(gap):
        worst = np.inf
    if only_a or only_b or worst == np.inf:
        verdict = SUPPORT
    elements = _elements(values, tolerance)
    if verdict == EQUAL and elements[0]:
        # differences of elements that cancel in every sum are differences of order
        verdict = DIFFERS
    return Factor(name, worst, verdict, constant, only_a, only_b, elements)


def _constant(gap: np.ndarray, scale: np.ndarray, tolerance: float) -> bool:
    return len(gap) > 2 and bool((np.abs(gap - np.median(gap)) <= tolerance * scale).all())


def _same_shift(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    where = np.isfinite(a) & np.isfinite(b)
    return _constant((b - a)[where], 1 + np.maximum(np.abs(a), np.abs(b))[where], tolerance)


def _elements(values: Values, tolerance: float) -> tuple[tuple[int, ...], int]:
    a, b = values.a[values.both], values.b[values.both]
    gap = np.abs(b - a) / (1 + np.maximum(np.abs(a), np.abs(b)))
    return tuple(np.flatnonzero((gap > tolerance).any(axis=0)).tolist()), values.a.shape[1]


def aligned(
    one: Sequence[Mapping[str, np.ndarray]], other: Sequence[Mapping[str, np.ndarray]], name: str
) -> tuple[np.ndarray, np.ndarray]:
    """A factor's terms in both codings: elements where they have the same ones, else sums."""
    a = np.stack([np.ravel(each[name]) for each in one])
    b = np.stack([np.ravel(each[name]) for each in other])
    if a.shape != b.shape:
        a, b = (np.stack([_total(e) for e in each])[:, None] for each in (a, b))
    return a, b


def _total(terms: np.ndarray) -> float:
    return float(terms.sum()) if np.isfinite(terms).all() else -np.inf


def gradients(
    one: Sequence[Mapping[str, np.ndarray]],
    other: Sequence[Mapping[str, np.ndarray]],
    names: Sequence[str],
) -> tuple[float, str]:
    """Largest relative difference of gradients, and of what.

    Relative to one plus the larger gradient of that variable at that point.
    """
    worst, where = 0.0, ""
    for name in names:
        for a, b in zip(one, other, strict=True):
            x, y = np.ravel(a[name]), np.ravel(b[name])
            size = 1 + max(np.abs(x).max(initial=0), np.abs(y).max(initial=0))
            gap = np.abs(x - y).max(initial=0.0) / size
            gap = np.inf if np.isnan(gap) else float(gap)
            if gap > worst:
                worst, where = gap, name
    return worst, where
