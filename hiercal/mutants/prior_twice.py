"""The prior counted twice: once by the library, and once in the log density handed to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import OtherModel
from hiercal.mutants._posteriors import NormalPosterior
from hiercal.mutants._targets import Location
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class PriorTwice(OtherModel):
    """theta ~ N(0, 1) enters squared, as a N(0, 1/2) would."""

    model: ClassVar = "centred"

    @property
    def story(self) -> Story:
        return Location()

    def posterior(self, story: Any, data: Mapping[str, np.ndarray]) -> Any:
        precision = 2 + story.n / story.noise**2
        mean = np.sum(data["y"]) / story.noise**2 / precision
        return NormalPosterior("theta", mean, precision**-0.5)
