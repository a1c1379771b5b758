"""Warm-up draws kept: a third of the draws are from before the sampler was tuned."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.fitters import Fit, Fitter, Refit
from hiercal.fitters._fitter import reported
from hiercal.fitters.numpyro import NumPyro
from hiercal.mutants._mutant import Mutant
from hiercal.simulators import Story
from hiercal.simulators.eight_schools import EightSchools


@dataclass(frozen=True, kw_only=True)
class WarmupKept(Mutant):
    """NumPyro's NUTS, whose `draws` begin at its starting point.

    Parameters
    ----------
    draws, tune : int
        All draws that are kept, and how many of these are warm-up.
    """

    draws: int = 300
    tune: int = 100

    extra: ClassVar = "numpyro"

    @property
    def story(self) -> Story:
        return EightSchools()

    @property
    def honest(self) -> Fitter:
        return NumPyro(draws=self.draws, tune=500)

    @property
    def shape(self) -> tuple[int, int]:
        return 1, self.draws

    @property
    def requires(self) -> tuple[str, ...]:
        return ("jax", "numpyro")

    def parameters(self, story: Story) -> tuple[str, ...]:
        return reported(story, "noncentred")

    def prepare(self, story: Story) -> Refit:
        import jax
        import jax.numpy as jnp
        import numpyro
        from numpyro.infer import MCMC, NUTS

        numpyro.enable_x64()
        told: Any = story
        model, parameters = told.numpyro_model("noncentred"), self.parameters(story)

        @jax.jit
        def run(seed, data):
            sampled = self.draws - self.tune
            mcmc = MCMC(NUTS(model), num_warmup=self.tune, num_samples=sampled, progress_bar=False)
            mcmc.warmup(jax.random.key(seed), collect_warmup=True, **data)
            warmup = mcmc.get_samples()
            mcmc.run(mcmc.post_warmup_state.rng_key, **data)
            kept = mcmc.get_samples()
            return {name: jnp.concatenate([warmup[name], kept[name]]) for name in parameters}

        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            begin = time.perf_counter()
            draws = jax.device_get(run(np.uint64(seed), dict(data)))
            one_chain = {name: values[None] for name, values in draws.items()}
            return Fit(one_chain, {}, time.perf_counter() - begin)

        return refit
