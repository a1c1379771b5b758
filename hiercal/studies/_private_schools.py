"""Exact posteriors of schools of two kinds for many data sets at once, and rows of the study."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtr

from hiercal.simulators.private_schools import PrivateSchools
from hiercal.studies._predictions import LEVEL
from hiercal.studies._random import stream
from hiercal.studies._summaries import mean_se, named, share_se

MODELS = ("covariate", "exchangeable")
NODES = 112
"""Values of tau; more change no mean or probability by 1e-9."""

Row = dict[str, Any]


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
    >>> story = PrivateSchools()
    >>> x = np.column_stack([np.ones(12), story.x])
    >>> found = Regression(story.observed["y"][None], np.array(story.sigma), x, (20.0, 10.0))
    >>> found.coefficient_mean.round(3)
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


def fitted(story: PrivateSchools, y: np.ndarray, model: str) -> Regression:
    """The posterior with the covariate, or with schools taken for exchangeable (beta 0)."""
    x = np.column_stack([np.ones(len(story.x)), story.x])
    scales = (story.mu_scale, story.beta_scale)
    n = len(scales) if model == "covariate" else 1
    return Regression(y, np.array(story.sigma), x[:, :n], scales[:n], tau_scale=story.tau_scale)


def seen(
    story: PrivateSchools, beta: float, *, mu: float, tau: float, n: int, seed: int
) -> list[Row]:
    """A row per model: schools of both kinds that were seen, and beta itself, at one beta.

    The same standard normals are behind the data of each beta. ``mse`` and ``coverage`` are of the
    private schools' effects, with ``public_`` before them of the public ones'; ``excess_mse`` is
    the squared error less that of the model with the covariate, on the same data.
    ``beta_positive`` is the share of data sets in which the 89 % interval of beta lies above 0.
    Standard errors are over data sets.
    """
    theta, y = _simulated(story, beta, mu, tau, stream(seed, "private schools"), n)
    kinds = {kind: np.equal(story.x, x) for kind, x in (("", 1.0), ("public_", 0.0))}
    rows, base = [], None
    for model in MODELS:
        posterior = fitted(story, y, model)
        error = (posterior.theta_mean - theta) ** 2
        base = error if base is None else base
        hits = _inside(posterior.theta_cdf(theta))
        row: Row = {"beta": beta, "model": model, "n": n}
        for kind, some in kinds.items():
            row |= named(
                **{
                    f"{kind}mse": mean_se(error[:, some].mean(axis=1)),
                    f"{kind}excess_mse": mean_se((error - base)[:, some].mean(axis=1)),
                    f"{kind}coverage": mean_se(hits[:, some].mean(axis=1)),
                }
            )
        if model == "covariate":
            below_zero = posterior.coefficient_cdf(1, np.zeros(n))
            row |= named(
                beta_mean=mean_se(posterior.coefficient_mean[:, 1]),
                beta_sd=mean_se(posterior.coefficient_sd[:, 1]),
                beta_coverage=share_se(_inside(posterior.coefficient_cdf(1, np.full(n, beta)))),
                beta_positive=share_se(below_zero < (1 - LEVEL) / 2),
            )
        rows.append(row)
    return rows


def unseen(
    story: PrivateSchools, beta: float, *, mu: float, tau: float, n: int, seed: int
) -> list[Row]:
    """A row per model: coverage of a new private school, where only public ones were seen."""
    rng = stream(seed, "unseen private school")
    _, y = _simulated(story, beta, mu, tau, rng, n)
    new = mu + beta * story.x_new + tau * rng.standard_normal(n)
    rows = []
    for model in MODELS:
        posterior = fitted(story, y, model)
        x = np.array([1.0, story.x_new])[: posterior.x.shape[1]]
        covered = share_se(_inside(posterior.new_cdf(x, new)))
        bias = mean_se(posterior.coefficient_mean @ x - new)
        rows.append({"beta": beta, "model": model, "n": n} | named(coverage=covered, bias=bias))
    return rows


def _simulated(
    story: PrivateSchools, beta: float, mu: float, tau: float, rng: np.random.Generator, n: int
) -> tuple[np.ndarray, np.ndarray]:
    z = rng.standard_normal((2, n, len(story.x)))
    theta = mu + beta * np.array(story.x) + tau * z[0]
    return theta, theta + np.array(story.sigma) * z[1]


def _inside(below: np.ndarray) -> np.ndarray:
    """Whether a central interval holds a value, from its distribution function there."""
    return np.abs(below - 0.5) < LEVEL / 2
