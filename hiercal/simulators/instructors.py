"""Instructors' exams: scores of students within sections, with an unknown standard deviation."""

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
    complete,
    finite,
    group_names,
    group_sizes,
    log_normal,
    only,
    positive,
)

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm


@dataclass(frozen=True, kw_only=True)
class Instructors(Story):
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

    sizes: tuple[int, ...] = (10, 12, 15, 18, 20)
    mu_mean: float = 50.0
    mu_scale: float = 25.0
    tau_scale: float = 10.0
    sigma_scale: float = 15.0
    instructors: tuple[str, ...] = ()

    name: ClassVar = "instructors"
    models: ClassVar = {
        "centred": ("mu", "tau", "sigma", "theta"),
        "noncentred": ("mu", "tau", "sigma", "theta"),
        "no_pooling": ("sigma", "theta"),
        "complete_pooling": ("mu", "sigma", "theta"),
    }
    dims: ClassVar = {"mu": (), "tau": (), "sigma": (), "theta": ("instructor",)}
    design: ClassVar = ("sizes", "instructors")
    scale: ClassVar = "tau"
    groups: ClassVar = "theta"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "sizes", group_sizes(self.name, "sizes", self.sizes))
        object.__setattr__(self, "instructors", tuple(str(s) for s in self.instructors))
        at_least_two_groups(self.name, "sizes", len(self.sizes))
        for field in ("mu_scale", "tau_scale", "sigma_scale"):
            positive(self.name, field, getattr(self, field))
        if not np.isfinite(self.mu_mean):
            raise ValueError(f"{self.name}: mu_mean is {self.mu_mean!r}; give a finite number")
        group_names(self.name, "instructors", self.instructors, len(self.sizes))

    @property
    def coords(self) -> dict[str, tuple[str, ...]]:
        names = group_names(self.name, "instructors", self.instructors, len(self.sizes))
        return {"instructor": names}

    @property
    def observed(self) -> Arrays | None:
        return None

    @property
    def instructor_of(self) -> np.ndarray:
        """Index of each student's instructor, shape (n_students,)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> tuple[Self, Arrays]:
        """Read columns ``instructor`` and ``y``: a row per student."""
        columns(cls.name, frame, ("instructor", "y"), "a row per student")
        complete(cls.name, frame, "instructor")
        ordered = frame.sort_values("instructor", kind="stable")
        sizes = ordered["instructor"].value_counts(sort=False).sort_index()
        story = cls(sizes=tuple(sizes), instructors=tuple(map(str, sizes.index)))
        return story, story.check({"y": ordered["y"].to_numpy()})

    def simulate(self, rng: np.random.Generator) -> Simulation:
        mu = self.given_or("mu", rng.normal(self.mu_mean, self.mu_scale))
        tau = self.given_or("tau", abs(rng.normal(0, self.tau_scale)))
        sigma = self.given_or("sigma", abs(rng.normal(0, self.sigma_scale)))
        theta = rng.normal(mu, tau, size=len(self.sizes))
        y = rng.normal(theta[self.instructor_of], sigma)
        truth = {"mu": np.array(mu), "tau": np.array(tau), "sigma": np.array(sigma), "theta": theta}
        return Simulation(truth, {"y": y})

    def check(self, data: Mapping[str, Any]) -> Arrays:
        y = only(self.name, data, "y", "the scores, instructor after instructor")
        return {"y": finite(self.name, "y", y, (sum(self.sizes),), "sizes")}

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
        mean = draws["theta"][..., self.instructor_of]
        return log_normal(data["y"], mean, draws["sigma"][..., None])

    def latent(self, draws: Mapping[str, np.ndarray], model: str) -> Arrays:
        if model == "noncentred":
            z = (draws["theta"] - draws["mu"][..., None]) / draws["tau"][..., None]
            return {name: draws[name] for name in ("mu", "tau", "sigma")} | {"z": z}
        sampled = {
            "centred": ("mu", "tau", "sigma", "theta"),
            "no_pooling": ("sigma", "theta"),
            "complete_pooling": ("mu", "sigma"),
        }
        return {name: draws[name] for name in sampled[model]}

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
            pm.Normal("y", theta[self.instructor_of], sigma, observed=y)
        return pymc_model

    def numpyro_model(self, model: str) -> Callable[..., None]:
        import jax.numpy as jnp
        import numpyro
        from numpyro import distributions as dist

        n = len(self.sizes)
        instructor = jnp.array(self.instructor_of)
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

        return {
            "centred": centred,
            "noncentred": noncentred,
            "no_pooling": no_pooling,
            "complete_pooling": complete_pooling,
        }[model]

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> Reference:
        y = self.check(data)["y"]
        separate = model == "no_pooling"
        offset = self.mu_mean if separate else 0.0
        rows = np.ones((len(y), int(not separate)))
        between: Scale | float = Scale(
            "tau", lambda tau: -0.5 * (tau / self.tau_scale) ** 2, self.tau_scale
        )
        if model in ("no_pooling", "complete_pooling"):
            between = self.mu_scale if separate else 0.0
        return MixedModel(
            CrossProducts.of(self.instructor_of, rows, np.ones(len(y)), y - offset),
            coefficients={} if separate else {"mu": (self.mu_mean, self.mu_scale)},
            scale=between,
            noise=Scale(
                "sigma", lambda sigma: -0.5 * (sigma / self.sigma_scale) ** 2, self.sigma_scale
            ),
            effect="theta",
            labels=self.labels("theta"),
            loadings=np.ones((len(self.sizes), int(not separate))),
            offset=offset,
            new=("theta_new", (1.0,)) if isinstance(between, Scale) else None,
        )

    def pooled(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.repeat(draws["mu"][..., None], len(self.sizes), axis=-1)

    def new_group(self, draws: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        if "tau" not in draws:
            return {}
        return {"theta_new": rng.normal(draws["mu"], draws["tau"])}
