"""What every mutant is: a fitter with one known error, its story and its honest fitter."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.fitters import Fit, Fitter, Refit
from hiercal.fitters._fitter import at_least, reported
from hiercal.fitters.exact import Exact
from hiercal.simulators import Story
from hiercal.simulators._story import changed_fields


class ModuleName:
    """The name of a mutant: that of its file."""

    def __get__(self, instance: object, owner: type) -> str:
        return owner.__module__.rpartition(".")[2]


@dataclass(frozen=True, kw_only=True)
class Mutant(Fitter):
    """A fitter with one known error; subclass as a frozen dataclass.

    Attributes
    ----------
    thread : where the real error was reported, as ``owner/name#number``; empty for an error that
        anyone might make.
    emulated : whether the effect of the error is made from honest draws, and not by its code.
    invisible_to_marginals : whether the ranks of every single parameter are uniform all the same.
    variants : options of each that is in the table.
    """

    name: ClassVar[Any] = ModuleName()
    thread: ClassVar[str] = ""
    emulated: ClassVar[bool] = False
    invisible_to_marginals: ClassVar[bool] = False
    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)

    @property
    @abstractmethod
    def story(self) -> Story:
        """The story that it is tried on."""

    @property
    @abstractmethod
    def honest(self) -> Fitter:
        """The fitter without the error, of the same story."""


@dataclass(frozen=True, kw_only=True)
class Spoilt(Mutant):
    """Independent draws from the exact posterior, spoilt: the error is the only one there is.

    Parameters
    ----------
    draws : int
        Draws for each data set.
    """

    draws: int = 1000

    model: ClassVar[str] = "noncentred"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self.name, "draws", self.draws, 1)

    @property
    def shape(self) -> tuple[int, int]:
        return 1, self.draws

    @property
    def honest(self) -> Fitter:
        return Exact(model=self.model, draws=self.draws)

    def parameters(self, story: Story) -> tuple[str, ...]:
        return reported(story, self.model)

    @abstractmethod
    def spoil(
        self,
        draws: dict[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        story: Any,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        """The draws with the error; (n_draws, *dims) in and out."""

    def prepare(self, story: Story) -> Refit:
        exact = self.honest.prepare(story)

        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            start = time.perf_counter()
            fit = exact(data, seed)
            draws = {name: values[0] for name, values in fit.draws.items()}
            spoilt = self.spoil(draws, data, story, np.random.default_rng([seed, 1]))
            one_chain = {name: values[None] for name, values in spoilt.items()}
            return Fit(one_chain, {}, time.perf_counter() - start)

        return refit


@dataclass(frozen=True, kw_only=True)
class OtherModel(Spoilt):
    """Exact draws from the posterior of another model than the story's."""

    @abstractmethod
    def posterior(self, story: Any, data: Mapping[str, np.ndarray]) -> Any:
        """The posterior of the other model, with a method ``draws(n, rng)``."""

    def spoil(
        self,
        draws: dict[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        story: Any,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        return self.posterior(story, data).draws(self.draws, rng)


def names() -> list[str]:
    """Names of the mutants: the public modules of this package."""
    package = importlib.import_module("hiercal.mutants")
    modules = pkgutil.iter_modules(package.__path__)
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def all_mutants() -> list[Mutant]:
    """Every mutant in each of its variants: first the generic ones, then the real errors."""
    made = []
    for name in names():
        module = importlib.import_module(f"hiercal.mutants.{name}")
        (cls,) = (
            value
            for value in vars(module).values()
            if inspect.isclass(value)
            and issubclass(value, Mutant)
            and value.__module__ == module.__name__
        )
        made += [cls(**options) for options in cls.variants]
    return sorted(made, key=lambda mutant: (mutant.thread != "", mutant.name))


def label_of(fitter: Fitter) -> str:
    """Name with the options that are not the defaults, such as ``narrow(factor=0.9)``."""
    shown = {field.name for field in dataclasses.fields(fitter)} - {
        "draws",
        "tune",
        "chains",
        "model",
    }
    options = [f"{name}={v}" for name, v in changed_fields(fitter).items() if name in shown]
    return f"{fitter.label}({', '.join(options)})" if options else fitter.label
