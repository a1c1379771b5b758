"""Variances of 3.012 for 3: NUTS with a bias of four in a thousand (pymc-devs/pymc#1763).

A million draws of ten independent normals with mean 2 and variance 3 had variances of 3.009 to
3.018, every one of them too large; Metropolis draws had not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import Spoilt
from hiercal.mutants._targets import Gaussian
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class Pymc1763(Spoilt):
    """Draws are rescaled so that the variance is 3.012; a fit is as long as the thread's chains."""

    draws: int = 100_000

    thread: ClassVar = "pymc-devs/pymc#1763"
    emulated: ClassVar = True
    model: ClassVar = "centred"

    @property
    def story(self) -> Story:
        return Gaussian(means=(2.0,) * 10, sds=(3.0**0.5,) * 10)

    def spoil(
        self,
        draws: dict[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        story: Any,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        return {"x": 2.0 + (3.012 / 3.0) ** 0.5 * (draws["x"] - 2.0)}
