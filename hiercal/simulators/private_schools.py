"""Private schools: a normal hierarchy whose groups differ by a known covariate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from hiercal.simulators._mixed_model import CrossProducts, MixedModel, Scale
from hiercal.simulators._reference import Reference
from hiercal.simulators._story import (
    Arrays,
    Simulation,
    Story,
    at_least_two_groups,
    columns,
    finite,
    group_names,
    log_normal,
    only,
    positive,
)

if TYPE_CHECKING:
    import pandas as pd
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
class PrivateSchools(Story):
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

    sigma: tuple[float, ...] = STANDARD_ERRORS
    x: tuple[float, ...] = (0.0,) * 8 + (1.0,) * 4
    x_new: float = 1.0
    exchangeable: bool = False
    mu_scale: float = 20.0
    beta_scale: float = 10.0
    tau_scale: float = 10.0
    schools: tuple[str, ...] = ()

    name: ClassVar = "private_schools"
    models: ClassVar = {
        "centred": ("mu", "beta", "tau", "theta"),
        "noncentred": ("mu", "beta", "tau", "theta"),
        "no_pooling": ("theta",),
        "complete_pooling": ("mu", "beta", "theta"),
    }
    dims: ClassVar = {"mu": (), "beta": (), "tau": (), "theta": ("school",)}
    design: ClassVar = ("sigma", "x", "schools")
    scale: ClassVar = "tau"
    groups: ClassVar = "theta"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "sigma", tuple(float(s) for s in self.sigma))
        object.__setattr__(self, "x", tuple(float(v) for v in self.x))
        object.__setattr__(self, "schools", tuple(str(s) for s in self.schools))
        at_least_two_groups(self.name, "sigma", len(self.sigma))
        for i, s in enumerate(self.sigma):
            positive(self.name, f"sigma[{i}]", s)
        finite(self.name, "x", self.x, (len(self.sigma),), "sigma")
        finite(self.name, "x_new", self.x_new, (), "one school")
        for field in ("mu_scale", "beta_scale", "tau_scale"):
            positive(self.name, field, getattr(self, field))
        group_names(self.name, "schools", self.schools, len(self.sigma))

    @property
    def coords(self) -> dict[str, tuple[str, ...]]:
        return {"school": group_names(self.name, "schools", self.schools, len(self.sigma))}

    @property
    def observed(self) -> Arrays | None:
        """The textbook's simulated effects, if the design is its own."""
        own = self.sigma == STANDARD_ERRORS and self.x == PrivateSchools.x
        return {"y": np.array(EFFECTS)} if own else None

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> tuple[Self, Arrays]:
        """Read columns ``y``, ``sigma``, ``x`` and, if there is one, ``school``."""
        layout = "a row per school with columns y, sigma, x and optionally school"
        columns(cls.name, frame, ("y", "sigma", "x"), layout)
        schools = tuple(frame["school"].astype(str)) if "school" in frame else ()
        story = cls(sigma=tuple(frame["sigma"]), x=tuple(frame["x"]), schools=schools)
        return story, story.check({"y": frame["y"].to_numpy()})

    def simulate(self, rng: np.random.Generator) -> Simulation:
        mu = self.given_or("mu", rng.normal(0, self.mu_scale))
        beta = self.given_or("beta", rng.normal(0, self.beta_scale))
        tau = self.given_or("tau", abs(rng.normal(0, self.tau_scale)))
        theta = rng.normal(mu + beta * np.array(self.x), tau)
        y = rng.normal(theta, self.sigma)
        truth = {"mu": np.array(mu), "beta": np.array(beta), "tau": np.array(tau), "theta": theta}
        return Simulation(truth, {"y": y})

    def check(self, data: Mapping[str, Any]) -> Arrays:
        y = only(self.name, data, "y", "the estimated effects")
        return {"y": finite(self.name, "y", y, (len(self.sigma),), "sigma")}

    def _expected(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        """What the models expect of theta given the population, (..., n_schools)."""
        beta = 0.0 if self.exchangeable else draws["beta"][..., None]
        return draws["mu"][..., None] + beta * np.array(self.x)

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
        log_theta = log_normal(draws["theta"], self._expected(draws), tau[..., None]).sum(axis=-1)
        if model == "noncentred":
            log_theta = log_theta + len(self.sigma) * np.log(tau)
        return log_mu + log_tau + log_theta

    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        return log_normal(data["y"], draws["theta"], np.array(self.sigma))

    def latent(self, draws: Mapping[str, np.ndarray], model: str) -> Arrays:
        population = ("mu",) if self.exchangeable else ("mu", "beta")
        names = {
            "centred": (*population, "tau", "theta"),
            "noncentred": (*population, "tau"),
            "no_pooling": ("theta",),
            "complete_pooling": population,
        }[model]
        sampled = {name: draws[name] for name in names}
        if model == "noncentred":
            sampled["z"] = (draws["theta"] - self._expected(draws)) / draws["tau"][..., None]
        return sampled

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

        return {
            "centred": centred,
            "noncentred": noncentred,
            "no_pooling": no_pooling,
            "complete_pooling": complete_pooling,
        }[model]

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> Reference:
        y, sigma = self.check(data)["y"], np.array(self.sigma)
        priors = {"mu": (0.0, self.mu_scale)}
        if not self.exchangeable:
            priors["beta"] = (0.0, self.beta_scale)
        if model == "no_pooling":
            priors = {}
        loadings = np.column_stack([np.ones(len(y)), self.x])[:, : len(priors)]
        between: Scale | float = Scale(
            "tau", lambda tau: -0.5 * (tau / self.tau_scale) ** 2, self.tau_scale
        )
        if model in ("no_pooling", "complete_pooling"):
            between = 0.0 if priors else self.mu_scale
        rows = loadings / sigma[:, None]
        return MixedModel(
            CrossProducts.of(np.arange(len(y)), rows, 1 / sigma, y / sigma),
            coefficients=priors,
            scale=between,
            noise=1.0,
            effect="theta",
            labels=self.labels("theta"),
            loadings=loadings,
            new=("theta_new", (1.0, self.x_new)[: len(priors)])
            if isinstance(between, Scale)
            else None,
            fixed={"beta": 0.0} if self.exchangeable and priors else {},
        )

    def pooled(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        return self._expected(draws)

    def new_group(self, draws: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        if "tau" not in draws:
            return {}
        return {"theta_new": rng.normal(draws["mu"] + draws["beta"] * self.x_new, draws["tau"])}
