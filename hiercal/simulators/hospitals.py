"""Hospitals: counts of events with known exposures, and rates that vary between hospitals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy import stats
from scipy.special import gammaln

from hiercal.simulators._count_model import CountModel, exponential, poisson
from hiercal.simulators._independent import Independent
from hiercal.simulators._mixed_model import Scale
from hiercal.simulators._reference import Reference
from hiercal.simulators._story import (
    Arrays,
    Simulation,
    Story,
    at_least_two_groups,
    columns,
    counts,
    group_names,
    log_normal,
    only,
    positive,
)

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

EXPOSURES = (2.1, 5.0, 1.3, 8.2, 0.7, 3.5, 6.1, 4.0)
EVENTS = (3, 10, 3, 8, 1, 11, 10, 8)


@dataclass(frozen=True, kw_only=True)
class Hospitals(Story):
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

    exposure: tuple[float, ...] = EXPOSURES
    mu_scale: float = 1.0
    sigma_scale: float = 1.0
    shape: float = 1.0
    rate: float = 0.5
    hospitals: tuple[str, ...] = ()

    name: ClassVar = "hospitals"
    models: ClassVar = {
        "centred": ("mu_log", "sigma_log", "lambda"),
        "noncentred": ("mu_log", "sigma_log", "lambda"),
        "no_pooling": ("lambda",),
        "complete_pooling": ("mu_log", "lambda"),
    }
    dims: ClassVar = {"mu_log": (), "sigma_log": (), "lambda": ("hospital",)}
    design: ClassVar = ("exposure", "hospitals")
    scale: ClassVar = "sigma_log"
    groups: ClassVar = "lambda"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "exposure", tuple(float(e) for e in self.exposure))
        object.__setattr__(self, "hospitals", tuple(str(s) for s in self.hospitals))
        at_least_two_groups(self.name, "exposure", len(self.exposure))
        for i, e in enumerate(self.exposure):
            positive(self.name, f"exposure[{i}]", e)
        for field in ("mu_scale", "sigma_scale", "shape", "rate"):
            positive(self.name, field, getattr(self, field))
        group_names(self.name, "hospitals", self.hospitals, len(self.exposure))

    @property
    def coords(self) -> dict[str, tuple[str, ...]]:
        return {"hospital": group_names(self.name, "hospitals", self.hospitals, len(self.exposure))}

    @property
    def observed(self) -> Arrays | None:
        """The textbook's counts, as printed, if the exposures are its own."""
        return {"y": np.array(EVENTS)} if self.exposure == EXPOSURES else None

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> tuple[Self, Arrays]:
        """Read columns ``y``, ``exposure`` and, if there is one, ``hospital``."""
        layout = "a row per hospital with columns y, exposure and optionally hospital"
        columns(cls.name, frame, ("y", "exposure"), layout)
        hospitals = tuple(frame["hospital"].astype(str)) if "hospital" in frame else ()
        story = cls(exposure=tuple(frame["exposure"]), hospitals=hospitals)
        return story, story.check({"y": frame["y"].to_numpy()})

    def simulate(self, rng: np.random.Generator) -> Simulation:
        mu_log = self.given_or("mu_log", rng.normal(0, self.mu_scale))
        sigma_log = self.given_or("sigma_log", abs(rng.normal(0, self.sigma_scale)))
        rate = np.exp(rng.normal(mu_log, sigma_log, size=len(self.exposure)))
        y = rng.poisson(rate * self.exposure)
        truth = {"mu_log": np.array(mu_log), "sigma_log": np.array(sigma_log), "lambda": rate}
        return Simulation(truth, {"y": y})

    def check(self, data: Mapping[str, Any]) -> Arrays:
        y = only(self.name, data, "y", "the counts of events")
        return {"y": counts(self.name, "y", y, (len(self.exposure),), "exposure")}

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

    def latent(self, draws: Mapping[str, np.ndarray], model: str) -> Arrays:
        if model == "no_pooling":
            return {"lambda": draws["lambda"]}
        if model == "complete_pooling":
            return {"mu_log": draws["mu_log"]}
        sampled = {"mu_log": draws["mu_log"], "sigma_log": draws["sigma_log"]}
        log_rate = np.log(draws["lambda"])
        if model == "centred":
            return sampled | {"log_lambda": log_rate}
        z = (log_rate - draws["mu_log"][..., None]) / draws["sigma_log"][..., None]
        return sampled | {"z": z}

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

        return {
            "centred": centred,
            "noncentred": noncentred,
            "no_pooling": no_pooling,
            "complete_pooling": complete_pooling,
        }[model]

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> Reference:
        y, exposure = self.check(data)["y"], np.array(self.exposure)
        labels = self.labels("lambda")
        if model == "no_pooling":
            shape, rate = self.shape + y, self.rate + exposure
            marginals = [stats.gamma(a, scale=1 / b) for a, b in zip(shape, rate, strict=True)]
            return Independent(
                dict(zip(labels, marginals, strict=True)),
                lambda n, rng: {"lambda": rng.gamma(shape, 1 / rate, size=(n, len(y)))},
            )
        between = Scale(
            "sigma_log", lambda sigma: -0.5 * (sigma / self.sigma_scale) ** 2, self.sigma_scale
        )
        return CountModel(
            poisson(y, exposure),
            centre=("mu_log", 0.0, self.mu_scale),
            scale=None if model == "complete_pooling" else between,
            link=exponential("lambda"),
            labels=labels,
            finite_moments=False,
        )

    def pooled(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.repeat(np.exp(draws["mu_log"])[..., None], len(self.exposure), axis=-1)

    def new_group(self, draws: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        if "sigma_log" not in draws:
            return {}
        return {"lambda_new": np.exp(rng.normal(draws["mu_log"], draws["sigma_log"]))}
