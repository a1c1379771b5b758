"""What may have been mistaken where a factor differs: said only if the numbers bear it out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hiercal.user_models._parity_coding import SWAPPED, VARIANTS
from hiercal.user_models._parity_factors import SUPPORT, Factor, Values
from hiercal.user_models._parity_view import Point, View

FEWEST = 6
"""Points at which a guess has to hold."""


def hints(
    factor: Factor,
    values: Values,
    views: tuple[View, View],
    points: tuple[Sequence[Point], Sequence[Point]],
    sampled: tuple[str, str],
    tolerance: float,
) -> list[str]:
    """Sentences on a factor that differs, each confirmed at all points that have both densities.

    Parameters
    ----------
    views, points, sampled
        Of both codings: how it is seen, the points, and the name that the factor's variable has.
    """
    found = []
    if factor.verdict == SUPPORT:
        found.append(_support(factor, values, views))
    where = np.flatnonzero(values.both)
    if len(where) < FEWEST:
        return found
    a, b = values.sums
    found += _variants((a, b), where, views, points, sampled, tolerance)
    if len(found) > (factor.verdict == SUPPORT):
        return found
    gap = b - a
    scale = 1 + np.maximum(np.abs(a), np.abs(b))
    if factor.verdict == SUPPORT and (np.abs(gap - gap.mean()) <= tolerance * scale).all():
        found += _of_constant(float(gap.mean()))
    elif (affine := _affine(a, b, tolerance)) is not None:
        more, less = (views[1], views[0]) if abs(affine) > 1 else (views[0], views[1])
        times = affine if abs(affine) > 1 else 1 / affine
        found.append(
            f"up to a constant, its log density in {more.coding.label} is {times:.6g} times that "
            f"in {less.coding.label}: a factor {times:.6g} forgotten in one, or counted twice in "
            "the other"
        )
    return found


def _support(factor: Factor, values: Values, views: tuple[View, View]) -> str:
    a, b = (view.coding.label for view in views)
    if not factor.only_in_a and not factor.only_in_b:
        return "at no draw have both models a density"
    parts = []
    for n, own, zero, drawn in (
        (factor.only_in_a, a, b, values.from_a),
        (factor.only_in_b, b, a, ~values.from_a),
    ):
        if n:
            parts.append(
                f"{n} of {int((values.use & drawn).sum())} draws of {own} have no density under "
                f"{zero}"
                if n <= (values.use & drawn).sum()
                else f"at {n} draws only {own} has a density"
            )
    return "; ".join(parts)


def _of_constant(gap: float) -> list[str]:
    if abs(abs(gap) - np.log(2)) < 1e-5:
        return ["where both have a density they differ by log 2: one is the half of the other"]
    return [f"where both have a density they differ by the constant {gap:.6g}"]


def _variants(
    sums: tuple[np.ndarray, np.ndarray],
    where: np.ndarray,
    views: tuple[View, View],
    points: tuple[Sequence[Point], Sequence[Point]],
    sampled: tuple[str, str],
    tolerance: float,
) -> list[str]:
    """Changes of one parameter that make the codings agree; in the second model, else the first."""
    for side in (1, 0):
        view, name = views[side], sampled[side]
        if name not in view.coding.families or view.moved:
            continue
        changed = [
            view.coding.variants(name, points[side][i].own, points[side][i].own_data) for i in where
        ]
        target = sums[1 - side]
        found = []
        for parameter, how in changed[0]:
            values = np.array([float(each[parameter, how]) for each in changed])
            with np.errstate(invalid="ignore"):
                gap = np.abs(values - target) / (1 + np.maximum(np.abs(values), np.abs(target)))
            if (gap <= tolerance).all():
                found.append(_said(view.coding.label, name, parameter, how, views[1 - side]))
        if found:
            return found
    return []


def _said(label: str, name: str, parameter: str, how: str, other: View) -> str:
    if how == SWAPPED:
        return f"with {parameter} of {name} swapped in {label}, it agrees with {other.coding.label}"
    return (
        f"with the {how} of its {parameter} in {label}, {name} agrees with {other.coding.label}: "
        f"{VARIANTS[how][1]}?"
    )


def _affine(a: np.ndarray, b: np.ndarray, tolerance: float) -> float | None:
    """The slope of b in a if it is a straight line, other than the diagonal."""
    if np.ptp(a) <= 1e-3 * (1 + np.abs(a).max()):
        return None
    slope, offset = np.polyfit(a, b, 1)
    near = np.abs(b - offset - slope * a) <= tolerance * (1 + np.maximum(np.abs(a), np.abs(b)))
    return float(slope) if near.all() and abs(slope - 1) > 1e-3 and abs(slope) > 1e-3 else None
