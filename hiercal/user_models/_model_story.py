"""What stories made of a user's model have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from hiercal.errors import ModelRefused
from hiercal.simulators import Story
from hiercal.user_models._layout import Layout

AS_WRITTEN, NONCENTRED = "as_written", "noncentred"
LOG_PRIOR, LOG_LIK, POINTWISE = "log_prior", "log_lik", "log_lik_at"
DENSITIES = (LOG_PRIOR, LOG_LIK, POINTWISE)
"""Log densities that a fit reports as if they were parameters."""
TRIED = 1000
"""Draws of the prior predictive distribution that are looked at before a run."""
MANY_BROKEN = 0.01
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
    notes : tuple of str
        What the user should know of the model, a sentence each.
    module : str
        The module that the model was read from; empty where it was made in Python.
    """

    title: str
    digest: str
    noncentrable: tuple[str, ...] = field(default=(), compare=False)
    model: Any = field(compare=False, repr=False)
    layout: Layout = field(compare=False, repr=False)
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False)  # ty: ignore[invalid-assignment]
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
        """Every element of a variable that varies, and the log densities."""
        scalars = self.layout.quantities(draws)
        if LOG_PRIOR in draws and LOG_LIK in draws:
            scalars["log_joint"] = np.asarray(draws[LOG_PRIOR] + draws[LOG_LIK])
        return scalars


def noncentred_alone(variable: str) -> str:
    """The name of the model in which one variable is non-centred."""
    return f"{NONCENTRED}({variable})"


def prior_looked_at(
    title: str, draw: Callable[[np.random.Generator], Any], seconds: float = 3.0
) -> tuple[list[Any], str]:
    """Draws of truth and data, and a sentence on those that broke; `ModelRefused` if many did.

    Parameters
    ----------
    draw : callable
        ``draw(rng)`` returns truth and data, or raises a ValueError that says what broke.
    seconds : float
        No draw is begun later than this, but that 100 are made.
    """
    start, drawn, broken = time.perf_counter(), [], []
    for i in range(TRIED):
        if i >= 100 and time.perf_counter() - start > seconds:
            break
        try:
            drawn.append(draw(np.random.default_rng([i, 1])))
        except ValueError as error:
            broken.append(str(error))
    n = len(drawn) + len(broken)
    if len(broken) > MANY_BROKEN * n:
        raise ModelRefused(
            f"{title}: {len(broken)} of {n} draws of the prior predictive distribution break; the "
            f"first: {broken[0]}. Narrow the priors until data can be simulated from them"
        )
    if not broken:
        return drawn, ""
    return drawn, (
        f"{len(broken)} of {n} draws of the prior predictive distribution break, and count as "
        f"failed; the first: {broken[0]}"
    )


def finite(values: Mapping[str, np.ndarray], shown: Mapping[str, np.ndarray]) -> None:
    """Raise a ValueError if drawn values are not finite; `shown` are parameters to name beside."""
    for name, value in values.items():
        bad = ~np.isfinite(np.asarray(value, float))
        if bad.any():
            beside = ", ".join(
                f"{key} = {float(v):.4g}" for key, v in shown.items() if np.ndim(v) == 0
            )
            of = f" of {bad.size}" if bad.size > 1 else ""
            raise ValueError(
                f"{int(bad.sum())}{of} drawn values of {name} "
                f"{'is' if bad.sum() == 1 else 'are'} not finite{f' at {beside}' if beside else ''}"
            )
