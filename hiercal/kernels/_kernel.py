"""What every kernel is: a way to move a draw of the posterior, prepared once and applied often."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.simulators._capabilities import Arrays, Density, Integrated
from hiercal.simulators._story import ClassName

if TYPE_CHECKING:
    from hiercal.simulators import Story


@dataclass(frozen=True)
class Walked:
    """Where chains have been.

    Attributes
    ----------
    states : dict of ndarray, shape (n, n_transitions + 1, *dims)
        The truth, as the kernel's coordinates give it back, and the state after each transition.
    gradients : int
        Gradients, or evaluations of the density where there are none, that all of it took.
    """

    states: Arrays
    gradients: int


Walk = Callable[[Arrays, Arrays, np.ndarray, int], Walked]
"""``walk(truths, data, restarts, seed)``: arrays with a leading axis of simulations. After
``restarts`` transitions, a chain goes back to its truth."""


@dataclass(frozen=True, kw_only=True)
class Kernel(ABC):
    """A Markov kernel without adaptation; subclass as a frozen dataclass of its options.

    ``prepare`` is required.

    Parameters
    ----------
    model : str
        The story's model; by default ``noncentred`` if there is one, else the first.
    transitions : int
        Transitions from each truth. As many as take the chain about one autocorrelation time are
        best: an error of the stationary law shows in proportion to how far the chain has gone.

    Attributes
    ----------
    name : what the catalogue calls it; by default the class's name in snake case.
    requires : packages that it needs, by import name.
    extra : the extra of this package that installs them.
    needs : the capability that it needs of a story; none if it can do without.
    """

    model: str = ""
    transitions: int = 1

    name: ClassVar[Any] = ClassName()
    requires: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    needs: ClassVar[type | None] = None

    def __post_init__(self) -> None:
        if not isinstance(self.transitions, int) or self.transitions < 1:
            raise ValueError(
                f"{self.name}: transitions is {self.transitions!r}; give a whole number of at "
                "least 1"
            )

    @abstractmethod
    def prepare(self, story: Story) -> Walk:
        """Compile whatever can be compiled once; return what walks from many truths."""

    @property
    def label(self) -> str:
        """Short name of the kernel and the model."""
        return f"{self.name}-{self.model}" if self.model else self.name

    def coded(self, story: Story) -> str:
        """The model of the story that it moves in."""
        usual = "noncentred" if "noncentred" in story.models else next(iter(story.models))
        model = self.model or usual
        if model not in story.models:
            raise ValueError(
                f"story {story.name} has no model {model!r}; it has {', '.join(story.models)}"
            )
        if isinstance(story, Integrated) and story.integrated.get(model):
            raise ValueError(
                f"{self.name}: model {model} of {story.name} integrates "
                f"{', '.join(story.integrated[model])} out; take one that samples all it reports"
            )
        return model

    def check(self, story: Story) -> None:
        """Raise an error that says what to do if this kernel cannot move in `story` here."""
        for package in self.requires:
            if importlib.util.find_spec(package) is None:
                raise ModuleNotFoundError(
                    f"kernel {self.name} needs {package}, which is not installed; install it with: "
                    f"pip install 'hiercal[{self.extra}]'",
                    name=package,
                )
        if self.needs is not None and not isinstance(story, self.needs):
            raise ValueError(
                f"story {story.name} has no {self.needs.__name__}, which kernel {self.name} moves "
                "in; give a function of your own, kernel(rng, theta, data)"
            )
        self.coded(story)


def latent(story: Story, truth: Mapping[str, np.ndarray], model: str) -> Arrays:
    """The variables that a model samples, at a truth: (..., *dims)."""
    return story.latent(truth, model) if isinstance(story, Density) else dict(truth)
