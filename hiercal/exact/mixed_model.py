"""Exact posterior of the linear model with one random coefficient a group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from hiercal.exact.grid import Conditional, Grid, GridPosterior, normal, positive_axis

ROUNDING = 10 * np.finfo(float).eps


@dataclass(frozen=True)
class CrossProducts:
    """What the posterior needs of the data: sums over the observations of each group.

    With rows u (fixed effects, p of them), x (regressor of the group's coefficient) and y.

    Attributes
    ----------
    n : ndarray, shape (n_groups,)
    uu, ux, uy : ndarray, shapes (n_groups, p, p), (n_groups, p), (n_groups, p)
    xx, xy, yy : ndarray, shape (n_groups,)
    """

    n: np.ndarray
    uu: np.ndarray
    ux: np.ndarray
    uy: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: np.ndarray

    @classmethod
    def of(cls, group: np.ndarray, u: np.ndarray, x: np.ndarray, y: np.ndarray) -> Self:
        """From observations: the group of each (0, 1, ...), u (n, p), x (n,) and y (n,)."""
        n_groups = int(group.max()) + 1

        def total(values: np.ndarray) -> np.ndarray:
            sums = np.zeros((n_groups, *values.shape[1:]))
            np.add.at(sums, group, values)
            return sums

        return cls(
            n=total(np.ones(len(y))),
            uu=total(u[:, :, None] * u[:, None, :]),
            ux=total(u * x[:, None]),
            uy=total(u * y[:, None]),
            xx=total(x * x),
            xy=total(x * y),
            yy=total(y * y),
        )


@dataclass(frozen=True)
class Scale:
    """A standard deviation to be inferred: its name, log prior density and order of magnitude."""

    name: str
    log_prior: Callable[[np.ndarray], np.ndarray]
    size: float


class MixedModel(GridPosterior):
    """Posterior of y = u' beta + x b_g + e, b_g ~ N(0, scale^2), e ~ N(0, noise^2).

    beta ~ N(mean, sd^2) independently. Given the two standard deviations everything is normal and
    integrates out (Gelman et al. 2013, BDA3, section 15.2); they are on a grid, unless they are
    numbers. The effect of a group is loading' beta + b_g, with scale 0 for complete pooling.

    Parameters
    ----------
    data : CrossProducts
    coefficients : dict of str to (float, float)
        Names of beta, in the order of u, with prior means and standard deviations.
    scale, noise : Scale or float
    effect : str
        Name of the group effects.
    labels : sequence of str
        Names of the group effects' scalars, such as ``theta[A]``.
    loadings : ndarray, shape (n_groups, p)
        Of the group effects on beta.
    offset : float
        Added to the group effects; to be subtracted from y beforehand, times x.
    new : tuple of str and sequence of float, optional
        Name of the effect of a group not seen, and its loadings.
    fixed : dict of str to float, optional
        Parameters that the model takes as known; they are among the draws.
    """

    def __init__(
        self,
        data: CrossProducts,
        *,
        coefficients: Mapping[str, tuple[float, float]],
        scale: Scale | float,
        noise: Scale | float,
        effect: str,
        labels: Sequence[str],
        loadings: np.ndarray,
        offset: float = 0.0,
        new: tuple[str, Sequence[float]] | None = None,
        fixed: Mapping[str, float] | None = None,
    ) -> None:
        self._data = data
        self._coefficients = tuple(coefficients)
        prior = np.array(list(coefficients.values())).reshape(-1, 2)
        self._prior_mean, self._prior_precision = prior[:, 0], np.diag(prior[:, 1] ** -2.0)
        self._scale, self._noise = scale, noise
        self._effect, self._labels, self._loadings = effect, tuple(labels), loadings
        self._offset, self._new, self._fixed = offset, new, fixed or {}
        free = [each for each in (scale, noise) if isinstance(each, Scale)]
        self.grid = Grid(self._log_density, [positive_axis(each.name, each.size) for each in free])

    @property
    def names(self) -> tuple[str, ...]:
        new = (self._new[0],) if self._new else ()
        return (*self._coefficients, *self.grid.nodes, *self._labels, *new)

    def _deviations(self, hyper: Mapping[str, np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
        """Scale and noise at each of `n` points."""
        scale, noise = (
            hyper[each.name] if isinstance(each, Scale) else np.full(n, float(each))
            for each in (self._scale, self._noise)
        )
        return scale, noise

    def _given(self, scale: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, ...]:
        """Shrinkage k (n, J), precision H (n, p, p) and moment h (n, p) of beta, y' V^-1 y (n,)."""
        data, variance = self._data, noise**2
        k = scale[:, None] ** 2 / (variance[:, None] + scale[:, None] ** 2 * data.xx)
        outer = data.ux[:, :, None] * data.ux[:, None, :]
        precision = (
            self._prior_precision
            + (data.uu.sum(axis=0) - np.einsum("nj,jpq->npq", k, outer)) / variance[:, None, None]
        )
        moment = (
            self._prior_precision @ self._prior_mean
            + (data.uy.sum(axis=0) - k @ (data.ux * data.xy[:, None])) / variance[:, None]
        )
        return k, precision, moment, (data.yy.sum() - k @ data.xy**2) / variance

    def _log_density(self, *values: np.ndarray) -> np.ndarray:
        free = [each for each in (self._scale, self._noise) if isinstance(each, Scale)]
        hyper = dict(zip((each.name for each in free), values, strict=True))
        scale, noise = self._deviations(hyper, len(values[0]))
        data, variance = self._data, noise**2
        _, precision, moment, misfit = self._given(scale, noise)
        log_determinants = (
            (data.n - 1).sum() * np.log(variance)
            + np.log(variance[:, None] + scale[:, None] ** 2 * data.xx).sum(axis=1)
            + np.linalg.slogdet(precision)[1]
        )
        explained = (moment * _solve(precision, moment)).sum(axis=1)
        log_prior = sum(each.log_prior(hyper[each.name]) for each in free)
        log_density = log_prior - (log_determinants + misfit - explained) / 2
        # where the noise is 1e-7 of the data, the misfit is lost to rounding
        return np.where(variance > ROUNDING * data.yy.sum(), log_density, -np.inf)

    @cached_property
    def _at_nodes(self) -> tuple[np.ndarray, ...]:
        scale, noise = self._deviations(self.grid.nodes, len(self.grid.weights))
        k, precision, moment, _ = self._given(scale, noise)
        return scale, noise, k, _solve(precision, moment), np.linalg.inv(precision)

    def conditional(self, name: str) -> Conditional:
        scale, noise, k, mean, covariance = self._at_nodes
        if name in self._coefficients:
            i = self._coefficients.index(name)
            return normal(mean[:, i], covariance[:, i, i])
        if self._new and name == self._new[0]:
            loading = np.broadcast_to(np.asarray(self._new[1], float), mean.shape)
            own_mean, own_variance = np.zeros(len(mean)), scale**2
        else:
            g = self._labels.index(name)
            loading = self._loadings[g] - k[:, g, None] * self._data.ux[g]
            own_mean, own_variance = k[:, g] * self._data.xy[g], k[:, g] * noise**2
        spread = np.einsum("np,npq,nq->n", loading, covariance, loading)
        return normal(self._offset + own_mean + (loading * mean).sum(axis=1), own_variance + spread)

    def complete(
        self, hyper: dict[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        scale, noise = self._deviations(hyper, n)
        k, precision, moment, _ = self._given(scale, noise)
        root = np.linalg.cholesky(np.linalg.inv(precision))
        beta = _solve(precision, moment)
        beta += np.einsum("npq,nq->np", root, rng.standard_normal(beta.shape))
        effect = k * (self._data.xy - beta @ self._data.ux.T)
        effect += np.sqrt(k) * noise[:, None] * rng.standard_normal(k.shape)
        effect += self._offset + beta @ self._loadings.T
        named = dict(zip(self._coefficients, beta.T, strict=True))
        known = {name: np.full(n, value) for name, value in self._fixed.items()}
        return named | hyper | known | {self._effect: effect}


def _solve(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Solutions (n, p) of n systems."""
    return np.linalg.solve(matrices, vectors[..., None])[..., 0]
