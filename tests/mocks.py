"""A story whose data reveal the truth, and a fitter whose ranks are known: no sampling at all."""

import os
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal import Fit, Fitter, Simulation, Story
from hiercal.sbc.ranks import thin

MAX_RANK = 99


@dataclass(frozen=True, kw_only=True)
class Revealing(Story):
    """log x ~ N(0, 1); the data hold x, how many draws to put below it, and a uniform number."""

    name: ClassVar = "revealing"
    models: ClassVar = {"centred": ("x", "g")}
    dims: ClassVar = {"x": (), "g": ("group",)}
    design: ClassVar = ()
    scale: ClassVar = "x"
    groups: ClassVar = "g"

    @property
    def coords(self):
        return {"group": ("A", "B")}

    @property
    def observed(self):
        return None

    @classmethod
    def from_frame(cls, frame):
        raise NotImplementedError

    def simulate(self, rng):
        x = np.exp(rng.normal())
        data = {"x": np.array(x), "rank": rng.integers(MAX_RANK + 1), "u": rng.uniform()}
        return Simulation({"x": np.array(x), "g": np.array([x, -x])}, data)

    def check(self, data):
        return dict(data)

    def log_prior(self, draws, model="centred"):
        return -0.5 * np.log(draws["x"]) ** 2 - np.log(draws["x"])

    def log_likelihood(self, draws, data):
        return np.zeros((*np.shape(draws["x"]), 1))

    def latent(self, draws, model):
        return dict(draws)

    def pymc_model(self, data, model):
        raise NotImplementedError

    def numpyro_model(self, model):
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Known(Fitter):
    """Puts exactly ``data["rank"]`` of the thinned draws below the truth, or ``always`` of them.

    Fits whose ``u`` is below ``raises``, ``short``, ``nan`` (cumulative shares) go wrong in that
    way; a fit whose simulation has ``u`` above ``1 - kills`` ends its process. With ``stuck`` there
    are 20 chains, the last of which stays far out, and the ranks of all are as without.
    """

    draws: int = 4 * MAX_RANK
    always: int = -1
    raises: float = 0.0
    short: float = 0.0
    nan: float = 0.0
    kills: float = 0.0
    seconds: float = 0.0
    broken: bool = False
    stuck: bool = False

    name: ClassVar = "known"

    @property
    def label(self):
        return self.name

    @property
    def requires(self):
        return ()

    @property
    def shape(self):
        return (20, self.draws // 20 + 80) if self.stuck else (1, self.draws)

    def parameters(self, story):
        return tuple(story.dims)

    def prepare(self, story):
        if self.broken:
            raise RuntimeError("the compiler is out of order")
        return self._refit

    def _refit(self, data, seed):
        time.sleep(self.seconds)
        u = float(data["u"])
        if u < self.raises:
            raise ArithmeticError(f"planted failure at u = {u:.3f}")
        if u > 1 - self.kills:
            os._exit(17)
        n_chains, n_each = self.shape
        n = n_chains * n_each - (self.raises <= u < self.raises + self.short)
        below = int(data["rank"]) if self.always < 0 else self.always
        rng = np.random.default_rng(seed)
        is_below = rng.uniform(size=n) < below / MAX_RANK
        kept = thin(n_chains * n_each, MAX_RANK)
        kept = kept[kept < n]
        held = self.stuck & (kept >= n - n_each)
        low = below > MAX_RANK // 2
        is_below[kept[held]] = low
        free = np.arange(len(kept) - held.sum()) < below - low * held.sum()
        is_below[kept[~held]] = rng.permutation(free)
        offsets = rng.uniform(1e-3, 0.5, size=n) * np.where(is_below, -1, 1)
        if self.stuck:
            offsets[-n_each:] = -0.9 if low else 3.0
        x = data["x"] * (1 + offsets)
        if self.raises + self.short <= u < self.raises + self.short + self.nan:
            x[0] = np.nan
        g = np.stack([x, data["x"] * (-1 + offsets)], axis=-1)
        diverging = np.arange(n) < int(10 * u)
        stats = {"diverging": diverging, "n_steps": np.full(n, 3)}
        by_chain = {name: values.reshape(n_chains, -1) for name, values in stats.items()}
        draws = {"x": x.reshape(n_chains, -1), "g": g.reshape(n_chains, -1, 2)}
        return Fit(draws, by_chain, self.seconds)
