"""A slice sampler followed by a second accept step (probcomp/Venturecxx#448).

Slice sampling leaves the posterior as it is; Venture put a Metropolis step with the ratio of the
densities behind it, and so went to high densities too often.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal.fitters import Fitter
from hiercal.mutants import _chains
from hiercal.mutants._chains import ChainFitter, Target
from hiercal.mutants._honest import HonestSlice
from hiercal.mutants._targets import Location
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class Venture448(ChainFitter):
    """The slice's new point is accepted with the ratio of the densities."""

    thread: ClassVar = "probcomp/Venturecxx#448"

    @property
    def story(self) -> Story:
        return Location()

    @property
    def honest(self) -> Fitter:
        return HonestSlice()

    def transition(self, target: Target, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        new = _chains.slice_step(target, x, rng)
        return _chains.accepted(target.log_density(new) - target.log_density(x), new, x, rng)
