"""Densities of a few hyperparameters on a grid: integrals, distribution functions, exact draws.

On the whole line, the trapezoidal rule integrates a smooth density with an error that falls
exponentially in the spacing (Trefethen and Weideman 2014, SIAM Review 56, 385). So every
hyperparameter is taken to a coordinate in which its density falls off on both sides, the box that
holds the posterior is found, and the posterior becomes a table of weights on an even grid in it.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, lambertw, logit, ndtr, sici

from hiercal.exact.posterior import Posterior

LOG_NEGLIGIBLE = -32.0
NEGLIGIBLE = 1e-14
ZOOMS = 25
MOST_ROUNDS = 200
"""Rounds of proposals; where the grid resolves the density, fewer than 20 give all draws."""


@dataclass(frozen=True)
class Axis:
    """A hyperparameter x and its coordinate u.

    Attributes
    ----------
    name : str
    low, high : float
        Coordinates between which the search for the posterior begins.
    value, coordinate : callable
        x of u, and u of x.
    log_slope : callable
        log dx / du at u.
    spacing : float
        The largest between nodes.
    """

    name: str
    low: float
    high: float
    value: Callable[[np.ndarray], np.ndarray]
    coordinate: Callable[[np.ndarray], np.ndarray]
    log_slope: Callable[[np.ndarray], np.ndarray]
    spacing: float = math.inf


def real(name: str, centre: float, size: float) -> Axis:
    """A real number within a few times `size` of `centre`: x = centre + size sinh(u) / 4."""
    return Axis(
        name,
        -4.0,
        4.0,
        lambda u: centre + size * np.sinh(u) / 4,
        lambda x: np.arcsinh(4 * (x - centre) / size),
        lambda u: np.log(size * np.cosh(u) / 4),
    )


def line(name: str, reach: float) -> Axis:
    """A number between about -`reach` and `reach`, as it is."""
    return Axis(name, -reach, reach, lambda u: u, lambda x: x, np.zeros_like)


def positive_axis(name: str, size: float, spacing: float = math.inf) -> Axis:
    """A positive number of the order of `size`: x = size exp(u - exp(-u))."""

    def coordinate(x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return -np.log(lambertw(size / np.maximum(x, 1e-300 * size)).real)

    return Axis(
        name,
        -3.5,
        3.5,
        lambda u: size * np.exp(u - np.exp(-u)),
        coordinate,
        lambda u: np.log(size) + u - np.exp(-u) + np.log1p(np.exp(-u)),
        spacing,
    )


def unit(name: str) -> Axis:
    """A number in (0, 1), by the tanh-sinh map: logit x = pi sinh u."""
    return Axis(
        name,
        -3.0,
        3.0,
        lambda u: expit(np.pi * np.sinh(u)),
        lambda x: np.arcsinh(logit(np.clip(x, 1e-300, 1 - 1e-16)) / np.pi),
        lambda u: (
            np.log(np.pi * np.cosh(u))
            - 2 * np.logaddexp(0, -abs(np.pi * np.sinh(u)))
            - abs(np.pi * np.sinh(u))
        ),
    )


class Grid:
    """A density of up to a few hyperparameters, normalised and ready to be drawn from.

    Parameters
    ----------
    log_density : callable
        Log density of the hyperparameters up to a constant: takes an array (n_points,) for each
        axis, returns (n_points,).
    axes : sequence of Axis
        One for each hyperparameter; with none, the grid is a single point.
    points : int
        Points along each axis, over the box that holds the posterior; more where an axis asks for
        a smaller spacing.
    scan : int
        Points along each axis while that box is looked for.

    Attributes
    ----------
    weights : ndarray, shape (n_nodes,)
        Posterior probabilities of the nodes; those of less than 1e-14 of the largest are left out.
    nodes : dict of ndarray, shape (n_nodes,)
        The hyperparameters at the nodes.
    coordinates : list of ndarray
        Along each axis, of all points.
    log_table : ndarray, one dimension for each axis
        Log density of the coordinates at all points, less its largest.
    """

    def __init__(
        self,
        log_density: Callable[..., np.ndarray],
        axes: Sequence[Axis],
        *,
        points: int = 48,
        scan: int = 16,
    ) -> None:
        self._log_density_of_x = log_density
        self.axes = tuple(axes)
        box = self._box(scan)
        self.coordinates = [
            np.linspace(low, high, max(points, 1 + math.ceil((high - low) / axis.spacing)))
            for axis, (low, high) in zip(self.axes, box, strict=True)
        ]
        self._spacing = np.array([u[1] - u[0] for u in self.coordinates])
        u = _tensor(self.coordinates)
        log_density_of_u = self._log_density(u)
        self._peak = log_density_of_u.max()
        density = np.exp(log_density_of_u - self._peak)
        self._density = density.reshape([len(each) for each in self.coordinates])
        self.log_table = (log_density_of_u - self._peak).reshape(self._density.shape)
        kept = density > NEGLIGIBLE
        self._kept = np.flatnonzero(kept)
        self._kept_u = u[kept]
        self.weights = density[kept] / density[kept].sum()
        self.nodes = self._values(self._kept_u)

    def _values(self, u: np.ndarray) -> dict[str, np.ndarray]:
        return {axis.name: axis.value(u[:, i]) for i, axis in enumerate(self.axes)}

    def _log_density(self, u: np.ndarray) -> np.ndarray:
        """Log density of the coordinates (n_points, n_axes)."""
        if not self.axes:
            return np.zeros(len(u))
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            log_density = self._log_density_of_x(*self._values(u).values())
            log_density = log_density + sum(
                axis.log_slope(u[:, i]) for i, axis in enumerate(self.axes)
            )
        return np.where(np.isnan(log_density), -np.inf, log_density)

    def _box(self, scan: int) -> list[tuple[float, float]]:
        """Grow a box until nothing that matters is at its edge, and shrink it to just hold that."""
        box = [(axis.low, axis.high) for axis in self.axes]
        for _ in range(ZOOMS):
            coordinates = [np.linspace(low, high, scan) for low, high in box]
            log_density = self._log_density(_tensor(coordinates)).reshape([scan] * len(box))
            held = log_density > log_density.max() + LOG_NEGLIGIBLE
            if not held.any():
                raise _too_sharp(f"its log density is {log_density.max():.3g} where it was sought")
            settled, before, box = True, box, []
            for i, u in enumerate(coordinates):
                inside = np.flatnonzero(held.any(axis=tuple(j for j in range(held.ndim) if j != i)))
                first, last, cell, width = inside[0], inside[-1], u[1] - u[0], u[-1] - u[0]
                low = float(u[first] - (width / 3 if first == 0 else cell))
                high = float(u[last] + (width / 3 if last == scan - 1 else cell))
                box.append((low, high))
                change = max(abs(low - before[i][0]), abs(high - before[i][1]))
                settled = settled and change < 0.15 * width
            if settled:
                break
        return box

    def index(self, name: str) -> int:
        """Which axis a hyperparameter is."""
        return [axis.name for axis in self.axes].index(name)

    @property
    def places(self) -> tuple[np.ndarray, ...]:
        """Where the nodes are in `log_table`, an array (n_nodes,) for each axis."""
        return np.unravel_index(self._kept, self.log_table.shape)

    @cached_property
    def _marginals(self) -> list[np.ndarray]:
        total = self._density.sum()
        every = range(len(self.axes))
        return [self._density.sum(axis=tuple(j for j in every if j != i)) / total for i in every]

    def cdf(self, name: str, x: np.ndarray) -> np.ndarray:
        """P(hyperparameter <= x): the integral of the sinc interpolant through the grid."""
        i = self.index(name)
        at, nodes, h = self.axes[i].coordinate(x), self.coordinates[i], self._spacing[i]
        at = np.clip(at, nodes[0], nodes[-1])
        steps = 0.5 + sici(np.pi * (at[..., None] - nodes) / h)[0] / np.pi
        return np.clip(steps @ self._marginals[i], 0, 1)

    def bracket(self, name: str) -> tuple[float, float]:
        """The ends of the box."""
        i = self.index(name)
        low, high = self.axes[i].value(self.coordinates[i][[0, -1]])
        return float(low), float(high)

    def draws(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Independent draws of the hyperparameters.

        Proposals come from the multilinear interpolant through the grid and are accepted in
        proportion to the density over it; the largest ratio seen bounds the ratio.
        """
        if not self.axes:
            return {}
        from scipy.ndimage import map_coordinates

        accepted: list[np.ndarray] = []
        missing, bound, more = n, 0.0, rounds()
        while missing > 0 and next(more):
            size = 2 * missing + 50
            node = rng.choice(len(self.weights), size, p=self.weights)
            shift = rng.uniform(size=(size, len(self.axes))) - rng.uniform(
                size=(size, len(self.axes))
            )
            u = self._kept_u[node] + shift * self._spacing
            place = [
                (u[:, i] - nodes[0]) / self._spacing[i] for i, nodes in enumerate(self.coordinates)
            ]
            proposed = map_coordinates(self._density, place, order=1, mode="nearest")
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.exp(self._log_density(u) - self._peak) / proposed
            ratio = np.nan_to_num(ratio, posinf=0.0)
            bound = max(bound, float(ratio.max()))
            accepted.append(u[rng.uniform(size=size) * bound < ratio])
            missing -= len(accepted[-1])
        return self._values(np.concatenate(accepted)[:n])


@dataclass(frozen=True)
class Conditional:
    """A quantity given each node of a grid.

    Attributes
    ----------
    mean, variance : ndarray, shape (n_nodes,)
    cdf : callable
        Takes x of shape (n, 1), returns (n, n_nodes).
    bracket : tuple of float
        Between these lies all but a negligible part, whatever the node.
    """

    mean: np.ndarray
    variance: np.ndarray
    cdf: Callable[[np.ndarray], np.ndarray]
    bracket: tuple[float, float]


def normal(mean: np.ndarray, variance: np.ndarray) -> Conditional:
    """A quantity that is normal, or fixed, given each node."""
    sd = np.sqrt(variance)

    def cdf(x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (x - mean) / sd
        return np.where(sd > 0, ndtr(z), x >= mean)

    reach = 9 * sd + 1e-9 * (1 + abs(mean))
    bracket = float((mean - reach).min()), float((mean + reach).max())
    return Conditional(mean, variance, cdf, bracket)


class GridPosterior(Posterior):
    """An exact posterior whose hyperparameters are on a `Grid`; all else is known given them.

    Subclasses set ``grid`` and say what the other quantities are given a node.
    """

    grid: Grid

    @abstractmethod
    def conditional(self, name: str) -> Conditional:
        """A quantity that is no hyperparameter, given each node."""

    @abstractmethod
    def complete(
        self, hyper: dict[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """`n` draws of all parameters, given draws of the hyperparameters."""

    @cached_property
    def _conditionals(self) -> dict[str, Conditional]:
        return {}

    def _given_node(self, name: str) -> Conditional:
        if self._known(name) not in self._conditionals:
            self._conditionals[name] = self.conditional(name)
        return self._conditionals[name]

    def mean(self, name: str) -> float:
        if self._known(name) in self.grid.nodes:
            return float(self.grid.weights @ self.grid.nodes[name])
        return float(self.grid.weights @ self._given_node(name).mean)

    def sd(self, name: str) -> float:
        mean = self.mean(name)
        if name in self.grid.nodes:
            return math.sqrt(self.grid.weights @ (self.grid.nodes[name] - mean) ** 2)
        given = self._given_node(name)
        return math.sqrt(self.grid.weights @ (given.variance + (given.mean - mean) ** 2))

    def cdf(self, name: str, x: ArrayLike) -> np.ndarray:
        x = np.asarray(x, float)
        if self._known(name) in self.grid.nodes:
            return self.grid.cdf(name, x)
        return (self._given_node(name).cdf(x.reshape(-1, 1)) @ self.grid.weights).reshape(x.shape)

    def bracket(self, name: str) -> tuple[float, float]:
        if self._known(name) in self.grid.nodes:
            return self.grid.bracket(name)
        return self._given_node(name).bracket

    def draws(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return self.complete(self.grid.draws(n, rng), n, rng)


def rounds() -> Iterator[int]:
    """Numbers of rounds of proposals; after the last an ArithmeticError, as they would not end."""
    yield from range(1, MOST_ROUNDS + 1)
    raise _too_sharp(f"{MOST_ROUNDS} rounds of proposals do not give all draws")


def _too_sharp(found: str) -> ArithmeticError:
    return ArithmeticError(
        f"the exact posterior is too sharp for its grid: {found}; give counts or exposures that "
        "are smaller, or closer to each other"
    )


def _tensor(coordinates: Sequence[np.ndarray]) -> np.ndarray:
    """All points of a tensor grid, shape (n_points, n_axes)."""
    if not coordinates:
        return np.zeros((1, 0))
    return np.stack([u.ravel() for u in np.meshgrid(*coordinates, indexing="ij")], axis=1)
