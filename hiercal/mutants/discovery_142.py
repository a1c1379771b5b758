"""One prior more than was meant, on the unconstrained scale (nanograv/discovery#142).

A uniform prior was in the density already, through x = end tanh(u), and u had a N(0, 10) prior from
NumPyro besides. As the thread says, this is not the uniform prior counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import OtherModel
from hiercal.mutants._posteriors import TabulatedPosterior
from hiercal.mutants._targets import Location
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class Discovery142(OtherModel):
    """The posterior under the uniform prior, times the density of N(0, `extra_sd`) at artanh.

    Parameters
    ----------
    extra_sd : float
        10 in the thread.
    """

    draws: int = 100_000
    extra_sd: float = 10.0

    thread: ClassVar = "nanograv/discovery#142"
    model: ClassVar = "centred"

    @property
    def story(self) -> Story:
        return Location(prior="uniform")

    def posterior(self, story: Any, data: Mapping[str, np.ndarray]) -> Any:
        exact = story.exact(data, self.model)
        u = np.arctanh(np.clip(exact.x / story.end, -1 + 1e-12, 1 - 1e-12))
        extra = -0.5 * (u / self.extra_sd) ** 2
        return TabulatedPosterior(exact.name, exact.x, exact.log_density + extra)
