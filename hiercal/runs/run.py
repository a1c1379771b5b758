"""A run: which stories meet which fitters, how often, and from which seed."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hiercal.fitters import Fitter
from hiercal.fitters._fitter import at_least, check_seed, check_size
from hiercal.fitters._function import FunctionFitter
from hiercal.runs import identity
from hiercal.runs.quantities import Products, Quantity, named, pairs
from hiercal.simulators import Story
from hiercal.simulators._capabilities import Numbered
from hiercal.simulators._fields import is_number
from hiercal.simulators._story import changed_fields

GROUPS = ("each", "summary")
"""What the records may keep of the group effects."""
LEAST_DRAWS = 4
"""Draws a chain that `hiercal.sbc.efficiency.diagnostics` needs."""
LONGEST_NAME = 200
"""Bytes of a folder's name, with what is put behind it."""


@dataclass(frozen=True)
class Arm:
    """One story met by one fitter.

    Attributes
    ----------
    story_label, fitter_label : str
        Their names, with options added where two of a run would clash.
    """

    story: Story
    fitter: Fitter
    story_label: str
    fitter_label: str

    @property
    def label(self) -> str:
        """``story/fitter`` or ``story/fitter-model``: what people are shown, and never parsed."""
        return f"{self.story_label}/{self.fitter_label}"

    @cached_property
    def assumed(self) -> Story:
        """The story as the fitter's model takes it."""
        return self.fitter.assumed(self.story)

    @cached_property
    def key(self) -> str:
        """What the arm's random numbers depend on."""
        return arm_key(self.story, self.fitter)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that its fits report."""
        return self.fitter.parameters(self.assumed)


@dataclass(frozen=True)
class Recording:
    """How fits are recorded: all of a run that a single fit depends on.

    Attributes
    ----------
    seed, max_rank, level, groups, below, quantities, products, keep_draws, compare_exact
        As of `Run`.
    """

    seed: int
    max_rank: int = 99
    level: float = 0.89
    groups: str = "each"
    below: tuple[tuple[str, float], ...] = ()
    quantities: tuple[Quantity, ...] = ()
    products: Products = ()
    keep_draws: bool = False
    compare_exact: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """Stories x fitters x simulations x seed: `hiercal.run` fits it.

    Parameters
    ----------
    stories : sequence of Story
        Each is simulated `simulations` times.
    fitters : sequence of Fitter
        Each meets the same data sets. A function ``fit(data, seed)`` that returns draws by name is
        taken as one, see `hiercal.fitter`.
    simulations : int
        Number of simulated data sets for each story; a finished run can be extended.
    seed : int
        Every random number of the run follows from it.
    name : str
        Name of the run and of its folder in ``results/``.
    max_rank : int
        Draws L that a rank is taken among, after thinning; ranks are 0..L.
    level : float
        Level of the intervals in the records.
    below : mapping of str to float
        Bounds of quantities: whether each lies below its bound is a quantity too, whose mean in the
        records is the posterior probability that it does: ``{"tau": 1.0}`` adds ``tau < 1``.
    groups : {"each", "summary"}
        Rank every group effect on its own, or their mean, least and largest, with the ranks of
        all groups pooled: records of a story with thousands of groups then stay small.
    quantities : mapping of str to callable, or path
        Further quantities to rank, functions of ``(draws, data)``, two dictionaries of arrays. They
        return an array of shape (...) from draws of shape (..., *dims): (chain, draw, *dims) for a
        fit, no leading axis for the truth. Or the file that defines them, ``q.py`` or
        ``q.py:function``, or several.
    products : bool or sequence of pairs of str
        Products to rank: of these pairs of quantities, or of all pairs of scalar parameters.
    keep_draws : bool
        Keep the draws that each truth is ranked among, with truth and data, so that
        `hiercal.requantify` can rank further quantities without a fit.
    compare_exact : bool
        Compare the draws of each fit with the exact posterior, where a story has one:
        `hiercal.decide` finds errors in far fewer fits then.

    Raises
    ------
    ValueError, TypeError
        If a value is out of range, two arms are the same, or a fitter cannot fit a story.

    Examples
    --------
    >>> from hiercal import Run, fitter, story
    >>> run = Run(stories=[story("eight_schools")], fitters=[fitter("exact")], seed=1)
    >>> [arm.label for arm in run.arms]
    ['eight_schools/exact']
    """

    stories: tuple[Story, ...]
    fitters: tuple[Fitter, ...]
    simulations: int = 200
    seed: int = 0
    name: str = "run"
    max_rank: int = 99
    level: float = 0.89
    groups: str = "each"
    below: Mapping[str, float] | tuple[tuple[str, float], ...] = ()
    quantities: Any = ()
    products: Any = ()
    keep_draws: bool = False
    compare_exact: bool = False

    def __post_init__(self) -> None:
        own = {"stories": self.stories, "fitters": map(_fitter, self.fitters)}
        for field, kind in (("stories", Story), ("fitters", Fitter)):
            values = tuple(own[field])
            object.__setattr__(self, field, values)
            if not values:
                raise ValueError(f"run: {field} is empty; give at least one")
            for value in values:
                if not isinstance(value, kind):
                    or_function = ", or a function fit(data, seed)" if kind is Fitter else ""
                    raise TypeError(
                        f"run: {field} holds {value!r}; give a {kind.__name__}, "
                        f"as hiercal.{kind.__name__.lower()}(name) makes{or_function}"
                    )
        below = _bounds(self.below)
        object.__setattr__(self, "below", below)
        object.__setattr__(self, "quantities", named(self.quantities))
        object.__setattr__(self, "products", pairs(self.products))
        for field in ("keep_draws", "compare_exact"):
            if not isinstance(value := getattr(self, field), bool):
                raise ValueError(f"run: {field} is {value!r}; give True or False")
        at_least("run", "simulations", self.simulations, 1)
        for story in self.stories:
            if isinstance(story, Numbered) and self.simulations > story.n_simulations:
                raise ValueError(
                    f"run: simulations is {self.simulations}; {story.name} has "
                    f"{story.n_simulations}: give that or fewer"
                )
        check_seed("run", self.seed)
        at_least("run", "max_rank", self.max_rank, 9)
        if not (is_number(self.level) and 0 < self.level < 1):
            raise ValueError(f"run: level is {self.level!r}; give a number inside (0, 1)")
        if self.groups not in GROUPS:
            allowed = " or ".join(map(repr, GROUPS))
            raise ValueError(f"run: groups is {self.groups!r}; give {allowed}")
        check_name(self.name)
        keys = Counter(arm.key for arm in self.arms)
        if twice := [key for key, n in keys.items() if n > 1]:
            raise ValueError(f"run: {twice[0]} appears twice; drop one or change its options")
        for field in ("simulations", "seed", "max_rank"):
            object.__setattr__(self, field, int(getattr(self, field)))
        for arm in self.arms:
            arm.fitter.check(arm.story)
            check_size(arm.fitter, arm.story)
            chains, draws = arm.fitter.shape
            if draws < LEAST_DRAWS:
                raise ValueError(
                    f"run: {arm.label} keeps {draws} draws a chain; effective sample sizes and "
                    f"R-hat need {LEAST_DRAWS} or more: raise draws"
                )
            if chains * draws < self.max_rank:
                raise ValueError(
                    f"run: {arm.label} keeps {chains} x {draws} draws, fewer than max_rank = "
                    f"{self.max_rank}; raise draws or lower max_rank"
                )

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Every story with every fitter, stories first."""
        stories = _distinct([story.name for story in self.stories], self.stories)
        fitters = _distinct([fitter.label for fitter in self.fitters], self.fitters)
        return tuple(
            Arm(story, fitter, story_label, fitter_label)
            for story, story_label in zip(self.stories, stories, strict=True)
            for fitter, fitter_label in zip(self.fitters, fitters, strict=True)
        )

    @property
    def recording(self) -> Recording:
        """How its fits are recorded."""
        return Recording(
            self.seed,
            self.max_rank,
            self.level,
            self.groups,
            tuple(dict(self.below).items()),
            self.quantities,
            self.products,
            self.keep_draws,
            self.compare_exact,
        )

    def describe(self) -> dict[str, Any]:
        """All that the records depend on but their number, as plain data.

        Options, and under ``code`` and ``packages`` what computes: a hash of each source file,
        comments and docstrings aside, and the version of each package that they import.
        """
        return {
            "seed": self.seed,
            "max_rank": self.max_rank,
            "level": self.level,
            **({} if self.groups == "each" else {"groups": self.groups}),
            **({"below": dict(self.below)} if self.below else {}),
            **described_questions(self.quantities, self.products),
            **({"keep_draws": True} if self.keep_draws else {}),
            **({"compare_exact": True} if self.compare_exact else {}),
            "stories": [_described(story) for story in self.stories],
            "fitters": [_described(fitter) for fitter in self.fitters],
            **identity.of_run(self.stories, self.fitters, self.quantities),
        }

    @property
    def digest(self) -> str:
        """Hash of `describe`: two runs with the same digest have the same records."""
        return hashlib.sha256(_canonical(self.describe()).encode()).hexdigest()


def described_questions(quantities: tuple[Quantity, ...], products: Products) -> dict[str, Any]:
    """Quantities and products as plain data, without those that are not asked for."""
    functions = {one.name: one.function.__qualname__ for one in quantities}
    listed = products if isinstance(products, bool) else [list(pair) for pair in products]
    return {
        **({"quantities": functions} if functions else {}),
        **({"products": listed} if listed else {}),
    }


def _bounds(below: Any) -> tuple[tuple[str, float], ...]:
    """Bounds by name; a ValueError for what is none."""
    try:
        pairs = dict(below).items()
    except (TypeError, ValueError):
        raise ValueError(
            f"run: below is {below!r}; give bounds of quantities by name, as in {{'tau': 1.0}}"
        ) from None
    for name, bound in pairs:
        if not isinstance(name, str) or not (is_number(bound) and math.isfinite(bound)):
            raise ValueError(f"run: below has {name!r}: {bound!r}; give a finite number for a name")
    return tuple((name, float(bound)) for name, bound in pairs)


def check_name(name: Any) -> None:
    """Raise a ValueError unless a name can be a folder's."""
    plain = isinstance(name, str) and name.isprintable() and Path(name).name == name
    if not plain or name == ".." or len(name.encode(errors="replace")) > LONGEST_NAME:
        raise ValueError(
            f"run: name is {name!r}; give a plain folder name of at most {LONGEST_NAME} letters"
        )


def _fitter(value: Any) -> Any:
    """A function as a fitter; anything else as it is."""
    return FunctionFitter(function=value) if inspect.isroutine(value) else value


def story_key(story: Story) -> str:
    """What a story's random numbers depend on: its name and the options that were changed."""
    return f"{story.name}{_canonical(changed_fields(story))}"


def arm_key(story: Story, fitter: Fitter) -> str:
    """What a fit's random numbers depend on: the story's and the fitter's name and options."""
    options = changed_fields(fitter)
    seeded = {name: value for name, value in options.items() if name not in fitter.unseeded}
    return f"{story_key(story)}/{fitter.name}{_canonical(seeded)}"


def _described(item: Story | Fitter) -> dict[str, Any]:
    options = options_of(item)
    for field in ("given", "assume"):
        if pairs := options.pop(field, ()):
            options[field] = dict(pairs)
    return {"name": item.name, **options}


def options_of(item: Any) -> dict[str, Any]:
    """Fields of a story or fitter by name, but functions and those that tell no two apart."""
    told = [f.name for f in dataclasses.fields(item) if f.compare]
    options = {name: getattr(item, name) for name in told}
    return {name: value for name, value in options.items() if not inspect.isfunction(value)}


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_as_json)


def _as_json(value: Any) -> Any:
    """NumPy's numbers as Python's, and tuples as lists."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else list(value)


def _distinct(labels: list[str], items: tuple[Any, ...]) -> list[str]:
    """Labels with what is given or assumed, and the options in which items of one label differ."""
    distinct = []
    for label, item in zip(labels, items, strict=True):
        twins = [_flat(other) for other, same in zip(items, labels, strict=True) if same == label]
        unusual = {*dict(getattr(item, "given", ())), *dict(getattr(item, "assume", ()))}
        named = [
            f"{key}={value}"
            for key, value in _flat(item).items()
            if key in unusual or any(twin.get(key) != value for twin in twins)
        ]
        distinct.append(f"{label}[{','.join(named)}]" if named else label)
    return distinct


def _flat(item: Story | Fitter) -> dict[str, Any]:
    """Options of a story or fitter, with those given or assumed among them."""
    options = {name: getattr(item, name) for name in options_of(item)}
    for field in ("given", "assume"):
        options |= dict(options.pop(field, ()))
    return options
