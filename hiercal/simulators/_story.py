"""What every story is: something that simulates a truth and the data it generates."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from hiercal.simulators._capabilities import CALLED, Arrays, LogLikelihood, LogPrior, NewGroup
from hiercal.words import shown


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

    def __post_init__(self) -> None:
        for what, held in (("truth", self.truth), ("data", self.data)):
            if not isinstance(held, Mapping) or not all(isinstance(name, str) for name in held):
                raise TypeError(f"Simulation: {what} is {shown(held)}; give arrays by name")


class ClassName:
    """The name of a class in snake case, for classes that declare no other."""

    def __get__(self, instance: object, owner: type) -> str:
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", owner.__name__).lower()


@dataclass(frozen=True, kw_only=True)
class Story(ABC):
    """Something that simulates a truth and data; subclass as a frozen dataclass of constants.

    Only ``simulate`` is required. All else is a capability, which those who need it ask for: see
    `hiercal.simulators._capabilities`.

    Parameters
    ----------
    given : mapping of str to float
        Scalar parameters that the simulator takes as they are instead of drawing them, which no
        model knows of: ``{"tau": 0.5}`` for a run at a fixed truth. The ranks of such a run are
        not uniform.

    Attributes
    ----------
    name : what the catalogue and arm labels call it; by default the class's name in snake case.
    dims : each parameter's dimensions, () for a scalar; those of `groups` begin with the groups'.
        By default those of a simulation: ``theta_dim_0``, ...
    coords : labels along each dimension; by default "0", "1", ...
    models : each model's name and the parameters that its fits report; by default one, ``centred``,
        with all parameters.
    scale, groups : the between-group scale and the group effects among the parameters; empty, as by
        default, where there is none: the tables and figures of them are then left out.
    group_sizes : how much data each group has; empty, as by default, where the story does not say.
    integrated : parameters that a model integrates out; they are drawn after sampling.
    unreliable : models whose posterior no NUTS can be expected to sample, whatever the data.
    coordinates : the model in whose coordinates the log prior is ranked.
    sbc : what its truths are drawn from: ``prior``, or ``posterior`` given data.

    Examples
    --------
    >>> class Coin(Story):
    ...     def simulate(self, rng):
    ...         p = rng.beta(2, 2)
    ...         return Simulation({"p": p}, {"heads": rng.binomial(10, p)})
    >>> Coin().name, Coin().dims, Coin().labels("p")
    ('coin', {'p': ()}, ['p'])
    """

    given: Mapping[str, float] | tuple[tuple[str, float], ...] = ()

    name: ClassVar[Any] = ClassName()
    scale: ClassVar[str] = ""
    groups: ClassVar[str] = ""
    integrated: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    unreliable: ClassVar[tuple[str, ...]] = ()
    coordinates: ClassVar[str] = "centred"
    sbc: ClassVar[str] = "prior"

    def __post_init__(self) -> None:
        given = tuple(sorted((str(name), float(value)) for name, value in dict(self.given).items()))
        scalars = [name for name, dims in self.dims.items() if dims == ()] if given else []
        for name, value in given:
            if name not in scalars or not np.isfinite(value):
                raise ValueError(
                    f"{self.name}: given is {dict(given)}; give finite numbers for some of "
                    f"{', '.join(scalars)}"
                )
        object.__setattr__(self, "given", given)

    @abstractmethod
    def simulate(self, rng: np.random.Generator) -> Simulation:
        """Draw hyperparameters, then groups, then observations."""

    def given_or(self, name: str, drawn: float) -> float:
        """The value that is given for a parameter, else the one drawn."""
        return dict(self.given).get(name, drawn)

    @property
    def dims(self) -> Mapping[str, tuple[str, ...]]:
        """Dimensions of each parameter."""
        return {
            name: tuple(f"{name}_dim_{axis}" for axis in range(len(shape)))
            for name, shape in self._shapes.items()
        }

    @property
    def coords(self) -> Mapping[str, tuple[str, ...]]:
        """Labels along each dimension."""
        lengths: dict[str, int] = {}
        for name, dims in self.dims.items():
            shape = self._shapes.get(name)
            if shape is None or len(shape) != len(dims):
                got = "no truth" if shape is None else f"a truth of shape {shape}"
                raise ValueError(
                    f"{self.name}: simulate gives {got} of {name}; its dims are {dims}"
                )
            lengths |= dict(zip(dims, shape, strict=True))
        return {dim: tuple(map(str, range(n))) for dim, n in lengths.items()}

    @property
    def models(self) -> Mapping[str, tuple[str, ...]]:
        """Models by name, and the parameters that fits of each report."""
        return {"centred": tuple(self.dims)}

    @property
    def group_sizes(self) -> tuple[float, ...]:
        """How much data each group has; empty where the story does not say."""
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What people should know of the story beside its results, a sentence each."""
        return ()

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters, as one simulation has them."""
        drawn = simulated(self, self.simulate(np.random.default_rng(0)))
        return {name: np.shape(value) for name, value in drawn.truth.items()}

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
        if isinstance(self, NewGroup):
            scalars |= self.new_group(draws, rng)
        densities = {}
        if isinstance(self, LogLikelihood):
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
        if not models or not isinstance(self, LogPrior):
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            model = self.coordinates if self.coordinates in models else models[0]
            return self.log_prior(draws, model)

    def labels(self, parameter: str) -> list[str]:
        """Names of a parameter's scalars: ``["tau"]`` or ``["theta[A]", "theta[B]", ...]``."""
        dims = self.dims[parameter]
        if not dims:
            return [parameter]
        places = itertools.product(*(self.coords[dim] for dim in dims))
        return [f"{parameter}[{','.join(place)}]" for place in places]


def simulated(story: Story, drawn: Any) -> Simulation:
    """What a story's `simulate` gave, or a TypeError if that is no simulation."""
    if not isinstance(drawn, Simulation):
        raise TypeError(f"{story.name}: simulate gives {shown(drawn)}; expected a Simulation")
    return drawn


def needed[T](story: Story, capability: type[T]) -> T:
    """The story, as one that has a capability; a ValueError that says what to do if it has not.

    Parameters
    ----------
    capability : type
        One of `hiercal.simulators._capabilities`.
    """
    if not isinstance(story, capability):
        called, method = CALLED[capability]
        raise ValueError(f"story {story.name} has no {called}; give it one, as its `{method}`")
    return story


def changed_fields(instance: Any) -> dict[str, Any]:
    """Fields of a dataclass instance whose values are not the defaults; none that is a function.

    What a function does is told by its source.
    """
    return {
        field.name: value
        for field in dataclasses.fields(instance)
        if field.compare
        and (value := getattr(instance, field.name)) != field.default
        and not inspect.isfunction(value)
    }


def _ordered(owner: str, name: str, log_density: np.ndarray) -> np.ndarray:
    """The log density with what is no number among numbers as the least; a ValueError if all is."""
    undefined = np.isnan(log_density)
    if undefined.all():
        raise ValueError(f"{owner}: {name} is not a number; a truth or fit without one has no rank")
    return np.where(undefined, -np.inf, log_density)


def log_normal(x: np.ndarray, mean: Any, sd: Any) -> np.ndarray:
    """Log density of N(mean, sd^2); of a point mass, with infinities, where sd is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        density = -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)
    mass = np.equal(sd, 0)
    return np.where(mass, np.where(x == mean, np.inf, -np.inf), density) if mass.any() else density
