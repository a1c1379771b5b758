"""What every story is: a hierarchical generative story with its models in each library."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

    from hiercal.simulators._reference import Reference

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Simulation:
    """One draw from a story.

    Attributes
    ----------
    truth : dict of str to ndarray
        The parameters that generated the data, each with the shape of its dims.
    data : dict of str to ndarray
        The observations.
    """

    truth: Arrays
    data: Arrays


class Story(ABC):
    """A hierarchical generative story; subclass as a frozen dataclass of design constants.

    Class attributes
    ----------------
    name : what the catalogue and arm labels call it.
    models : each model's name and the parameters that its fits report.
    dims : each parameter's dimensions, () for a scalar.
    scale, groups : the between-group scale and the group effects among the parameters.

    A story's three codings (``simulate``, ``pymc_model``, ``numpyro_model``) share no sampling or
    density code: their independence is what makes simulation-based calibration a check.
    """

    name: ClassVar[str]
    models: ClassVar[Mapping[str, tuple[str, ...]]]
    dims: ClassVar[Mapping[str, tuple[str, ...]]]
    scale: ClassVar[str]
    groups: ClassVar[str]

    @property
    @abstractmethod
    def coords(self) -> dict[str, tuple[str, ...]]:
        """Labels along each dimension."""

    @property
    @abstractmethod
    def observed(self) -> Arrays | None:
        """The real data that the story is told about, if there are any."""

    @classmethod
    @abstractmethod
    def from_frame(cls, frame: pd.DataFrame) -> tuple[Self, Arrays]:
        """Read a design and its data from a table with a row per group or observation."""

    @abstractmethod
    def simulate(self, rng: np.random.Generator) -> Simulation:
        """Draw hyperparameters, then groups, then observations."""

    @abstractmethod
    def check(self, data: Mapping[str, Any]) -> Arrays:
        """Return `data` as float arrays of the right shapes, or raise a ValueError."""

    @abstractmethod
    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        """Log density of what `model` samples, shape (...), at parameters (..., *dims)."""

    @abstractmethod
    def log_likelihood(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Pointwise log likelihood, (..., n_observations), at parameters of shape (..., *dims)."""

    @abstractmethod
    def latent(self, draws: Mapping[str, np.ndarray], model: str) -> Arrays:
        """The variables that `model` samples, at parameters of shape (..., *dims)."""

    @abstractmethod
    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        """The model in PyMC; data ``y`` enter as ``pm.Data`` named ``y_data``."""

    @abstractmethod
    def numpyro_model(self, model: str) -> Callable[..., None]:
        """The model in NumPyro, a function of the data by keyword, each None by default."""

    def exact(self, data: Mapping[str, Any]) -> Reference | None:
        """The exact posterior under the story's own model, or None where it is intractable."""
        return None

    def new_group(self, draws: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        """The effect of a group not seen, drawn from the population; empty if there is none."""
        return {}

    def quantities(
        self,
        draws: Mapping[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        rng: np.random.Generator,
    ) -> Arrays:
        """What is ranked: every scalar parameter, the new group, the joint log likelihood.

        Parameters
        ----------
        draws : dict of ndarray, shape (..., *dims)
            Posterior draws or, with no leading axis, the truth.
        data : dict of ndarray
            The observations that the draws were fitted to.
        rng : numpy Generator
            Draws the new group.

        Returns
        -------
        dict of ndarray, shape (...)
            The joint log likelihood catches posteriors that ignore part of the data, which every
            marginal passes (Modrák et al. 2023).
        """
        scalars = {}
        for name, dims in self.dims.items():
            if name not in draws:
                continue
            if not dims:
                scalars[name] = draws[name]
            else:
                columns = np.moveaxis(draws[name], -1, 0)
                scalars |= dict(zip(self.labels(name), columns, strict=True))
        scalars |= self.new_group(draws, rng)
        scalars["log_lik"] = self.log_likelihood(draws, data).sum(axis=-1)
        return scalars

    def labels(self, parameter: str) -> list[str]:
        """Names of a parameter's scalars: ``["tau"]`` or ``["theta[A]", "theta[B]", ...]``."""
        dims = self.dims[parameter]
        if not dims:
            return [parameter]
        (dim,) = dims
        return [f"{parameter}[{label}]" for label in self.coords[dim]]


def changed_fields(instance: Any) -> dict[str, Any]:
    """Fields of a dataclass instance whose values are not the defaults."""
    return {
        field.name: value
        for field in dataclasses.fields(instance)
        if (value := getattr(instance, field.name)) != field.default
    }


def positive(owner: str, field: str, value: float) -> None:
    """Raise a ValueError unless `value` is a finite number above zero."""
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{owner}: {field} is {value!r}; give a finite number above 0")
