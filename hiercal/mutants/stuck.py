"""A chain that is stuck 5 % of the time, where tau is smallest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import Spoilt
from hiercal.simulators import Story
from hiercal.simulators.eight_schools import EightSchools


@dataclass(frozen=True, kw_only=True)
class Stuck(Spoilt):
    """For a stretch of `share` of the draws, the chain stays at the smallest tau that it found.

    Parameters
    ----------
    share : float
    """

    share: float = 0.05

    emulated: ClassVar = True

    @property
    def story(self) -> Story:
        return EightSchools()

    def spoil(
        self,
        draws: dict[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        story: Any,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        length = round(self.share * self.draws)
        start = rng.integers(self.draws - length + 1)
        visited = np.arange(self.draws)
        visited[start : start + length] = np.argmin(draws["tau"])
        return {name: values[visited] for name, values in draws.items()}
