"""What the stories of the catalogue share: all but their models, from what they declare."""

from __future__ import annotations

import dataclasses
import itertools
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from hiercal.simulators._fields import (
    NAMES,
    SIZES,
    Observed,
    at_least_two_groups,
    columns,
    complete,
    finite,
    group_names,
    kinds,
)
from hiercal.simulators._story import Arrays, Story

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

    from hiercal.exact.posterior import Posterior

EXACT = {
    "centred": "partly_pooled",
    "noncentred": "partly_pooled",
    "collapsed": "partly_pooled",
    "no_pooling": "not_pooled",
    "complete_pooling": "fully_pooled",
}
"""The method of a `Tractable` story that makes the exact posterior of each model."""


@dataclass(frozen=True, kw_only=True)
class CatalogueStory(Story):
    """A story whose design is in its fields, annotated with their kinds; models in each library.

    The first field with an entry for each group is what gives their number. Checks, labels, tables
    and resizing follow from the kinds, see `hiercal.simulators._fields`.

    Attributes
    ----------
    models, dims, scale, groups, ... : as of `Story`.
    observes : the fields of the data.
    usual_names : names of the groups, where none are given and there are as many.
    derived : parameters that are functions of others, and sampled by no model.

    A story's three codings (``simulate``, ``pymc_model``, ``numpyro_model``) share no sampling or
    density code: their independence is what makes simulation-based calibration a check.
    """

    dims: ClassVar[Mapping[str, tuple[str, ...]]]
    models: ClassVar[Mapping[str, tuple[str, ...]]]
    observes: ClassVar[Mapping[str, Observed]] = {}
    usual_names: ClassVar[tuple[str, ...]] = ()
    derived: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, kind in kinds(type(self)).items():
            kept = kind.kept(self.name, field, getattr(self, field))
            object.__setattr__(self, field, kept)
        first, *further = _entries(type(self))
        at_least_two_groups(self.name, first, self.n_groups)
        for field in further:
            finite(self.name, field, getattr(self, field), (self.n_groups,), first)
        _ = self.coords  # its names are checked

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        entries = getattr(self, _entries(type(self))[0])
        return entries if isinstance(entries, int) else len(entries)

    @property
    def group_sizes(self) -> tuple[float, ...]:
        """How much data each group has; empty where the design does not say."""
        for field, kind in kinds(type(self)).items():
            if kind.amounts:
                return kind.amounts(getattr(self, field))
        return ()

    @property
    def group_of(self) -> np.ndarray:
        """Index of each observation's group, shape (n_observations,)."""
        return np.repeat(np.arange(self.n_groups), np.array(self.group_sizes, int))

    @property
    def coords(self) -> dict[str, tuple[str, ...]]:
        """Labels along each dimension."""
        (field,) = (name for name, kind in kinds(type(self)).items() if kind is NAMES)
        usual = self.usual_names if len(self.usual_names) == self.n_groups else ()
        given = getattr(self, field) or usual
        return {_of_groups(type(self)): group_names(self.name, field, given, self.n_groups)}

    @property
    def observed(self) -> Arrays | None:
        """The real data, if there are any and the design is theirs."""
        default = {field.name: field.default for field in dataclasses.fields(self)}
        own = all(getattr(self, name) == default[name] for name in _entries(type(self)))
        real = {name: np.array(field.real) for name, field in self.observes.items() if field.real}
        return (real or None) if own else None

    def check(self, data: Mapping[str, Any]) -> Arrays:
        """Return `data` as arrays of the right kinds and shapes, or raise a ValueError."""
        if set(data) != set(self.observes):
            wanted = [f"{name}, {field.meaning}" for name, field in self.observes.items()]
            give = " and ".join(wanted) or "{}, as it has none"
            raise ValueError(f"{self.name}: data are {sorted(data)}; give {give}")
        return {name: self._checked(name, data[name]) for name in self.observes}

    def _checked(self, name: str, values: Any) -> np.ndarray:
        field, coords = self.observes[name], self.coords
        n_observations = sum(map(int, self.group_sizes))
        dims = field.dims or (_of_groups(type(self)),)
        shape = tuple(len(coords[dim]) if dim in coords else n_observations for dim in dims)
        array = field.checked(self.name, name, values, shape, _entries(type(self))[0])
        if field.most:
            for i, (value, most) in enumerate(zip(array, getattr(self, field.most), strict=True)):
                if value > most:
                    raise ValueError(
                        f"{self.name}: {name}[{i}] is {value}; {field.most}[{i}] allows at most "
                        f"{most}"
                    )
        return array

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> tuple[Self, Arrays]:
        """The story and its data, from a row per group, or per observation where there are several.

        Columns are those of the data and of the design, and one with the names of the groups, which
        may be left out where there is a row per group.
        """
        if not cls.observes:
            raise ValueError(f"{cls.name}: the {cls.name} has no data; leave --data out")
        group, entries = _of_groups(cls), _entries(cls)
        (names,) = (field for field, kind in kinds(cls).items() if kind is NAMES)
        needed = (*cls.observes, *entries)
        row, *_ = next(iter(cls.observes.values())).dims or (group,)
        if row == group:
            layout = f"a row per {row} with columns {', '.join(needed)} and optionally {row}"
            columns(cls.name, frame, needed, layout)
            design = {field: tuple(frame[field]) for field in entries}
            given = tuple(frame[group].astype(str)) if group in frame else ()
            data = {name: frame[name].to_numpy() for name in cls.observes}
        else:
            rowwise = [field for field in entries if kinds(cls)[field] is not SIZES]
            columns(cls.name, frame, (group, *rowwise, *cls.observes), f"a row per {row}")
            complete(cls.name, frame, group)
            parts = [(str(label), rows) for label, rows in frame.groupby(group)]
            design = {
                field: tuple(
                    tuple(rows[field]) if field in rowwise else len(rows) for _, rows in parts
                )
                for field in entries
            }
            given = tuple(label for label, _ in parts)
            data = {
                name: np.concatenate([rows[name] for _, rows in parts]) for name in cls.observes
            }
        fields: dict[str, Any] = design | {names: given}
        story = cls(**fields)
        return story, story.check(data)

    def resized(self, n_groups: int) -> Self:
        """The same story with this many groups: its design over and over, groups renamed."""
        changes: dict[str, Any] = {}
        for field, kind in kinds(type(self)).items():
            entries = getattr(self, field)
            if kind is NAMES:
                changes[field] = ()
            elif kind.by_group and isinstance(entries, int):
                changes[field] = n_groups
            elif kind.by_group:
                changes[field] = tuple(itertools.islice(itertools.cycle(entries), n_groups))
        return dataclasses.replace(self, **changes)

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
    def pooled(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        """Group effects (..., *dims) of groups that are all alike, given the population."""

    @abstractmethod
    def new_group(self, draws: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        """The effect of a group not seen, drawn from the population; empty if there is none."""

    @abstractmethod
    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        """The model in PyMC; data ``y`` enter as ``pm.Data`` named ``y_data``."""

    @abstractmethod
    def numpyro_model(self, model: str) -> Callable[..., None]:
        """The model in NumPyro, a function of the data by keyword, each None by default."""

    def log_joint(
        self, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray], model: str
    ) -> np.ndarray:
        """Log density (...) of the data and of what `model` samples, up to a constant."""
        prior = self.log_prior(draws, model)
        if model == "complete_pooling":
            draws = {**draws, self.groups: self.pooled(draws)}
        return prior + self.log_likelihood(draws, data).sum(axis=-1)


@dataclass(frozen=True, kw_only=True)
class Tractable(CatalogueStory):
    """A story with an exact posterior of every model.

    Each is made by the method that `EXACT` names: ``partly_pooled``, ``not_pooled`` or
    ``fully_pooled``, which takes the data by name.
    """

    def exact(self, data: Mapping[str, Any], model: str = "centred") -> Posterior:
        """The exact posterior of one of the models; a ValueError for a model or data unknown."""
        if model not in self.models:
            raise ValueError(
                f"{self.name}: there is no model {model!r}; give one of {', '.join(self.models)}"
            )
        return getattr(self, EXACT[model])(**self.check(data))


@dataclass(frozen=True)
class Link:
    """A function of the group effects that is normal, with its inverse.

    Attributes
    ----------
    prefix : str
        Before the name of the effects, the name of what is normal.
    """

    prefix: str
    forward: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]


IDENTITY = Link("", lambda x: x, lambda x: x)
LOG = Link("log_", np.log, np.exp)


@dataclass(frozen=True, kw_only=True)
class NormalGroups(CatalogueStory):
    """A story whose group effects, or a function of them, are normal.

    Attributes
    ----------
    centre : the parameter that is their mean; empty where it is 0. Their standard deviation is
        the story's `scale`.
    link : the function of them that is normal.
    """

    centre: ClassVar[str] = "mu"
    link: ClassVar[Link] = IDENTITY

    def expected(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        """Mean of what is normal, (..., 1) or (..., n_groups), given the population."""
        return self.expected_new(draws)[..., None]

    def expected_new(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        """The same of a group not seen, shape (...)."""
        return draws[self.centre] if self.centre else np.zeros(())

    def new_group(self, draws: Mapping[str, np.ndarray], rng: np.random.Generator) -> Arrays:
        """The effect of a group not seen, drawn from the population; empty if there is none."""
        if self.scale not in draws:
            return {}
        drawn = rng.normal(self.expected_new(draws), draws[self.scale])
        return {f"{self.groups}_new": self.link.inverse(np.asarray(drawn))}

    def new_group_at(self, draws: Mapping[str, np.ndarray], z: float) -> np.ndarray:
        """The effect of a group not seen, (...), that is z standard deviations from the mean."""
        return self.link.inverse(self.expected_new(draws) + z * draws[self.scale])

    def pooled(self, draws: Mapping[str, np.ndarray]) -> np.ndarray:
        """Group effects (..., n_groups) of groups that are all alike, given the population."""
        mean = self.expected(draws)
        return self.link.inverse(np.broadcast_to(mean, (*mean.shape[:-1], self.n_groups)))

    def latent(self, draws: Mapping[str, np.ndarray], model: str) -> Arrays:
        """The variables that `model` samples, at parameters of shape (..., *dims)."""
        left_out = {self.groups, *self.derived}
        sampled = {name: draws[name] for name in self.models[model] if name not in left_out}
        if model == "no_pooling":
            return sampled | {self.groups: draws[self.groups]}
        if model == "complete_pooling":
            return sampled
        normal = self.link.forward(draws[self.groups])
        if model == "noncentred":
            return sampled | {"z": (normal - self.expected(draws)) / draws[self.scale][..., None]}
        return sampled | {f"{self.link.prefix}{self.groups}": normal}


def by_name(model: str, *codings: FunctionType) -> FunctionType:
    """The coding with the name of a model."""
    return {coding.__name__: coding for coding in codings}[model]


def _entries(cls: type[CatalogueStory]) -> list[str]:
    """The fields with an entry for each group, but their names."""
    return [name for name, kind in kinds(cls).items() if kind.by_group and kind is not NAMES]


def _of_groups(cls: type[CatalogueStory]) -> str:
    """The dimension of the groups."""
    return cls.dims[cls.groups][0]
