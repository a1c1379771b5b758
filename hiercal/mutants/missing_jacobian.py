"""A scale sampled on the log scale without the Jacobian of the transformation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import OtherModel
from hiercal.mutants._targets import Spread
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class MissingJacobian(OtherModel):
    """The density of sigma, taken as that of log sigma: the posterior is divided by sigma."""

    model: ClassVar = "centred"

    @property
    def story(self) -> Story:
        return Spread()

    def posterior(self, story: Any, data: Mapping[str, np.ndarray]) -> Any:
        return story.on_grid(data, -1.0)
