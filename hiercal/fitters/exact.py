"""The exact posterior as a fitter: independent draws, so that its calibration must hold."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal.fitters._fitter import Fit, Fitter, Refit, at_least, reported
from hiercal.simulators import Story
from hiercal.simulators._capabilities import ExactPosterior
from hiercal.simulators._story import needed


@dataclass(frozen=True, kw_only=True)
class Exact(Fitter):
    """Independent draws from the exact posterior of one of the story's models.

    Parameters
    ----------
    model : str
        Codings of the same model, such as ``centred`` and ``noncentred``, have the same posterior.
    draws : int
        Draws for each data set.
    """

    model: str = "noncentred"
    draws: int = 1000

    name: ClassVar = "exact"
    needs: ClassVar = ExactPosterior

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self.name, "draws", self.draws, 1)

    @property
    def label(self) -> str:
        return self.name if self.model == "noncentred" else f"{self.name}-{self.model}"

    @property
    def shape(self) -> tuple[int, int]:
        return 1, self.draws

    def parameters(self, story: Story) -> tuple[str, ...]:
        return reported(story, self.model)

    def prepare(self, story: Story) -> Refit:
        exact = needed(story, ExactPosterior).exact

        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            start = time.perf_counter()
            reference = exact(data, self.model)
            if reference is None:
                raise ValueError(
                    f"story {story.name} has no exact posterior of its model {self.model} here"
                )
            draws = reference.draws(self.draws, np.random.default_rng(seed))
            one_chain = {name: values[None] for name, values in draws.items()}
            return Fit(one_chain, {}, time.perf_counter() - start)

        return refit
