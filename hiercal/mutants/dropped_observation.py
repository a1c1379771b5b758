"""One observation dropped: the posterior given all schools but the last."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import Spoilt
from hiercal.simulators import Story
from hiercal.simulators.eight_schools import EightSchools


@dataclass(frozen=True, kw_only=True)
class DroppedObservation(Spoilt):
    """The last school's observation is left out, and its effect drawn from the population.

    What is drawn is the posterior of less data, so that every parameter's ranks are uniform; the
    ranks of the log likelihood are not (Modrák et al. 2023).
    """

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
        rest = dataclasses.replace(story, sigma=story.sigma[:-1], schools=())
        drawn = rest.exact({"y": data["y"][:-1]}, self.model).draws(self.draws, rng)
        last = rng.normal(drawn["mu"], drawn["tau"])
        return drawn | {"theta": np.column_stack([drawn["theta"], last])}
