"""What an exact posterior answers."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike


class Posterior(ABC):
    """An exact posterior, quantity by quantity.

    Quantities go by the names that a story ranks: ``tau``, ``theta[A]``, ``log_lik``.
    """

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The quantities."""

    @abstractmethod
    def mean(self, name: str) -> float:
        """Posterior mean."""

    @abstractmethod
    def sd(self, name: str) -> float:
        """Posterior standard deviation."""

    @abstractmethod
    def cdf(self, name: str, x: ArrayLike) -> np.ndarray:
        """Posterior P(quantity <= x), with the shape of `x`."""

    @abstractmethod
    def bracket(self, name: str) -> tuple[float, float]:
        """An interval that holds all but a negligible part of the posterior."""

    @abstractmethod
    def draws(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Independent draws of the parameters, each of shape (n, *dims)."""

    def quantile(self, name: str, p: ArrayLike) -> np.ndarray:
        """Posterior quantiles, with the shape of `p`, each strictly between 0 and 1."""
        from scipy.optimize import elementwise  # a worker that compares no fit needs none of it

        p = np.asarray(p, float)
        if np.any((p <= 0) | (p >= 1)):
            raise ValueError(f"quantile of {name}: got p = {p}; every p must lie inside (0, 1)")
        low, high = self.bracket(name)
        root = elementwise.find_root(
            lambda x, p: self.cdf(name, x) - p,
            (np.full(p.shape, low), np.full(p.shape, high)),
            args=(p,),
        )
        return root.x

    def _known(self, name: str) -> str:
        if name not in self.names:
            raise KeyError(f"no quantity {name!r} here; there are {', '.join(self.names)}")
        return name
