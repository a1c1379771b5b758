"""Leave-one-out log densities of the normal-normal hierarchy and of its two limits, exactly."""

from __future__ import annotations

from typing import Literal

import numpy as np

from hiercal.exact.normal_normal_sets import NormalNormalSets, log_normal

Pooling = Literal["partial", "no", "complete"]
MODELS: tuple[Pooling, ...] = ("partial", "no", "complete")


def loo(
    y: np.ndarray,
    sigma: np.ndarray,
    model: Pooling,
    *,
    mu_scale: float = 20.0,
    tau_scale: float = 10.0,
) -> np.ndarray:
    """Exact log densities of each observation given all others, in one of the three models.

    Without pooling theta_i ~ N(0, mu_scale^2), so that the others say nothing; complete pooling
    has theta_i = mu ~ N(0, mu_scale^2); partial pooling is `NormalNormalSets`.

    Parameters
    ----------
    y : ndarray, shape (n_data_sets, n_groups)
    sigma : ndarray, shape (n_groups,)
    model : {"partial", "no", "complete"}
    mu_scale, tau_scale : float
        As of `NormalNormalSets`.

    Returns
    -------
    ndarray, shape (n_data_sets, n_groups)

    Examples
    --------
    >>> from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS
    >>> y, sigma = np.array([RUBIN_EFFECTS]), np.array(RUBIN_STANDARD_ERRORS)
    >>> [float(loo(y, sigma, model).sum().round(3)) for model in MODELS]
    [-30.924, -33.835, -30.521]
    """
    if model == "partial":
        return NormalNormalSets(y, sigma, mu_scale=mu_scale, tau_scale=tau_scale).loo()
    if model == "no":
        return log_normal(y, 0.0, np.sqrt(mu_scale**2 + sigma**2))
    w = sigma**-2.0
    precision = mu_scale**-2 + w.sum() - w
    mean = ((y * w).sum(axis=1, keepdims=True) - y * w) / precision
    return log_normal(y, mean, np.sqrt(1 / precision + sigma**2))


def effects(
    y: np.ndarray,
    sigma: np.ndarray,
    model: Pooling,
    *,
    mu_scale: float = 20.0,
    tau_scale: float = 10.0,
) -> np.ndarray:
    """Posterior means of the group effects in one of the three models.

    Parameters and shape of the returned array as of `loo`.
    """
    if model == "partial":
        return NormalNormalSets(y, sigma, mu_scale=mu_scale, tau_scale=tau_scale).theta_mean
    if model == "no":
        return y * mu_scale**2 / (mu_scale**2 + sigma**2)
    w = sigma**-2.0
    return np.broadcast_to(y @ w[:, None] / (mu_scale**-2 + w.sum()), y.shape)


def new_group(
    y: np.ndarray,
    sigma: np.ndarray,
    model: Pooling,
    mu: np.ndarray,
    tau: np.ndarray,
    *,
    mu_scale: float = 20.0,
    tau_scale: float = 10.0,
) -> np.ndarray:
    """Expected log density of a new group's observation in one of the three models.

    What LOO estimates, where each group has one observation: see `NormalNormalSets.new_group`.

    Parameters
    ----------
    y, sigma, model, mu_scale, tau_scale
        As of `loo`.
    mu, tau : ndarray, shape (n_data_sets,)
        The truth that the new group is drawn from.

    Returns
    -------
    ndarray, shape (n_data_sets, n_groups)
    """
    if model == "partial":
        posterior = NormalNormalSets(y, sigma, mu_scale=mu_scale, tau_scale=tau_scale)
        return posterior.new_group(mu, tau)
    w = sigma**-2.0
    precision = mu_scale**-2 + w.sum()
    mean = np.zeros_like(mu) if model == "no" else y @ w / precision
    variance = sigma**2 + (mu_scale**2 if model == "no" else 1 / precision)
    squares = sigma**2 + (tau**2 + (mu - mean) ** 2)[:, None]
    return -0.5 * (np.log(2 * np.pi * variance) + squares / variance)


def naive_se(difference: np.ndarray) -> np.ndarray:
    """Standard error of a sum of pointwise differences (..., n_groups), as LOO software gives it.

    sqrt(n) times their standard deviation; naive because leave-one-out terms are dependent (Sivula,
    Magnusson, Matamoros and Vehtari, arXiv:2008.10296).

    Examples
    --------
    >>> round(float(naive_se(np.array([0.0, 2.0]))), 9)
    2.0
    """
    return np.sqrt(difference.shape[-1]) * difference.std(axis=-1, ddof=1)
