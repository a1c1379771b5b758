"""A wrong Metropolis correction of a discrete proposal (pyro-ppl/numpyro#826).

NumPyro's mixed HMC followed a paper whose lemma gave the wrong correction for modified Gibbs
proposals; on binary variables, and in all of its author's checks, it was the right one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.fitters import Fit, Fitter, Refit
from hiercal.fitters.exact import Exact
from hiercal.mutants._mutant import Mutant
from hiercal.mutants._targets import Labels
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class Numpyro826(Mutant):
    """A modified Gibbs proposal, always another label, corrected as a symmetric one would be.

    It samples ``p^2 (1 - p)`` for probabilities p: right with two labels, and wrong with more. The
    same kind of error as in the thread, in a chain of a label alone.
    """

    chains: int = 50
    draws: int = 20
    tune: int = 20

    thread: ClassVar = "pyro-ppl/numpyro#826"

    @property
    def story(self) -> Story:
        return Labels()

    @property
    def honest(self) -> Fitter:
        return Exact(model="centred")

    @property
    def shape(self) -> tuple[int, int]:
        return self.chains, self.draws

    def prepare(self, story: Story) -> Refit:
        small: Any = story

        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            begin = time.perf_counter()
            rng = np.random.default_rng(seed)
            p = small.exact(data).mass
            log_p = np.log(p)
            others = np.where(np.eye(len(p), dtype=bool), 0.0, p)
            reach = np.cumsum(others / others.sum(axis=1, keepdims=True), axis=1)
            z = rng.integers(len(p), size=self.chains)
            kept = []
            for _ in range(self.tune + self.draws):
                u = rng.uniform(size=(self.chains, 2))
                new = np.minimum((reach[z] < u[:, :1]).sum(axis=1), len(p) - 1)
                z = np.where(np.log(u[:, 1]) < log_p[new] - log_p[z], new, z)
                kept.append(z)
            draws = np.stack(kept[self.tune :], axis=1).astype(float)
            return Fit({"z": draws}, {}, time.perf_counter() - begin)

        return refit
