"""Smooth densities on even nodes, one for each value of a scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.special import sici

ORDER = 5
"""Of the splines through log densities."""
PARTS = 16
"""Into which the way between two nodes is cut for distribution functions: errors below 1e-7."""


@dataclass(frozen=True)
class EvenDensities:
    """Densities of one quantity given each of n_scales values of a scale.

    Attributes
    ----------
    first, step : ndarray, shape (n_scales,)
        First node and spacing.
    weights : ndarray, shape (n_scales, n_nodes)
        Probabilities of the nodes; each row sums to 1.
    """

    first: np.ndarray
    step: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, first: np.ndarray, step: np.ndarray, log_density: np.ndarray) -> EvenDensities:
        """From log densities (n_scales, n_nodes), each up to a constant."""
        density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
        return cls(first, step, density / density.sum(axis=1, keepdims=True))

    @property
    def nodes(self) -> np.ndarray:
        """Shape (n_scales, n_nodes)."""
        return self.first[:, None] + self.step[:, None] * np.arange(self.weights.shape[1])

    def cdf(self, x: np.ndarray) -> np.ndarray:
        """P(quantity <= x) (n, n_scales): integrals of the sinc interpolants through the nodes.

        They are worked out at `PARTS` points a node, with their slopes, and cubic between these.
        """
        integral, density = self._tables
        last = self.weights.shape[1] - 1
        at = PARTS * np.clip((x[:, None] - self.first) / self.step, 0, last)
        left = np.minimum(at.astype(int), PARTS * last - 1)
        beyond = at - left
        row = np.arange(len(self.first))
        low, high = integral[row, left], integral[row, left + 1]
        leaving, arriving = (density[row, left + i] / PARTS for i in (0, 1))
        rise = high - low
        bend = leaving + arriving - 2 * rise
        return np.clip(
            low + beyond * (leaving + beyond * (rise - leaving - bend + beyond * bend)), 0, 1
        )

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Integrals of the interpolants, and the interpolants, at even points of each row."""
        integral, sinc = _sinc(self.weights.shape[1])
        return self.weights @ integral, self.weights @ sinc

    def moments(self, value: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance (n_scales,) of a function of the quantity."""
        values = value(self.nodes)
        mean = (self.weights * values).sum(axis=1)
        return mean, (self.weights * (values - mean[:, None]) ** 2).sum(axis=1)


@lru_cache(maxsize=16)
def _sinc(n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Integral up to even points of what is 1 at one node and 0 at the others, and its values."""
    nodes = np.arange(n_nodes)
    points = np.linspace(0, n_nodes - 1, PARTS * (n_nodes - 1) + 1)
    apart = points - nodes[:, None]
    return 0.5 + sici(np.pi * apart)[0] / np.pi, np.sinc(apart)


def along_rows(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Splines through the rows of (n_rows, n_nodes), at places (n_rows, ...) counted in nodes."""
    from scipy.interpolate import make_interp_spline

    n_nodes = values.shape[1]
    spline = make_interp_spline(np.arange(n_nodes), values, k=ORDER, axis=1)
    left = np.clip(place.astype(int), 0, n_nodes - 2)
    beyond = place - left
    row = np.arange(len(values)).reshape(-1, *[1] * (place.ndim - 1))
    node = row * (n_nodes - 1) + left
    heights = np.zeros(place.shape)
    for order in range(ORDER, -1, -1):  # the Taylor series at the node to the left
        taylor = spline(np.arange(n_nodes - 1), order) / math.factorial(order)
        heights *= beyond
        heights += taylor.take(node)
    return heights


def interpolated(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Linear interpolation along the last axis of `values`, at a place for each of the others."""
    left = np.minimum(at.astype(int), values.shape[-1] - 2)
    low = np.take_along_axis(values, left[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(values, left[..., None] + 1, axis=-1)[..., 0]
    return low + (at - left) * (high - low)
