"""The prior of tau misread: a variance given for a standard deviation, or a rate for a scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from hiercal.mutants._mutant import OtherModel
from hiercal.simulators import Story
from hiercal.simulators.eight_schools import EightSchools


@dataclass(frozen=True, kw_only=True)
class MisreadPrior(OtherModel):
    """The number meant as tau's scale is taken for a variance or for a rate.

    Parameters
    ----------
    taken_for : {"variance", "rate"}
    """

    taken_for: Literal["variance", "rate"] = "variance"

    variants: ClassVar = ({}, {"taken_for": "rate"})

    @property
    def story(self) -> Story:
        return EightSchools()

    def posterior(self, story: Any, data: Mapping[str, np.ndarray]) -> Any:
        scale = story.tau_scale
        taken = scale**0.5 if self.taken_for == "variance" else 1 / scale
        return dataclasses.replace(story, tau_scale=taken).exact(data, self.model)
