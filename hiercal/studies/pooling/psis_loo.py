"""PSIS-LOO of a model's exact posterior, as ArviZ estimates it from draws."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from hiercal.exact.loo import Pooling
from hiercal.simulators.eight_schools import EightSchools

CODINGS: Mapping[Pooling, str] = {
    "partial": "noncentred",
    "no": "no_pooling",
    "complete": "complete_pooling",
}
"""The story's name of each model."""
CHAINS = 4
"""Chains that independent draws are dealt to, since ArviZ asks for some."""


def psis_loo(
    story: EightSchools, y: np.ndarray, model: Pooling, draws: int, rng: np.random.Generator
) -> tuple[float, np.ndarray, float]:
    """elpd by PSIS-LOO from independent draws of a model's exact posterior.

    Returns
    -------
    elpd : float
    pareto_k : ndarray, shape (n_groups,)
    limit : float
        k above it means that the estimate is not to be trusted (Vehtari et al. 2024, JMLR 25).
    """
    import arviz_base
    import arviz_stats

    data = {"y": y}
    posterior = story.exact(data, CODINGS[model]).draws(draws, rng)
    pointwise = story.log_likelihood(posterior, data).reshape(CHAINS, draws // CHAINS, -1)
    tree = arviz_base.from_dict({"log_likelihood": {"y": pointwise}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of large k, which are returned
        estimate = arviz_stats.loo(tree, pointwise=True, reff=1.0)
    return float(estimate.elpd), np.asarray(estimate.pareto_k), float(estimate.good_k)
