"""The samplers of the mutants without an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal.fitters import Fitter
from hiercal.mutants import _chains, _nuts
from hiercal.mutants._chains import ChainFitter, Target
from hiercal.mutants._targets import Gaussian
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class HonestHmc(ChainFitter):
    """Hamiltonian Monte Carlo with a fixed step."""

    step: float = 0.5
    n_steps: int = 4
    inverse_mass: float = 1.0

    name: ClassVar = "hmc"

    @property
    def story(self) -> Story:
        return Gaussian()

    @property
    def honest(self) -> Fitter:
        return self

    def transition(self, target: Target, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        p = rng.standard_normal(x.shape) / np.sqrt(self.inverse_mass)
        new, ended = _chains.leapfrog(target, x, p, self.step, self.n_steps, self.inverse_mass)
        before = target.log_density(x) - _chains.kinetic(p, self.inverse_mass)
        after = target.log_density(new) - _chains.kinetic(ended, self.inverse_mass)
        return _chains.accepted(after - before, new, x, rng)


@dataclass(frozen=True, kw_only=True)
class HonestSlice(ChainFitter):
    """Slice sampling of one coordinate after another."""

    name: ClassVar = "slice"

    @property
    def story(self) -> Story:
        return Gaussian()

    @property
    def honest(self) -> Fitter:
        return self

    def transition(self, target: Target, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _chains.slice_step(target, x, rng)


@dataclass(frozen=True, kw_only=True)
class HonestNuts(ChainFitter):
    """The No-U-Turn Sampler with a fixed step."""

    chains: int = 5
    draws: int = 100
    tune: int = 10

    name: ClassVar = "nuts"

    @property
    def story(self) -> Story:
        return Gaussian()

    @property
    def honest(self) -> Fitter:
        return self

    def transition(self, target: Target, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.stack([_nuts.transition(target, each, rng) for each in x])
