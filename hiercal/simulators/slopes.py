"""A regression through the origin in each group, one group with few points."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from hiercal.exact.mixed_model import CrossProducts, MixedModel, Scale
from hiercal.exact.posterior import Posterior
from hiercal.simulators._catalogue_story import NormalGroups, Tractable, by_name
from hiercal.simulators._fields import Finite, Names, Observed, Positive, Rows
from hiercal.simulators._story import Arrays, Simulation, log_normal

if TYPE_CHECKING:
    import pymc as pm

MANY, FEW = 20, 4


@dataclass(frozen=True, kw_only=True)
class Slopes(NormalGroups, Tractable):
    """A hierarchy of slopes.

    mu_slope ~ N(0, mu_scale), sigma_slope ~ Exponential(slope_rate), noise ~
    Exponential(noise_rate), slope_g ~ N(mu_slope, sigma_slope), y_gj ~ N(slope_g x_gj, noise).

    Without pooling, slope_g ~ N(0, separate_scale) independently; noise is shared in every model.

    Parameters
    ----------
    x : tuple of tuple of float
        Regressor of the observations, group by group; any number of groups from two up. By default
        eight groups with evenly spaced points in (0, 1], the last with few.
    mu_scale, slope_rate, noise_rate, separate_scale : float
        Prior scale of the mean slope, prior rates (one over the mean) of the standard deviations
        of the slopes and of the noise, and prior scale of slopes that are not pooled.
    contamination : float
        Added by the simulator to the last half of the observations of the smallest group; no model
        knows of it. 0 is the story as stated; anything else is a study of misspecification.
    group_labels : tuple of str
        Names of the groups; letters by default.

    Examples
    --------
    >>> Slopes(x=((0.5, 1.0), (1.0,))).group_of.tolist()
    [0, 0, 1]
    """

    x: Rows = (
        *(tuple((j + 1) / MANY for j in range(MANY)) for _ in range(7)),
        tuple((j + 1) / FEW for j in range(FEW)),
    )
    mu_scale: Positive = 1.0
    slope_rate: Positive = 13.0
    noise_rate: Positive = 10.0
    separate_scale: Positive = 20.0
    contamination: Finite = 0.0
    group_labels: Names = ()

    name: ClassVar = "slopes"
    models: ClassVar = {
        "centred": ("mu_slope", "sigma_slope", "noise", "slope"),
        "noncentred": ("mu_slope", "sigma_slope", "noise", "slope"),
        "no_pooling": ("noise", "slope"),
        "complete_pooling": ("mu_slope", "noise", "slope"),
    }
    dims: ClassVar = {"mu_slope": (), "sigma_slope": (), "noise": (), "slope": ("group",)}
    scale: ClassVar = "sigma_slope"
    groups: ClassVar = "slope"
    centre: ClassVar = "mu_slope"
    observes: ClassVar = {
        "y": Observed("the observations, group after group", dims=("observation",))
    }

    @property
    def regressor(self) -> np.ndarray:
        """x of each observation, shape (n_observations,)."""
        return np.concatenate(self.x)

    def simulate(self, rng: np.random.Generator) -> Simulation:
        mu_slope = self.given_or("mu_slope", rng.normal(0, self.mu_scale))
        sigma_slope = self.given_or("sigma_slope", rng.exponential(1 / self.slope_rate))
        noise = self.given_or("noise", rng.exponential(1 / self.noise_rate))
        slope = rng.normal(mu_slope, sigma_slope, size=len(self.x))
        truth = {
            "mu_slope": np.array(mu_slope),
            "sigma_slope": np.array(sigma_slope),
            "noise": np.array(noise),
            "slope": slope,
        }
        return Simulation(truth, self.replicate(truth, rng))

    def replicate(self, truth: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        y = rng.normal(truth["slope"][self.group_of] * self.regressor, truth["noise"])
        smallest = np.argmin([len(row) for row in self.x])
        members = np.flatnonzero(self.group_of == smallest)
        y[members[len(members) // 2 :]] += self.contamination
        return {"y": y}

    def merged(
        self, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
    ) -> tuple[Self, Arrays]:
        # the groups stay together, as the story has them
        order = np.argsort(np.tile(self.group_of, 2), kind="stable")
        y = np.concatenate([first["y"], second["y"]])[order]
        return dataclasses.replace(self, x=tuple((*row, *row) for row in self.x)), {"y": y}

    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        log_noise = np.log(self.noise_rate) - self.noise_rate * draws["noise"]
        slope = draws["slope"]
        if model == "no_pooling":
            return log_noise + log_normal(slope, 0, self.separate_scale).sum(axis=-1)
        mu, log_mu = draws["mu_slope"], log_normal(draws["mu_slope"], 0, self.mu_scale)
        if model == "complete_pooling":
            return log_noise + log_mu
        sigma = draws["sigma_slope"]
        log_sigma = np.log(self.slope_rate) - self.slope_rate * sigma
        log_slope = log_normal(slope, mu[..., None], sigma[..., None]).sum(axis=-1)
        if model == "noncentred":
            log_slope = log_slope + len(self.x) * np.log(sigma)
        return log_noise + log_mu + log_sigma + log_slope

    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        mean = draws["slope"][..., self.group_of] * self.regressor
        return log_normal(data["y"], mean, draws["noise"][..., None])

    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        import pymc as pm

        # a float that float32 holds exactly would enter PyMC as float32
        mu_scale, slope_rate = np.float64(self.mu_scale), np.float64(self.slope_rate)
        with pm.Model(coords=self.coords) as pymc_model:
            y = pm.Data("y_data", data["y"])
            noise = pm.Exponential("noise", np.float64(self.noise_rate))
            match model:
                case "centred":
                    mu = pm.Normal("mu_slope", 0, mu_scale)
                    sigma = pm.Exponential("sigma_slope", slope_rate)
                    slope = pm.Normal("slope", mu, sigma, dims="group")
                case "noncentred":
                    mu = pm.Normal("mu_slope", 0, mu_scale)
                    sigma = pm.Exponential("sigma_slope", slope_rate)
                    z = pm.Normal("z", 0, 1, dims="group")
                    slope = pm.Deterministic("slope", mu + sigma * z, dims="group")
                case "no_pooling":
                    slope = pm.Normal("slope", 0, np.float64(self.separate_scale), dims="group")
                case "complete_pooling":
                    mu = pm.Normal("mu_slope", 0, mu_scale)
                    slope = pm.Deterministic("slope", mu * np.ones(len(self.x)), dims="group")
            pm.Normal("y", slope[self.group_of] * self.regressor, noise, observed=y)
        return pymc_model

    def numpyro_model(self, model: str) -> Callable[..., None]:
        import jax.numpy as jnp
        import numpyro
        from numpyro import distributions as dist

        n = len(self.x)
        group, x = jnp.array(self.group_of), jnp.array(self.regressor)
        groups = numpyro.plate("group", n)
        observations = numpyro.plate("observation", len(x))

        def line(slope, y):
            noise = numpyro.sample("noise", dist.Exponential(self.noise_rate))
            with observations:
                numpyro.sample("y", dist.Normal(slope[group] * x, noise), obs=y)

        def centred(y=None):
            mu = numpyro.sample("mu_slope", dist.Normal(0, self.mu_scale))
            sigma = numpyro.sample("sigma_slope", dist.Exponential(self.slope_rate))
            with groups:
                slope = numpyro.sample("slope", dist.Normal(mu, sigma))
            line(slope, y)

        def noncentred(y=None):
            mu = numpyro.sample("mu_slope", dist.Normal(0, self.mu_scale))
            sigma = numpyro.sample("sigma_slope", dist.Exponential(self.slope_rate))
            with groups:
                z = numpyro.sample("z", dist.Normal(0, 1))
            line(numpyro.deterministic("slope", mu + sigma * z), y)

        def no_pooling(y=None):
            with groups:
                slope = numpyro.sample("slope", dist.Normal(0, self.separate_scale))
            line(slope, y)

        def complete_pooling(y=None):
            mu = numpyro.sample("mu_slope", dist.Normal(0, self.mu_scale))
            line(numpyro.deterministic("slope", jnp.full(n, mu)), y)

        return by_name(model, centred, noncentred, no_pooling, complete_pooling)

    def partly_pooled(self, y: np.ndarray) -> Posterior:
        between = Scale("sigma_slope", lambda sigma: -self.slope_rate * sigma, 1 / self.slope_rate)
        return self._normal(y, between, {"mu_slope": (0.0, self.mu_scale)})

    def fully_pooled(self, y: np.ndarray) -> Posterior:
        return self._normal(y, 0.0, {"mu_slope": (0.0, self.mu_scale)})

    def not_pooled(self, y: np.ndarray) -> Posterior:
        return self._normal(y, self.separate_scale, {})

    def _normal(
        self, y: np.ndarray, between: Scale | float, priors: dict[str, tuple[float, float]]
    ) -> Posterior:
        x = self.regressor
        return MixedModel(
            CrossProducts.of(self.group_of, x[:, None] * np.ones((1, len(priors))), x, y),
            coefficients=priors,
            scale=between,
            noise=Scale("noise", lambda noise: -self.noise_rate * noise, 1 / self.noise_rate),
            effect="slope",
            labels=self.labels("slope"),
            loadings=np.ones((self.n_groups, len(priors))),
            new=("slope_new", (1.0,)) if isinstance(between, Scale) else None,
        )
