"""Effects of coaching on test scores, measured with known standard errors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from hiercal.exact.mixed_model import CrossProducts, MixedModel
from hiercal.exact.normal_normal import NormalNormal
from hiercal.exact.posterior import Posterior
from hiercal.simulators._catalogue_story import NormalGroups, Tractable, by_name
from hiercal.simulators._fields import Names, Observed, Positive, Positives
from hiercal.simulators._story import Arrays, Simulation, log_normal

if TYPE_CHECKING:
    import pymc as pm

RUBIN_EFFECTS = (28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0)
RUBIN_STANDARD_ERRORS = (15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0)


@dataclass(frozen=True, kw_only=True)
class EightSchools(NormalGroups, Tractable):
    """A normal hierarchy with known standard errors.

    mu ~ N(0, mu_scale), tau ~ HalfNormal(tau_scale), theta_i ~ N(mu, tau),
    y_i ~ N(theta_i, sigma_i).

    Parameters
    ----------
    sigma : tuple of float
        Standard errors of the schools' estimates, in points on the test; one per school, any number
        of schools from two up. By default those of Rubin (1981).
    mu_scale, tau_scale : float
        Prior scales of the mean effect and of its standard deviation between schools, in points.
    tau_prior : {"half_normal", "half_cauchy"}
        Family of the prior of tau.
    schools : tuple of str
        Names of the schools; letters by default.

    References
    ----------
    Rubin, D. B. (1981). Estimation in parallel randomized experiments. Journal of Educational
    Statistics 6(4), 377-401.

    Examples
    --------
    >>> story = EightSchools()
    >>> round(story.exact(story.observed).mean("tau"), 3)
    4.806
    """

    sigma: Positives = RUBIN_STANDARD_ERRORS
    mu_scale: Positive = 20.0
    tau_scale: Positive = 10.0
    tau_prior: Literal["half_normal", "half_cauchy"] = "half_normal"
    schools: Names = ()

    name: ClassVar = "eight_schools"
    models: ClassVar = {
        "centred": ("mu", "tau", "theta"),
        "noncentred": ("mu", "tau", "theta"),
        "no_pooling": ("theta",),
        "complete_pooling": ("mu", "theta"),
    }
    dims: ClassVar = {"mu": (), "tau": (), "theta": ("school",)}
    scale: ClassVar = "tau"
    groups: ClassVar = "theta"
    observes: ClassVar = {"y": Observed("the estimated effects", real=RUBIN_EFFECTS)}

    def simulate(self, rng: np.random.Generator) -> Simulation:
        mu = self.given_or("mu", rng.normal(0, self.mu_scale))
        heavy = self.tau_prior == "half_cauchy"
        z = rng.standard_cauchy() if heavy else rng.normal()
        tau = self.given_or("tau", abs(self.tau_scale * z))
        theta = rng.normal(mu, tau, size=len(self.sigma))
        truth = {"mu": np.array(mu), "tau": np.array(tau), "theta": theta}
        return Simulation(truth, self.replicate(truth, rng))

    def replicate(self, truth: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        return {"y": rng.normal(truth["theta"], self.sigma)}

    def merged(
        self, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
    ) -> tuple[Self, Arrays]:
        halved = tuple(se / math.sqrt(2) for se in self.sigma)
        return dataclasses.replace(self, sigma=halved), {"y": (first["y"] + second["y"]) / 2}

    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        if model == "no_pooling":
            return log_normal(draws["theta"], 0, self.mu_scale).sum(axis=-1)
        log_mu = log_normal(draws["mu"], 0, self.mu_scale)
        if model == "complete_pooling":
            return log_mu
        tau = draws["tau"]
        if self.tau_prior == "half_cauchy":
            log_tau = np.log(2 / np.pi / self.tau_scale) - np.log1p((tau / self.tau_scale) ** 2)
        else:
            log_tau = np.log(2) + log_normal(tau, 0, self.tau_scale)
        log_theta = log_normal(draws["theta"], draws["mu"][..., None], tau[..., None]).sum(axis=-1)
        if model == "noncentred":
            log_theta = log_theta + len(self.sigma) * np.log(tau)
        return log_mu + log_tau + log_theta

    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        return log_normal(data["y"], draws["theta"], np.array(self.sigma))

    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        import pymc as pm

        # PyMC stores 20.0 as float32 and takes its log as such, wrong by 3e-8; this stays float64
        mu_scale, tau_scale = np.float64(self.mu_scale), np.float64(self.tau_scale)
        tau_prior = pm.HalfCauchy if self.tau_prior == "half_cauchy" else pm.HalfNormal
        with pm.Model(coords=self.coords) as pymc_model:
            y = pm.Data("y_data", data["y"], dims="school")
            match model:
                case "centred":
                    mu = pm.Normal("mu", 0, mu_scale)
                    tau = tau_prior("tau", tau_scale)
                    theta = pm.Normal("theta", mu, tau, dims="school")
                case "noncentred":
                    mu = pm.Normal("mu", 0, mu_scale)
                    tau = tau_prior("tau", tau_scale)
                    z = pm.Normal("z", 0, 1, dims="school")
                    theta = pm.Deterministic("theta", mu + tau * z, dims="school")
                case "no_pooling":
                    theta = pm.Normal("theta", 0, mu_scale, dims="school")
                case "complete_pooling":
                    mu = pm.Normal("mu", 0, mu_scale)
                    theta = pm.Deterministic("theta", mu * np.ones(len(self.sigma)), dims="school")
            pm.Normal("y", theta, np.array(self.sigma), observed=y, dims="school")
        return pymc_model

    def numpyro_model(self, model: str) -> Callable[..., None]:
        import jax.numpy as jnp
        import numpyro
        from numpyro import distributions as dist

        sigma = jnp.array(self.sigma)
        schools = numpyro.plate("school", len(self.sigma))
        heavy = self.tau_prior == "half_cauchy"
        tau_prior = (dist.HalfCauchy if heavy else dist.HalfNormal)(self.tau_scale)

        def centred(y=None):
            mu = numpyro.sample("mu", dist.Normal(0, self.mu_scale))
            tau = numpyro.sample("tau", tau_prior)
            with schools:
                theta = numpyro.sample("theta", dist.Normal(mu, tau))
                numpyro.sample("y", dist.Normal(theta, sigma), obs=y)

        def noncentred(y=None):
            mu = numpyro.sample("mu", dist.Normal(0, self.mu_scale))
            tau = numpyro.sample("tau", tau_prior)
            with schools:
                z = numpyro.sample("z", dist.Normal(0, 1))
                theta = numpyro.deterministic("theta", mu + tau * z)
                numpyro.sample("y", dist.Normal(theta, sigma), obs=y)

        def no_pooling(y=None):
            with schools:
                theta = numpyro.sample("theta", dist.Normal(0, self.mu_scale))
                numpyro.sample("y", dist.Normal(theta, sigma), obs=y)

        def complete_pooling(y=None):
            mu = numpyro.sample("mu", dist.Normal(0, self.mu_scale))
            theta = numpyro.deterministic("theta", jnp.full(len(self.sigma), mu))
            with schools:
                numpyro.sample("y", dist.Normal(theta, sigma), obs=y)

        return by_name(model, centred, noncentred, no_pooling, complete_pooling)

    def partly_pooled(self, y: np.ndarray) -> Posterior:
        return NormalNormal(
            y,
            np.array(self.sigma),
            mu_scale=self.mu_scale,
            log_prior_tau=lambda tau: (
                -np.log1p((tau / self.tau_scale) ** 2)
                if self.tau_prior == "half_cauchy"
                else -0.5 * (tau / self.tau_scale) ** 2
            ),
            tau_scale=self.tau_scale,
            labels=self.coords["school"],
        )

    def not_pooled(self, y: np.ndarray) -> Posterior:
        return self._normal(y, self.mu_scale, {})

    def fully_pooled(self, y: np.ndarray) -> Posterior:
        return self._normal(y, 0.0, {"mu": (0.0, self.mu_scale)})

    def _normal(
        self, y: np.ndarray, between: float, priors: dict[str, tuple[float, float]]
    ) -> Posterior:
        sigma, loadings = np.array(self.sigma), np.ones((len(y), len(priors)))
        rows = loadings / sigma[:, None]
        return MixedModel(
            CrossProducts.of(np.arange(len(y)), rows, 1 / sigma, y / sigma),
            coefficients=priors,
            scale=between,
            noise=1.0,
            effect="theta",
            labels=self.labels("theta"),
            loadings=loadings,
        )
