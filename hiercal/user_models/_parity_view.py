"""A coding seen in variables that it shares with another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hiercal.user_models._parity_coding import Coding, Values
from hiercal.user_models._parity_names import Pair, Place

STEPS = 50
"""Newton steps that are tried to find what a computed variable comes from."""
CLOSE = 1e-12


@dataclass
class Point:
    """Values of the shared variables, data, and the same in a coding's own."""

    shared: dict[str, np.ndarray]
    data: dict[str, np.ndarray]
    own: dict[str, np.ndarray] = field(default_factory=dict)
    own_data: dict[str, np.ndarray] = field(default_factory=dict)


class View:
    """A coding whose variables go by the names, and have the shapes, that they have in another.

    Where a variable is computed here and sampled there, as one that is non-centred is, its log
    density is that of what it is computed from, minus the log determinant of the derivative.
    """

    def __init__(self, coding: Coding, pairs: Sequence[Pair], first: bool) -> None:
        self.coding = coding
        self._here: dict[str, Place] = {p.a.name: p.a if first else p.b for p in pairs}
        self._pair = {pair.a.name: pair for pair in pairs}
        self._first = first
        self._data = [n for n, place in self._here.items() if place.sampled in coding.observed]
        self._free = [n for n in self._here if n not in self._data]
        self._moved = [n for n in self._free if self._here[n].moved]
        self._start: dict[str, np.ndarray] = {}

    @property
    def moved(self) -> bool:
        """Whether some variable is computed."""
        return bool(self._moved)

    def simulated(self, rng: np.random.Generator) -> Point:
        """A draw of all variables and data."""
        own, own_data = self.coding.simulated(rng)
        own_data = dict(own_data)
        self._start = self._start or own
        values = {**own, **own_data, **self._computed(own, own_data)}
        shared = {n: self._shared(n, values[self._here[n].name]) for n in self._free}
        data = {n: self._shared(n, values[self._here[n].name]) for n in self._data}
        return Point(shared, data, own, own_data)

    def seen(self, point: Point) -> Point | None:
        """A point of the other coding in this one's variables; None if there is none."""
        own = {self._here[n].sampled: self._own(n, point.shared[n]) for n in self._free
               if n not in self._moved}  # fmt: skip
        data = {self._here[n].sampled: self._own(n, point.data[n]) for n in self._data}
        if self._moved:
            found = self._solved(own, data, point)
            if found is None:
                return None
            own |= found
        return Point(point.shared, point.data, own, data)

    def terms(self, point: Point) -> dict[str, np.ndarray]:
        """Log density of each shared variable given its parents, elementwise where it can be."""
        terms = self.coding.terms(point.own, point.own_data)
        found = {}
        for name, place in self._here.items():
            term = np.asarray(terms.pop(place.sampled), float)
            alike = term.shape == place.shape and not place.moved
            found[name] = self._shared(name, term) if alike else np.asarray(term.sum())
        for name, log_jacobian in self._log_jacobians(point).items():
            found[name] = found[name] - log_jacobian
        return {**found, **{n: np.asarray(term, float) for n, term in terms.items()}}

    def gradient(self, point: Point) -> dict[str, np.ndarray]:
        """Gradient of the log density with respect to the shared variables."""
        found = self.coding.gradient(point.own, point.own_data)
        return {n: self._shared(n, found[self._here[n].sampled]) for n in self._free}

    def _shared(self, name: str, value: np.ndarray) -> np.ndarray:
        return self._reshaped(name, value, self._pair[name].a.shape)

    def _own(self, name: str, value: np.ndarray) -> np.ndarray:
        return self._reshaped(name, value, self._here[name].shape)

    def _reshaped(self, name: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        flip = self._pair[name].transposed and not self._first
        return np.asarray(value).T.reshape(shape) if flip else np.asarray(value).reshape(shape)

    def _computed(self, own: Values, data: Values) -> dict[str, np.ndarray]:
        names = tuple(self._here[n].name for n in self._moved)
        return (
            dict(zip(names, self.coding.computed(names, own, data), strict=True)) if names else {}
        )

    def _log_jacobians(self, point: Point) -> dict[str, float]:
        """Log determinants of the derivatives of computed variables, one block each."""
        if not self._moved:
            return {}
        matrix, blocks = self._jacobian(point.own, point.own_data)
        found = {
            n: float(np.linalg.slogdet(matrix[block, block])[1])
            for n, block in zip(self._moved, blocks, strict=True)
        }
        # blocks that depend on each other both ways have no determinants of their own
        whole = float(np.linalg.slogdet(matrix)[1])
        found[self._moved[-1]] += whole - sum(found.values()) if np.isfinite(whole) else np.nan
        return found

    def _jacobian(self, own: Values, data: Values) -> tuple[np.ndarray, list[slice]]:
        names = tuple(self._here[n].name for n in self._moved)
        wrt = tuple(self._here[n].sampled for n in self._moved)
        sizes = [int(np.prod(self._here[n].shape)) for n in self._moved]
        ends = np.cumsum(sizes)
        blocks = [slice(end - n, end) for n, end in zip(sizes, ends, strict=True)]
        return self.coding.jacobian(names, wrt, own, data), blocks

    def _solved(self, own: Values, data: Values, point: Point) -> dict[str, np.ndarray] | None:
        """What computed variables come from, by Newton's method: exact at once if affine."""
        if not self._start:
            self._start = self.coding.simulated(np.random.default_rng(0))[0]
        wrt = [self._here[n].sampled for n in self._moved]
        shapes = [np.shape(self._start[n]) for n in wrt]
        raw = {n: np.asarray(self._start[n], float) for n in wrt}
        target = np.concatenate([self._own(n, point.shared[n]).ravel() for n in self._moved])
        for _ in range(STEPS):
            values = {**own, **raw}
            now = np.concatenate([np.ravel(v) for v in self._computed(values, data).values()])
            gap = target - now
            if not np.isfinite(gap).all():
                return None
            if np.abs(gap).max() <= CLOSE * (1 + np.abs(target).max()):
                return raw
            matrix, blocks = self._jacobian(values, data)
            try:
                step = np.linalg.solve(matrix, gap)
            except np.linalg.LinAlgError:
                return None
            raw = {
                n: raw[n] + step[block].reshape(shape)
                for n, block, shape in zip(wrt, blocks, shapes, strict=True)
            }
        return None
