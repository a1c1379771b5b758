"""What stories made of a user's model have in common."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from hiercal.errors import ModelRefused
from hiercal.simulators import Story
from hiercal.user_models._layout import Layout

AS_WRITTEN, NONCENTRED = "as_written", "noncentred"
LOG_PRIOR, LOG_LIK, POINTWISE = "log_prior", "log_lik", "log_lik_at"
LARGEST = 1e100
"""What an infinite log density is reported as."""
DENSITIES = (LOG_PRIOR, LOG_LIK, POINTWISE)
"""Log densities that a fit reports as if they were parameters."""
RESERVED = (*DENSITIES, "log_joint")
"""Names of what is ranked besides a model's own variables."""
AGAIN = "_again"
"""What is added to the name of an observed variable for its second copy."""
TRIED = 300
"""Draws of the prior predictive distribution that are looked at before a run."""
MANY_BROKEN = 0.05
"""Share of them that may be broken; those are counted as failed simulations."""


class Title:
    """The name of a story that is made of a model."""

    def __get__(self, story: ModelStory | None, owner: type) -> str:
        return "model" if story is None else story.title


@dataclass(frozen=True, kw_only=True)
class ModelStory(Story):
    """A story that simulates from a user's model and is fitted by it.

    Simulator and sampler share the model, so its calibration tests the computation, not the coding.

    Parameters
    ----------
    title : str
        The story's name.
    digest : str
        Hash of what the model computes, data and all.
    model : object
        The model as the user wrote it.
    layout : Layout
        What is ranked of it.
    noncentrable : tuple of str
        Variables that the model `noncentred` takes off their location and scale.
    about : tuple of str
        What the user should know of the model, a sentence each.
    interchangeable : tuple of str
        Variables whose elements, along the last dimension, can change places all at once without
        changing the density, as the components of a mixture can.
    module : str
        The module that the model was read from; empty where it was made in Python.
    """

    title: str
    digest: str
    noncentrable: tuple[str, ...] = field(default=(), compare=False)
    model: Any = field(compare=False, repr=False)
    layout: Layout = field(compare=False, repr=False)
    about: tuple[str, ...] = field(default=(), compare=False, repr=False)
    interchangeable: tuple[str, ...] = field(default=(), compare=False)
    module: str = field(default="", compare=False, repr=False)

    name: ClassVar[Any] = Title()
    coordinates: ClassVar[str] = AS_WRITTEN

    def __post_init__(self) -> None:
        if self.given:
            raise ValueError(
                f"{self.title}: given is {dict(self.given)}, but a user's model draws all its "
                "variables; put the fixed value into the model instead"
            )
        super().__post_init__()

    @property
    def notes(self) -> tuple[str, ...]:
        return self.about

    @property
    def dims(self) -> Mapping[str, tuple[str, ...]]:
        return self.layout.dims

    @property
    def coords(self) -> Mapping[str, tuple[str, ...]]:
        return self.layout.coords

    @property
    def models(self) -> Mapping[str, tuple[str, ...]]:
        """``as_written``; ``noncentred`` where some variable can be, and one by one if several."""
        several = self.noncentrable if len(self.noncentrable) > 1 else ()
        names = [AS_WRITTEN, *[NONCENTRED] * bool(self.noncentrable)]
        return dict.fromkeys([*names, *map(noncentred_alone, several)], tuple(self.dims))

    @property
    def usual_models(self) -> tuple[str, ...]:
        """The models that a check tries: all that differ in more than one variable."""
        return (AS_WRITTEN, NONCENTRED) if self.noncentrable else (AS_WRITTEN,)

    def moved(self, model: str) -> tuple[str, ...]:
        """The variables that a model takes off their location and scale."""
        if model == AS_WRITTEN:
            return ()
        alone = {noncentred_alone(name): (name,) for name in self.noncentrable}
        return alone.get(model, self.noncentrable)

    def quantities(
        self,
        draws: Mapping[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        """Every element of a variable that varies, sorted ones too, and the log densities."""
        scalars = self.layout.quantities(draws)
        for name in self.interchangeable:
            ordered = np.sort(draws[name], axis=-1)
            n = ordered.shape[-1]
            scalars |= {f"{name} sorted[{i}]": ordered[..., i] for i in range(n) if ordered.ndim}
        if LOG_PRIOR in draws and LOG_LIK in draws:
            scalars["log_joint"] = np.asarray(draws[LOG_PRIOR] + draws[LOG_LIK])
        return scalars


def noncentred_alone(variable: str) -> str:
    """The name of the model in which one variable is non-centred."""
    return f"{NONCENTRED}({variable})"


def names_taken(names: Iterable[str]) -> list[str]:
    """Reasons to refuse a model: variables that are called as what is ranked beside them."""
    return [
        f"{name} is what hiercal calls a log density of the model; give the variable another name"
        for name in names
        if name in RESERVED
    ]


def prior_looked_at(
    title: str, draw: Callable[[np.random.Generator], Any]
) -> tuple[list[Any], str]:
    """Draws of truth and data, and a sentence on those that broke; `ModelRefused` if many did.

    Parameters
    ----------
    draw : callable
        ``draw(rng)`` returns truth and data, or raises an error that says what broke.
    """
    drawn, broken = [], []
    for i in range(TRIED):
        try:
            drawn.append(draw(np.random.default_rng([i, 1])))
        except (ModelRefused, NotImplementedError):
            raise
        except Exception as error:
            # a model's own generators raise what they like; a draw that does is broken
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            broken.append(f"{kind}{error}")
    found = f"{len(broken)} of {TRIED} draws of the prior predictive distribution break"
    if len(broken) > MANY_BROKEN * TRIED:
        remedy = "Narrow the priors until data can be simulated from them"
        if not drawn:
            remedy += ", or mend the model if its own library cannot draw from it either"
        raise ModelRefused(f"{title}: {found}; the first: {broken[0]}. {remedy}")
    for name, first in drawn[0][1].items():
        if not np.size(first):
            raise ModelRefused(
                f"{title} cannot be checked: {name} has shape {np.shape(first)}, no observed value "
                "at all; give it data, or leave it out"
            )
        if all(np.array_equal(data[name], first) for _, data in drawn):
            raise ModelRefused(
                f"{title} cannot be checked: {name} is not drawn anew, the same data come out each "
                "time, as where it is observed inside of a scan; give it to a site of its own"
            )
    counted = f"{found}, and count as failed; the first: {broken[0]}" if broken else ""
    return drawn, counted


def interchangeable(
    values: Mapping[str, np.ndarray],
    log_joint: Callable[[Mapping[str, np.ndarray]], float],
    kept: Collection[str] = (),
) -> tuple[tuple[str, ...], list[str]]:
    """Variables whose elements can change places without changing the density, and a sentence.

    Parameters
    ----------
    values : dict of ndarray
        The free variables.
    log_joint : callable
        Log density of the data and of such variables.
    kept : collection of str
        Variables whose order is held, as by a transform, and with it that of others as long.
    """
    vectors = {name: v for name, v in values.items() if np.ndim(v) == 1 and np.size(v) > 1}
    lengths = {len(v) for v in vectors.values()} - {len(vectors[n]) for n in kept if n in vectors}
    found: list[str] = []
    before = log_joint(values)
    for length in sorted(lengths):
        own = [name for name, v in vectors.items() if len(v) == length]
        turned = {name: np.roll(vectors[name], 1) for name in own}
        try:
            after = log_joint({**values, **turned})
        except Exception:
            # a distribution refuses the new order, as of cutpoints
            continue
        if abs(after - before) <= 1e-9 * (1 + abs(before)):
            found += own
    if not found:
        return (), []
    return tuple(found), [
        f"the elements of {', '.join(found)} can change places without changing the density (label "
        "switching): a chain that stays with one order fails the ranks of single elements and may "
        "yet be right in all that does not depend on the order. Look at the sorted ones, or order "
        "them in the model"
    ]


def sound(
    parameters: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray], truth: Mapping[str, Any]
) -> None:
    """Raise a ValueError unless a draw of a model can be its truth and data.

    Data that have just been drawn have a likelihood: where it is zero, a count has overflowed, or
    the generator is not that of the density.
    """
    finite(parameters, {})
    finite(data, parameters)
    finite({name: truth[name] for name in DENSITIES if name in truth}, parameters)
    if LOG_LIK in truth and truth[LOG_LIK] <= -LARGEST:
        raise ValueError(
            f"the data drawn have likelihood zero{beside(parameters)}, as counts have that overflow"
        )


def beside(parameters: Mapping[str, np.ndarray]) -> str:
    """The scalars among parameters, in words."""
    shown = ", ".join(f"{n} = {float(v):.4g}" for n, v in parameters.items() if np.ndim(v) == 0)
    return f" at {shown}" if shown else ""


def finite(values: Mapping[str, np.ndarray], shown: Mapping[str, np.ndarray]) -> None:
    """Raise a ValueError if drawn values are not finite; `shown` are parameters named beside."""
    for name, value in values.items():
        # whole numbers beyond this are not exact, and the largest is what an overflow gives
        bad = ~(np.abs(np.asarray(value, float)) < (2**53 if value.dtype.kind in "iu" else np.inf))
        if bad.any():
            of = f" of {bad.size}" if bad.size > 1 else ""
            raise ValueError(
                f"{int(bad.sum())}{of} drawn values of {name} "
                f"{'is' if bad.sum() == 1 else 'are'} not finite{beside(shown)}"
            )
