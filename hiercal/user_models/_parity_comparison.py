"""Two codings of a model at the same points: the table of their factors, and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from hiercal.errors import ModelRefused
from hiercal.user_models import _parity_factors as factors
from hiercal.user_models._parity_coding import POTENTIALS, Coding
from hiercal.user_models._parity_hints import hints
from hiercal.user_models._parity_names import Pair, pairs_of
from hiercal.user_models._parity_view import Point, View

GRADIENT = 10
"""How many times the tolerance gradients may differ, which cancel more."""
DRAWS = 20
"""Prior draws of each model at which they are compared."""
FIXED = 3
"""Data sets on which likelihoods are compared at all parameters."""


@dataclass
class Comparison:
    """Two codings at the same points."""

    a: Coding
    b: Coding
    names: Mapping[str, str]
    tolerance: float
    seed: int
    notes: list[str] = field(default_factory=list)

    def found(self) -> tuple[pd.DataFrame, list[str], bool]:
        """The table of factors, sentences, and whether all are equal."""
        pairs = self._pairs()
        views = View(self.a, pairs, True), View(self.b, pairs, False)
        points, from_a = self._points(views, DRAWS)
        terms = [[view.terms(p) for p in each] for view, each in zip(views, points, strict=True)]
        of_data = [p.a.name for p in pairs if p.a.name in self.a.observed]
        names = [p.a.name for p in pairs]
        if any(POTENTIALS in each[0] for each in terms):
            names.insert(len(names) - len(of_data), POTENTIALS)
            for each in (point for side in terms for point in side):
                each.setdefault(POTENTIALS, np.zeros(()))
        fixed = self._fixed(views, points, of_data)
        rows, sentences, use = [], [], np.ones(len(from_a), bool)
        for name in names:
            values = factors.Values(*factors.aligned(*terms, name), use, from_a)
            factor = factors.compared(name, values, fixed.get(name, ()), self.tolerance)
            pair = next((p for p in pairs if p.a.name == name), None)
            rows.append(_row(factor, pair, self.a, self.b))
            if not factor.equal:
                sampled = (pair.a.sampled, pair.b.sampled) if pair else (name, name)
                hint = hints(factor, values, views, points, sampled, self.tolerance)
                sentences.append(_difference(factor, hint, pair, self.a, self.b, not sentences))
            elif factor.verdict != factors.EQUAL:
                self.notes.append(_up_to(factor, self.a.label, self.b.label))
            if name not in of_data:
                use = use & ~(factors.finite(values.a) ^ factors.finite(values.b))
        finite = use & np.all(
            [factors.finite(x) for n in names for x in factors.aligned(*terms, n)], axis=0
        )
        rows.append(self._gradient(views, points, np.flatnonzero(finite), pairs, sentences))
        same = not sentences
        if same:
            exact = [row["difference"] for row in rows[:-1] if row["verdict"] == factors.EQUAL]
            worst = max(exact, default=0.0)
            sentences = [
                f"{self.a.label} and {self.b.label} are the same model: log densities agree at "
                f"{len(from_a)} prior draws, to {worst:.1g} (tolerance {self.tolerance:g})"
            ]
        return pd.DataFrame(rows), [*sentences, *self.notes, *self._on_data(pairs)], same

    def _pairs(self) -> list[Pair]:
        """The way to match variables in which the codings agree, where there are several."""
        ways = pairs_of(self.a, self.b, self.names)
        chosen = ways[0]
        if len(ways) > 1:
            chosen = next((way for way in ways if self._agree(way)), None)
            if chosen is None:
                some = [
                    f"{p.a.name} {p.a.shape or '(scalar)'}" for p in ways[0] if p.how == "shape"
                ]
                others = [p.b.name for p in ways[0] if p.how == "shape"]
                raise ModelRefused(
                    f"names do not match: {', '.join(some)} of {self.a.label} could be any of "
                    f"{', '.join(others)} of {self.b.label}, and in none of {len(ways)} ways do "
                    "the densities agree; say which is which: --names "
                    + ",".join(f"{p.a.name}={p.b.name}" for p in ways[0] if p.how == "shape")
                )
        for pair in chosen:
            if pair.how == "shape":
                self.notes.append(
                    f"{pair.a.name} of {self.a.label} was taken for {pair.b.name} of "
                    f"{self.b.label}, by {'trying' if len(ways) > 1 else 'shape'}"
                )
            if pair.transposed:
                self.notes.append(
                    f"{pair.a.name} has shape {pair.a.shape} in {self.a.label}, and its transpose "
                    f"{pair.b.shape} in {self.b.label}"
                )
            for coding, place in ((self.a, pair.a), (self.b, pair.b)):
                if place.moved:
                    self.notes.append(
                        f"{place.name} is computed from {place.sampled} in {coding.label}; the "
                        "Jacobian was added"
                    )
        return chosen

    def _agree(self, pairs: list[Pair]) -> bool:
        views = View(self.a, pairs, True), View(self.b, pairs, False)
        points, _ = self._points(views, 4)
        sums = [
            np.array([sum(float(np.sum(t)) for t in view.terms(p).values()) for p in each])
            for view, each in zip(views, points, strict=True)
        ]
        with np.errstate(invalid="ignore"):
            gap = sums[1] - sums[0]
            near = np.abs(gap - np.median(gap)) <= self.tolerance * (1 + np.abs(sums[0]))
        return bool(near.all())

    def _points(
        self, views: tuple[View, View], n: int
    ) -> tuple[tuple[list[Point], list[Point]], np.ndarray]:
        """Draws of both models, as both see them."""
        seen: tuple[list[Point], list[Point]] = ([], [])
        from_a, lost = [], 0
        for which, view in enumerate(views):
            for i in range(n):
                point = view.simulated(np.random.default_rng([self.seed, which, i]))
                other = views[1 - which].seen(point)
                if other is None:
                    lost += 1
                    continue
                seen[which].append(point)
                seen[1 - which].append(other)
                from_a.append(which == 0)
        if lost:
            self.notes.append(
                f"{lost} of {2 * n} draws were left out: what a computed variable comes from was "
                "not found"
            )
        if not from_a:
            raise ModelRefused("no draw of one model could be expressed in the other's variables")
        return seen, np.array(from_a)

    def _fixed(
        self, views: tuple[View, View], points: tuple[list[Point], list[Point]], names: list[str]
    ) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
        """Log likelihoods of both codings on few data sets, at all parameters."""
        found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in names}
        for i in range(min(FIXED, len(points[0]))):
            sums = []
            for view, each in zip(views, points, strict=True):
                moved = [replace(p, data=each[i].data, own_data=each[i].own_data) for p in each]
                terms = [view.terms(p) for p in moved]
                sums.append({n: np.array([float(np.sum(t[n])) for t in terms]) for n in names})
            for name in names:
                found[name].append((sums[0][name], sums[1][name]))
        return found

    def _gradient(
        self,
        views: tuple[View, View],
        points: tuple[list[Point], list[Point]],
        where: np.ndarray,
        pairs: list[Pair],
        sentences: list[str],
    ) -> dict[str, Any]:
        """The row of the gradient; if it alone differs, a sentence."""
        row = {"factor": "gradient of all", "in_a": "", "in_b": "", "difference": np.nan}
        free = [p for p in pairs if p.a.name not in self.a.observed]
        names = [
            p.a.name
            for p in free
            if p.a.sampled not in self.a.curved and p.b.sampled not in self.b.curved
        ]
        if any(view.moved for view in views) or not names or not len(where):
            return row | {"verdict": "not compared"}
        each = [
            [view.gradient(ps[i]) for i in where] for view, ps in zip(views, points, strict=True)
        ]
        worst, name = factors.gradients(each[0], each[1], names)
        differs = worst > GRADIENT * self.tolerance
        if differs and not sentences:
            sentences.append(
                f"log densities agree, but their gradients differ in {name}, by {worst:.2g} "
                "(relative): a derivative is wrong"
            )
        shown = f"differs in {name}" if differs else factors.EQUAL
        return row | {"difference": worst, "verdict": shown}

    def _on_data(self, pairs: list[Pair]) -> list[str]:
        """What to say of observed values that are not the same."""
        said = []
        for pair in pairs:
            if pair.a.name not in self.a.given:
                continue
            one = np.asarray(self.a.given[pair.a.name], float)
            other = np.asarray(self.b.given[pair.b.name], float)
            other = other.T if pair.transposed else other.reshape(one.shape)
            if n := int((~np.isclose(one, other, equal_nan=True)).sum()):
                said.append(
                    f"{n} of {one.size} observed values of {pair.a.name} are not the same in "
                    f"{self.a.label} and {self.b.label}; the models were compared on simulated ones"
                )
        return said


def _row(factor: factors.Factor, pair: Pair | None, a: Coding, b: Coding) -> dict[str, Any]:
    shown = ["", ""]
    if pair is not None:
        shown = [
            f"{place.sampled}: {coding.families[place.sampled]}"
            for coding, place in ((a, pair.a), (b, pair.b))
        ]
    return {
        "factor": factor.name,
        "in_a": shown[0],
        "in_b": shown[1],
        "difference": factor.worst,
        "verdict": factor.verdict,
    }


def _difference(
    factor: factors.Factor, hint: list[str], pair: Pair | None, a: Coding, b: Coding, first: bool
) -> str:
    ordinal = "is the first factor that differs" if first else "differs too,"
    text = f"{factor.name} {ordinal} between {a.label} and {b.label}"
    elements, size = factor.elements
    if 0 < len(elements) < size and pair is not None:
        at = np.unravel_index(elements[0], pair.a.shape)
        text += f", in {len(elements)} of {size} elements, the first [{','.join(map(str, at))}]"
    return text + (f": {'; '.join(hint)}" if hint else "")


def _up_to(factor: factors.Factor, a: str, b: str) -> str:
    if factor.verdict == factors.OF_DATA:
        return f"{factor.name} differs by what depends on the data alone; the posterior is the same"
    log_2 = " (log 2)" if abs(abs(factor.constant) - np.log(2)) < 1e-5 else ""
    return (
        f"{factor.name} of {b} is that of {a} plus the constant {factor.constant:.6g}{log_2}; the "
        "posterior is the same"
    )
