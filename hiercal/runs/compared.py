"""Draws of a fit held against the exact posterior of its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hiercal.exact.posterior import Posterior
from hiercal.runs.run import Arm
from hiercal.sbc.sequential import FUNCTIONALS, exact_scores
from hiercal.simulators._capabilities import ExactPosterior

ATOM = 1e-4
"""Mass on one number from which on draws are tied often enough to be seen."""
SMALLEST = 1e-300
"""Where positive draws end; samplers put what is below it in one place."""
WIDTH = 2 * len(FUNCTIONALS)
"""Numbers of each quantity: means of the functionals, then their effective sample sizes."""


def compared(
    arm: Arm, names: Sequence[str], draws: np.ndarray, data: Mapping[str, np.ndarray]
) -> np.ndarray | None:
    """Scores of each quantity, (n_quantities, 8), NaN where none is known; None without any.

    Only elements of parameters are compared: the exact distribution function of a log likelihood is
    dear, and it is one of them. An element is left out where its exact posterior has a mass of more
    than `ATOM` on one floating-point number that was drawn, as a proportion so near to 1 that its
    draws are 1.0: such draws are tied, and have no place.

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
    scores = np.full((len(names), WIDTH), np.nan)
    found = {i: _places(posterior, names[i], draws[..., i]) for i in known}
    places = {i: values for i, values in found.items() if values is not None}
    if places:
        together = np.stack(list(places.values()), axis=-1)
        scores[list(places)] = np.concatenate(exact_scores(together), axis=-1)
    return scores


def _places(posterior: Posterior, name: str, values: np.ndarray) -> np.ndarray | None:
    """The exact distribution function at draws, (n_chains, n_draws); None if they are tied."""
    low, high = values.min(), values.max()
    asked = np.append(values, [low, np.nextafter(high, -np.inf), high])
    below = posterior.cdf(name, asked)
    at_low, before_high, at_high = below[-3:]
    tied_below = 0 <= low < SMALLEST and at_low > ATOM
    if tied_below or at_high - before_high > ATOM:
        return None
    return below[:-3].reshape(values.shape)
