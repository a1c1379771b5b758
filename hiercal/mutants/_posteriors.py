"""Exact posteriors of the mutants' own small stories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from hiercal.exact.posterior import Posterior


class NormalPosterior(Posterior):
    """Normal coordinates, all with the same correlation.

    Parameters
    ----------
    name : str
        Of the parameter; its entries are ``name[0]``, ..., or ``name`` where it is a scalar.
    mean, sd : ndarray, shape (n,), or float
    correlation : float
    """

    def __init__(self, name: str, mean: ArrayLike, sd: ArrayLike, correlation: float = 0.0) -> None:
        self._name, self._scalar = name, np.ndim(mean) == 0
        self._mean, self._sd = np.atleast_1d(mean), np.atleast_1d(sd)
        n = len(self._mean)
        correlations = np.full((n, n), correlation) + (1 - correlation) * np.eye(n)
        self._root = np.linalg.cholesky(correlations) * self._sd[:, None]

    @property
    def names(self) -> tuple[str, ...]:
        if self._scalar:
            return (self._name,)
        return tuple(f"{self._name}[{k}]" for k in range(len(self._mean)))

    def mean(self, name: str) -> float:
        return float(self._mean[self.names.index(self._known(name))])

    def sd(self, name: str) -> float:
        return float(self._sd[self.names.index(self._known(name))])

    def cdf(self, name: str, x: ArrayLike) -> np.ndarray:
        return np.asarray(norm.cdf(x, self.mean(name), self.sd(name)))

    def bracket(self, name: str) -> tuple[float, float]:
        return self.mean(name) - 9 * self.sd(name), self.mean(name) + 9 * self.sd(name)

    def draws(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        drawn = self._mean + rng.standard_normal((n, len(self._mean))) @ self._root.T
        return {self._name: drawn[:, 0] if self._scalar else drawn}


@dataclass(frozen=True)
class TabulatedPosterior(Posterior):
    """One scalar parameter with a log density on a fine grid.

    Parameters
    ----------
    name : str
    x : ndarray, shape (n,)
        Increasing.
    log_density : ndarray, shape (n,)
        Up to a constant.
    """

    name: str
    x: np.ndarray
    log_density: np.ndarray

    def _weights(self) -> np.ndarray:
        weights = np.exp(self.log_density - self.log_density.max()) * np.gradient(self.x)
        return weights / weights.sum()

    def _cumulative(self) -> np.ndarray:
        density = np.exp(self.log_density - self.log_density.max())
        steps = np.diff(self.x) * (density[1:] + density[:-1]) / 2
        cumulative = np.concatenate([[0.0], np.cumsum(steps)])
        return cumulative / cumulative[-1]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def mean(self, name: str) -> float:
        self._known(name)
        return float(self._weights() @ self.x)

    def sd(self, name: str) -> float:
        return float(np.sqrt(self._weights() @ (self.x - self.mean(name)) ** 2))

    def cdf(self, name: str, x: ArrayLike) -> np.ndarray:
        self._known(name)
        return np.interp(np.asarray(x, float), self.x, self._cumulative())

    def bracket(self, name: str) -> tuple[float, float]:
        self._known(name)
        return float(self.x[0]), float(self.x[-1])

    def draws(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {self.name: np.interp(rng.uniform(size=n), self._cumulative(), self.x)}


@dataclass(frozen=True)
class LabelPosterior(Posterior):
    """One label, 0 to n - 1. It is not among `names`, which have continuous distributions.

    Parameters
    ----------
    name : str
    log_mass : ndarray, shape (n,)
        Up to a constant.
    """

    name: str
    log_mass: np.ndarray

    @property
    def mass(self) -> np.ndarray:
        """Probabilities, (n,)."""
        mass = np.exp(self.log_mass - self.log_mass.max())
        return mass / mass.sum()

    @property
    def names(self) -> tuple[str, ...]:
        return ()

    def mean(self, name: str) -> float:
        return float(self.mass @ np.arange(len(self.log_mass)))

    def sd(self, name: str) -> float:
        return float(np.sqrt(self.mass @ (np.arange(len(self.log_mass)) - self.mean(name)) ** 2))

    def cdf(self, name: str, x: ArrayLike) -> np.ndarray:
        below = np.concatenate([[0.0], np.cumsum(self.mass)])
        return below[np.searchsorted(np.arange(len(self.log_mass)), x, side="right")]

    def bracket(self, name: str) -> tuple[float, float]:
        return 0.0, len(self.log_mass) - 1.0

    def draws(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {self.name: rng.choice(len(self.log_mass), size=n, p=self.mass).astype(float)}
