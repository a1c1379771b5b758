"""What every story is: a hierarchical generative story with its models in each library."""

from __future__ import annotations

import dataclasses
import itertools
import string
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


@dataclass(frozen=True, kw_only=True)
class Story(ABC):
    """A hierarchical generative story; subclass as a frozen dataclass of design constants.

    Parameters
    ----------
    given : mapping of str to float
        Scalar parameters that the simulator takes as they are instead of drawing them, which no
        model knows of: ``{"tau": 0.5}`` for a study at a fixed truth. The ranks of such a study are
        not uniform.

    Class attributes
    ----------------
    name : what the catalogue and arm labels call it.
    models : each model's name and the parameters that its fits report.
    dims : each parameter's dimensions, () for a scalar; those of `groups` begin with the groups'.
    design : the fields that hold an entry for each group, or the number of groups.
    scale, groups : the between-group scale and the group effects among the parameters; empty, as by
        default, where there is none: the tables and figures of them are then left out.
    integrated : parameters that a model integrates out; they are drawn after sampling.
    unreliable : models whose posterior no NUTS can be expected to sample, whatever the data.
    coordinates : the model in whose coordinates the log prior is ranked.

    A story's three codings (``simulate``, ``pymc_model``, ``numpyro_model``) share no sampling or
    density code: their independence is what makes simulation-based calibration a check.
    """

    given: Mapping[str, float] | tuple[tuple[str, float], ...] = ()

    name: ClassVar[str]
    models: ClassVar[Mapping[str, tuple[str, ...]]]
    dims: ClassVar[Mapping[str, tuple[str, ...]]]
    design: ClassVar[tuple[str, ...]]
    scale: ClassVar[str] = ""
    groups: ClassVar[str] = ""
    integrated: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    unreliable: ClassVar[tuple[str, ...]] = ()
    coordinates: ClassVar[str] = "centred"

    def __post_init__(self) -> None:
        given = tuple(sorted((str(name), float(value)) for name, value in dict(self.given).items()))
        scalars = [name for name, dims in self.dims.items() if dims == ()]
        for name, value in given:
            if name not in scalars or not np.isfinite(value):
                raise ValueError(
                    f"{self.name}: given is {dict(given)}; give finite numbers for some of "
                    f"{', '.join(scalars)}"
                )
        object.__setattr__(self, "given", given)

    def given_or(self, name: str, drawn: float) -> float:
        """The value that is given for a parameter, else the one drawn."""
        return dict(self.given).get(name, drawn)

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

    def log_prior(self, draws: Mapping[str, np.ndarray], model: str = "centred") -> np.ndarray:
        """Log density of what `model` samples, shape (...), at parameters (..., *dims).

        Without it, draws whose correlation between parameters is lost pass every rank test.
        """
        raise NotImplementedError(f"{self.name} has no log_prior")

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

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> Reference | None:
        """The exact posterior of one of the models, or None where it is intractable."""
        return None

    def pooled(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        """Group effects (..., *dims) of groups that are all alike, given the population."""
        raise NotImplementedError(f"{self.name} has no model complete_pooling")

    def draw_integrated(
        self,
        draws: Mapping[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        model: str,
        rng: np.random.Generator,
    ) -> Arrays:
        """Draw the parameters that `model` integrates out, given those that it samples."""
        return {}

    def log_joint(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray], model: str
    ) -> np.ndarray:
        """Log density (...) of the data and of what `model` samples, up to a constant."""
        prior = self.log_prior(draws, model)
        if model == "complete_pooling" and self.groups:
            draws = {**draws, self.groups: self.pooled(draws)}
        return prior + self.log_likelihood(draws, data).sum(axis=-1)

    def new_group(self, draws: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        """The effect of a group not seen, drawn from the population; empty if there is none."""
        return {}

    def quantities(
        self,
        draws: Mapping[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        rng: np.random.Generator,
    ) -> Arrays:
        """What is ranked: every scalar parameter, the new group, and the log densities.

        Parameters
        ----------
        draws : dict of ndarray, shape (..., *dims)
            Posterior draws or, with no leading axis, the truth: all parameters of one model.
        data : dict of ndarray
            The observations that the draws were fitted to.
        rng : numpy Generator
            Draws the new group.

        Returns
        -------
        dict of ndarray, shape (...)
            The joint ``log_lik`` catches posteriors that ignore part of the data, which every
            marginal passes (Modrák et al. 2023, section 3); a story without data has none. The
            ``log_prior`` catches draws whose correlation between parameters is lost, as any
            function of several parameters may; ``log_joint`` is the sum of both. The prior is that
            of the model whose parameters these are, in the story's `coordinates`. Left out where
            the story has no `log_prior`, or no model with just these parameters.

        Raises
        ------
        ValueError
            If a log density is not a number, at the truth or at all draws.
        """
        scalars = {}
        for name, dims in self.dims.items():
            if name not in draws:
                continue
            values = draws[name]
            flat = values.reshape(*values.shape[: values.ndim - len(dims)], -1)
            scalars |= dict(zip(self.labels(name), np.moveaxis(flat, -1, 0), strict=True))
        scalars |= self.new_group(draws, rng)
        pointwise = self.log_likelihood(draws, data)
        densities = {"log_lik": pointwise.sum(axis=-1)} if pointwise.shape[-1] else {}
        log_prior = self._log_prior_of(draws)
        if log_prior is not None:
            densities["log_prior"] = log_prior
            if "log_lik" in densities:
                with np.errstate(invalid="ignore"):
                    densities["log_joint"] = log_prior + densities["log_lik"]
        return scalars | {name: _ordered(self.name, name, at) for name, at in densities.items()}

    def _log_prior_of(self, draws: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Log prior of the model whose parameters these are, or None where there is none."""
        models = [model for model, names in self.models.items() if set(names) == set(draws)]
        if not models:
            return None
        try:
            with np.errstate(divide="ignore", invalid="ignore"):
                model = self.coordinates if self.coordinates in models else models[0]
                return self.log_prior(draws, model)
        except NotImplementedError:
            return None

    def resized(self, n_groups: int) -> Self:
        """The same story with this many groups: its design over and over, groups renamed."""
        changes: dict[str, Any] = {}
        for field in self.design:
            entries = getattr(self, field)
            if isinstance(entries, int):
                changes[field] = n_groups
            elif entries and isinstance(entries[0], str):
                changes[field] = ()
            else:
                changes[field] = tuple(itertools.islice(itertools.cycle(entries), n_groups))
        return dataclasses.replace(self, **changes)

    def labels(self, parameter: str) -> list[str]:
        """Names of a parameter's scalars: ``["tau"]`` or ``["theta[A]", "theta[B]", ...]``."""
        dims = self.dims[parameter]
        if not dims:
            return [parameter]
        places = itertools.product(*(self.coords[dim] for dim in dims))
        return [f"{parameter}[{','.join(place)}]" for place in places]


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


def at_least_two_groups(owner: str, field: str, n: int) -> None:
    """Raise a ValueError unless there are two groups or more."""
    if n < 2:
        raise ValueError(f"{owner}: {field} has {n} value(s); a hierarchy needs two or more")


def only(owner: str, data: Mapping[str, Any], field: str, meaning: str) -> Any:
    """The one array that `data` hold, or a ValueError."""
    if set(data) != {field}:
        raise ValueError(f"{owner}: data are {sorted(data)}; give {field}, {meaning}")
    return data[field]


def finite(owner: str, field: str, values: Any, shape: tuple[int, ...], why: str) -> np.ndarray:
    """`values` as floats of this shape, or a ValueError; `why` says what the shape comes from."""
    array = np.asarray(values, float)
    if array.shape != shape:
        raise ValueError(f"{owner}: {field} has shape {array.shape}; {why} asks for {shape}")
    if not np.isfinite(array).all():
        where = ", ".join(f"{field}{list(map(int, i))}" for i in np.argwhere(~np.isfinite(array)))
        raise ValueError(f"{owner}: {where} not finite; every value must be a finite number")
    return array


def counts(owner: str, field: str, values: Any, shape: tuple[int, ...], why: str) -> np.ndarray:
    """`values` as counts of this shape, or a ValueError."""
    array = finite(owner, field, values, shape, why)
    if (wrong := np.argwhere((array < 0) | (array != np.floor(array)))).size:
        at = tuple(map(int, wrong[0]))
        raise ValueError(
            f"{owner}: {field}{list(at)} is {array[at]:g}; give a whole number of at least 0"
        )
    return array.astype(np.int64)


def group_sizes(owner: str, field: str, values: Any) -> tuple[int, ...]:
    """`values` as whole numbers of at least 1, or a ValueError."""
    for i, n in enumerate(values):
        if isinstance(n, bool) or not float(n).is_integer() or n < 1:
            raise ValueError(f"{owner}: {field}[{i}] is {n!r}; give a whole number of at least 1")
    return tuple(int(n) for n in values)


def group_names(owner: str, field: str, given: tuple[str, ...], n: int) -> tuple[str, ...]:
    """Names of `n` groups: those given, or letters where they suffice, or numbers from 1."""
    if not given:
        letters = string.ascii_uppercase
        return tuple(letters[:n] if n <= len(letters) else map(str, range(1, n + 1)))
    if len(given) != n:
        raise ValueError(f"{owner}: {len(given)} names in {field} for {n} groups; give one each")
    if len(set(given)) < n:
        raise ValueError(f"{owner}: {field} {given} repeat a name; make them unique")
    return given


def columns(owner: str, frame: pd.DataFrame, needed: tuple[str, ...], layout: str) -> None:
    """Raise a ValueError unless the table has the columns needed."""
    missing = [column for column in needed if column not in frame]
    if missing:
        raise ValueError(
            f"{owner}: no column {' or '.join(missing)} among "
            f"{', '.join(map(str, frame.columns))}; give {layout}"
        )


def _ordered(owner: str, name: str, log_density: np.ndarray) -> np.ndarray:
    """The log density with what is no number among numbers as the least; a ValueError if all is."""
    undefined = np.isnan(log_density)
    if undefined.all():
        raise ValueError(f"{owner}: {name} is not a number; a truth or fit without one has no rank")
    return np.where(undefined, -np.inf, log_density)


def complete(owner: str, frame: pd.DataFrame, column: str) -> None:
    """Raise a ValueError if rows of the table have nothing in a column."""
    empty = [str(i + 1) for i in np.flatnonzero(frame[column].isna())]
    if empty:
        raise ValueError(
            f"{owner}: column {column} is empty in row {', '.join(empty)} below the header; fill "
            "it in, or leave the row out"
        )


def log_normal(x: np.ndarray, mean: Any, sd: Any) -> np.ndarray:
    """Log density of N(mean, sd^2); of a point mass, with infinities, where sd is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        density = -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
    return np.where(np.asarray(sd) == 0, np.where(x == mean, np.inf, -np.inf), density)
