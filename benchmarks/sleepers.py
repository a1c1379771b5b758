"""A story and a fitter that sleeps, for ``benchmarks/scaling.py``."""

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal import Fit, Fitter, Simulation, Story


@dataclass(frozen=True, kw_only=True)
class Noise(Story):
    """x ~ N(0, 1), and no data."""

    name: ClassVar = "noise"
    models: ClassVar = {"centred": ("x",)}
    dims: ClassVar = {"x": ()}
    coords: ClassVar = {}

    def simulate(self, rng):
        return Simulation({"x": np.array(rng.normal())}, {"none": np.array(0)})


@dataclass(frozen=True, kw_only=True)
class Sleeper(Fitter):
    """Draws from the prior, after a while."""

    seconds: float = 0.005

    name: ClassVar = "sleeper"
    shape: ClassVar = (1, 99)

    def prepare(self, story):
        def refit(data, seed):
            time.sleep(self.seconds)
            draws = np.random.default_rng(seed).normal(size=self.shape)
            return Fit({"x": draws}, {}, self.seconds)

        return refit
