"""The correlation between groups lost: each effect permuted over the draws on its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import Spoilt
from hiercal.simulators import Story
from hiercal.simulators.eight_schools import EightSchools


@dataclass(frozen=True, kw_only=True)
class CorrelationLost(Spoilt):
    """Every parameter has its exact marginal posterior, and is independent of all others."""

    invisible_to_marginals: ClassVar = True

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
        return draws | {"theta": rng.permuted(draws["theta"], axis=0)}
