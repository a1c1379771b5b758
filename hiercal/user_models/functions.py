"""Two functions, one that simulates and one that fits, as a story."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import Any, ClassVar

import numpy as np

from hiercal.errors import ModelRefused
from hiercal.simulators import Simulation, Story

TRIED = 20
"""Simulations that are tried for the shapes of the parameters."""

Simulate = Callable[[np.random.Generator], tuple[Mapping[str, Any], Mapping[str, Any]]]


class _Name:
    def __get__(self, story: FunctionStory | None, owner: type) -> str:
        return "function" if story is None else story.title


@dataclass(frozen=True, kw_only=True)
class FunctionStory(Story):
    """A story that is a function; see `from_functions`.

    Parameters
    ----------
    title : str
        The story's name.
    simulator : callable
        ``simulator(rng)`` returns truth and data.
    fit : callable
        ``fit(data, seed)`` returns draws by name.
    replicate : callable, optional
        ``replicate(truth, rng)`` returns new data at given parameters.
    """

    title: str
    simulator: Simulate
    fit: Callable[..., Any]
    replicate: Callable[..., Any] | None = None

    name: ClassVar[Any] = _Name()

    def simulate(self, rng: np.random.Generator) -> Simulation:
        returned = self.simulator(rng)
        if isinstance(returned, Simulation):
            returned = returned.truth, returned.data
        if not (isinstance(returned, tuple) and len(returned) == 2):
            got = f"{len(returned)} values" if isinstance(returned, tuple) else _kind(returned)
            raise ValueError(f"{self.name} returned {got}; {_WANTED}")
        truth, data = (
            self._arrays(what, each) for what, each in zip(("truth", "data"), returned, strict=True)
        )
        if not truth:
            raise ValueError(f"{self.name} returned an empty truth; {_WANTED}")
        return Simulation(truth, data)

    @cached_property
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters, as the first simulation has them that does not raise."""
        errors = []
        for i in range(TRIED):
            try:
                truth = self.simulate(np.random.default_rng(i)).truth
            except Exception as error:
                # one bad simulation is a failed fit; all of them are no story
                errors.append(error)
            else:
                return {name: values.shape for name, values in truth.items()}
        raise errors[0]

    def _arrays(self, what: str, values: Any) -> dict[str, np.ndarray]:
        if not isinstance(values, Mapping):
            raise ValueError(f"{self.name} returned {_kind(values)} as the {what}; {_WANTED}")
        arrays = {str(name): np.asarray(value) for name, value in values.items()}
        for name, array in arrays.items():
            if what == "truth" and array.dtype.kind not in "biuf":
                raise ValueError(
                    f"{self.name} returned {_kind(values[name])} as the truth of {name}; give "
                    "numbers"
                )
        return arrays


_WANTED = "return two dictionaries of arrays: truth, data"


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def from_functions(
    simulate: Simulate,
    fit: Callable[..., Any],
    *,
    name: str = "",
    replicate: Callable[..., Any] | None = None,
) -> FunctionStory:
    """A story of two functions, for models and samplers that hiercal knows nothing of.

    Parameters
    ----------
    simulate : function
        ``simulate(rng)`` returns ``truth, data``: two dictionaries of arrays.
    fit : function
        ``fit(data, seed)`` returns draws by name, (n_chains, n_draws, *dims) or (n_draws, *dims).
    name : str
        What to call the story; by default the name of `simulate`.
    replicate : callable
        ``replicate(truth, rng)`` returns new data at given parameters, for `hiercal.around`.

    Returns
    -------
    FunctionStory

    Raises
    ------
    ModelRefused
        If one of them is no function with a name, or uses variables of a function around it: what
        it does could not be told from its source.

    Examples
    --------
    >>> def simulate(rng):
    ...     mu = rng.normal()
    ...     return {"mu": mu}, {"y": rng.normal(mu, 1)}
    >>> def fit(data, seed):
    ...     rng = np.random.default_rng(seed)
    ...     return {"mu": rng.normal(data["y"] / 2, 0.5**0.5, size=500)}
    >>> from_functions(simulate, fit).dims
    {'mu': ()}
    """
    for what, function in (("simulate(rng)", simulate), ("fit(data, seed)", fit)):
        if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
            raise ModelRefused(
                f"from_functions got {function!r}; give a function with a name: def {what}"
            )
        if held := function.__code__.co_freevars:
            raise ModelRefused(
                f"{function.__name__} uses {', '.join(held)} of the function around it, which no "
                "record of a run would tell; move it out of that function"
            )
    return FunctionStory(
        title=name or getattr(simulate, "__name__", ""),
        simulator=simulate,
        fit=fit,
        replicate=replicate,
    )
