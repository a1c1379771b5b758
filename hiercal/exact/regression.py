"""Exact posteriors of a normal hierarchy with covariates, for many data sets at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from scipy.special import ndtr

NODES = 112
"""Values of tau; more change no mean or probability by 1e-9."""


class Regression:
    """Posteriors given each of many data sets, on one grid of tau.

    y_i ~ N(theta_i, sigma_i^2), theta_i ~ N(x_i' b, tau^2), b ~ N(0, diag(scales^2)), tau
    half-normal. Everything but tau integrates out (Gelman et al. 2013, BDA3, section 15.3); tau is
    done by Gauss-Legendre quadrature on v = tau / (tau_scale + tau).

    Parameters
    ----------
    y : ndarray, shape (n_data_sets, n_groups)
        Estimated effects.
    sigma : ndarray, shape (n_groups,)
        Their standard errors.
    x : ndarray, shape (n_groups, n_coefficients)
        Covariates, with a column of ones for the mean.
    scales : sequence of float
        Prior standard deviations of the coefficients.
    tau_scale : float
        Prior scale of the standard deviation between groups.

    Examples
    --------
    >>> from hiercal.simulators.private_schools import PrivateSchools
    >>> story = PrivateSchools()
    >>> x = np.column_stack([np.ones(12), story.x])
    >>> posterior = Regression(story.observed["y"][None], np.array(story.sigma), x, (20.0, 10.0))
    >>> posterior.coefficient_mean.round(3)
    array([[10.442,  1.983]])
    """

    def __init__(
        self,
        y: np.ndarray,
        sigma: np.ndarray,
        x: np.ndarray,
        scales: Sequence[float],
        *,
        tau_scale: float = 10.0,
    ) -> None:
        self.y, self.sigma, self.x = y, sigma, x
        node, weight = np.polynomial.legendre.leggauss(NODES)
        v = (node + 1) / 2
        self.tau = tau_scale * v / (1 - v)
        w = 1 / (sigma**2 + self.tau[:, None] ** 2)
        precision = np.einsum("ti,ip,iq->tpq", w, x, x) + np.diag(np.asarray(scales) ** -2.0)
        self._covariance = np.linalg.inv(precision)
        moments = np.einsum("ti,ip->itp", w, x)
        projected = np.tensordot(y, moments, axes=1)  # (data set, node, coefficient)
        self._means = np.einsum("ntp,tpq->ntq", projected, self._covariance)
        misfit = (y * y) @ w.T - (projected * self._means).sum(axis=2)
        prior = np.log(weight) - 2 * np.log1p(-v) - 0.5 * (self.tau / tau_scale) ** 2
        determinant = np.linalg.slogdet(precision)[1] - np.log(w).sum(axis=1)
        log_density = prior - 0.5 * (determinant + misfit)
        self.weights = np.exp(log_density - log_density.max(axis=1, keepdims=True))
        self.weights /= self.weights.sum(axis=1, keepdims=True)
        self._shrinkage = sigma**2 * w

    @cached_property
    def coefficient_mean(self) -> np.ndarray:
        """Posterior means of the coefficients, shape (n_data_sets, n_coefficients)."""
        return np.einsum("nt,ntp->np", self.weights, self._means)

    @cached_property
    def coefficient_sd(self) -> np.ndarray:
        """Posterior standard deviations of them, shape (n_data_sets, n_coefficients)."""
        given = np.diagonal(self._covariance, axis1=1, axis2=2)
        squares = np.einsum("nt,ntp->np", self.weights, self._means**2 + given)
        return np.sqrt(squares - self.coefficient_mean**2)

    def coefficient_cdf(self, p: int, at: np.ndarray) -> np.ndarray:
        """Posterior distribution function of coefficient p at values of shape (n_data_sets,)."""
        sd = np.sqrt(self._covariance[:, p, p])
        return (self.weights * ndtr((at[:, None] - self._means[:, :, p]) / sd)).sum(axis=1)

    @cached_property
    def theta_mean(self) -> np.ndarray:
        """Posterior means of the group effects, shape (n_data_sets, n_groups)."""
        columns = [(self.weights * self._given_tau(i)[0]).sum(axis=1) for i in range(len(self.x))]
        return np.stack(columns, axis=1)

    def theta_cdf(self, at: np.ndarray) -> np.ndarray:
        """Posterior distribution functions of the group effects at values of the shape of y."""
        columns = []
        for i in range(len(self.x)):
            means, sd = self._given_tau(i)
            columns.append((self.weights * ndtr((at[:, [i]] - means) / sd)).sum(axis=1))
        return np.stack(columns, axis=1)

    def new_cdf(self, x: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Distribution function of a new group's effect with covariates x (n_coefficients,)."""
        sd = np.sqrt(self.tau**2 + np.einsum("tpq,p,q->t", self._covariance, x, x))
        return (self.weights * ndtr((at[:, None] - self._means @ x) / sd)).sum(axis=1)

    def _given_tau(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Means (n_data_sets, n_nodes) and standard deviations (n_nodes,) of an effect."""
        b, x = self._shrinkage[:, i], self.x[i]
        from_population = np.einsum("tpq,p,q->t", self._covariance, x, x)
        means = (1 - b) * self.y[:, [i]] + b * (self._means @ x)
        return means, np.sqrt((1 - b) * self.sigma[i] ** 2 + b * b * from_population)
