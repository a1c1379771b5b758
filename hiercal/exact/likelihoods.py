"""Log-concave likelihoods of group effects: counts with Poisson and binomial noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

LARGEST = 600.0
"""Effects of which the exponential is taken as it is."""


@dataclass(frozen=True)
class Likelihood:
    """Log likelihood of each group's effect, log-concave, and its derivatives.

    All take effects (..., n) and the slice of the groups that these are of.

    Attributes
    ----------
    log, score, information : callable
        The log likelihood, its first derivative, and minus its second.
    estimates : ndarray, shape (n_groups,)
        About where each likelihood has its peak; finite.
    """

    log: Callable[[np.ndarray, slice], np.ndarray]
    score: Callable[[np.ndarray, slice], np.ndarray]
    information: Callable[[np.ndarray, slice], np.ndarray]
    estimates: np.ndarray

    @property
    def n_groups(self) -> int:
        return len(self.estimates)


def poisson(counts: np.ndarray, exposure: np.ndarray) -> Likelihood:
    """Counts with rates exp(theta) times the exposure; constants are left out."""

    def expected(theta: np.ndarray, groups: slice) -> np.ndarray:
        return exposure[groups] * np.exp(np.minimum(theta, LARGEST))

    return Likelihood(
        lambda theta, groups: counts[groups] * theta - expected(theta, groups),
        lambda theta, groups: counts[groups] - expected(theta, groups),
        expected,
        np.log((counts + 0.5) / exposure),
    )


def binomial(successes: np.ndarray, trials: np.ndarray) -> Likelihood:
    """Successes with log odds theta; constants are left out."""
    return Likelihood(
        lambda theta, groups: successes[groups] * theta - trials[groups] * np.logaddexp(0, theta),
        lambda theta, groups: successes[groups] - trials[groups] * expit(theta),
        lambda theta, groups: trials[groups] * expit(theta) * expit(-theta),
        np.log((successes + 0.5) / (trials - successes + 0.5)),
    )
