"""The standardised logarithm of a gamma variable, coded for each library on its own.

z = (log G - psi(a)) / sqrt(psi1(a)), G ~ Gamma(a), has mean 0 and standard deviation 1 at every a
(Ruiz, Titsias and Blei 2016, arXiv:1610.02287, section 4).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy.special import digamma, gammaln, polygamma

LARGE = 30.0
"""Above it, Stirling's series for log Gamma is exact to 1e-13."""


def log_density(log_gamma: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Log density of z at log G = psi(a) + sqrt(psi1(a)) z, G ~ Gamma(a).

    It is log psi1(a) / 2 + a l - e^l - log Gamma(a), l = log G, arranged around l = log a: at
    large a the terms as they stand are far larger than their sum, whose gradient is lost.
    """
    d = log_gamma - np.log(a)
    x = np.maximum(a, LARGE)
    stirling = np.log(x / (2 * np.pi)) / 2 - (1 - (1 - 2 / (7 * x**2)) / (30 * x**2)) / (12 * x)
    top = np.where(a > LARGE, stirling, a * np.log(a) - a - gammaln(a))
    return np.log(polygamma(1, a)) / 2 + a * (d - np.expm1(d)) + top


def pymc_log_density(z: Any, a: Any) -> Any:
    import pytensor.tensor as pt

    mean, variance = pymc_moments(a)
    d = mean - pt.log(a) + pt.sqrt(variance) * z
    many, few = pt.maximum(a, LARGE), pt.minimum(a, LARGE)
    series = -1 / (12 * many) + 1 / (360 * many**3) - 1 / (1260 * many**5)
    large = pt.log(many / (2 * np.pi)) / 2 + series
    top = pt.switch(a > LARGE, large, few * pt.log(few) - few - pt.gammaln(few))
    return pt.log(variance) / 2 + a * (d - pt.expm1(d)) + top


def pymc_moments(a: Any) -> tuple[Any, Any]:
    """psi(a) and psi1(a): recurrence to x = a + 10, then Abramowitz and Stegun 6.3.18, 6.4.12.

    PyTensor has both, but numba, hence nutpie, would leave the compiled code for the second.
    """
    import pytensor.tensor as pt

    a = pt.as_tensor(a)
    x, steps = a + 10, a[..., None] + np.arange(10.0)
    digamma, trigamma = pt.log(x) - 1 / (2 * x), 1 / x + 1 / (2 * x**2)
    for power, b in zip((2, 4, 6, 8, 10), (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66), strict=True):
        digamma, trigamma = digamma - b / (power * x**power), trigamma + b / x ** (power + 1)
    return digamma - (1 / steps).sum(axis=-1), trigamma + (1 / steps**2).sum(axis=-1)


def draw(a: np.ndarray, rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """PyMC's draws of z."""
    log_gamma = np.log(rng.gamma(a + 1, size=size)) + np.log(rng.uniform(size=size)) / a
    return (log_gamma - digamma(a)) / np.sqrt(polygamma(1, a))


@cache
def numpyro_distribution() -> Any:
    """NumPyro's distribution of z, made when it is first needed as NumPyro may not be there."""
    import jax
    import jax.numpy as jnp
    from jax.scipy.special import digamma, gammaln, polygamma
    from numpyro.distributions import Distribution, biject_to, constraints
    from numpyro.distributions.transforms import AffineTransform

    class RealNearZero(constraints.ParameterFreeConstraint):
        """The line, with a coordinate in which chains start at |z| < 0.5.

        At small a the density falls off a cliff beyond z = 1; NumPyro starts chains at up to 2.
        """

        def __call__(self, x):
            return constraints.real(x)

        def feasible_like(self, prototype):
            return jnp.zeros_like(prototype)

    biject_to.register(RealNearZero, lambda _: AffineTransform(0.0, 0.25))

    class StandardisedLogGamma(Distribution):
        arg_constraints = {"concentration": constraints.positive}  # noqa: RUF012
        support = RealNearZero()

        def __init__(self, concentration, *, validate_args=None):
            self.concentration = concentration
            super().__init__(jnp.shape(concentration), validate_args=validate_args)

        def sample(self, key, sample_shape=()):
            a = self.concentration
            log_gamma = jax.random.loggamma(key, a, (*sample_shape, *self.batch_shape))
            return (log_gamma - digamma(a)) / jnp.sqrt(polygamma(1, a))

        def log_prob(self, value, intermediates=None):
            a = self.concentration
            variance = polygamma(1, a)
            d = jnp.sqrt(variance) * value + (digamma(a) - jnp.log(a))
            # each branch is kept finite where the other is taken, or gradients would be NaN
            many, few = jnp.maximum(a, LARGE), jnp.minimum(a, LARGE)
            remainder = (1 / 12 - (1 / 360 - 1 / (1260 * many**2)) / many**2) / many
            by_series = 0.5 * jnp.log(many / (2 * jnp.pi)) - remainder
            directly = few * jnp.log(few) - few - gammaln(few)
            peak = jnp.where(a > LARGE, by_series, directly)
            return 0.5 * jnp.log(variance) + a * (d - jnp.expm1(d)) + peak

    return StandardisedLogGamma
