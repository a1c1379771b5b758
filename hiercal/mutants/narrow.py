"""Posterior standard deviations too small: every effect is drawn in towards its exact mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import Spoilt
from hiercal.simulators import Story
from hiercal.simulators.eight_schools import EightSchools


@dataclass(frozen=True, kw_only=True)
class Narrow(Spoilt):
    """mu and the effects have `factor` times their posterior standard deviations.

    Parameters
    ----------
    factor : float
    """

    factor: float = 0.95

    variants: ClassVar = ({}, {"factor": 0.9}, {"factor": 0.8})

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
        means = {"mu": np.array(exact.mean("mu"))}
        means["theta"] = np.array([exact.mean(label) for label in story.labels("theta")])
        drawn_in = {n: m + self.factor * (draws[n] - m) for n, m in means.items()}
        return draws | drawn_in
