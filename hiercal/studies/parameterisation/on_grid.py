"""Stories at given values of their scale, one of them for each data set."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal.simulators import Simulation, Story
from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.survey import Survey


@dataclass(frozen=True, kw_only=True)
class _OnGrid(Story):
    """A story whose scale is drawn from a few values, which no model knows of.

    One compiled model then serves all of them; ``given`` has a story, and a compilation, for each.
    """

    grid: tuple[float, ...]

    def simulate(self, rng: np.random.Generator) -> Simulation:
        at = dataclasses.replace(self, given={self.scale: rng.choice(self.grid)})
        return super(_OnGrid, at).simulate(rng)


@dataclass(frozen=True, kw_only=True)
class SchoolsOnGrid(_OnGrid, EightSchools):
    """Eight Schools at given values of tau."""

    name: ClassVar = "schools_on_grid"


@dataclass(frozen=True, kw_only=True)
class SurveyOnGrid(_OnGrid, Survey):
    """Survey at given values of alpha."""

    name: ClassVar = "survey_on_grid"
