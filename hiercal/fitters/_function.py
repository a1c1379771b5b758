"""A plain function as a fitter."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any, ClassVar

import numpy as np

from hiercal.fitters._fitter import Fit, Fitter, Refit, at_least
from hiercal.simulators import Story
from hiercal.words import reason

TRIED = 5
"""Simulated data sets that are tried until one is fitted, to learn the shape of the draws."""


def check_function(what: str, function: Any, form: str, instead: str) -> None:
    """Raise a ValueError unless its source says all that a function does.

    Parameters
    ----------
    what : str
        What it is given as, such as ``fitter mine``.
    form : str
        How it is written, such as ``def fit(data, seed)``.
    instead : str
        What else can be done with variables of a function around it.
    """
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
        raise ValueError(f"{what} is {function!r}; give a function with a name: {form}")
    if held := function.__code__.co_freevars:
        raise ValueError(
            f"{what} uses {', '.join(held)} of the function around it, which no record of a run "
            f"would tell; make it a function of its own, or {instead}"
        )


class FunctionName:
    """The name of a fitter's function."""

    def __get__(self, fitter: FunctionFitter | None, owner: type) -> str:
        return "function" if fitter is None else getattr(fitter.function, "__name__", "function")


@dataclass(frozen=True, kw_only=True)
class FunctionFitter(Fitter):
    """A function ``fit(data, seed)`` that returns the draws of each parameter by name.

    Draws have shape (n_chains, n_draws, *dims), or (n_draws, *dims) for one chain; all parameters
    of the story are wanted. It may also return a `Fit`, with statistics or an error. It goes by
    its own name, and is identified by the source of its file, as a class is.

    Parameters
    ----------
    function : callable
        ``fit(data, seed)``, at the top level of a file; the data are read-only arrays.
    chains, draws : int or None
        Chains and draws a chain. Where `draws` is None, both are learned from the first fit, which
        a run makes of a simulated data set when it is defined. A fit of another shape is recorded
        as failed.

    Raises
    ------
    ValueError
        If the function has no name, or uses variables of a function around it.

    Examples
    --------
    >>> def prior(data, seed):
    ...     return {"p": np.random.default_rng(seed).uniform(size=500)}
    >>> FunctionFitter(function=prior, draws=500).label
    'prior'
    """

    function: Callable[..., Any]
    chains: int = 1
    draws: int | None = None

    name: ClassVar[Any] = FunctionName()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_function(
            f"fitter {self.name}",
            self.function,
            "def fit(data, seed)",
            "subclass hiercal.Fitter with these as fields",
        )
        if self.assume:
            raise ValueError(
                f"fitter {self.name} is a function, which assumes what it was written to; leave "
                f"assume {dict(self.assume)} out, and write another function"
            )
        at_least(self.name, "chains", self.chains, 1)
        if self.draws is not None:
            at_least(self.name, "draws", self.draws, 1)

    @property
    def shape(self) -> tuple[int, int]:
        """Chains and draws a chain, as declared or as the first fit had them."""
        if self.draws is not None:
            return self.chains, self.draws
        learned = vars(self).get("_learned")
        if learned is None:
            raise ValueError(
                f"fitter {self.name}: how many draws it makes is not known before its first fit; "
                f"say so, as in hiercal.fitter({self.name}, draws=1000)"
            )
        return learned

    @property
    def ignores_seed(self) -> bool:
        """Whether two seeds gave the same draws; not tried where `draws` is given."""
        return vars(self).get("_ignores_seed", False)

    def check(self, story: Story) -> None:
        """Raise an error if the function fits no simulated data set; learn its shape.

        The data set is then fitted with another seed too.
        """
        super().check(story)
        refit, errors = self.prepare(story), []
        while self.draws is None and not hasattr(self, "_learned"):
            try:
                drawn = story.simulate(np.random.default_rng(len(errors)))
                data = {name: np.asarray(values) for name, values in drawn.data.items()}
                fits = [refit(data, seed) for seed in range(2)]
                if fits[0].error is not None:
                    raise ValueError(fits[0].error)
                object.__setattr__(self, "_ignores_seed", _same(*fits))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                # a function may fail on some data sets; on all of them it is no fitter
                errors.append(reason(error))
            if len(errors) == TRIED:
                raise ValueError(
                    f"fitter {self.name} fitted none of {TRIED} simulated data sets of story "
                    f"{story.name}; the first error is {errors[0]}"
                )

    def prepare(self, story: Story) -> Refit:
        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            start = time.perf_counter()
            returned = self.function(data, seed)
            fit = (
                returned
                if isinstance(returned, Fit)
                else Fit(self._by_chain(story, returned), {}, 0.0)
            )
            if self.draws is None and not hasattr(self, "_learned") and fit.error is None:
                self._learn(story, fit.draws)
            return dataclasses.replace(fit, seconds=time.perf_counter() - start)

        return refit

    def _by_chain(self, story: Story, returned: Any) -> dict[str, np.ndarray]:
        """Draws with a chain axis."""
        if not isinstance(returned, Mapping):
            raise TypeError(
                f"{self.name} returned {type(returned).__name__}; return draws of each parameter "
                "by name"
            )
        draws = {name: np.asanyarray(values) for name, values in returned.items()}
        one_chain = {n for n, v in draws.items() if v.ndim == 1 + len(story.dims.get(n, ()))}
        return {n: v[None] if n in one_chain else v for n, v in draws.items()}

    def _learn(self, story: Story, draws: Mapping[str, np.ndarray]) -> None:
        shapes = {np.shape(values)[:2] for name, values in draws.items() if name in story.dims}
        if len(shapes) != 1 or len(min(shapes)) != 2:
            got = ", ".join(f"{name} {np.shape(values)}" for name, values in draws.items())
            raise ValueError(
                f"draws have shapes {got or 'of nothing'}; give (n_chains, n_draws, *dims), or "
                f"(n_draws, *dims), of {', '.join(story.dims)}"
            )
        # not a field: it is no option, and goes with the fitter to the workers
        object.__setattr__(self, "_learned", min(shapes))


def _same(one: Fit, other: Fit) -> bool:
    """Whether two fits have the same draws."""
    return one.draws.keys() == other.draws.keys() and all(
        np.array_equal(one.draws[name], other.draws[name]) for name in one.draws
    )
