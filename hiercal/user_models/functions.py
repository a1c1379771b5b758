"""Two functions, one that simulates and one that fits, as a story."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.simulators import Simulation, Story

Simulate = Callable[[np.random.Generator], tuple[Mapping[str, Any], Mapping[str, Any]]]


class _Name:
    def __get__(self, story: FunctionStory | None, owner: type) -> str:
        return getattr(story and story.simulator, "__name__", "function")


@dataclass(frozen=True, kw_only=True)
class FunctionStory(Story):
    """A story that is a function; see `from_functions`.

    Parameters
    ----------
    simulator : callable
        ``simulator(rng)`` returns truth and data.
    fit : callable
        ``fit(data, seed)`` returns draws by name.
    """

    simulator: Simulate
    fit: Callable[..., Any]

    name: ClassVar[Any] = _Name()

    def simulate(self, rng: np.random.Generator) -> Simulation:
        returned = self.simulator(rng)
        if not (isinstance(returned, tuple) and len(returned) == 2):
            raise ValueError(
                f"{self.name} returned {type(returned).__name__}; return two dictionaries of "
                "arrays: truth, data"
            )
        truth, data = ({n: np.asarray(v) for n, v in each.items()} for each in returned)
        return Simulation(truth, data)


def from_functions(simulate: Simulate, fit: Callable[..., Any]) -> FunctionStory:
    """A story of two functions, for models and samplers that hiercal knows nothing of.

    Parameters
    ----------
    simulate : callable
        ``simulate(rng)`` returns ``truth, data``: two dictionaries of arrays.
    fit : callable
        ``fit(data, seed)`` returns draws by name, (n_chains, n_draws, *dims) or (n_draws, *dims).

    Returns
    -------
    FunctionStory

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
    for function in (simulate, fit):
        if not callable(function):
            raise TypeError(f"from_functions got {function!r}; give two functions")
    return FunctionStory(simulator=simulate, fit=fit)
