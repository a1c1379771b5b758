"""A story whose data reveal the truth, and a fitter whose ranks are known: no sampling at all."""

import os
import re
import signal
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal import Fit, Fitter, Simulation, Story
from hiercal.fitters._fitter import failed
from hiercal.fitters.exact import Exact
from hiercal.sbc.ranks import thin
from hiercal.words import reason

MAX_RANK = 99


@dataclass(frozen=True, kw_only=True)
class Revealing(Story):
    """log x ~ N(0, 1); the data hold x, how many draws to put below it, and a uniform number."""

    name: ClassVar = "revealing"
    models: ClassVar = {"centred": ("x", "g")}
    dims: ClassVar = {"x": (), "g": ("group",)}
    scale: ClassVar = "x"
    groups: ClassVar = "g"

    @property
    def coords(self):
        return {"group": ("A", "B")}

    def simulate(self, rng):
        x = np.exp(rng.normal())
        data = {"x": np.array(x), "rank": rng.integers(MAX_RANK + 1), "u": rng.uniform()}
        return Simulation({"x": np.array(x), "g": np.array([x, -x])}, data)

    def log_likelihood(self, draws, data):
        return np.zeros((*np.shape(draws["x"]), 1))


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
    def shape(self):
        return (20, self.draws // 20 + 80) if self.stuck else (1, self.draws)

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
        diverging = np.arange(n) < int(10 * u) - 6
        stats = {"diverging": diverging, "n_steps": np.full(n, 3)}
        by_chain = {name: values.reshape(n_chains, -1) for name, values in stats.items()}
        draws = {"x": x.reshape(n_chains, -1), "g": g.reshape(n_chains, -1, 2)}
        return Fit(draws, by_chain, self.seconds)


@dataclass(frozen=True, kw_only=True)
class Permuted(Exact):
    """The exact posterior with some parameters put in another order among the draws."""

    draws: int = 4 * MAX_RANK
    parts: tuple[str, ...] = ()

    name: ClassVar = "permuted"

    def prepare(self, story):
        exact = super().prepare(story)

        def refit(data, seed):
            fit, rng = exact(data, seed), np.random.default_rng(seed)
            moved = {name: rng.permutation(fit.draws[name], axis=1) for name in self.parts}
            return Fit(fit.draws | moved, fit.stats, fit.seconds)

        return refit


class Bounded(Revealing):
    """A story whose log prior is infinite or minus infinite at some parameters."""

    name: ClassVar = "bounded"

    def log_prior(self, draws, model="centred"):
        x = draws["x"]
        return np.select([x < 0.7, x < 1], [np.inf, -np.inf], -x)


@dataclass(frozen=True, kw_only=True)
class Faulty(Revealing):
    """Goes wrong where log x is above 1: in ``simulate``, at the ``truth``, the ``draws``, or with
    a ``density`` that is no number there; or ``always``.
    """

    stage: str = ""

    name: ClassVar = "faulty"

    def simulate(self, rng):
        drawn = super().simulate(rng)
        if self.stage == "always" or (self.stage == "simulate" and drawn.truth["x"] > np.e):
            raise ZeroDivisionError("planted in simulate")
        return drawn

    def quantities(self, draws, data, rng):
        planted = "truth" if np.ndim(draws["x"]) == 0 else "draws"
        if self.stage == planted and data["x"] > np.e:
            raise ZeroDivisionError("planted in quantities")
        return super().quantities(draws, data, rng)

    def log_prior(self, draws, model="centred"):
        if self.stage != "density":
            return -draws["x"]
        return np.where(draws["x"] > np.e, np.nan, -draws["x"])


@dataclass(frozen=True, kw_only=True)
class Signed(Revealing):
    """A story whose between-group scale may be negative."""

    name: ClassVar = "signed"

    def simulate(self, rng):
        drawn = super().simulate(rng)
        x = drawn.truth["x"] * rng.choice([-1, 1])
        return Simulation({"x": x, "g": np.array([x, -x])}, {**drawn.data, "x": x})


@dataclass(frozen=True, kw_only=True)
class Flat(Revealing):
    """A story without groups."""

    name: ClassVar = "flat"
    models: ClassVar = {"centred": ("x",)}
    dims: ClassVar = {"x": ()}
    scale: ClassVar = ""
    groups: ClassVar = ""

    @property
    def coords(self):
        return {}

    def simulate(self, rng):
        drawn = super().simulate(rng)
        return Simulation({"x": drawn.truth["x"]}, drawn.data)


@dataclass(frozen=True, kw_only=True)
class Careless(Known):
    """Changes its data in place, or leaves a parameter out of its draws."""

    fault: str = "writes"

    name: ClassVar = "careless"

    def _refit(self, data, seed):
        fit = super()._refit(data, seed)
        if self.fault == "writes":
            data["x"][...] = 0
        kept = {k: v for k, v in fit.draws.items() if self.fault != "drops" or k != "g"}
        return Fit(kept, fit.stats, fit.seconds)


@dataclass(frozen=True, kw_only=True)
class Negative(Exact):
    """The exact posterior with a scale below 0 among its draws."""

    name: ClassVar = "negative"

    def prepare(self, story):
        exact = super().prepare(story)

        def refit(data, seed):
            fit = exact(data, seed)
            tau = fit.draws[story.scale].copy()
            tau[0, seed % 2] *= 1 - 2 * (seed % 2)  # of every second data set
            return Fit({**fit.draws, story.scale: tau}, fit.stats, fit.seconds)

        return refit


@dataclass(frozen=True, kw_only=True)
class Alone(Known):
    """Draws of x without group effects."""

    name: ClassVar = "alone"

    def _refit(self, data, seed):
        fit = super()._refit(data, seed)
        return Fit({"x": fit.draws["x"]}, fit.stats, fit.seconds)


@dataclass(frozen=True, kw_only=True)
class Slashed(Revealing):
    """A name and groups with a slash."""

    u: str = "C"

    name: ClassVar = "A/B"

    @property
    def coords(self):
        return {"group": ("A/B", f"A/{self.u}")}


NASTY = (
    "</script><img src=x onerror=alert(1)>",
    "\"'&amp; {{ 7 * 7 }}",
    "\u202eשלום עולם",
    "long " * 60,
)
"""Names that a page has to show as they are."""


@dataclass(frozen=True, kw_only=True)
class Nasty(Revealing):
    """Groups whose names a page could take for something else."""

    name: ClassVar = "nasty<b>"

    @property
    def coords(self):
        return {"group": NASTY}

    def simulate(self, rng):
        drawn = super().simulate(rng)
        return Simulation({"x": drawn.truth["x"], "g": np.full(4, drawn.truth["x"])}, drawn.data)


@dataclass(frozen=True, kw_only=True)
class KnownNasty(Known):
    """Draws of as many groups."""

    name: ClassVar = "known<i>"

    def _refit(self, data, seed):
        fit = super()._refit(data, seed)
        x = fit.draws["x"]
        return Fit({"x": x, "g": np.repeat(x[..., None], 4, axis=-1)}, fit.stats, fit.seconds)


@dataclass(frozen=True, kw_only=True)
class Lossy(Known):
    """Where ``u`` of the data is above ``1 - share``, a fit is lost by its ``fault``.

    ``sleeps`` for ever; ``holds`` Python's lock for ever in compiled code; ``eats`` 960 MB;
    ``dies`` by a signal, as of the system; ``exits``; ``compiles`` exits before the first fit. With
    ``once``, a path, only where no such file is there, which it makes.
    """

    fault: str = "sleeps"
    share: float = 1.0
    once: str = ""

    name: ClassVar = "lossy"

    def prepare(self, story):
        if self.fault == "compiles":
            os._exit(3)
        return super().prepare(story)

    def _refit(self, data, seed):
        if data["u"] > 1 - self.share and not (self.once and os.path.exists(self.once)):
            if self.once:
                open(self.once, "w").close()
            getattr(self, f"_{self.fault}")()
        return super()._refit(data, seed)

    def _sleeps(self):
        while True:
            time.sleep(1)

    def _holds(self):
        re.match(r"(a+)+$", "a" * 64 + "b")

    def _eats(self):
        held = [np.ones(20_000_000) for _ in range(6)]
        while held:
            time.sleep(1)

    def _dies(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def _exits(self):
        os._exit(17)


@dataclass(frozen=True, kw_only=True)
class Several(Lossy):
    """`Lossy` that makes several fits in one call, with the ranks of those made singly."""

    several: int = 4

    unseeded: ClassVar = ("several", "fault", "share", "once")

    @property
    def at_once(self):
        return self.several

    def prepare_many(self, story):
        refit = self.prepare(story)

        def fitted(data, seed):
            try:
                return refit(data, seed)
            except ArithmeticError as error:
                return failed(reason(error))

        return lambda data, seeds: [fitted(*each) for each in zip(data, seeds, strict=True)]
