"""Posteriors of the normal-normal hierarchy given each of many data sets, on one grid of tau."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from scipy.optimize.elementwise import find_root
from scipy.special import logsumexp, ndtr

from hiercal.exact.normal_normal import GivenTau

NODES = 112
"""Values of tau; more change no mean, density or probability by 1e-9, from 3 to 100 groups.

So it is for data as the prior gives them. A group 50 standard errors off needs 300.
"""
HERMITE = 16
"""Nodes of the expectation over a new observation; more change none of 5,000 orders of models."""
CHUNK = 200
"""Data sets at a time where arrays run over groups and values of tau as well."""


class NormalNormalSets:
    """Posteriors given each of many data sets, on one grid of tau.

    y_i ~ N(theta_i, sigma_i^2), theta_i ~ N(mu, tau^2), mu ~ N(0, mu_scale^2), tau half-normal.
    Everything but tau integrates out (Gelman et al. 2013, BDA3, section 5.4); tau is done by
    Gauss-Legendre quadrature on v = tau / (tau_scale + tau). `NormalNormal`
    has the same posterior of one data set, under any prior of tau, on a grid of its own.

    Parameters
    ----------
    y : ndarray, shape (n_data_sets, n_groups)
        Estimated effects.
    sigma : ndarray, shape (n_groups,)
        Their standard errors.
    mu_scale, tau_scale : float
        Prior scales of the mean effect and of the standard deviation between groups.
    nodes : int
        Values of tau.

    Attributes
    ----------
    tau : ndarray, shape (n_nodes,)
    weights : ndarray, shape (n_data_sets, n_nodes)
        Posterior probabilities of the values of tau.

    Examples
    --------
    >>> from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS
    >>> rubin = NormalNormalSets(np.array([RUBIN_EFFECTS]), np.array(RUBIN_STANDARD_ERRORS))
    >>> rubin.tau_mean.round(3), rubin.theta_mean[:, 0].round(3)
    (array([4.806]), array([9.81]))
    """

    def __init__(
        self,
        y: np.ndarray,
        sigma: np.ndarray,
        *,
        mu_scale: float = 20.0,
        tau_scale: float = 10.0,
        nodes: int = NODES,
    ) -> None:
        self.y, self.sigma = np.asarray(y, float), np.asarray(sigma, float)
        self.mu_scale, self.tau_scale = mu_scale, tau_scale
        x, w = np.polynomial.legendre.leggauss(nodes)
        v = (x + 1) / 2
        self.tau = tau_scale * v / (1 - v)
        self._log_w = np.log(w) - 2 * np.log1p(-v)
        given = self._given(self.tau)
        log_density = given.log_density(self.y) - 0.5 * (self.tau / tau_scale) ** 2 + self._log_w
        self._log_weights = log_density - logsumexp(log_density, axis=1, keepdims=True)
        self.weights = np.exp(self._log_weights)
        self._precision, self._mean = given.precision, given.mean
        self._shrinkage = self.sigma[:, None] ** 2 * given.weights.T

    def _log_density(self, tau: np.ndarray) -> np.ndarray:
        """Log posterior density of tau up to a constant, shape (n_data_sets, n_values)."""
        return self._given(tau).log_density(self.y) - 0.5 * (tau / self.tau_scale) ** 2

    def _given(self, tau: np.ndarray) -> GivenTau:
        return GivenTau.of(self.y, self.sigma**2, self.mu_scale**-2, tau)

    @cached_property
    def tau_mean(self) -> np.ndarray:
        """Posterior mean of tau, shape (n_data_sets,)."""
        return self.weights @ self.tau

    @cached_property
    def tau_sd(self) -> np.ndarray:
        """Posterior standard deviation of tau, shape (n_data_sets,)."""
        return np.sqrt(self.weights @ self.tau**2 - self.tau_mean**2)

    @cached_property
    def tau_mode(self) -> np.ndarray:
        """Posterior mode of tau, 0 where the density falls from there, shape (n_data_sets,).

        The highest of a grid of 1000 values, moved to the top of the parabola through it and its
        neighbours.
        """
        tau = np.linspace(0, 6 * self.tau_scale, 1001)
        log_density = self._log_density(tau)
        best = log_density.argmax(axis=1)
        inside = np.clip(best, 1, len(tau) - 2)
        low, top, high = (
            np.take_along_axis(log_density, (inside + k)[:, None], axis=1)[:, 0] for k in (-1, 0, 1)
        )
        moved = tau[inside] + 0.5 * (low - high) / (low - 2 * top + high) * tau[1]
        return np.where(best == inside, moved, tau[best])

    @cached_property
    def theta_mean(self) -> np.ndarray:
        """Posterior means of the group effects, shape (n_data_sets, n_groups)."""
        pulled = (self.weights * self._mean) @ self._shrinkage.T
        return self.y - self.shrinkage_mean * self.y + pulled

    @cached_property
    def shrinkage_mean(self) -> np.ndarray:
        """Posterior means of B_i = sigma_i^2 / (sigma_i^2 + tau^2), (n_data_sets, n_groups)."""
        return self.weights @ self._shrinkage.T

    @cached_property
    def mu_mean(self) -> np.ndarray:
        """Posterior mean of mu, shape (n_data_sets,)."""
        return (self.weights * self._mean).sum(axis=1)

    @cached_property
    def theta_sd(self) -> np.ndarray:
        """Posterior standard deviations of the group effects, shape (n_data_sets, n_groups)."""
        columns = []
        for i in range(len(self.sigma)):
            means, variances = self._given_tau(i)
            spread = (self.weights * (means - self.theta_mean[:, [i]]) ** 2).sum(axis=1)
            columns.append(np.sqrt(self.weights @ variances + spread))
        return np.stack(columns, axis=1)

    def theta_cdf(self, x: np.ndarray) -> np.ndarray:
        """Posterior distribution functions of the group effects at x (n_data_sets, n_groups)."""
        columns = []
        for i in range(len(self.sigma)):
            means, variances = self._given_tau(i)
            columns.append((self.weights * ndtr((x[:, [i]] - means) / np.sqrt(variances))).sum(1))
        return np.stack(columns, axis=1)

    def theta_quantile(self, p: float) -> np.ndarray:
        """Posterior quantiles of the group effects, shape (n_data_sets, n_groups)."""
        reach = np.sqrt(max(p, 1 - p) / min(p, 1 - p)) * 1.001  # Cantelli's inequality
        columns = []
        for i in range(len(self.sigma)):
            means, variances = self._given_tau(i)
            sds = np.sqrt(variances)

            def excess(x: np.ndarray, row: np.ndarray, means=means, sds=sds) -> np.ndarray:
                k = row.astype(int)
                return (self.weights[k] * ndtr((x[:, None] - means[k]) / sds)).sum(axis=1) - p

            mean, sd = self.theta_mean[:, i], self.theta_sd[:, i]
            solution = find_root(
                excess, (mean - reach * sd, mean + reach * sd),
                args=(np.arange(len(mean), dtype=float),),
                tolerances={"xatol": 1e-7, "xrtol": 0.0, "fatol": 1e-10, "frtol": 0.0},
            )  # fmt: skip
            columns.append(solution.x)
        return np.stack(columns, axis=1)

    def _given_tau(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Means (n_data_sets, n_nodes) and variances (n_nodes,) of an effect given each tau."""
        b = self._shrinkage[i]
        means = (1 - b) * self.y[:, [i]] + b * self._mean
        return means, (1 - b) * self.sigma[i] ** 2 + b * b / self._precision

    def loo(self) -> np.ndarray:
        """Log densities of each observation given all others, shape (n_data_sets, n_groups).

        ``log p(y_i | y_-i) = log p(y) - log p(y_-i)``, and given tau both are normal; what a group
        adds to their sums is taken out again, so that no data set is fitted twice.
        """
        return _chunked(self._loo, self.y)

    def _loo(self, y: np.ndarray) -> np.ndarray:
        w = 1 / (self.sigma**2 + self.tau[:, None] ** 2)
        prior = self._log_w - 0.5 * (self.tau / self.tau_scale) ** 2
        moved = y[:, :, None] * w.T  # (data set, group, node), as all arrays below
        precision = self.mu_scale**-2 + w.sum(axis=1) - w.T
        total = moved.sum(axis=1, keepdims=True) - moved
        squares = moved * y[:, :, None]
        misfit = squares.sum(axis=1, keepdims=True) - squares - total**2 / precision
        log_determinant = np.log(precision) - np.log(w).sum(axis=1) + np.log(w.T)
        log_density = prior - 0.5 * (log_determinant + misfit)
        sd = np.sqrt(1 / w.T + 1 / precision)
        predictive = log_normal(y[:, :, None], total / precision, sd)
        return _log_sum_exp(log_density + predictive) - _log_sum_exp(log_density)

    def new_group(self, mu: np.ndarray, tau: np.ndarray) -> np.ndarray:
        """Expected log density of an observation of a new group, for each standard error.

        The observation is drawn from N(mu, tau^2 + sigma_i^2), with the true mu and tau of each
        data set (n_data_sets,); the expectation is done by Gauss-Hermite quadrature.

        Returns
        -------
        ndarray, shape (n_data_sets, n_groups)
        """
        nodes, node_weights = np.polynomial.hermite_e.hermegauss(HERMITE)
        node_weights = node_weights / node_weights.sum()
        spread = self.tau**2 + 1 / self._precision
        by_sigma = {}
        for s in set(self.sigma.tolist()):
            y = mu[:, None] + np.sqrt(tau[:, None] ** 2 + s * s) * nodes
            variance = spread + s * s
            log_weights = self._log_weights - 0.5 * np.log(2 * np.pi * variance)
            log_density = np.empty(y.shape)
            for k in _pieces(len(y)):
                terms = y[k, :, None] - self._mean[k, None]
                terms *= terms
                terms *= -0.5 / variance
                terms += log_weights[k, None]
                log_density[k] = _log_sum_exp(terms)
            by_sigma[s] = log_density @ node_weights
        return np.stack([by_sigma[s] for s in self.sigma.tolist()], axis=1)


def log_normal(x: np.ndarray, mean: np.ndarray | float, sd: np.ndarray) -> np.ndarray:
    """Log density of N(mean, sd^2)."""
    return -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)


def _log_sum_exp(terms: np.ndarray) -> np.ndarray:
    """log sum exp over the last axis, in the memory of the terms; SciPy's takes longer."""
    top = terms.max(axis=-1, keepdims=True)
    terms -= top
    return np.log(np.exp(terms, out=terms).sum(axis=-1)) + top[..., 0]


def _pieces(n: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, n, CHUNK)]


def _chunked(function: Callable[[np.ndarray], np.ndarray], y: np.ndarray) -> np.ndarray:
    return np.concatenate([function(y[k]) for k in _pieces(len(y))])
