"""NUTS that passed its own regression test and sampled something else (pymc-devs/pymc#1421).

After PyMC's NUTS was rewritten without recursion, a user found posteriors unlike those of Stan, of
emcee and of the version before; the first test written against it passed on the broken sampler
(pymc-devs/pymc#1424), and the change was taken back (pymc-devs/pymc#1422).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal.fitters import Fitter
from hiercal.mutants import _nuts
from hiercal.mutants._chains import ChainFitter, Target
from hiercal.mutants._honest import HonestNuts
from hiercal.mutants._targets import Gaussian
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class Pymc1421(ChainFitter):
    """All points of a trajectory weigh the same, as one error that NUTS can have.

    Which error the rewritten code had is not known here.
    """

    chains: int = 5
    draws: int = 100
    tune: int = 10

    thread: ClassVar = "pymc-devs/pymc#1421"

    @property
    def story(self) -> Story:
        return Gaussian(means=(0.0, 3.0), sds=(1.0, 2.0), correlation=0.5)

    @property
    def honest(self) -> Fitter:
        return HonestNuts()

    def transition(self, target: Target, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.stack([_nuts.transition(target, each, rng, equal_weights=True) for each in x])
