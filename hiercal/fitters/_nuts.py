"""The options that every NUTS fitter has."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hiercal.fitters._fitter import Fitter, at_least

if TYPE_CHECKING:
    from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class NutsFitter(Fitter):
    """Options of the No-U-Turn Sampler.

    Parameters
    ----------
    model : str
        The story's model: ``centred``, ``noncentred``, ``no_pooling``, ``complete_pooling``.
    draws, tune : int
        Draws kept and discarded, a chain.
    chains : int
        Chains, run one after another.
    target_accept : float
        Acceptance statistic that tuning aims at, inside (0, 1).
    max_treedepth : int
        Trajectories stop at 2 ** max_treedepth - 1 leapfrog steps.
    """

    model: str = "noncentred"
    draws: int = 1000
    tune: int = 1000
    chains: int = 1
    target_accept: float = 0.8
    max_treedepth: int = 10

    def __post_init__(self) -> None:
        for field, least in (("draws", 1), ("tune", 1), ("chains", 1), ("max_treedepth", 1)):
            at_least(self.name, field, getattr(self, field), least)
        if not 0 < self.target_accept < 1:
            raise ValueError(
                f"{self.name}: target_accept is {self.target_accept!r}; give a number inside (0, 1)"
            )

    @property
    def label(self) -> str:
        return f"{self.name}-{self.model}"

    @property
    def shape(self) -> tuple[int, int]:
        return self.chains, self.draws

    def parameters(self, story: Story) -> tuple[str, ...]:
        if self.model not in story.models:
            close = difflib.get_close_matches(self.model, story.models, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ValueError(
                f"story {story.name} has no model {self.model!r}; "
                f"{hint}it has {', '.join(story.models)}"
            )
        return story.models[self.model]
