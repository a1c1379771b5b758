"""A story whose truths are posterior draws given data, and which keeps these data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from hiercal.simulators import Simulation, Story
from hiercal.simulators._capabilities import LogLikelihood
from hiercal.user_models._model_story import AGAIN, ModelStory

Arrays = Mapping[str, np.ndarray]
Augment = Callable[[Arrays, Arrays], Arrays]


class _Title:
    def __get__(self, story: Around | None, owner: type) -> str:
        return "around" if story is None else story.title


@dataclass(frozen=True, kw_only=True)
class Around(Story):
    """A story around data; `around` makes it.

    Its truths are draws of the posterior given `fixed`; its data are `fixed` and, as
    ``<name>_again``, new data of the same groups, or what `augment` makes of both. Ranks are those
    of the same quantities as of the story itself, with the log likelihood of both data sets.

    Parameters
    ----------
    title : str
        The story's name.
    digest : str
        Hash of story, data and draws.
    story : Story
        Whose posterior it is. Of a user's model, with its data observed twice.
    fixed : dict of ndarray
        The data that stay, y_obs.
    draws : dict of ndarray, shape (n_draws, *dims)
        Of the posterior given them.
    replicated : callable
        ``replicated(parameters, rng)`` simulates new data.
    augment : callable, optional
        ``augment(fixed, new)`` makes one data set of two.
    pymc_model, numpyro_model, exact : callable, optional
        As of a story, given both data sets; None where the story has none.
    """

    title: str
    digest: str
    augment: Augment | None = None
    story: Story = field(compare=False, repr=False)
    fixed: Arrays = field(compare=False, repr=False)
    draws: Arrays = field(compare=False, repr=False)
    replicated: Callable[..., Simulation] = field(compare=False, repr=False)
    pymc_model: Callable[..., Any] | None = field(default=None, compare=False, repr=False)
    numpyro_model: Callable[..., Any] | None = field(default=None, compare=False, repr=False)
    exact: Callable[..., Any] | None = field(default=None, compare=False, repr=False)
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False)
    module: str = field(default="", compare=False, repr=False)

    name: ClassVar[Any] = _Title()
    sbc: ClassVar[str] = "posterior"

    def simulate(self, rng: np.random.Generator) -> Simulation:
        n_draws = len(next(iter(self.draws.values())))
        i = rng.integers(n_draws)
        return self.replicated({name: values[i] for name, values in self.draws.items()}, rng)

    @property
    def made_of(self) -> tuple[Any, ...]:
        """The story and the function whose code it rests on."""
        return self.story, getattr(self.replicated, "func", self.replicated)

    @property
    def dims(self) -> Mapping[str, tuple[str, ...]]:
        return self.story.dims

    @property
    def coords(self) -> Mapping[str, tuple[str, ...]]:
        return self.story.coords

    @property
    def models(self) -> Mapping[str, tuple[str, ...]]:
        """The story's models that have the posterior that the truths are drawn from.

        One that integrates a parameter out would draw it anew for the second data.
        """
        names = self.story.models[usual_model(self.story)]
        return {
            model: reported
            for model, reported in self.story.models.items()
            if set(reported) == set(names) and model not in self.story.integrated
        }

    @property
    def usual_models(self) -> tuple[str, ...]:
        """The models that a check tries."""
        usual = getattr(self.story, "usual_models", None) or ("centred", "noncentred")
        return tuple(model for model in usual if model in self.models)

    @property
    def scale(self) -> str:  # ty: ignore[incompatible-property-override]
        return self.story.scale

    @property
    def groups(self) -> str:  # ty: ignore[incompatible-property-override]
        return self.story.groups

    @property
    def coordinates(self) -> str:  # ty: ignore[incompatible-property-override]
        return self.story.coordinates

    @property
    def group_sizes(self) -> tuple[float, ...]:
        return self.story.group_sizes

    def quantities(
        self, draws: Arrays, data: Arrays, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Those of the story, with the log likelihood of both data sets."""
        if isinstance(self.story, ModelStory) or self.augment is not None:
            return self.story.quantities(draws, data, rng)
        first, second = parted(data)
        scalars = self.story.quantities(draws, first, rng)
        if isinstance(self.story, LogLikelihood):
            more = self.story.log_likelihood(draws, second).sum(axis=-1)
            added = {n: scalars[n] + more for n in ("log_lik", "log_joint") if n in scalars}
            scalars = {**scalars, **added}
        return scalars


def usual_model(story: Story) -> str:
    """The model whose posterior truths are drawn from: without a funnel where there is one."""
    return next(
        (m for m in ("noncentred", "centred") if m in story.models), next(iter(story.models))
    )


def parted(data: Arrays) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Data that are there twice as two data sets of the same names."""
    first = {name: values for name, values in data.items() if not name.endswith(AGAIN)}
    return first, {name: data[f"{name}{AGAIN}"] for name in first}
