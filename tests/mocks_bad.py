"""Fits and stories that go wrong in every way, one way a data set."""

import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hiercal import Fit, Simulation, Story

DRAWS = 100


class Untold(Exception):
    """An error whose text cannot be made."""

    def __str__(self):
        raise RuntimeError("no text")


def raises(error):
    raise error


def fit_of(draws=None, stats=None, error=None, seconds=0.0):
    return lambda z: Fit({"x": z[None]} if draws is None else draws, stats, seconds, error)


def stats_of(**stats):
    return fit_of(stats=stats)


FAULTS = {
    "nothing": (lambda z: {"x": z}, None),
    "float32": (lambda z: {"x": z.astype(np.float32)}, None),
    "longdouble": (lambda z: {"x": z.astype(np.longdouble)}, None),
    "long seconds": (lambda z: Fit({"x": z[None]}, {}, "long"), None),
    "complex": (lambda z: {"x": z + 0j}, "fit: draws of x are complex128"),
    "three digits": (lambda z: {"x": z.astype(np.float16)}, "fit: draws of x are float16"),
    "whole": (lambda z: {"x": z.astype(int)}, "summary: ValueError: draws of x are int64"),
    "truth values": (lambda z: {"x": z > 0}, "summary: ValueError: draws of x are bool"),
    "masked": (lambda z: {"x": np.ma.masked_equal(z, z[3])}, "fit: 1 draws of x are masked"),
    "objects": (lambda z: {"x": z.astype(object)}, "fit: draws of x are object"),
    "text": (lambda z: {"x": z.astype(str)}, "fit: draws of x are <U"),
    "beyond floats": (
        lambda z: {"x": z.astype(np.longdouble) * np.longdouble("1e400")},
        "fit: 100 draws of x are not finite",
    ),
    "ragged": (lambda z: {"x": [[1, 2], [3]]}, "fit: ValueError: setting an array element"),
    "None": (lambda z: None, "fit: TypeError: planted returned NoneType; return draws"),
    "a list": (lambda z: [z], "fit: TypeError: planted returned list; return draws"),
    "nothing at all": (lambda z: {}, "fit: no draws of x; the fit holds nothing"),
    "error 3": (fit_of(stats={}, error=3), "fit: error is 3; expected a text, or None"),
    "raised": (fit_of(stats={}, error=KeyError("x")), "fit: KeyError: 'x'"),
    "untold": (lambda z: raises(Untold()), "fit: Untold: (its message cannot be made)"),
    "exit": (lambda z: sys.exit(0), "fit: SystemExit: 0"),
    "base": (lambda z: raises(BaseException("all")), "fit: BaseException: all"),
    "bytes": (lambda z: raises(ValueError("a\0\udc80")), r"fit: ValueError: a\x00\udc80"),
    "novel": (lambda z: raises(ValueError("a" * 10**6)), "fit: ValueError: aaaa"),
    "draws in a list": (fit_of(draws=[1.0], stats={}), "fit: draws are [1.0]; expected arrays"),
    "no statistics": (fit_of(), "fit: stats are None; expected arrays by name"),
    "few": (stats_of(diverging=np.ones(3)), "fit: statistic diverging has shape (3,)"),
    "words": (stats_of(n_steps="many"), "fit: statistic n_steps is of type <U4"),
    "undefined": (
        stats_of(tree_depth=np.full((1, DRAWS), np.nan)),
        "fit: statistic tree_depth is not finite",
    ),
}
"""What is returned, from right draws (n_draws,), and how the error of the record begins."""
AT = {
    "right": None,
    "exits": "simulate: SystemExit: 0",
    "none": "simulate: TypeError: spoilt: simulate gives None; expected a Simulation",
    "text": "simulate: TypeError: spoilt: the truth of x is <U1; expected real numbers",
    "nan": "summary: ValueError: the truth of x is not a number; it has no rank",
    "density": "summary: ZeroDivisionError: planted in log_likelihood",
    "untold": "summary: Untold: (its message cannot be made)",
}
"""What becomes of a simulation of `Spoilt`, and how the error of its record begins."""


@dataclass(frozen=True, kw_only=True)
class Planted(Story):
    """x ~ N(0, 1), y ~ N(x, 1); the data say which fault the fit has."""

    name: ClassVar = "planted"

    def simulate(self, rng):
        x = rng.normal()
        return Simulation({"x": x}, {"y": rng.normal(x, 1), "fault": rng.integers(len(FAULTS))})

    def log_likelihood(self, draws, data):
        return -0.5 * (data["y"] - draws["x"])[..., None] ** 2


@dataclass(frozen=True, kw_only=True)
class Spoilt(Planted):
    """A story that goes wrong itself, in each of the ways in turn."""

    name: ClassVar = "spoilt"

    def simulate(self, rng):
        at = list(AT)[rng.integers(len(AT))]
        drawn = super().simulate(rng)
        if at == "exits":
            sys.exit(0)
        x = {"text": "a", "nan": np.nan}.get(at, drawn.truth["x"])
        found = Simulation({"x": x}, drawn.data | {"at": np.array(at), "fault": np.array(0)})
        return None if at == "none" else found

    def log_likelihood(self, draws, data):
        if data["at"] == "density":
            raise ZeroDivisionError("planted in log_likelihood")
        if data["at"] == "untold":
            raise Untold
        return super().log_likelihood(draws, data)


def planted(data, seed):
    z = data["y"] / 2 + 0.5**0.5 * np.random.default_rng(seed).normal(size=DRAWS)
    return list(FAULTS.values())[int(data["fault"])][0](z)


def seedless(data, seed):
    return {"x": data["y"] / 2 + 0.5**0.5 * np.random.default_rng(0).normal(size=DRAWS)}


@dataclass(frozen=True, kw_only=True)
class Rigid(Planted):
    """A story that takes nothing from its random numbers."""

    name: ClassVar = "rigid"

    def simulate(self, rng):
        return super().simulate(np.random.default_rng(0))
