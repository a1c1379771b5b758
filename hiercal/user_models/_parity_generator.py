"""Whether forward draws of a variable follow its own log density (pymc#6871).

Given values of its parents, n draws are made of a variable, and its density is integrated between
them. The distribution function at the draws is uniform if they follow it (Rosenblatt 1952); a
Kolmogorov-Smirnov test says so. The density need not be normalised.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hiercal.user_models._parity_coding import Coding, Values

PARENTS = 4
"""Prior draws of the parents."""
DRAWS = 250
"""Draws of the variable at each."""
PIECES = 6
"""Pieces of each interval between draws, for Simpson's rule."""
TAIL = 250
"""Pieces of each tail."""
ELEMENTS = 50
"""Elements of a variable that are looked at, evenly spread."""
CHUNK = 2_000_000
"""Numbers that a density is asked for at a time."""
LEVEL = 1e-3
"""Probability of a false alarm in one comparison, all variables of all models together (Holm)."""
Density = Callable[[np.ndarray], np.ndarray]
MASS = 0.05
"""Difference of a density's integral from 1 above which it is said."""


@dataclass(frozen=True)
class Generator:
    """What was found of a variable's draws.

    Attributes
    ----------
    model, variable : str
    distance : float
        Kolmogorov-Smirnov distance of the draws from the density.
    p : float
        NaN where it was not checked.
    why : str
        Why not.
    integral : float
        Of the density, at most: the largest difference from 1.
    """

    model: str
    variable: str
    distance: float = np.nan
    p: float = np.nan
    why: str = ""
    integral: float = 1.0


def generators(coding: Coding, seed: int) -> list[Generator]:
    """Check each sampled and observed variable of a model."""
    points = [coding.simulated(np.random.default_rng([seed, i])) for i in range(PARENTS)]
    return [_checked(coding, n, points, seed) for n in (*coding.free, *coding.observed)]


def _checked(
    coding: Coding, name: str, points: list[tuple[dict[str, np.ndarray], Values]], seed: int
) -> Generator:
    from scipy.stats import kstest

    def skipped(why: str) -> Generator:
        return Generator(coding.label, name, why=why)

    if name not in coding.univariate:
        return skipped("multivariate")
    try:
        drawn = [
            coding.draws(name, values, data, _seed(seed, i, name), DRAWS)
            for i, (values, data) in enumerate(points)
        ]
    except NotImplementedError:
        return skipped("it has no random function")
    shape = drawn[0].shape[1:]
    if not int(np.prod(shape)):
        return skipped("it is empty")
    flat = np.stack([each.reshape(DRAWS, -1) for each in drawn]).astype(float)
    if not np.isfinite(flat).all():
        return Generator(coding.label, name, 1.0, 0.0, "its draws are not all finite")
    discrete = name in coding.discrete
    if not discrete and _repeats(flat) > 0.01:
        return skipped("its draws repeat values, which have no density")
    rng = np.random.default_rng(_seed(seed, PARENTS, name))
    chosen = np.unique(np.linspace(0, flat.shape[2] - 1, ELEMENTS).astype(int))
    uniforms, masses = [], []
    for draws, (values, data) in zip(flat, points, strict=True):

        def density(grid: np.ndarray, values: Values = values, data: Values = data) -> np.ndarray:
            rows = max(1, CHUNK // grid.shape[1])
            each = [
                coding.density(name, values, data, grid[i : i + rows].reshape(-1, *shape))
                for i in range(0, len(grid), rows)
            ]
            return np.concatenate(each).reshape(grid.shape)

        try:
            if discrete:
                u, mass = _discrete(draws, density, rng)
            else:
                u, mass = _continuous(draws, density, _coordinate(flat))
        except NotImplementedError:
            return skipped("its log density is not one for each element")
        except _Wide as wide:
            return skipped(str(wide))
        uniforms.append(u[:, chosen].ravel())
        masses.append(mass[chosen])
    pooled, mass = np.concatenate(uniforms), np.concatenate(masses)
    outside = float(np.mean(np.isnan(pooled)))
    worst = float(mass[np.argmax(np.abs(mass - 1))])
    if outside > 1e-3:
        why = f"{outside:.1%} of its draws have no density"
        return Generator(coding.label, name, 1.0, 0.0, why, worst)
    test = kstest(pooled[~np.isnan(pooled)], "uniform")
    return Generator(coding.label, name, float(test.statistic), float(test.pvalue), "", worst)


def _seed(seed: int, i: int, name: str) -> int:
    return zlib.crc32(f"{seed} {i} {name}".encode())


def _repeats(flat: np.ndarray) -> float:
    """Largest share of an element's draws, at one place, that another draw is equal to."""
    ordered = np.sort(flat, axis=1)
    return float((np.diff(ordered, axis=1) == 0).mean(axis=1).max())


class _Wide(Exception):
    """A discrete variable whose draws are too far apart."""


def _coordinate(flat: np.ndarray) -> str:
    """In which coordinate a density is smooth: by where all draws are."""
    if (flat > 0).all():
        return "logit" if (flat < 1).all() else "log"
    return "minus log" if (flat < 0).all() else "asinh"


def _continuous(
    draws: np.ndarray, density: Density, coordinate: str
) -> tuple[np.ndarray, np.ndarray]:
    """Distribution function at the draws, (n, n_elements), and the density's integral."""
    middle = np.median(draws, axis=0)
    spread = np.subtract(*np.quantile(draws, [0.75, 0.25], axis=0))
    spread = np.where(spread > 0, spread, 1.0)
    order = np.argsort(draws, axis=0)
    x = np.take_along_axis(draws, order, axis=0)
    t = _forward(x, coordinate, middle, spread)
    between = np.linspace(t[:-1], t[1:], PIECES + 1)[:-1]  # (pieces, n - 1, elements)
    inner = np.concatenate([np.moveaxis(between, 0, 1).reshape(-1, t.shape[1]), t[-1:]])
    width = (t[-1] - t[0]) / len(t)
    # steps that grow from a draw's share of the range to twenty times the range
    steps = np.expm1(np.linspace(0, np.log(20.0 * len(t)), TAIL + 1))[:, None] * width
    left, right = t[0] - steps[::-1], t[-1] + steps
    grid = np.concatenate([left[:-1], inner, right[1:]])
    with np.errstate(all="ignore"):
        place, log_slope = _backward(grid, coordinate, middle, spread)
        p = np.exp(density(place) + log_slope)
    p = np.where(np.isfinite(p), p, 0.0)
    n_inner = PIECES * (len(t) - 1)
    pieces = p[TAIL : TAIL + n_inner + 1]
    h = (t[1:] - t[:-1]) / PIECES
    weights = np.array([1, 4, 2, 4, 2, 4, 1]) / 3
    rows = [pieces[i : n_inner + i - PIECES + 1 or None : PIECES] for i in range(PIECES + 1)]
    masses = h * sum(w * row for w, row in zip(weights, rows, strict=True))
    below = _trapezoid(p[: TAIL + 1], left)
    above = _trapezoid(p[TAIL + n_inner :], right)
    upto = below + np.concatenate([np.zeros_like(masses[:1]), np.cumsum(masses, axis=0)])
    total = upto[-1] + above
    with np.errstate(all="ignore"):
        u = upto / total
    at_draws = pieces[::PIECES]
    u = np.where((at_draws > 0) & np.isfinite(u), u, np.nan)
    return u, total


def _trapezoid(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.trapezoid(p, t, axis=0)


def _forward(x: np.ndarray, coordinate: str, middle: np.ndarray, spread: np.ndarray) -> np.ndarray:
    if coordinate == "logit":
        return np.log(x) - np.log1p(-x)
    if coordinate == "log":
        return np.log(x)
    if coordinate == "minus log":
        return -np.log(-x)
    return np.arcsinh((x - middle) / spread)


def _backward(
    t: np.ndarray, coordinate: str, middle: np.ndarray, spread: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Places of a coordinate, and the log of how they change with it."""
    if coordinate == "logit":
        return 1 / (1 + np.exp(-t)), -np.logaddexp(0, t) - np.logaddexp(0, -t)
    if coordinate == "log":
        return np.exp(t), t
    if coordinate == "minus log":
        return -np.exp(-t), -t
    return middle + spread * np.sinh(t), np.log(spread) + np.logaddexp(t, -t) - np.log(2)


def _discrete(
    draws: np.ndarray, density: Density, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A distribution function made continuous at random, at the draws; and the integral."""
    n_points = PIECES * (len(draws) - 1) + 1 + 2 * TAIL
    low, high = draws.min(axis=0), draws.max(axis=0)
    free = n_points - 1 - (high - low)
    if (free < n_points / 2).any():
        raise _Wide(f"its draws are up to {int((high - low).max())} apart")
    first = low - np.floor(free / 2)
    grid = first + np.arange(n_points)[:, None]
    with np.errstate(all="ignore"):
        p = np.exp(density(grid))
    p = np.where(np.isfinite(p), p, 0.0)
    total = p.sum(axis=0)
    upto = np.cumsum(p, axis=0)
    at = (draws - first).astype(int)
    own = np.take_along_axis(p, at, axis=0)
    below = np.take_along_axis(upto, at, axis=0) - own
    with np.errstate(all="ignore"):
        u = (below + rng.random(draws.shape) * own) / total
    return np.where((own > 0) & np.isfinite(u), u, np.nan), total
