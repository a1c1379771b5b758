"""What a story may have besides `simulate`: each is asked for by name, none is required."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

    from hiercal.exact.posterior import Posterior

Arrays = dict[str, np.ndarray]


@runtime_checkable
class PyMCModel(Protocol):
    """Models in PyMC."""

    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        """The model in PyMC; data ``y`` enter as ``pm.Data`` named ``y_data``."""
        ...


@runtime_checkable
class NumPyroModel(Protocol):
    """Models in NumPyro."""

    def numpyro_model(self, model: str) -> Callable[..., None]:
        """The model in NumPyro, a function of the data by keyword, each None by default."""
        ...


@runtime_checkable
class LogPrior(Protocol):
    """A prior density. Without it, draws that lost the correlation of parameters pass."""

    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        """Log density of what `model` samples, shape (...), at parameters (..., *dims)."""
        ...


@runtime_checkable
class LogLikelihood(Protocol):
    """A density of the data. Without it, draws that ignore part of the data pass."""

    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Pointwise log likelihood, (..., n_observations), at parameters of shape (..., *dims)."""
        ...


@runtime_checkable
class Density(LogPrior, LogLikelihood, Protocol):
    """The joint density of every model, in the coordinates that the model samples."""

    def latent(self, draws: Mapping[str, np.ndarray], model: str) -> Arrays:
        """The variables that `model` samples, at parameters of shape (..., *dims)."""
        ...

    def log_joint(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray], model: str
    ) -> np.ndarray:
        """Log density (...) of the data and of what `model` samples, up to a constant."""
        ...


@runtime_checkable
class ExactPosterior(Protocol):
    """The exact posterior."""

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> Posterior | None:
        """The exact posterior of one of the models, or None where it is intractable."""
        ...


@runtime_checkable
class NewGroup(Protocol):
    """A population that groups are drawn from."""

    def new_group(self, draws: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        """The effect of a group not seen, (...), drawn from the population; empty without one."""
        ...


@runtime_checkable
class Population(Protocol):
    """A population that is normal, or a function of a normal one."""

    def new_group_at(self, draws: Mapping[str, np.ndarray], z: float) -> np.ndarray:
        """The effect of a group not seen, (...), that is z standard deviations from the mean."""
        ...


@runtime_checkable
class Integrated(Protocol):
    """Models that integrate parameters out, which are drawn after sampling."""

    def draw_integrated(
        self,
        draws: Mapping[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        model: str,
        rng: np.random.Generator,
    ) -> Arrays:
        """Draw the parameters that `model` integrates out, given those that it samples."""
        ...


@runtime_checkable
class RealData(Protocol):
    """Real data that the story is told about."""

    @property
    def observed(self) -> Arrays | None:
        """The data, or None where the design is another than theirs."""
        ...


@runtime_checkable
class Replicates(Protocol):
    """New data from parameters that are given: what calibration around real data needs."""

    def replicate(self, truth: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        """Data of the same groups and sizes, drawn at parameters (*dims)."""
        ...


@runtime_checkable
class Merges(Protocol):
    """Two data sets of the same groups, told as one: the exact posterior given both follows."""

    def merged(
        self, first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
    ) -> tuple[Any, Arrays]:
        """A story of the same parameters and one data set that tells of them what both tell."""
        ...


@runtime_checkable
class FromTable(Protocol):
    """A design and data that are read from a table."""

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> tuple[Any, Arrays]:
        """The story and its data, from a row per group or observation."""
        ...


@runtime_checkable
class Numbered(Protocol):
    """Simulations that are there already, each with its number, and none beyond them."""

    @property
    def n_simulations(self) -> int:
        """How many there are."""
        ...

    def simulation(self, number: int) -> Any:
        """The `hiercal.Simulation` with this number, from 0."""
        ...


@runtime_checkable
class BringsDraws(Protocol):
    """Draws that were made elsewhere; its data hold the number of the ``simulation``."""

    @property
    def draws_shape(self) -> tuple[int, int]:
        """Chains and draws a chain."""
        ...

    def draws_of(self, number: int) -> Arrays:
        """Draws of a simulation, (n_chains, n_draws, *dims); NaN where its fit failed."""
        ...


CALLED: dict[type, tuple[str, str]] = {
    PyMCModel: ("PyMC model", "pymc_model"),
    NumPyroModel: ("NumPyro model", "numpyro_model"),
    LogPrior: ("log prior", "log_prior"),
    LogLikelihood: ("log likelihood", "log_likelihood"),
    Density: ("density of its models", "log_joint"),
    ExactPosterior: ("exact posterior", "exact"),
    NewGroup: ("population of groups", "new_group"),
    Population: ("normal population of groups", "new_group_at"),
    Integrated: ("draws of what is integrated out", "draw_integrated"),
    RealData: ("real data", "observed"),
    Replicates: ("new data at given parameters", "replicate"),
    Merges: ("way to tell two data sets as one", "merged"),
    FromTable: ("layout of a table", "from_frame"),
    Numbered: ("simulations made beforehand", "simulation"),
    BringsDraws: ("draws made elsewhere", "draws_of"),
}
"""What messages call each, and the method or property that gives it to a story."""
