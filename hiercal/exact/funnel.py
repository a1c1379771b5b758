"""The exact posterior of a funnel without data, which is its prior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaincc

from hiercal.exact.grid import Conditional, Grid, GridPosterior, normal, real


class FunnelPrior(GridPosterior):
    """v ~ N(0, scale), sigma = exp(v / 2), x_k ~ N(0, sigma), with v on a grid.

    Parameters
    ----------
    scale : float
    labels : sequence of str
        Names of the x.
    """

    def __init__(self, scale: float, labels: Sequence[str]) -> None:
        self._scale, self._labels = scale, tuple(labels)
        self.grid = Grid(lambda v: -0.5 * (v / scale) ** 2, [real("v", 0.0, scale)])

    @property
    def names(self) -> tuple[str, ...]:
        return ("v", "sigma", *self._labels, "x_new", "log_prior")

    def conditional(self, name: str) -> Conditional:
        v = self.grid.nodes["v"]
        if name == "sigma":
            return self._sigma(v)
        if name == "log_prior":
            return self._log_prior(v)
        return normal(np.zeros(len(v)), np.exp(v))

    def _sigma(self, v: np.ndarray) -> Conditional:
        def cdf(x: np.ndarray) -> np.ndarray:
            with np.errstate(divide="ignore"):
                below = self.grid.cdf("v", 2 * np.log(np.maximum(x, 0)))
            return np.broadcast_to(below, (len(x), len(v)))

        low, high = self.grid.bracket("v")
        bracket = float(np.exp(low / 2)), float(np.exp(high / 2))
        return Conditional(np.exp(v / 2), np.zeros(len(v)), cdf, bracket)

    def _log_prior(self, v: np.ndarray) -> Conditional:
        """Log density of v and x: given v, a constant less half a chi-square of n."""
        n, scale = len(self._labels), self._scale
        most = -0.5 * (v / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)
        most -= n * (v + np.log(2 * np.pi)) / 2
        bracket = float(most.min() - 20 * n), float(most.max())
        return Conditional(
            most - n / 2,
            np.full(len(v), n / 2),
            lambda x: gammaincc(n / 2, np.maximum(most - x, 0)),
            bracket,
        )

    def complete(
        self, hyper: dict[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        sigma = np.exp(hyper["v"] / 2)
        x = sigma[:, None] * rng.standard_normal((n, len(self._labels)))
        return {**hyper, "sigma": sigma, "x": x}
