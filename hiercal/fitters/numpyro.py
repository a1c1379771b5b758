"""NumPyro's NUTS, compiled by JAX once for all data sets."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hiercal.fitters._fitter import Fit, Refit, cache_folder
from hiercal.fitters._nuts import NutsFitter
from hiercal.simulators._capabilities import NumPyroModel
from hiercal.simulators._story import needed

if TYPE_CHECKING:
    from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class NumPyro(NutsFitter):
    """The story's NumPyro model sampled by NumPyro's NUTS, in double precision."""

    name: ClassVar = "numpyro"
    extra: ClassVar = "numpyro"
    needs: ClassVar = NumPyroModel

    @property
    def requires(self) -> tuple[str, ...]:
        return ("jax", "numpyro")

    def prepare(self, story: Story) -> Refit:
        import jax

        if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
            jax.config.update("jax_compilation_cache_dir", str(cache_folder("jax")))
        import numpyro
        from numpyro.infer import MCMC, NUTS

        numpyro.enable_x64()
        sampled = self.sampled(story)
        model = needed(story, NumPyroModel).numpyro_model(self.model)

        def chain(key, data):
            kernel = NUTS(
                model, target_accept_prob=self.target_accept, max_tree_depth=self.max_treedepth
            )
            mcmc = MCMC(kernel, num_warmup=self.tune, num_samples=self.draws, progress_bar=False)
            mcmc.run(key, extra_fields=("num_steps", "energy"), **data)
            samples = mcmc.get_samples()
            return {name: samples[name] for name in sampled}, mcmc.get_extra_fields()

        # map, not vmap: under vmap every chain waits for the longest trajectory of all
        run = jax.jit(
            lambda seed, data: jax.lax.map(
                lambda key: chain(key, data),
                jax.random.split(jax.random.key(seed), self.chains),
            )
        )

        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            start = time.perf_counter()
            draws, extra = jax.device_get(run(np.uint64(seed), dict(data)))
            n_steps = extra["num_steps"]
            stats = {
                "diverging": extra["diverging"],
                "tree_depth": np.ceil(np.log2(n_steps + 1)).astype(int),
                "n_steps": n_steps,
                "energy": extra["energy"],
            }
            draws = self.completed(story, draws, data, seed)
            return Fit(draws, stats, time.perf_counter() - start)

        return refit
