"""The options that every NUTS fitter has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hiercal.fitters._fitter import Fitter, at_least, reported
from hiercal.simulators._capabilities import Integrated
from hiercal.simulators._story import needed

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
        super().__post_init__()
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
        return reported(story, self.model)

    def sampled(self, story: Story) -> tuple[str, ...]:
        """Those of the parameters reported that the model does not integrate out."""
        integrated = story.integrated.get(self.model, ())
        return tuple(name for name in self.parameters(story) if name not in integrated)

    def completed(
        self,
        story: Story,
        draws: Mapping[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        seed: int,
    ) -> dict[str, np.ndarray]:
        """The draws with those of the parameters that the model integrates out."""
        if self.model not in story.integrated:
            return dict(draws)
        rng = np.random.default_rng([seed, 1])
        drawn = needed(story, Integrated).draw_integrated(draws, data, self.model, rng)
        return {**draws, **drawn}
