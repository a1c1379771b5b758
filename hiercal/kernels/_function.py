"""A plain function as a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.kernels._kernel import Kernel, Walk, Walked
from hiercal.simulators._capabilities import Arrays

if TYPE_CHECKING:
    from hiercal.simulators import Story


class FunctionName:
    """The name of a kernel's function."""

    def __get__(self, kernel: FunctionKernel | None, owner: type) -> str:
        return "function" if kernel is None else getattr(kernel.function, "__name__", "function")


@dataclass(frozen=True, kw_only=True)
class FunctionKernel(Kernel):
    """A function ``kernel(rng, theta, data)`` that returns where theta moves to.

    theta and data are dictionaries of arrays: the parameters that the story's model reports, and
    its observations. What it returns of theta has moved; what it leaves out has stayed. It may
    return ``theta, evaluations`` to have its evaluations of the density counted, one a transition
    otherwise.

    Parameters
    ----------
    function : callable
    vectorised : bool
        Whether it moves many at once: arrays then have a leading axis of simulations.
    transitions : int
        By default 10, as for a random walk.

    Examples
    --------
    >>> def prior(rng, theta, data):  # an exact kernel, where there are no data
    ...     return {"v": rng.normal(0, 3)}
    >>> FunctionKernel(function=prior).label
    'prior'
    """

    function: Callable[..., Any]
    vectorised: bool = False
    transitions: int = 10

    name: ClassVar[Any] = FunctionName()

    def prepare(self, story: Story) -> Walk:
        shapes = {
            name: tuple(len(story.coords[dim]) for dim in story.dims[name])
            for name in story.models[self.coded(story)]
        }

        def moved(rng: np.random.Generator, theta: Arrays, data: Arrays) -> tuple[Arrays, int]:
            returned = self.function(rng, dict(theta), data)
            new, evaluations = returned if isinstance(returned, tuple) else (returned, 1)
            if not isinstance(new, Mapping) or not set(new) <= set(theta):
                got = sorted(new) if isinstance(new, Mapping) else type(new).__name__
                raise ValueError(
                    f"kernel {self.name} returned {got}; return a dictionary of {', '.join(theta)}"
                )
            theta = theta | {name: np.asarray(value, dtype=float) for name, value in new.items()}
            for name, value in theta.items():
                if value.shape[self.vectorised :] != shapes[name]:
                    raise ValueError(
                        f"kernel {self.name} returned {name} of shape {value.shape}, expected "
                        f"{shapes[name]}{' after one of simulations' if self.vectorised else ''}"
                    )
            return theta, int(evaluations)

        def chain(
            rng: np.random.Generator, start: Arrays, data: Arrays, restart: Any
        ) -> tuple[Arrays, int]:
            states, theta, spent = [start], start, 0
            for number in range(self.transitions):
                theta = _back(theta, start, restart == number)
                theta, evaluations = moved(rng, theta, data)
                states.append(theta)
                spent += evaluations
            return {
                name: np.stack([s[name] for s in states], self.vectorised) for name in start
            }, spent

        def walk(truths: Arrays, data: Arrays, restarts: np.ndarray, seed: int) -> Walked:
            rng = np.random.default_rng(seed)
            start = {
                name: np.asarray(truths[name], dtype=float) for name in shapes if name in truths
            }
            if self.vectorised:
                states, spent = chain(rng, start, data, restarts)
                return Walked(states, spent * len(restarts))
            each = [
                chain(
                    rng, {n: v[i] for n, v in start.items()}, {n: v[i] for n, v in data.items()}, r
                )
                for i, r in enumerate(restarts)
            ]
            states = {name: np.stack([s[name] for s, _ in each]) for name in start}
            return Walked(states, sum(spent for _, spent in each))

        return walk


def _back(theta: Arrays, start: Arrays, back: Any) -> Arrays:
    """The states of chains, at the start where they go back to it."""
    if not np.any(back):
        return theta
    return {
        name: np.where(
            np.reshape(back, np.shape(back) + (1,) * (value.ndim - np.ndim(back))),
            start[name],
            value,
        )
        for name, value in theta.items()
    }
