"""HMC tuned to accept 65 %, one step at a time (sbi-dev/sbi#1908).

On a peaked Gaussian PyMC's HMC, whose default this is, failed sbi's two-sample test whatever the
seed; sbi's default became 90 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal.fitters import Fitter
from hiercal.mutants import _chains
from hiercal.mutants._chains import ChainFitter, Target
from hiercal.mutants._honest import HonestHmc
from hiercal.mutants._targets import Gaussian
from hiercal.simulators import Story

STEP = 1.85
"""Near 2, where the leapfrog of a standard normal is no longer stable."""


@dataclass(frozen=True, kw_only=True)
class Sbi1908(ChainFitter):
    """One chain of steps as long as that acceptance asks for: a right kernel that mixes badly.

    The scale of the Gaussian is that of the adapted mass matrix, and so is 1 here.
    """

    chains: int = 1
    draws: int = 500
    tune: int = 50

    thread: ClassVar = "sbi-dev/sbi#1908"

    @property
    def story(self) -> Story:
        return Gaussian(means=(0.0, 0.0), sds=(1.0, 1.0))

    @property
    def honest(self) -> Fitter:
        return HonestHmc(step=1.0, n_steps=2, chains=1, draws=500, tune=50)

    def transition(self, target: Target, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        p = rng.standard_normal(x.shape)
        new, ended = _chains.leapfrog(target, x, p, STEP, 1)
        before = target.log_density(x) - _chains.kinetic(p)
        return _chains.accepted(
            target.log_density(new) - _chains.kinetic(ended) - before, new, x, rng
        )
