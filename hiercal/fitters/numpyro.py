"""NumPyro's NUTS, compiled by JAX once for all data sets."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.fitters._fitter import Fit, Refit, RefitMany, at_least, cache_folder, failed
from hiercal.fitters._nuts import NutsFitter
from hiercal.simulators._capabilities import NumPyroModel
from hiercal.simulators._story import needed
from hiercal.words import reason

if TYPE_CHECKING:
    from hiercal.fitters._numpyro_batch import Sampled, Sampler
    from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class NumPyro(NutsFitter):
    """The story's NumPyro model sampled by NumPyro's NUTS, in double precision.

    Parameters
    ----------
    batch : int
        Data sets that are fitted in one compiled call, each with its own seed and its own tuning.
        The seconds of a fit are then those of its call, divided by the data sets in it.
    vmap : bool or None
        Whether the fits of a batch go in lockstep, and not one after another. By default they do
        on accelerators. In lockstep they have other rounding errors than without a batch, and so
        other draws of the same posterior; one after another they may have, as JAX compiles the
        model.
    """

    batch: int = 1
    vmap: bool | None = None

    name: ClassVar = "numpyro"
    extra: ClassVar = "numpyro"
    needs: ClassVar = NumPyroModel
    unseeded: ClassVar = ("batch", "vmap")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self.name, "batch", self.batch, 1)
        if self.vmap not in (None, False, True):
            raise ValueError(f"{self.name}: vmap is {self.vmap!r}; give true or false")
        if self.vmap is not None and self.batch == 1:
            raise ValueError(
                f"{self.name}: vmap is of fits that are made at once; give a batch of 2 or more, "
                "or leave vmap out"
            )

    @property
    def requires(self) -> tuple[str, ...]:
        return ("jax", "numpyro")

    @property
    def at_once(self) -> int:
        return self.batch

    def prepare(self, story: Story) -> Refit:
        sample = self._sampler(story)

        import jax

        run = jax.jit(sample)

        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            start = time.perf_counter()
            fit = self._fit(story, jax.device_get(run(np.uint64(seed), dict(data))), data, seed)
            return replace(fit, seconds=time.perf_counter() - start)

        return refit

    def prepare_many(self, story: Story) -> RefitMany:
        if self.batch == 1:
            return super().prepare_many(story)
        sample = self._sampler(story)

        from hiercal.fitters._numpyro_batch import batched

        run = batched(sample, self.batch, self.vmap)

        def fitted(sampled: Sampled, data: Mapping[str, np.ndarray], seed: int) -> Fit:
            try:
                return self._fit(story, sampled, data, seed)
            except Exception as error:
                # what goes wrong with one data set is no failure of those fitted with it
                return failed(reason(error))

        def refit_many(data: Sequence[Mapping[str, np.ndarray]], seeds: Sequence[int]) -> list[Fit]:
            start = time.perf_counter()
            fits = [fitted(*each) for each in zip(run(data, seeds), data, seeds, strict=True)]
            seconds = (time.perf_counter() - start) / len(data)
            return [replace(fit, seconds=seconds) for fit in fits]

        return refit_many

    def _sampler(self, story: Story) -> Sampler:
        """A function of a seed and data, to be compiled, that runs all chains of a fit."""
        import jax

        if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
            jax.config.update("jax_compilation_cache_dir", str(cache_folder("jax")))
        import numpyro
        from numpyro.infer import MCMC, NUTS

        numpyro.enable_x64()
        names = self.sampled(story)
        model = needed(story, NumPyroModel).numpyro_model(self.model)

        def chain(key: Any, data: Any) -> Sampled:
            kernel = NUTS(
                model, target_accept_prob=self.target_accept, max_tree_depth=self.max_treedepth
            )
            mcmc = MCMC(kernel, num_warmup=self.tune, num_samples=self.draws, progress_bar=False)
            mcmc.run(key, extra_fields=("num_steps", "energy"), **data)
            samples = mcmc.get_samples()
            return {name: samples[name] for name in names}, mcmc.get_extra_fields()

        # map, not vmap: under vmap every chain waits for the longest trajectory of all
        return lambda seed, data: jax.lax.map(
            lambda key: chain(key, data), jax.random.split(jax.random.key(seed), self.chains)
        )

    def _fit(
        self, story: Story, sampled: Sampled, data: Mapping[str, np.ndarray], seed: int
    ) -> Fit:
        draws, extra = sampled
        # compiled, NumPyro does not say that it has found no start: all draws are where it looked
        if not np.isfinite(extra["energy"]).any(axis=1).all():
            raise ValueError("no start was found at which the log density is finite")
        n_steps = extra["num_steps"]
        stats = {
            "diverging": extra["diverging"],
            "tree_depth": np.ceil(np.log2(n_steps + 1)).astype(int),
            "n_steps": n_steps,
            "energy": extra["energy"],
        }
        return Fit(self.completed(story, draws, data, seed), stats, 0.0)
