"""The prior instead of the posterior: the data are never looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import Spoilt
from hiercal.simulators import Story
from hiercal.simulators.eight_schools import EightSchools


@dataclass(frozen=True, kw_only=True)
class PriorOnly(Spoilt):
    """Draws from the prior. Every parameter's ranks are uniform; those of the densities are not."""

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
        mu = rng.normal(0, story.mu_scale, self.draws)
        tau = np.abs(rng.normal(0, story.tau_scale, self.draws))
        theta = rng.normal(mu[:, None], tau[:, None], (self.draws, story.n_groups))
        return {"mu": mu, "tau": tau, "theta": theta}
