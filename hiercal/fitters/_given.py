"""Draws that were made elsewhere, as a fitter: nothing is sampled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal.fitters._fitter import Fit, Fitter, Refit, failed
from hiercal.simulators import Story
from hiercal.simulators._capabilities import BringsDraws
from hiercal.simulators._story import needed


@dataclass(frozen=True, kw_only=True)
class GivenDraws(Fitter):
    """The draws that a story brings along.

    Parameters
    ----------
    chains, draws : int
        Chains and draws a chain, as the story has them.
    """

    chains: int
    draws: int

    name: ClassVar = "given"
    needs: ClassVar = BringsDraws

    @property
    def shape(self) -> tuple[int, int]:
        return self.chains, self.draws

    def check(self, story: Story) -> None:
        super().check(story)
        there = needed(story, BringsDraws).draws_shape
        if there != self.shape:
            raise ValueError(
                f"{self.name}: {story.name} has {there[0]} x {there[1]} draws a simulation, not "
                f"{self.chains} x {self.draws}; give chains={there[0]}, draws={there[1]}"
            )

    def prepare(self, story: Story) -> Refit:
        draws_of = needed(story, BringsDraws).draws_of

        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            draws = draws_of(int(data["simulation"]))
            if all(np.isnan(values).all() for values in draws.values()):
                return failed("no draws were given: all are NaN")
            return Fit(draws, {}, math.nan)  # how long they took is not known here

        return refit
