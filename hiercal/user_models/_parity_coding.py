"""What a comparison of two codings asks of each, whatever library it is written in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from hiercal.user_models._model_story import ModelStory

Values = Mapping[str, np.ndarray]
POTENTIALS = "potentials"
"""Name of the factor that holds all potentials, or factors, of a model."""
VARIANTS: Mapping[str, tuple[Callable, str]] = {
    "square root": (lambda x: x**0.5, "a variance in place of an sd"),
    "square": (lambda x: x**2, "an sd in place of a variance"),
    "reciprocal": (lambda x: 1 / x, "a rate in place of a scale, or a scale of a rate"),
    "reciprocal of the square": (lambda x: x**-2.0, "an sd in place of a precision"),
    "reciprocal of the square root": (lambda x: x**-0.5, "a precision in place of an sd"),
}
"""What a parameter may have been mistaken for: how it is put right, and the mistake."""
SWAPPED = "swapped"
Variant = tuple[str, str]
"""A parameter and how it is changed."""


class Coding(ABC):
    """The densities and forward draws of a model, variable by variable.

    Attributes
    ----------
    label : str
    free, derived, observed : dict of str to tuple of int
        Shapes of the variables that are sampled, computed and observed, in the model's order.
    families : dict of str to str
        Names of the distributions of sampled and observed variables.
    curved : set of str
        Sampled variables that lie on a surface, such as a simplex: off it a density is not
        defined, and neither is its gradient.
    univariate : set of str
        Variables whose elements are independent of each other given their parents.
    discrete : set of str
    given : dict of str to ndarray
        The observed values that the model was written with.
    """

    library: ClassVar[str]
    label: str
    story: ModelStory
    free: Mapping[str, tuple[int, ...]]
    derived: Mapping[str, tuple[int, ...]]
    observed: Mapping[str, tuple[int, ...]]
    families: Mapping[str, str]
    curved: frozenset[str]
    univariate: frozenset[str]
    discrete: frozenset[str]
    given: Values

    def simulated(self, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], Values]:
        """Sampled variables and data, drawn forward."""
        drawn = self.story.simulate(rng)
        return {name: np.asarray(drawn.truth[name]) for name in self.free}, drawn.data

    @abstractmethod
    def terms(self, values: Values, data: Values) -> dict[str, np.ndarray]:
        """Log density of each sampled and observed variable given its parents, elementwise."""

    @abstractmethod
    def gradient(self, values: Values, data: Values) -> dict[str, np.ndarray]:
        """Gradient of the sum of all terms with respect to the sampled variables."""

    @abstractmethod
    def computed(self, names: tuple[str, ...], values: Values, data: Values) -> list[np.ndarray]:
        """Values of computed variables."""

    @abstractmethod
    def jacobian(
        self, names: tuple[str, ...], wrt: tuple[str, ...], values: Values, data: Values
    ) -> np.ndarray:
        """Derivatives of computed variables, all flattened, with respect to sampled ones."""

    @abstractmethod
    def draws(self, name: str, values: Values, data: Values, seed: int, n: int) -> np.ndarray:
        """Forward draws of a variable given its parents, (n, *shape)."""

    @abstractmethod
    def density(self, name: str, values: Values, data: Values, points: np.ndarray) -> np.ndarray:
        """Log density of a univariate variable at points of shape (n, *shape), elementwise.

        Raises
        ------
        NotImplementedError
            If it has none for single elements.
        """

    @abstractmethod
    def variants(self, name: str, values: Values, data: Values) -> dict[Variant, np.ndarray]:
        """Its log density with one parameter changed as in `VARIANTS`, or two swapped; summed."""
