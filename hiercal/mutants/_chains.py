"""Markov chains in NumPy, all chains of a fit at once, with a transition to be spoilt."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hiercal.fitters import Fit, Refit
from hiercal.mutants._mutant import Mutant
from hiercal.simulators import Story

Density = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Target:
    """What is sampled: functions of points (n_chains, n), to (n_chains,) and (n_chains, n)."""

    log_density: Density
    gradient: Density


@dataclass(frozen=True, kw_only=True)
class ChainFitter(Mutant):
    """Many short chains that start from the prior, for a story with one parameter.

    Parameters
    ----------
    chains, draws, tune : int
        Chains, and transitions kept and discarded of each.
    """

    chains: int = 50
    draws: int = 20
    tune: int = 30

    @property
    def shape(self) -> tuple[int, int]:
        return self.chains, self.draws

    @abstractmethod
    def transition(self, target: Target, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One transition of every chain from `x`, (n_chains, n)."""

    def prepare(self, story: Story) -> Refit:
        assert hasattr(story, "log_density_at"), f"{story.name} has no log density to sample"
        small: Any = story
        (name,) = story.dims

        def refit(data: Mapping[str, np.ndarray], seed: int) -> Fit:
            begin = time.perf_counter()
            rng = np.random.default_rng(seed)
            target = Target(
                lambda x: small.log_density_at(x, data), lambda x: small.gradient_at(x, data)
            )
            starts = [story.simulate(rng).truth[name] for _ in range(self.chains)]
            x = np.reshape(starts, (self.chains, -1))
            kept = []
            for step in range(self.tune + self.draws):
                x = self.transition(target, x, rng)
                if step >= self.tune:
                    kept.append(x)
            draws = np.stack(kept, axis=1)
            whole = draws if story.dims[name] else draws[..., 0]
            return Fit({name: whole}, {}, time.perf_counter() - begin)

        return refit


def leapfrog(
    target: Target, x: np.ndarray, p: np.ndarray, step: float, n_steps: int, inverse_mass: float = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and momenta after `n_steps` of the leapfrog integrator (Neal 2011, eq. 5.18)."""
    p = p + step / 2 * target.gradient(x)
    for i in range(n_steps):
        x = x + step * inverse_mass * p
        p = p + (step if i < n_steps - 1 else step / 2) * target.gradient(x)
    return x, p


def kinetic(p: np.ndarray, inverse_mass: float = 1) -> np.ndarray:
    """Kinetic energy, (n_chains,)."""
    return 0.5 * inverse_mass * np.square(p).sum(axis=-1)


def accepted(
    log_ratio: np.ndarray, new: np.ndarray, old: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The Metropolis choice between `new` and `old`, chain by chain."""
    take = np.log(rng.uniform(size=len(old))) < log_ratio
    return np.where(take[:, None], new, old)


def shrink(
    log_density: Density,
    level: np.ndarray,
    x: np.ndarray,
    i: int,
    low: np.ndarray,
    high: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """A point of the slice along coordinate i, from a bracket that shrinks (Neal 2003, fig. 5)."""
    low, high, new = low.copy(), high.copy(), x.copy()
    out = np.ones(len(x), bool)
    while out.any():
        proposed = low + (high - low) * rng.uniform(size=len(x))
        new[out, i] = proposed[out]
        outside = out & (log_density(new) < level)
        below = new[:, i] < x[:, i]
        low = np.where(outside & below, new[:, i], low)
        high = np.where(outside & ~below, new[:, i], high)
        out = outside
    return new


def stepped_out(
    log_density: Density, level: np.ndarray, end: np.ndarray, i: int, by: float
) -> np.ndarray:
    """Points moved along coordinate i until they are outside the slice (Neal 2003, fig. 3)."""
    end = end.copy()
    inside = log_density(end) > level
    while inside.any():
        end[inside, i] += by
        inside = log_density(end) > level
    return end


def slice_step(
    target: Target, x: np.ndarray, rng: np.random.Generator, width: float = 1.0
) -> np.ndarray:
    """Slice sampling of one coordinate after another, with stepping out (Neal 2003)."""
    for i in range(x.shape[1]):
        level = target.log_density(x) - rng.exponential(size=len(x))
        left, right = x.copy(), x.copy()
        left[:, i] -= width * rng.uniform(size=len(x))
        right[:, i] = left[:, i] + width
        left = stepped_out(target.log_density, level, left, i, -width)
        right = stepped_out(target.log_density, level, right, i, width)
        x = shrink(target.log_density, level, x, i, left[:, i], right[:, i], rng)
    return x
