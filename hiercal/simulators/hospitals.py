"""Counts of events with known exposures, and rates that vary between hospitals."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy.special import gammaln

from hiercal.exact.count_model import CountModel, exponential
from hiercal.exact.independent import Independent
from hiercal.exact.likelihoods import poisson
from hiercal.exact.mixed_model import Scale
from hiercal.exact.posterior import Posterior
from hiercal.simulators._catalogue_story import LOG, NormalGroups, Tractable, by_name
from hiercal.simulators._fields import Exposures, Names, Observed, Positive
from hiercal.simulators._story import Arrays, Simulation, log_normal

if TYPE_CHECKING:
    import pymc as pm

EXPOSURES = (2.1, 5.0, 1.3, 8.2, 0.7, 3.5, 6.1, 4.0)
EVENTS = (3, 10, 3, 8, 1, 11, 10, 8)


@dataclass(frozen=True, kw_only=True)
class Hospitals(NormalGroups, Tractable):
    """A Poisson hierarchy with log-normal rates.

    mu_log ~ N(0, mu_scale), sigma_log ~ HalfNormal(sigma_scale),
    log lambda_i ~ N(mu_log, sigma_log), y_i ~ Poisson(lambda_i exposure_i).

    Without pooling, lambda_i ~ Gamma(shape, rate) independently. The rate of a hospital not seen
    has no variance under these priors, and its exact moments are NaN; its quantiles are exact.

    Parameters
    ----------
    exposure : tuple of float
        Exposure of each hospital; any number of hospitals from two up. Rates are events per unit
        of exposure.
    mu_scale, sigma_scale : float
        Prior scales of the mean log rate and of its standard deviation between hospitals.
    shape, rate : float
        Gamma prior of rates that are not pooled.
    hospitals : tuple of str
        Names of the hospitals; letters by default.

    Examples
    --------
    >>> story = Hospitals()
    >>> round(story.exact(story.observed).mean("sigma_log"), 3)
    0.287
    """

    exposure: Exposures = EXPOSURES
    mu_scale: Positive = 1.0
    sigma_scale: Positive = 1.0
    shape: Positive = 1.0
    rate: Positive = 0.5
    hospitals: Names = ()

    name: ClassVar = "hospitals"
    models: ClassVar = {
        "centred": ("mu_log", "sigma_log", "lambda"),
        "noncentred": ("mu_log", "sigma_log", "lambda"),
        "no_pooling": ("lambda",),
        "complete_pooling": ("mu_log", "lambda"),
    }
    dims: ClassVar = {"mu_log": (), "sigma_log": (), "lambda": ("hospital",)}
    scale: ClassVar = "sigma_log"
    groups: ClassVar = "lambda"
    centre: ClassVar = "mu_log"
    link: ClassVar = LOG
    observes: ClassVar = {"y": Observed("the counts of events", "counts", real=EVENTS)}

    def simulate(self, rng: np.random.Generator) -> Simulation:
        mu_log = self.given_or("mu_log", rng.normal(0, self.mu_scale))
        sigma_log = self.given_or("sigma_log", abs(rng.normal(0, self.sigma_scale)))
        rate = np.exp(rng.normal(mu_log, sigma_log, size=len(self.exposure)))
        truth = {"mu_log": np.array(mu_log), "sigma_log": np.array(sigma_log), "lambda": rate}
        return Simulation(truth, self.replicate(truth, rng))

    def replicate(self, truth: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        return {"y": rng.poisson(truth["lambda"] * self.exposure)}

    def merged(
        self, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
    ) -> tuple[Self, Arrays]:
        doubled = tuple(2 * n for n in self.exposure)
        return dataclasses.replace(self, exposure=doubled), {"y": first["y"] + second["y"]}

    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        if model == "no_pooling":
            rate = draws["lambda"]
            constant = self.shape * np.log(self.rate) - gammaln(self.shape)
            return (constant + (self.shape - 1) * np.log(rate) - self.rate * rate).sum(axis=-1)
        mu, log_mu = draws["mu_log"], log_normal(draws["mu_log"], 0, self.mu_scale)
        if model == "complete_pooling":
            return log_mu
        sigma = draws["sigma_log"]
        log_sigma = np.log(2) + log_normal(sigma, 0, self.sigma_scale)
        log_rate = log_normal(np.log(draws["lambda"]), mu[..., None], sigma[..., None]).sum(axis=-1)
        if model == "noncentred":
            log_rate = log_rate + len(self.exposure) * np.log(sigma)
        return log_mu + log_sigma + log_rate

    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        y, expected = data["y"], draws["lambda"] * np.array(self.exposure)
        return y * np.log(expected) - expected - gammaln(y + 1)

    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        import pymc as pm

        # a float that float32 holds exactly would enter PyMC as float32
        mu_scale, sigma_scale = np.float64(self.mu_scale), np.float64(self.sigma_scale)
        with pm.Model(coords=self.coords) as pymc_model:
            y = pm.Data("y_data", data["y"], dims="hospital")
            match model:
                case "centred":
                    mu = pm.Normal("mu_log", 0, mu_scale)
                    sigma = pm.HalfNormal("sigma_log", sigma_scale)
                    log_rate = pm.Normal("log_lambda", mu, sigma, dims="hospital")
                    rate = pm.Deterministic("lambda", pm.math.exp(log_rate), dims="hospital")
                case "noncentred":
                    mu = pm.Normal("mu_log", 0, mu_scale)
                    sigma = pm.HalfNormal("sigma_log", sigma_scale)
                    z = pm.Normal("z", 0, 1, dims="hospital")
                    log_rate = mu + sigma * z
                    rate = pm.Deterministic("lambda", pm.math.exp(log_rate), dims="hospital")
                case "no_pooling":
                    shape, rate = np.float64(self.shape), np.float64(self.rate)
                    rate = pm.Gamma("lambda", shape, rate, dims="hospital")
                case "complete_pooling":
                    mu = pm.Normal("mu_log", 0, mu_scale)
                    alike = pm.math.exp(mu) * np.ones(len(self.exposure))
                    rate = pm.Deterministic("lambda", alike, dims="hospital")
            pm.Poisson("y", rate * np.array(self.exposure), observed=y, dims="hospital")
        return pymc_model

    def numpyro_model(self, model: str) -> Callable[..., None]:
        import jax.numpy as jnp
        import numpyro
        from numpyro import distributions as dist

        exposure = jnp.array(self.exposure)
        hospitals = numpyro.plate("hospital", len(self.exposure))

        def centred(y=None):
            mu = numpyro.sample("mu_log", dist.Normal(0, self.mu_scale))
            sigma = numpyro.sample("sigma_log", dist.HalfNormal(self.sigma_scale))
            with hospitals:
                log_rate = numpyro.sample("log_lambda", dist.Normal(mu, sigma))
                rate = numpyro.deterministic("lambda", jnp.exp(log_rate))
                numpyro.sample("y", dist.Poisson(rate * exposure), obs=y)

        def noncentred(y=None):
            mu = numpyro.sample("mu_log", dist.Normal(0, self.mu_scale))
            sigma = numpyro.sample("sigma_log", dist.HalfNormal(self.sigma_scale))
            with hospitals:
                z = numpyro.sample("z", dist.Normal(0, 1))
                rate = numpyro.deterministic("lambda", jnp.exp(mu + sigma * z))
                numpyro.sample("y", dist.Poisson(rate * exposure), obs=y)

        def no_pooling(y=None):
            with hospitals:
                rate = numpyro.sample("lambda", dist.Gamma(self.shape, self.rate))
                numpyro.sample("y", dist.Poisson(rate * exposure), obs=y)

        def complete_pooling(y=None):
            mu = numpyro.sample("mu_log", dist.Normal(0, self.mu_scale))
            rate = numpyro.deterministic("lambda", jnp.full(len(self.exposure), jnp.exp(mu)))
            with hospitals:
                numpyro.sample("y", dist.Poisson(rate * exposure), obs=y)

        return by_name(model, centred, noncentred, no_pooling, complete_pooling)

    def partly_pooled(self, y: np.ndarray) -> Posterior:
        between = Scale(
            "sigma_log", lambda sigma: -0.5 * (sigma / self.sigma_scale) ** 2, self.sigma_scale
        )
        return self._counts(y, between)

    def fully_pooled(self, y: np.ndarray) -> Posterior:
        return self._counts(y, None)

    def not_pooled(self, y: np.ndarray) -> Posterior:
        from scipy import stats

        shape, rate = self.shape + y, self.rate + np.array(self.exposure)
        marginals = [stats.gamma(a, scale=1 / b) for a, b in zip(shape, rate, strict=True)]
        return Independent(
            dict(zip(self.labels("lambda"), marginals, strict=True)),
            lambda n, rng: {"lambda": rng.gamma(shape, 1 / rate, size=(n, len(y)))},
        )

    def _counts(self, y: np.ndarray, between: Scale | None) -> Posterior:
        return CountModel(
            poisson(y, np.array(self.exposure)),
            centre=("mu_log", 0.0, self.mu_scale),
            scale=between,
            link=exponential("lambda"),
            labels=self.labels("lambda"),
            finite_moments=False,
        )
