"""Schools of two kinds: what a covariate is worth, seen or not."""

from __future__ import annotations

from typing import Any

import numpy as np

from hiercal.exact.regression import Regression
from hiercal.runs.streams import stream
from hiercal.simulators.private_schools import PrivateSchools
from hiercal.studies.new_group.predictions import LEVEL
from hiercal.tables.estimates import mean_se, named, share_se

MODELS = ("covariate", "exchangeable")

Row = dict[str, Any]


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
