"""The whole of a fitter: copy it, keep what yours needs. `shape` and `prepare` are required."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal import Fit, Fitter
from hiercal.simulators._capabilities import LogLikelihood


@dataclass(frozen=True, kw_only=True)
class PriorResampling(Fitter):
    """Draws from the prior, resampled in proportion to their likelihood.

    Good where the data say little; where they say much, few of the draws count.

    Parameters
    ----------
    draws : int
        Draws kept.
    tried : int
        Draws of the prior.
    """

    draws: int = 1000
    tried: int = 20_000

    name: ClassVar = "prior_resampling"  # by default the class's name in snake case
    extra: ClassVar = ""  # the extra in pyproject.toml that installs what it requires
    needs: ClassVar = LogLikelihood  # a story without it is refused, in a sentence that says so

    def __post_init__(self):
        super().__post_init__()
        for field in ("draws", "tried"):
            value = getattr(self, field)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{self.name}: {field} is {value!r}; give a whole number above 0")

    @property
    def shape(self):  # chains, and draws of each
        return 1, self.draws

    def prepare(self, story):
        # once a process, whatever the data
        rng = np.random.default_rng(0)
        drawn = [story.simulate(rng).truth for _ in range(self.tried)]
        prior = {name: np.stack([truth[name] for truth in drawn]) for name in story.dims}

        def refit(data, seed):
            # once a data set; the data are read-only; raise on failure, and it is recorded
            start = time.perf_counter()
            log_weight = story.log_likelihood(prior, data).sum(axis=-1)
            weight = np.exp(log_weight - log_weight.max())
            rng = np.random.default_rng(seed)
            chosen = rng.choice(self.tried, self.draws, p=weight / weight.sum())
            draws = {name: values[chosen][None].astype(float) for name, values in prior.items()}
            return Fit(draws, {}, time.perf_counter() - start)  # draws: (chain, draw, *dims)

        return refit
