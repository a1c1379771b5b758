"""Exact posteriors in which every quantity has a distribution of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, betaincinv, digamma, expit, logit, polygamma

from hiercal.exact.posterior import Posterior


class Marginal(Protocol):
    """A distribution, as SciPy freezes it."""

    def mean(self) -> float: ...
    def std(self) -> float: ...
    def cdf(self, x: np.ndarray) -> np.ndarray: ...
    def ppf(self, q: float) -> float: ...


class Independent(Posterior):
    """Posterior given by the marginals of its scalars and a way to draw from all of them.

    Parameters
    ----------
    marginals : dict of str to Marginal
        One for each quantity.
    draw : callable
        Takes the number of draws and a generator; returns the parameters, (n, *dims) each.
    """

    def __init__(
        self,
        marginals: Mapping[str, Marginal],
        draw: Callable[[int, np.random.Generator], dict[str, np.ndarray]],
    ) -> None:
        self._marginals, self._draw = marginals, draw

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._marginals)

    def mean(self, name: str) -> float:
        return float(self._marginals[self._known(name)].mean())

    def sd(self, name: str) -> float:
        return float(self._marginals[self._known(name)].std())

    def cdf(self, name: str, x: ArrayLike) -> np.ndarray:
        return self._marginals[self._known(name)].cdf(np.asarray(x, float))

    def bracket(self, name: str) -> tuple[float, float]:
        marginal = self._marginals[self._known(name)]
        return float(marginal.ppf(1e-15)), float(marginal.ppf(1 - 1e-15))

    def draws(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return self._draw(n, rng)


@dataclass(frozen=True)
class LogitBeta:
    """The log odds of a Beta(a, b) probability."""

    a: float
    b: float

    def mean(self) -> float:
        return digamma(self.a) - digamma(self.b)

    def std(self) -> float:
        return np.sqrt(polygamma(1, self.a) + polygamma(1, self.b))

    def cdf(self, x: np.ndarray) -> np.ndarray:
        return betainc(self.a, self.b, expit(x))

    def ppf(self, q: float) -> float:
        return logit(betaincinv(self.a, self.b, q))
