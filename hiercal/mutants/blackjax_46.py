"""A variance of one half for 1: the kinetic energy of the position (blackjax-devs/blackjax#46).

Where the energy before a trajectory is computed, BlackJAX's HMC took the position for the momentum;
samples of a standard normal had a variance near .5.
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


@dataclass(frozen=True, kw_only=True)
class Blackjax46(ChainFitter):
    """The thread's own step, mass and length, with the error where it was."""

    step: float = 0.01
    n_steps: int = 100
    inverse_mass: float = 0.1

    thread: ClassVar = "blackjax-devs/blackjax#46"

    @property
    def story(self) -> Story:
        return Gaussian()

    @property
    def honest(self) -> Fitter:
        return HonestHmc(step=self.step, n_steps=self.n_steps, inverse_mass=self.inverse_mass)

    def transition(self, target: Target, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        p = rng.standard_normal(x.shape) / np.sqrt(self.inverse_mass)
        new, ended = _chains.leapfrog(target, x, p, self.step, self.n_steps, self.inverse_mass)
        before = target.log_density(x) - _chains.kinetic(x, self.inverse_mass)
        after = target.log_density(new) - _chains.kinetic(ended, self.inverse_mass)
        return _chains.accepted(after - before, new, x, rng)
