"""Posterior means off by a part of a standard deviation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import Spoilt
from hiercal.simulators import Story
from hiercal.simulators.eight_schools import EightSchools


@dataclass(frozen=True, kw_only=True)
class Shifted(Spoilt):
    """mu and the effects are shifted up by `by` of their posterior standard deviations.

    Parameters
    ----------
    by : float
    """

    by: float = 0.1

    variants: ClassVar = ({"by": 0.05}, {}, {"by": 0.2})

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
        exact = story.exact(data, self.model)
        sds = np.array([exact.sd(label) for label in story.labels("theta")])
        return draws | {
            "mu": draws["mu"] + self.by * exact.sd("mu"),
            "theta": draws["theta"] + self.by * sds,
        }
