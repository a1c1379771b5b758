"""Scores of students within sections, with an unknown standard deviation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from hiercal.exact.mixed_model import CrossProducts, MixedModel, Scale
from hiercal.exact.posterior import Posterior
from hiercal.simulators._catalogue_story import NormalGroups, Tractable, by_name
from hiercal.simulators._fields import Finite, Names, Observed, Positive, Sizes
from hiercal.simulators._story import Arrays, Simulation, log_normal

if TYPE_CHECKING:
    import pymc as pm


@dataclass(frozen=True, kw_only=True)
class Instructors(NormalGroups, Tractable):
    """A normal hierarchy of raw observations, in groups of unequal size.

    mu ~ N(mu_mean, mu_scale), tau ~ HalfNormal(tau_scale), sigma ~ HalfNormal(sigma_scale),
    theta_i ~ N(mu, tau), y_ij ~ N(theta_i, sigma).

    Without pooling, theta_i ~ N(mu_mean, mu_scale) independently; sigma is shared in every model.

    Parameters
    ----------
    sizes : tuple of int
        Students of each instructor; any number of instructors from two up.
    mu_mean, mu_scale, tau_scale, sigma_scale : float
        Prior location and scale of the mean score, and prior scales of the standard deviations
        between instructors and between students, in points.
    instructors : tuple of str
        Names of the instructors; letters by default.

    Examples
    --------
    >>> story = Instructors(sizes=(3, 5))
    >>> story.simulate(np.random.default_rng(1)).data["y"].shape
    (8,)
    """

    sizes: Sizes = (10, 12, 15, 18, 20)
    mu_mean: Finite = 50.0
    mu_scale: Positive = 25.0
    tau_scale: Positive = 10.0
    sigma_scale: Positive = 15.0
    instructors: Names = ()

    name: ClassVar = "instructors"
    models: ClassVar = {
        "centred": ("mu", "tau", "sigma", "theta"),
        "noncentred": ("mu", "tau", "sigma", "theta"),
        "no_pooling": ("sigma", "theta"),
        "complete_pooling": ("mu", "sigma", "theta"),
    }
    dims: ClassVar = {"mu": (), "tau": (), "sigma": (), "theta": ("instructor",)}
    scale: ClassVar = "tau"
    groups: ClassVar = "theta"
    observes: ClassVar = {
        "y": Observed("the scores, instructor after instructor", dims=("student",))
    }

    def simulate(self, rng: np.random.Generator) -> Simulation:
        mu = self.given_or("mu", rng.normal(self.mu_mean, self.mu_scale))
        tau = self.given_or("tau", abs(rng.normal(0, self.tau_scale)))
        sigma = self.given_or("sigma", abs(rng.normal(0, self.sigma_scale)))
        theta = rng.normal(mu, tau, size=len(self.sizes))
        truth = {"mu": np.array(mu), "tau": np.array(tau), "sigma": np.array(sigma), "theta": theta}
        return Simulation(truth, self.replicate(truth, rng))

    def replicate(self, truth: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        return {"y": rng.normal(truth["theta"][self.group_of], truth["sigma"])}

    def merged(
        self, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
    ) -> tuple[Self, Arrays]:
        # the groups stay together, as the story has them
        order = np.argsort(np.tile(self.group_of, 2), kind="stable")
        y = np.concatenate([first["y"], second["y"]])[order]
        return dataclasses.replace(self, sizes=tuple(2 * n for n in self.sizes)), {"y": y}

    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        log_sigma = np.log(2) + log_normal(draws["sigma"], 0, self.sigma_scale)
        if model == "no_pooling":
            log_theta = log_normal(draws["theta"], self.mu_mean, self.mu_scale)
            return log_sigma + log_theta.sum(axis=-1)
        log_mu = log_normal(draws["mu"], self.mu_mean, self.mu_scale)
        if model == "complete_pooling":
            return log_sigma + log_mu
        tau = draws["tau"]
        log_tau = np.log(2) + log_normal(tau, 0, self.tau_scale)
        log_theta = log_normal(draws["theta"], draws["mu"][..., None], tau[..., None]).sum(axis=-1)
        if model == "noncentred":
            log_theta = log_theta + len(self.sizes) * np.log(tau)
        return log_sigma + log_mu + log_tau + log_theta

    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        mean = draws["theta"][..., self.group_of]
        return log_normal(data["y"], mean, draws["sigma"][..., None])

    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        import pymc as pm

        # a float that float32 holds exactly would enter PyMC as float32
        mu_mean, mu_scale = np.float64(self.mu_mean), np.float64(self.mu_scale)
        with pm.Model(coords=self.coords) as pymc_model:
            y = pm.Data("y_data", data["y"])
            sigma = pm.HalfNormal("sigma", np.float64(self.sigma_scale))
            match model:
                case "centred":
                    mu = pm.Normal("mu", mu_mean, mu_scale)
                    tau = pm.HalfNormal("tau", np.float64(self.tau_scale))
                    theta = pm.Normal("theta", mu, tau, dims="instructor")
                case "noncentred":
                    mu = pm.Normal("mu", mu_mean, mu_scale)
                    tau = pm.HalfNormal("tau", np.float64(self.tau_scale))
                    z = pm.Normal("z", 0, 1, dims="instructor")
                    theta = pm.Deterministic("theta", mu + tau * z, dims="instructor")
                case "no_pooling":
                    theta = pm.Normal("theta", mu_mean, mu_scale, dims="instructor")
                case "complete_pooling":
                    mu = pm.Normal("mu", mu_mean, mu_scale)
                    alike = mu * np.ones(len(self.sizes))
                    theta = pm.Deterministic("theta", alike, dims="instructor")
            pm.Normal("y", theta[self.group_of], sigma, observed=y)
        return pymc_model

    def numpyro_model(self, model: str) -> Callable[..., None]:
        import jax.numpy as jnp
        import numpyro
        from numpyro import distributions as dist

        n = len(self.sizes)
        instructor = jnp.array(self.group_of)
        instructors = numpyro.plate("instructor", n)
        students = numpyro.plate("student", len(instructor))

        def scores(theta, y):
            sigma = numpyro.sample("sigma", dist.HalfNormal(self.sigma_scale))
            with students:
                numpyro.sample("y", dist.Normal(theta[instructor], sigma), obs=y)

        def centred(y=None):
            mu = numpyro.sample("mu", dist.Normal(self.mu_mean, self.mu_scale))
            tau = numpyro.sample("tau", dist.HalfNormal(self.tau_scale))
            with instructors:
                theta = numpyro.sample("theta", dist.Normal(mu, tau))
            scores(theta, y)

        def noncentred(y=None):
            mu = numpyro.sample("mu", dist.Normal(self.mu_mean, self.mu_scale))
            tau = numpyro.sample("tau", dist.HalfNormal(self.tau_scale))
            with instructors:
                z = numpyro.sample("z", dist.Normal(0, 1))
            scores(numpyro.deterministic("theta", mu + tau * z), y)

        def no_pooling(y=None):
            with instructors:
                theta = numpyro.sample("theta", dist.Normal(self.mu_mean, self.mu_scale))
            scores(theta, y)

        def complete_pooling(y=None):
            mu = numpyro.sample("mu", dist.Normal(self.mu_mean, self.mu_scale))
            scores(numpyro.deterministic("theta", jnp.full(n, mu)), y)

        return by_name(model, centred, noncentred, no_pooling, complete_pooling)

    def partly_pooled(self, y: np.ndarray) -> Posterior:
        between = Scale("tau", lambda tau: -0.5 * (tau / self.tau_scale) ** 2, self.tau_scale)
        return self._normal(y, between, {"mu": (self.mu_mean, self.mu_scale)})

    def fully_pooled(self, y: np.ndarray) -> Posterior:
        return self._normal(y, 0.0, {"mu": (self.mu_mean, self.mu_scale)})

    def not_pooled(self, y: np.ndarray) -> Posterior:
        return self._normal(y, self.mu_scale, {}, self.mu_mean)

    def _normal(
        self,
        y: np.ndarray,
        between: Scale | float,
        priors: dict[str, tuple[float, float]],
        offset: float = 0.0,
    ) -> Posterior:
        noise = Scale(
            "sigma", lambda sigma: -0.5 * (sigma / self.sigma_scale) ** 2, self.sigma_scale
        )
        rows = np.ones((len(y), len(priors)))
        return MixedModel(
            CrossProducts.of(self.group_of, rows, np.ones(len(y)), y - offset),
            coefficients=priors,
            scale=between,
            noise=noise,
            effect="theta",
            labels=self.labels("theta"),
            loadings=np.ones((self.n_groups, len(priors))),
            offset=offset,
            new=("theta_new", (1.0,)) if isinstance(between, Scale) else None,
        )
