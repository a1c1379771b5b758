"""What other projects hold a sampler to, each as the project states it.

A gate looks at the draws of one fit of one data set, whose posterior is known, and passes or fails.

===========  ======================================================================================
Stan         performance tests (stan-dev/performance-tests-cmdstan): the mean of every parameter
             within .3 sd of its gold mean. There the gold is an earlier output; here it is exact
posteriordb  benchmarks: means within .25 sd of the reference; variances are not looked at
TFP          Inference Gym of TensorFlow Probability: means and variances within 5 standard errors
             of the sample, with its effective sample size; of a vector, within the largest of them
PyMC         sampler fixtures: Kolmogorov-Smirnov p of every 5th draw above .001
NumPyro      MCMC tests: ``assert_allclose(..., rtol=.07)`` of means and of sds; of means only where
             they are half a sd from 0 or more, as in its tests
===========  ======================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kstest

from hiercal.exact.posterior import Posterior
from hiercal.sbc.efficiency import diagnostics


@dataclass(frozen=True)
class Fitted:
    """Draws of one data set beside its exact posterior.

    Attributes
    ----------
    draws : ndarray, shape (n_chains, n_draws, n_quantities)
    quantities : sequence of str
    parameters : sequence of str
        The parameter that each quantity is an element of.
    exact : Posterior
    """

    draws: np.ndarray
    quantities: Sequence[str]
    parameters: Sequence[str]
    exact: Posterior

    @property
    def pooled(self) -> np.ndarray:
        """All draws, (n, n_quantities)."""
        return self.draws.reshape(-1, self.draws.shape[-1])

    @property
    def means(self) -> np.ndarray:
        """Exact means."""
        return np.array([self.exact.mean(name) for name in self.quantities])

    @property
    def sds(self) -> np.ndarray:
        """Exact standard deviations."""
        return np.array([self.exact.sd(name) for name in self.quantities])

    @property
    def off(self) -> np.ndarray:
        """Error of each mean, in exact standard deviations."""
        return np.abs(self.pooled.mean(axis=0) - self.means) / self.sds


def stan(fitted: Fitted) -> bool:
    """Whether a mean is further than .3 sd off."""
    return bool((fitted.off > 0.3).any())


def posteriordb(fitted: Fitted) -> bool:
    """Whether a mean is further than .25 sd off."""
    return bool((fitted.off > 0.25).any())


def tensorflow_probability(fitted: Fitted) -> bool:
    """Whether a mean or a variance is more than 5 standard errors off."""
    n = diagnostics(fitted.draws)["ess_mean"]
    variance = fitted.pooled.var(axis=0)
    fourth = ((fitted.pooled - fitted.pooled.mean(axis=0)) ** 4).mean(axis=0)
    # squares of the standard errors, as its `_z_test` has them
    of_mean = variance / n
    of_variance = fourth / n - variance**2 * (n - 3) / n / (n - 1)
    owners = np.array(fitted.parameters)
    for owner in dict.fromkeys(fitted.parameters):
        own = owners == owner
        mean_off = (fitted.off * fitted.sds)[own].max()
        variance_off = np.abs(variance - fitted.sds**2)[own].max()
        if mean_off > 5 * np.sqrt(of_mean[own].max()):
            return True
        if variance_off > 5 * np.sqrt(of_variance[own].max()):
            return True
    return False


def pymc(fitted: Fitted) -> bool:
    """Whether a Kolmogorov-Smirnov p of every 5th draw is below .001."""
    places = [
        fitted.exact.cdf(name, fitted.pooled[::5, i]) for i, name in enumerate(fitted.quantities)
    ]
    return any(kstest(each, "uniform").pvalue <= 0.001 for each in places)


def numpyro(fitted: Fitted) -> bool:
    """Whether a mean or sd is more than 7 % off."""
    means, sds = fitted.means, fitted.sds
    away = np.abs(means) >= 0.5 * sds
    mean_off = np.abs(fitted.pooled.mean(axis=0) - means) > 0.07 * np.abs(means)
    sd_off = np.abs(fitted.pooled.std(axis=0) - sds) > 0.07 * sds
    return bool((mean_off & away).any() or sd_off.any())


GATES: dict[str, Callable[[Fitted], bool]] = {
    "Stan": stan,
    "posteriordb": posteriordb,
    "TFP": tensorflow_probability,
    "PyMC": pymc,
    "NumPyro": numpyro,
}
"""Each gate's name, and the function that says whether it catches a fit."""
