"""Small stories of the mutants' own, each with an exact posterior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from hiercal.mutants._posteriors import LabelPosterior, NormalPosterior, TabulatedPosterior
from hiercal.simulators import Simulation, Story
from hiercal.simulators._story import log_normal

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Gaussian(Story):
    """x ~ N(means, sds), all correlations alike; no data, so that the posterior is the prior."""

    means: tuple[float, ...] = (0.0,)
    sds: tuple[float, ...] = (1.0,)
    correlation: float = 0.0

    name: ClassVar = "gaussian"
    dims: ClassVar = {"x": ("coordinate",)}

    @property
    def coords(self) -> dict[str, tuple[str, ...]]:
        return {"coordinate": tuple(map(str, range(len(self.means))))}

    @cached_property
    def precision(self) -> np.ndarray:
        """Inverse of the covariance, (n, n)."""
        n, sds = len(self.means), np.array(self.sds)
        correlations = np.full((n, n), self.correlation) + (1 - self.correlation) * np.eye(n)
        return np.linalg.inv(correlations * np.outer(sds, sds))

    def simulate(self, rng: np.random.Generator) -> Simulation:
        return Simulation({"x": self.exact({}).draws(1, rng)["x"][0]}, {})

    def log_prior(self, draws: Arrays, model: str = "centred") -> np.ndarray:
        away = draws["x"] - np.array(self.means)
        return -0.5 * ((away @ self.precision) * away).sum(axis=-1)

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> NormalPosterior:
        return NormalPosterior("x", np.array(self.means), np.array(self.sds), self.correlation)

    def log_density_at(self, x: np.ndarray, data: Arrays) -> np.ndarray:
        """Log density (...) at points (..., n)."""
        return self.log_prior({"x": x})

    def gradient_at(self, x: np.ndarray, data: Arrays) -> np.ndarray:
        """Its gradient (..., n)."""
        return -(x - np.array(self.means)) @ self.precision


@dataclass(frozen=True, kw_only=True)
class Location(Story):
    """y_i ~ N(theta, noise) for i = 1..n; theta standard normal, standard Cauchy or uniform."""

    n: int = 4
    noise: float = 1.0
    prior: Literal["normal", "cauchy", "uniform"] = "normal"

    name: ClassVar = "location"
    dims: ClassVar = {"theta": ()}
    end: ClassVar[float] = 3.0**0.5  # of the uniform prior, whose sd is then 1

    def from_prior(self, rng: np.random.Generator, size: Any = None) -> Any:
        """Draws of theta."""
        if self.prior == "cauchy":
            return rng.standard_cauchy(size)
        if self.prior == "uniform":
            return rng.uniform(-self.end, self.end, size)
        return rng.normal(size=size)

    def simulate(self, rng: np.random.Generator) -> Simulation:
        theta = self.from_prior(rng)
        return Simulation({"theta": np.array(theta)}, {"y": rng.normal(theta, self.noise, self.n)})

    def log_prior(self, draws: Arrays, model: str = "centred") -> np.ndarray:
        theta = draws["theta"]
        if self.prior == "cauchy":
            return -np.log(np.pi) - np.log1p(theta**2)
        if self.prior == "uniform":
            return np.where(np.abs(theta) <= self.end, -np.log(2 * self.end), -np.inf)
        return log_normal(theta, 0, 1)

    def log_likelihood(self, draws: Arrays, data: Arrays) -> np.ndarray:
        return log_normal(data["y"], draws["theta"][..., None], self.noise)

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> Any:
        se, mean = self.noise / self.n**0.5, np.mean(data["y"])
        if self.prior == "normal":
            precision = 1 + se**-2
            return NormalPosterior("theta", mean * se**-2 / precision, precision**-0.5)
        low, high = mean - 9 * se, mean + 9 * se
        if self.prior == "uniform":
            low, high = -self.end, self.end
        theta = np.linspace(low, high, 4001)
        log_density = self.log_density_at(theta[:, None], data)
        return TabulatedPosterior("theta", theta, log_density)

    def log_density_at(self, x: np.ndarray, data: Arrays) -> np.ndarray:
        """Log density (...) at points (..., 1)."""
        draws = {"theta": x[..., 0]}
        return self.log_prior(draws) + self.log_likelihood(draws, data).sum(axis=-1)

    def gradient_at(self, x: np.ndarray, data: Arrays) -> np.ndarray:
        """Its gradient (..., 1), under the normal prior."""
        return -x + (np.sum(data["y"]) - self.n * x) / self.noise**2


@dataclass(frozen=True, kw_only=True)
class Spread(Story):
    """y_i ~ N(0, sigma) for i = 1..n, sigma ~ half-normal(1): a scale that the data tell of."""

    n: int = 6

    name: ClassVar = "spread"
    dims: ClassVar = {"sigma": ()}

    def simulate(self, rng: np.random.Generator) -> Simulation:
        sigma = abs(rng.normal())
        return Simulation({"sigma": np.array(sigma)}, {"y": rng.normal(0, sigma, self.n)})

    def log_prior(self, draws: Arrays, model: str = "centred") -> np.ndarray:
        return np.log(2) + log_normal(draws["sigma"], 0, 1)

    def log_likelihood(self, draws: Arrays, data: Arrays) -> np.ndarray:
        return log_normal(data["y"], 0, draws["sigma"][..., None])

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> TabulatedPosterior:
        return self.on_grid(data, 0.0)

    def on_grid(self, data: Arrays, power: float) -> TabulatedPosterior:
        """The posterior times sigma to a power."""
        size = float(np.sqrt(np.mean(np.square(data["y"]))))
        sigma = np.geomspace(size / 20, max(20 * size, 6.0), 4001)
        log_density = self.log_prior({"sigma": sigma})
        log_density = log_density + self.log_likelihood({"sigma": sigma}, data).sum(axis=-1)
        return TabulatedPosterior("sigma", sigma, log_density + power * np.log(sigma))


@dataclass(frozen=True, kw_only=True)
class Labels(Story):
    """A group z with unequal shares, and one observation y ~ N(centres[z], 1)."""

    shares: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4)
    centres: tuple[float, ...] = (-2.0, -0.5, 0.5, 2.0)

    name: ClassVar = "labels"
    dims: ClassVar = {"z": ()}

    def simulate(self, rng: np.random.Generator) -> Simulation:
        z = rng.choice(len(self.shares), p=self.shares)
        return Simulation({"z": np.array(float(z))}, {"y": rng.normal(self.centres[z], 1, size=1)})

    def log_prior(self, draws: Arrays, model: str = "centred") -> np.ndarray:
        return np.log(self.shares)[draws["z"].astype(int)]

    def log_likelihood(self, draws: Arrays, data: Arrays) -> np.ndarray:
        return log_normal(data["y"], np.array(self.centres)[draws["z"].astype(int)][..., None], 1)

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> LabelPosterior:
        z = {"z": np.arange(len(self.shares))}
        return LabelPosterior("z", self.log_prior(z) + self.log_likelihood(z, data).sum(axis=-1))


@dataclass(frozen=True, kw_only=True)
class LogNormals(Story):
    """m ~ N(0, 1), x_k ~ log-normal(m, scale_of_logs), y_k ~ N(x_k, 1) for k = 1..n."""

    n: int = 3
    scale_of_logs: float = 0.5

    name: ClassVar = "log_normals"
    dims: ClassVar = {"m": (), "x": ("group",)}
    models: ClassVar = {"noncentred": ("m", "x")}

    @property
    def coords(self) -> dict[str, tuple[str, ...]]:
        return {"group": tuple(map(str, range(self.n)))}

    def simulate(self, rng: np.random.Generator) -> Simulation:
        m = rng.normal()
        x = np.exp(rng.normal(m, self.scale_of_logs, self.n))
        return Simulation({"m": np.array(m), "x": x}, {"y": rng.normal(x, 1)})

    def log_prior(self, draws: Arrays, model: str = "noncentred") -> np.ndarray:
        m, x = draws["m"], draws["x"]
        inside = np.maximum(x, 1e-300)
        of_x = log_normal(np.log(inside), m[..., None], self.scale_of_logs) - np.log(inside)
        return log_normal(m, 0, 1) + np.where(x > 0, of_x, -np.inf).sum(axis=-1)

    def log_likelihood(self, draws: Arrays, data: Arrays) -> np.ndarray:
        return log_normal(data["y"], draws["x"], 1)

    def numpyro_model(self, model: str) -> Callable[..., None]:
        import jax.numpy as jnp
        import numpyro
        from numpyro import distributions as dist

        def noncentred(y=None):
            m = numpyro.sample("m", dist.Normal(0, 1))
            with numpyro.plate("group", self.n):
                z = numpyro.sample("z", dist.Normal(0, 1))
                x = numpyro.deterministic("x", jnp.exp(m + self.scale_of_logs * z))
                numpyro.sample("y", dist.Normal(x, 1), obs=y)

        return noncentred
