"""A sign error that symmetric log likelihoods hide (blackjax-devs/blackjax#914).

Where BlackJAX's adaptive tempered SMC chooses how far to go, the log likelihoods had the wrong
sign; with skewed ones its steps are too short, and it stalls near the prior.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import logsumexp

from hiercal.fitters import Fit, Fitter, Refit
from hiercal.fitters.exact import Exact
from hiercal.mutants._mutant import Mutant
from hiercal.mutants._targets import Location
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class Blackjax914(Mutant):
    """Adaptive tempered SMC with the error where it was, that ends after `most` temperatures.

    Parameters
    ----------
    draws : int
        Particles.
    share : float
        Of the particles, that the effective sample size is to be after each step.
    most : int
        Temperatures after which it ends, wherever it is: with the right sign 12 suffice.
    """

    draws: int = 1000
    share: float = 0.9
    most: int = 20

    thread: ClassVar = "blackjax-devs/blackjax#914"

    @property
    def story(self) -> Story:
        return Location(prior="cauchy")

    @property
    def honest(self) -> Fitter:
        return Exact(model="centred", draws=self.draws)

    @property
    def shape(self) -> tuple[int, int]:
        return 1, self.draws

    def prepare(self, story: Story) -> Refit:
        small: Any = story

        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            begin = time.perf_counter()
            rng = np.random.default_rng(seed)

            def log_lik(theta: np.ndarray) -> np.ndarray:
                return small.log_likelihood({"theta": theta}, data).sum(axis=-1)

            theta, temperature = small.from_prior(rng, self.draws), 0.0
            for _ in range(self.most):
                told = log_lik(theta)
                by = _longest(-told, self.share, 1 - temperature)  # the error is this sign
                weights = np.exp(by * told - logsumexp(by * told))
                theta = theta[rng.choice(self.draws, size=self.draws, p=weights)]
                temperature += by
                theta = _moved(theta, small.log_prior, log_lik, temperature, rng)
                if temperature >= 1:
                    break
            return Fit({"theta": theta[None]}, {}, time.perf_counter() - begin)

        return refit


def _longest(told: np.ndarray, share: float, most: float) -> float:
    """How far the temperature may rise for weights ``exp(by * told)`` of enough effective size."""

    def effective(by: float) -> float:
        return float(np.exp(2 * logsumexp(by * told) - logsumexp(2 * by * told))) / len(told)

    if effective(most) >= share:
        return most
    low, high = 0.0, most
    for _ in range(25):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle) >= share else (low, middle)
    return low


def _moved(
    theta: np.ndarray, log_prior: Any, log_lik: Any, temperature: float, rng: np.random.Generator
) -> np.ndarray:
    """Five random-walk Metropolis steps at one temperature."""
    low, high = np.quantile(theta, [0.25, 0.75])
    scale = 2.0 * max(float(high - low), 1e-3)

    def log_density(x: np.ndarray) -> np.ndarray:
        return temperature * log_lik(x) + log_prior({"theta": x})

    for _ in range(5):
        new = theta + scale * rng.standard_normal(theta.shape)
        take = np.log(rng.uniform(size=theta.shape)) < log_density(new) - log_density(theta)
        theta = np.where(take, new, theta)
    return theta
