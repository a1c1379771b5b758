"""Eight Schools: effects of coaching on test scores, measured with known standard errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from hiercal.simulators._mixed_model import CrossProducts, MixedModel
from hiercal.simulators._normal_normal import NormalNormal
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

RUBIN_EFFECTS = (28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0)
RUBIN_STANDARD_ERRORS = (15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0)


@dataclass(frozen=True, kw_only=True)
class EightSchools(Story):
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

    sigma: tuple[float, ...] = RUBIN_STANDARD_ERRORS
    mu_scale: float = 20.0
    tau_scale: float = 10.0
    tau_prior: Literal["half_normal", "half_cauchy"] = "half_normal"
    schools: tuple[str, ...] = ()

    name: ClassVar = "eight_schools"
    models: ClassVar = {
        "centred": ("mu", "tau", "theta"),
        "noncentred": ("mu", "tau", "theta"),
        "no_pooling": ("theta",),
        "complete_pooling": ("mu", "theta"),
    }
    dims: ClassVar = {"mu": (), "tau": (), "theta": ("school",)}
    design: ClassVar = ("sigma", "schools")
    scale: ClassVar = "tau"
    groups: ClassVar = "theta"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "sigma", tuple(float(s) for s in self.sigma))
        object.__setattr__(self, "schools", tuple(str(s) for s in self.schools))
        at_least_two_groups(self.name, "sigma", len(self.sigma))
        for i, s in enumerate(self.sigma):
            positive(self.name, f"sigma[{i}]", s)
        positive(self.name, "mu_scale", self.mu_scale)
        positive(self.name, "tau_scale", self.tau_scale)
        if self.tau_prior not in ("half_normal", "half_cauchy"):
            raise ValueError(
                f"{self.name}: tau_prior is {self.tau_prior!r}; give 'half_normal' or 'half_cauchy'"
            )
        group_names(self.name, "schools", self.schools, len(self.sigma))

    @property
    def coords(self) -> dict[str, tuple[str, ...]]:
        return {"school": group_names(self.name, "schools", self.schools, len(self.sigma))}

    @property
    def observed(self) -> Arrays | None:
        """Rubin's estimated effects, if the design is his."""
        return {"y": np.array(RUBIN_EFFECTS)} if self.sigma == RUBIN_STANDARD_ERRORS else None

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> tuple[Self, Arrays]:
        """Read columns ``y`` and ``sigma`` and, if there is one, ``school``: a row per school."""
        layout = "a row per school with columns y, sigma and optionally school"
        columns(cls.name, frame, ("y", "sigma"), layout)
        schools = tuple(frame["school"].astype(str)) if "school" in frame else ()
        story = cls(sigma=tuple(frame["sigma"]), schools=schools)
        return story, story.check({"y": frame["y"].to_numpy()})

    def simulate(self, rng: np.random.Generator) -> Simulation:
        mu = self.given_or("mu", rng.normal(0, self.mu_scale))
        heavy = self.tau_prior == "half_cauchy"
        z = rng.standard_cauchy() if heavy else rng.normal()
        tau = self.given_or("tau", abs(self.tau_scale * z))
        theta = rng.normal(mu, tau, size=len(self.sigma))
        y = rng.normal(theta, self.sigma)
        return Simulation({"mu": np.array(mu), "tau": np.array(tau), "theta": theta}, {"y": y})

    def check(self, data: Mapping[str, Any]) -> Arrays:
        y = only(self.name, data, "y", "the estimated effects")
        return {"y": finite(self.name, "y", y, (len(self.sigma),), "sigma")}

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

    def latent(self, draws: Mapping[str, np.ndarray], model: str) -> Arrays:
        if model == "noncentred":
            z = (draws["theta"] - draws["mu"][..., None]) / draws["tau"][..., None]
            return {"mu": draws["mu"], "tau": draws["tau"], "z": z}
        names = {
            "centred": ("mu", "tau", "theta"),
            "no_pooling": ("theta",),
            "complete_pooling": ("mu",),
        }
        return {name: draws[name] for name in names[model]}

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

        return {
            "centred": centred,
            "noncentred": noncentred,
            "no_pooling": no_pooling,
            "complete_pooling": complete_pooling,
        }[model]

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> Reference:
        y, sigma = self.check(data)["y"], np.array(self.sigma)
        if model in ("centred", "noncentred"):
            return NormalNormal(
                y,
                sigma,
                mu_scale=self.mu_scale,
                log_prior_tau=lambda tau: (
                    -np.log1p((tau / self.tau_scale) ** 2)
                    if self.tau_prior == "half_cauchy"
                    else -0.5 * (tau / self.tau_scale) ** 2
                ),
                tau_scale=self.tau_scale,
                labels=self.coords["school"],
            )
        pooled = model == "complete_pooling"
        loadings = np.ones((len(y), int(pooled)))
        weighted = CrossProducts.of(
            np.arange(len(y)), loadings / sigma[:, None], 1 / sigma, y / sigma
        )
        return MixedModel(
            weighted,
            coefficients={"mu": (0.0, self.mu_scale)} if pooled else {},
            scale=0.0 if pooled else self.mu_scale,
            noise=1.0,
            effect="theta",
            labels=self.labels("theta"),
            loadings=loadings,
        )

    def pooled(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.repeat(draws["mu"][..., None], len(self.sigma), axis=-1)

    def new_group(self, draws: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        if "tau" not in draws:
            return {}
        return {"theta_new": rng.normal(draws["mu"], draws["tau"])}
