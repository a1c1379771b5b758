"""A slice sampler whose bracket is not where it should be (pymc-devs/pymc#5815).

PyMC's bracket reached from ``x - U w`` to ``x + w`` and not to ``x + (1 - U) w``, and the ends kept
old values of the coordinates updated before; the means of a correlated normal were far off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal.fitters import Fitter
from hiercal.mutants import _chains
from hiercal.mutants._chains import ChainFitter, Target
from hiercal.mutants._honest import HonestSlice
from hiercal.mutants._targets import Gaussian
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class Pymc5815(ChainFitter):
    """Both errors of the thread, as its correction (pymc-devs/pymc#5816) describes them."""

    width: float = 1.0

    thread: ClassVar = "pymc-devs/pymc#5815"

    @property
    def story(self) -> Story:
        return Gaussian(means=(0.0, 3.0), sds=(1.0, 2.0), correlation=0.5)

    @property
    def honest(self) -> Fitter:
        return HonestSlice()

    def transition(self, target: Target, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        left, right = x.copy(), x.copy()  # never brought up to date
        for i in range(x.shape[1]):
            level = target.log_density(x) - rng.exponential(size=len(x))
            left[:, i] = x[:, i] - self.width * rng.uniform(size=len(x))
            right[:, i] = x[:, i] + self.width
            left = _chains.stepped_out(target.log_density, level, left, i, -self.width)
            right = _chains.stepped_out(target.log_density, level, right, i, self.width)
            x = _chains.shrink(target.log_density, level, x, i, left[:, i], right[:, i], rng)
        return x
