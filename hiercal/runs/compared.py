"""Draws of a fit held against the exact posterior of its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hiercal.runs.run import Arm
from hiercal.sbc.sequential import FUNCTIONALS, exact_scores
from hiercal.simulators._capabilities import ExactPosterior

WIDTH = 2 * len(FUNCTIONALS)
"""Numbers of each quantity: means of the functionals, then their effective sample sizes."""


def compared(
    arm: Arm, names: Sequence[str], draws: np.ndarray, data: Mapping[str, np.ndarray]
) -> np.ndarray | None:
    """Scores of each quantity, (n_quantities, 8), NaN where none is known; None without any.

    Only elements of parameters are compared: the exact distribution function of a log likelihood is
    dear, and it is one of them.

    Parameters
    ----------
    arm : Arm
    names : sequence of str
        The quantities.
    draws : ndarray, shape (n_chains, n_draws, n_quantities)
    data : dict of ndarray
    """
    story = arm.assumed
    if not isinstance(story, ExactPosterior):
        return None
    model = getattr(arm.fitter, "model", None)
    posterior = story.exact(data) if model is None else story.exact(data, model)
    if posterior is None:
        return None
    elements = {label for name in arm.parameters for label in story.labels(name)}
    known = [i for i, name in enumerate(names) if name in elements and name in posterior.names]
    if not known:
        return None
    places = np.stack([posterior.cdf(names[i], draws[..., i]) for i in known], axis=-1)
    scores = np.full((len(names), WIDTH), np.nan)
    scores[known] = np.concatenate(exact_scores(places), axis=-1)
    return scores
