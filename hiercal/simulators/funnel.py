"""A hierarchy without data, whose posterior is its prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hiercal.exact.funnel import FunnelPrior
from hiercal.exact.posterior import Posterior
from hiercal.simulators._catalogue_story import NormalGroups, Tractable, by_name
from hiercal.simulators._fields import NumberOfGroups, Positive
from hiercal.simulators._story import Simulation, log_normal

if TYPE_CHECKING:
    import pymc as pm


@dataclass(frozen=True, kw_only=True)
class Funnel(NormalGroups, Tractable):
    """Groups whose scale ranges over orders of magnitude, and nothing to say which.

    v ~ N(0, v_scale), sigma = exp(v / 2), x_k ~ N(0, sigma).

    There are no data, so the exact posterior is the story itself, and pooling has no meaning. A
    fitter that samples the centred model is tested at the funnel's neck.

    Parameters
    ----------
    n : int
        How many x.
    v_scale : float
        Standard deviation of v.

    References
    ----------
    Neal, R. M. (2003). Slice sampling. Annals of Statistics 31(3), 705-767, section 8.

    Examples
    --------
    >>> round(Funnel().exact({}).sd("v"), 6)
    3.0
    """

    n: NumberOfGroups = 9
    v_scale: Positive = 3.0

    name: ClassVar = "funnel"
    models: ClassVar = {"centred": ("v", "sigma", "x"), "noncentred": ("v", "sigma", "x")}
    dims: ClassVar = {"v": (), "sigma": (), "x": ("coordinate",)}
    scale: ClassVar = "sigma"
    groups: ClassVar = "x"
    centre: ClassVar = ""
    derived: ClassVar = ("sigma",)
    unreliable: ClassVar = ("centred",)

    @property
    def coords(self) -> dict[str, tuple[str, ...]]:
        return {"coordinate": tuple(str(k + 1) for k in range(self.n))}

    def simulate(self, rng: np.random.Generator) -> Simulation:
        v = self.given_or("v", rng.normal(0, self.v_scale))
        sigma = self.given_or("sigma", np.exp(v / 2))
        x = rng.normal(0, sigma, size=self.n)
        return Simulation({"v": np.array(v), "sigma": np.array(sigma), "x": x}, {})

    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        v, x = draws["v"], draws["x"]
        log_v = log_normal(v, 0, self.v_scale)
        log_x = log_normal(x, 0, np.exp(v / 2)[..., None]).sum(axis=-1)
        return log_v + log_x + (self.n * v / 2 if model == "noncentred" else 0.0)

    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        return np.zeros((*np.shape(draws["v"]), 0))

    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        import pymc as pm

        with pm.Model(coords=self.coords) as pymc_model:
            # a float that float32 holds exactly would enter PyMC as float32
            v = pm.Normal("v", 0, np.float64(self.v_scale))
            sigma = pm.Deterministic("sigma", pm.math.exp(v / 2))
            if model == "centred":
                pm.Normal("x", 0, sigma, dims="coordinate")
            else:
                z = pm.Normal("z", 0, 1, dims="coordinate")
                pm.Deterministic("x", sigma * z, dims="coordinate")
        return pymc_model

    def numpyro_model(self, model: str) -> Callable[..., None]:
        import jax.numpy as jnp
        import numpyro
        from numpyro import distributions as dist

        coordinates = numpyro.plate("coordinate", self.n)

        def centred():
            v = numpyro.sample("v", dist.Normal(0, self.v_scale))
            sigma = numpyro.deterministic("sigma", jnp.exp(v / 2))
            with coordinates:
                numpyro.sample("x", dist.Normal(0, sigma))

        def noncentred():
            v = numpyro.sample("v", dist.Normal(0, self.v_scale))
            sigma = numpyro.deterministic("sigma", jnp.exp(v / 2))
            with coordinates:
                z = numpyro.sample("z", dist.Normal(0, 1))
                numpyro.deterministic("x", sigma * z)

        return by_name(model, centred, noncentred)

    def partly_pooled(self) -> Posterior:
        return FunnelPrior(self.v_scale, self.labels("x"))
