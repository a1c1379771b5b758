"""A random generator and a log density of different distributions (pymc-devs/pymc#6871).

The generator that simulates and the log density that is sampled were not of one distribution.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import OtherModel
from hiercal.simulators import Story
from hiercal.simulators.eight_schools import EightSchools


@dataclass(frozen=True, kw_only=True)
class Pymc6871(OtherModel):
    """tau is generated half-normal, and the density sampled is a half-Cauchy of the same scale."""

    thread: ClassVar = "pymc-devs/pymc#6871"

    @property
    def story(self) -> Story:
        return EightSchools()

    def posterior(self, story: Any, data: Mapping[str, np.ndarray]) -> Any:
        return dataclasses.replace(story, tau_prior="half_cauchy").exact(data, self.model)
