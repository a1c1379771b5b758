"""NumPyro's sampler on another model than the story's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from hiercal.fitters import Fitter, Refit
from hiercal.fitters._fitter import reported
from hiercal.fitters.numpyro import NumPyro
from hiercal.mutants._mutant import Mutant
from hiercal.simulators import Story


class _Told:
    """A story whose NumPyro model is another one."""

    def __init__(self, story: Story, coding: Callable[..., None]) -> None:
        self._story, self._coding = story, coding

    def numpyro_model(self, model: str) -> Callable[..., None]:
        return self._coding

    def __getattr__(self, name: str) -> Any:
        return getattr(self._story, name)


@dataclass(frozen=True, kw_only=True)
class WrongNumPyroModel(Mutant):
    """NumPyro's NUTS on a wrong model.

    Parameters
    ----------
    draws, tune : int
        Draws kept and discarded.
    """

    draws: int = 500
    tune: int = 500

    extra: ClassVar = "numpyro"
    model: ClassVar[str] = "noncentred"

    @property
    def shape(self) -> tuple[int, int]:
        return 1, self.draws

    @property
    def requires(self) -> tuple[str, ...]:
        return ("jax", "numpyro")

    @property
    def honest(self) -> Fitter:
        return NumPyro(model=self.model, draws=self.draws, tune=self.tune)

    def parameters(self, story: Story) -> tuple[str, ...]:
        return reported(story, self.model)

    @abstractmethod
    def wrong_model(self, story: Any) -> Callable[..., None]:
        """The model that is sampled, a function of the data by keyword."""

    def prepare(self, story: Story) -> Refit:
        told: Any = _Told(story, self.wrong_model(story))
        nuts = NumPyro(model=self.model, draws=self.draws, tune=self.tune)
        return nuts.prepare(told)
