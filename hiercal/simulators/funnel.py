"""Neal's funnel: a hierarchy without data, whose posterior is its prior."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from scipy.special import gammaincc

from hiercal.simulators._grid import Conditional, Grid, GridReference, normal, real
from hiercal.simulators._reference import Reference
from hiercal.simulators._story import Arrays, Simulation, Story, log_normal, positive

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm


@dataclass(frozen=True, kw_only=True)
class Funnel(Story):
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

    n: int = 9
    v_scale: float = 3.0

    name: ClassVar = "funnel"
    models: ClassVar = {"centred": ("v", "sigma", "x"), "noncentred": ("v", "sigma", "x")}
    dims: ClassVar = {"v": (), "sigma": (), "x": ("coordinate",)}
    design: ClassVar = ("n",)
    scale: ClassVar = "sigma"
    groups: ClassVar = "x"
    unreliable: ClassVar = ("centred",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 2:
            raise ValueError(f"{self.name}: n is {self.n!r}; give a whole number of at least 2")
        positive(self.name, "v_scale", self.v_scale)

    @property
    def coords(self) -> dict[str, tuple[str, ...]]:
        return {"coordinate": tuple(str(k + 1) for k in range(self.n))}

    @property
    def observed(self) -> Arrays | None:
        return None

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> tuple[Self, Arrays]:
        raise ValueError(f"{cls.name}: the funnel has no data; leave --data out")

    def simulate(self, rng: np.random.Generator) -> Simulation:
        v = self.given_or("v", rng.normal(0, self.v_scale))
        sigma = self.given_or("sigma", np.exp(v / 2))
        x = rng.normal(0, sigma, size=self.n)
        return Simulation({"v": np.array(v), "sigma": np.array(sigma), "x": x}, {})

    def check(self, data: Mapping[str, Any]) -> Arrays:
        if data:
            raise ValueError(
                f"{self.name}: data are {sorted(data)}; the funnel has none: give {{}}"
            )
        return {}

    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        v, x = draws["v"], draws["x"]
        log_v = log_normal(v, 0, self.v_scale)
        log_x = log_normal(x, 0, np.exp(v / 2)[..., None]).sum(axis=-1)
        return log_v + log_x + (self.n * v / 2 if model == "noncentred" else 0.0)

    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        return np.zeros((*np.shape(draws["v"]), 0))

    def latent(self, draws: Mapping[str, np.ndarray], model: str) -> Arrays:
        if model == "centred":
            return {"v": draws["v"], "x": draws["x"]}
        return {"v": draws["v"], "z": draws["x"] / np.exp(draws["v"] / 2)[..., None]}

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

        return {"centred": centred, "noncentred": noncentred}[model]

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> Reference:
        self.check(data)
        return FunnelPrior(self)

    def new_group(self, draws: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        return {"x_new": rng.normal(0, draws["sigma"])}


class FunnelPrior(GridReference):
    """The funnel itself, with v on a grid."""

    def __init__(self, story: Funnel) -> None:
        self._story = story
        axis = real("v", 0.0, story.v_scale)
        self.grid = Grid(lambda v: -0.5 * (v / story.v_scale) ** 2, [axis])

    @property
    def names(self) -> tuple[str, ...]:
        return ("v", "sigma", *self._story.labels("x"), "x_new", "log_prior")

    def conditional(self, name: str) -> Conditional:
        v = self.grid.nodes["v"]
        if name == "sigma":
            return self._sigma(v)
        if name == "log_prior":
            return self._log_prior(v)
        return normal(np.zeros(len(v)), np.exp(v))

    def _sigma(self, v: np.ndarray) -> Conditional:
        def cdf(x: np.ndarray) -> np.ndarray:
            with np.errstate(divide="ignore"):
                below = self.grid.cdf("v", 2 * np.log(np.maximum(x, 0)))
            return np.broadcast_to(below, (len(x), len(v)))

        low, high = self.grid.bracket("v")
        bracket = float(np.exp(low / 2)), float(np.exp(high / 2))
        return Conditional(np.exp(v / 2), np.zeros(len(v)), cdf, bracket)

    def _log_prior(self, v: np.ndarray) -> Conditional:
        """Log density of v and x: given v, a constant less half a chi-square of n."""
        n, scale = self._story.n, self._story.v_scale
        most = log_normal(v, 0, scale) - n * (v + np.log(2 * np.pi)) / 2
        bracket = float(most.min() - 20 * n), float(most.max())
        return Conditional(
            most - n / 2,
            np.full(len(v), n / 2),
            lambda x: gammaincc(n / 2, np.maximum(most - x, 0)),
            bracket,
        )

    def complete(
        self, hyper: dict[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        sigma = np.exp(hyper["v"] / 2)
        x = sigma[:, None] * rng.standard_normal((n, self._story.n))
        return {**hyper, "sigma": sigma, "x": x}
