"""A normal hierarchy whose groups differ by a known covariate."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from hiercal.exact.mixed_model import CrossProducts, MixedModel, Scale
from hiercal.exact.posterior import Posterior
from hiercal.simulators._catalogue_story import NormalGroups, Tractable, by_name
from hiercal.simulators._fields import Finite, Finites, Names, Observed, Positive, Positives
from hiercal.simulators._story import Arrays, Simulation, log_normal

if TYPE_CHECKING:
    import pymc as pm

# the textbook's recipe, run with its generator seed 42 and rounded: mu 8, beta 5, tau 4
STANDARD_ERRORS = (
    *(13.1509, 14.5821, 11.5473, 9.8179, 12.4367, 8.5105, 14.6210, 13.0533),
    *(14.0647, 10.8362, 15.7656, 15.1450),
)
EFFECTS = (
    *(3.5860, -1.2948, 17.1485, 15.3502, 5.3289, 6.4578, 39.8245, 1.4300),
    *(5.7283, 0.7696, 26.2289, 33.2094),
)


@dataclass(frozen=True, kw_only=True)
class PrivateSchools(NormalGroups, Tractable):
    """A normal hierarchy with known standard errors and a covariate of the groups.

    mu ~ N(0, mu_scale), beta ~ N(0, beta_scale), tau ~ HalfNormal(tau_scale),
    theta_i ~ N(mu + beta x_i, tau), y_i ~ N(theta_i, sigma_i).

    Without pooling, theta_i ~ N(0, mu_scale) independently; complete pooling is tau = 0.

    Parameters
    ----------
    sigma : tuple of float
        Standard errors of the schools' estimates, in points on the test.
    x : tuple of float
        The covariate: by default 0 for eight public schools and 1 for four private ones.
    x_new : float
        The covariate of the school not seen, by default a private one.
    exchangeable : bool
        If true, the models (not the simulator) take beta to be 0: a study of schools that are
        pooled although they are not exchangeable.
    mu_scale, beta_scale, tau_scale : float
        Prior scales, in points.
    schools : tuple of str
        Names of the schools; letters by default.

    Examples
    --------
    >>> story = PrivateSchools()
    >>> round(story.exact(story.observed).mean("beta"), 2)
    1.98
    """

    sigma: Positives = STANDARD_ERRORS
    x: Finites = (0.0,) * 8 + (1.0,) * 4
    x_new: Finite = 1.0
    exchangeable: bool = False
    mu_scale: Positive = 20.0
    beta_scale: Positive = 10.0
    tau_scale: Positive = 10.0
    schools: Names = ()

    name: ClassVar = "private_schools"
    models: ClassVar = {
        "centred": ("mu", "beta", "tau", "theta"),
        "noncentred": ("mu", "beta", "tau", "theta"),
        "no_pooling": ("theta",),
        "complete_pooling": ("mu", "beta", "theta"),
    }
    dims: ClassVar = {"mu": (), "beta": (), "tau": (), "theta": ("school",)}
    scale: ClassVar = "tau"
    groups: ClassVar = "theta"
    observes: ClassVar = {"y": Observed("the estimated effects", real=EFFECTS)}

    def simulate(self, rng: np.random.Generator) -> Simulation:
        mu = self.given_or("mu", rng.normal(0, self.mu_scale))
        beta = self.given_or("beta", rng.normal(0, self.beta_scale))
        tau = self.given_or("tau", abs(rng.normal(0, self.tau_scale)))
        theta = rng.normal(mu + beta * np.array(self.x), tau)
        truth = {"mu": np.array(mu), "beta": np.array(beta), "tau": np.array(tau), "theta": theta}
        return Simulation(truth, self.replicate(truth, rng))

    def replicate(self, truth: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        return {"y": rng.normal(truth["theta"], self.sigma)}

    def merged(
        self, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
    ) -> tuple[Self, Arrays]:
        halved = tuple(se / math.sqrt(2) for se in self.sigma)
        return dataclasses.replace(self, sigma=halved), {"y": (first["y"] + second["y"]) / 2}

    def expected(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        beta = 0.0 if self.exchangeable else draws["beta"][..., None]
        return draws["mu"][..., None] + beta * np.array(self.x)

    def expected_new(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        return draws["mu"] + draws["beta"] * self.x_new

    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        if model == "no_pooling":
            return log_normal(draws["theta"], 0, self.mu_scale).sum(axis=-1)
        log_mu = log_normal(draws["mu"], 0, self.mu_scale)
        if not self.exchangeable:
            log_mu = log_mu + log_normal(draws["beta"], 0, self.beta_scale)
        if model == "complete_pooling":
            return log_mu
        tau = draws["tau"]
        log_tau = np.log(2) + log_normal(tau, 0, self.tau_scale)
        log_theta = log_normal(draws["theta"], self.expected(draws), tau[..., None]).sum(axis=-1)
        if model == "noncentred":
            log_theta = log_theta + len(self.sigma) * np.log(tau)
        return log_mu + log_tau + log_theta

    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        return log_normal(data["y"], draws["theta"], np.array(self.sigma))

    def latent(self, draws: Mapping[str, np.ndarray], model: str) -> Arrays:
        sampled = super().latent(draws, model)
        return {k: v for k, v in sampled.items() if k != "beta" or not self.exchangeable}

    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        import pymc as pm

        # a float that float32 holds exactly would enter PyMC as float32
        mu_scale, tau_scale = np.float64(self.mu_scale), np.float64(self.tau_scale)
        x = np.array(self.x)

        def expected():
            mu = pm.Normal("mu", 0, mu_scale)
            if self.exchangeable:
                return mu + pm.Deterministic("beta", 0.0 * mu) * x
            return mu + pm.Normal("beta", 0, np.float64(self.beta_scale)) * x

        with pm.Model(coords=self.coords) as pymc_model:
            y = pm.Data("y_data", data["y"], dims="school")
            match model:
                case "centred":
                    mean = expected()
                    tau = pm.HalfNormal("tau", tau_scale)
                    theta = pm.Normal("theta", mean, tau, dims="school")
                case "noncentred":
                    mean = expected()
                    tau = pm.HalfNormal("tau", tau_scale)
                    z = pm.Normal("z", 0, 1, dims="school")
                    theta = pm.Deterministic("theta", mean + tau * z, dims="school")
                case "no_pooling":
                    theta = pm.Normal("theta", 0, mu_scale, dims="school")
                case "complete_pooling":
                    theta = pm.Deterministic("theta", expected(), dims="school")
            pm.Normal("y", theta, np.array(self.sigma), observed=y, dims="school")
        return pymc_model

    def numpyro_model(self, model: str) -> Callable[..., None]:
        import jax.numpy as jnp
        import numpyro
        from numpyro import distributions as dist

        sigma, x = jnp.array(self.sigma), jnp.array(self.x)
        schools = numpyro.plate("school", len(self.sigma))

        def expected():
            mu = numpyro.sample("mu", dist.Normal(0, self.mu_scale))
            if self.exchangeable:
                return mu + numpyro.deterministic("beta", jnp.zeros(())) * x
            return mu + numpyro.sample("beta", dist.Normal(0, self.beta_scale)) * x

        def centred(y=None):
            mean = expected()
            tau = numpyro.sample("tau", dist.HalfNormal(self.tau_scale))
            with schools:
                theta = numpyro.sample("theta", dist.Normal(mean, tau))
                numpyro.sample("y", dist.Normal(theta, sigma), obs=y)

        def noncentred(y=None):
            mean = expected()
            tau = numpyro.sample("tau", dist.HalfNormal(self.tau_scale))
            with schools:
                z = numpyro.sample("z", dist.Normal(0, 1))
                theta = numpyro.deterministic("theta", mean + tau * z)
                numpyro.sample("y", dist.Normal(theta, sigma), obs=y)

        def no_pooling(y=None):
            with schools:
                theta = numpyro.sample("theta", dist.Normal(0, self.mu_scale))
                numpyro.sample("y", dist.Normal(theta, sigma), obs=y)

        def complete_pooling(y=None):
            theta = numpyro.deterministic("theta", expected())
            with schools:
                numpyro.sample("y", dist.Normal(theta, sigma), obs=y)

        return by_name(model, centred, noncentred, no_pooling, complete_pooling)

    def partly_pooled(self, y: np.ndarray) -> Posterior:
        between = Scale("tau", lambda tau: -0.5 * (tau / self.tau_scale) ** 2, self.tau_scale)
        return self._normal(y, between, self._priors)

    def not_pooled(self, y: np.ndarray) -> Posterior:
        return self._normal(y, self.mu_scale, {})

    def fully_pooled(self, y: np.ndarray) -> Posterior:
        return self._normal(y, 0.0, self._priors)

    @property
    def _priors(self) -> dict[str, tuple[float, float]]:
        """Means and scales of the coefficients' normal priors."""
        beta = {} if self.exchangeable else {"beta": (0.0, self.beta_scale)}
        return {"mu": (0.0, self.mu_scale)} | beta

    def _normal(
        self, y: np.ndarray, between: Scale | float, priors: dict[str, tuple[float, float]]
    ) -> Posterior:
        sigma = np.array(self.sigma)
        loadings = np.column_stack([np.ones(len(y)), self.x])[:, : len(priors)]
        rows = loadings / sigma[:, None]
        new = ("theta_new", (1.0, self.x_new)[: len(priors)])
        return MixedModel(
            CrossProducts.of(np.arange(len(y)), rows, 1 / sigma, y / sigma),
            coefficients=priors,
            scale=between,
            noise=1.0,
            effect="theta",
            labels=self.labels("theta"),
            loadings=loadings,
            new=new if isinstance(between, Scale) else None,
            fixed={"beta": 0.0} if self.exchangeable and priors else {},
        )
