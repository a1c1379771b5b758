"""PyMC models sampled by nutpie or by PyMC's own NUTS."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from hiercal.fitters._fitter import STATISTICS, Fit, Refit, cache_folder
from hiercal.fitters._nuts import NutsFitter
from hiercal.simulators._capabilities import PyMCModel
from hiercal.simulators._story import needed

if TYPE_CHECKING:
    import pymc as pm

    from hiercal.simulators import Story

_NUTPIE_NAMES = {"tree_depth": "depth"}


@dataclass(frozen=True, kw_only=True)
class PyMC(NutsFitter):
    """The story's PyMC model.

    Parameters
    ----------
    sampler : {"nutpie", "nuts"}
        nutpie, compiled once and refitted in milliseconds, or PyMC's own NUTS, which rebuilds its
        step for each fit (about a second). Left alone, PyMC takes nutpie where it is installed.
    """

    sampler: Literal["nutpie", "nuts"] = "nutpie"

    name: ClassVar = "pymc"
    extra: ClassVar = "nutpie"
    needs: ClassVar = PyMCModel

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sampler not in ("nutpie", "nuts"):
            raise ValueError(f"pymc: sampler is {self.sampler!r}; give 'nutpie' or 'nuts'")

    @property
    def requires(self) -> tuple[str, ...]:
        return ("pymc", "nutpie") if self.sampler == "nutpie" else ("pymc",)

    def prepare(self, story: Story) -> Refit:
        _persist_compiled_code()
        return self._nutpie(story) if self.sampler == "nutpie" else self._nuts(story)

    def _nutpie(self, story: Story) -> Refit:
        import nutpie

        names = self.sampled(story)
        compiled = _compiled(story, self.model)

        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            start = time.perf_counter()
            # the raw trace: building an ArviZ object costs more than the sampling
            trace = nutpie.sample(
                compiled.with_data(**_data_nodes(data)),
                draws=self.draws,
                tune=self.tune,
                chains=self.chains,
                cores=1,
                seed=seed,
                target_accept=self.target_accept,
                maxdepth=self.max_treedepth,
                progress_bar=False,
                return_raw_trace=True,
            )
            draws, stats = trace.get_arrow_trace()
            kept = [~batch.column("tuning").to_numpy() for batch in stats]
            fit_draws = {
                name: _stack(draws, name, kept, compiled.shapes.get(name, ())) for name in names
            }
            fit_stats = {
                name: _stack(stats, _NUTPIE_NAMES.get(name, name), kept, ()) for name in STATISTICS
            }
            fit_draws = self.completed(story, fit_draws, data, seed)
            return Fit(fit_draws, fit_stats, time.perf_counter() - start)

        return refit

    def _nuts(self, story: Story) -> Refit:
        import pymc as pm

        model = _blank(story, self.model)
        names = self.sampled(story)

        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            start = time.perf_counter()
            logger = logging.getLogger("pymc")
            level = logger.level
            logger.setLevel(logging.ERROR)
            try:
                with model:
                    pm.set_data(_data_nodes(data))
                    trace = pm.sample(
                        draws=self.draws,
                        tune=self.tune,
                        chains=self.chains,
                        cores=1,
                        random_seed=seed,
                        nuts_sampler="pymc",
                        nuts={
                            "target_accept": self.target_accept,
                            "max_treedepth": self.max_treedepth,
                        },
                        progressbar=False,
                        compute_convergence_checks=False,
                    )
            finally:
                logger.setLevel(level)
            posterior, stats = trace["posterior"], trace["sample_stats"]
            fit_draws = {name: posterior[name].to_numpy() for name in names}
            return Fit(
                self.completed(story, fit_draws, data, seed),
                {name: stats[name].to_numpy() for name in STATISTICS},
                time.perf_counter() - start,
            )

        return refit


def _data_nodes(data: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}_data": values for name, values in data.items()}


def _stack(batches: Any, name: str, kept: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """One column of nutpie's raw trace, without tuning: (chain, draw, *shape)."""
    import pyarrow as pa

    chains = []
    for batch, keep in zip(batches, kept, strict=True):
        column = pa.array(batch.column(name))
        flat = column.flatten() if pa.types.is_large_list(column.type) else column
        chains.append(flat.to_numpy(zero_copy_only=False).reshape(len(column), *shape)[keep])
    return np.stack(chains)


def _blank(story: Story, model: str) -> pm.Model:
    """The model with data of the right shapes, to be replaced."""
    data = {k: np.asarray(v) for k, v in story.simulate(np.random.default_rng(0)).data.items()}
    return needed(story, PyMCModel).pymc_model(data, model)


@cache
def _compiled(story: Story, model: str) -> Any:
    """Compiled once a process, whatever the sampler's settings."""
    import nutpie

    with _plain_shape_errors():
        return nutpie.compile_pymc_model(_blank(story, model))


@contextmanager
def _plain_shape_errors() -> Generator[None]:
    """Numba with one fixed text for arrays that do not fit into a slice.

    It compiles the code that words this error for each process, half of the time that compiling a
    small model takes, and nutpie's compiled functions do not show it.
    """
    from numba.extending import overload
    from numba.np import arrayobj

    name = "raise_with_shape_context"
    usual = getattr(arrayobj, name, None)  # internal to numba: another version may not have it
    if usual is None:
        yield
        return

    def plain(src_shapes, index_shape): ...

    @overload(plain)
    def raising(src_shapes, index_shape):
        def raise_error(src_shapes, index_shape):
            raise ValueError("cannot assign to a slice: the shapes differ")

        return raise_error

    setattr(arrayobj, name, plain)
    try:
        yield
    finally:
        setattr(arrayobj, name, usual)


def _persist_compiled_code() -> None:
    """Keep PyTensor's compiled code in the user's cache folder, unless the user says where."""
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    if "pytensor" not in sys.modules and "base_compiledir" not in flags:
        own = f"base_compiledir={cache_folder('pytensor')}"
        os.environ["PYTENSOR_FLAGS"] = f"{flags},{own}" if flags else own
