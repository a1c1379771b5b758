"""No accept step: Hamiltonian Monte Carlo that takes the end of every trajectory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hiercal.fitters import Fitter
from hiercal.mutants import _chains
from hiercal.mutants._chains import ChainFitter, Target
from hiercal.mutants._honest import HonestHmc
from hiercal.mutants._targets import Gaussian
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class NoAcceptStep(ChainFitter):
    """A normal is then sampled with a sd of ``(1 - step^2 / 4)^(-1/2)``, 3 % too large at .5."""

    step: float = 0.5
    n_steps: int = 4

    @property
    def story(self) -> Story:
        return Gaussian()

    @property
    def honest(self) -> Fitter:
        return HonestHmc(step=self.step, n_steps=self.n_steps)

    def transition(self, target: Target, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        p = rng.standard_normal(x.shape)
        return _chains.leapfrog(target, x, p, self.step, self.n_steps)[0]
