"""Which variable of one coding is which of another."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hiercal.errors import ModelRefused, UnknownName
from hiercal.user_models._parity_coding import Coding

MOST_PERMUTATIONS = 24
"""Ways to match variables of the same shape that are tried."""


@dataclass(frozen=True)
class Place:
    """A variable in one coding.

    Attributes
    ----------
    name : str
        The variable that has the shared meaning.
    sampled : str
        The variable that is sampled or observed for it: another one where `name` is computed.
    shape : tuple of int
        Of `name`.
    """

    name: str
    sampled: str
    shape: tuple[int, ...]

    @property
    def moved(self) -> bool:
        """Whether the variable is computed from the one sampled."""
        return self.name != self.sampled


@dataclass(frozen=True)
class Pair:
    """A variable of both codings, and how the match was found: by ``name``, ``map``, ``shape``."""

    a: Place
    b: Place
    how: str = "name"

    @property
    def transposed(self) -> bool:
        """Whether the axes are in opposite order."""
        return self.a.shape != self.b.shape and self.a.shape == self.b.shape[::-1]


def pairs_of(a: Coding, b: Coding, names: Mapping[str, str]) -> list[list[Pair]]:
    """Ways to match all variables of two codings; one where names and shapes leave no choice.

    Parameters
    ----------
    names : dict of str to str
        Of variables in `a`, their names in `b`.

    Raises
    ------
    UnknownName
        If `names` has a name that a model has not.
    ModelRefused
        If variables are left, or shapes are not the same.
    """
    _known(a, b, names)
    free, left_a, left_b = _named(a, b, names)
    observed, data_a, data_b = _observed(a, b, names)
    for pair in [*free, *observed]:
        if _size(pair.a.shape) != _size(pair.b.shape):
            raise ModelRefused(
                f"{pair.a.name} has shape {pair.a.shape} in {a.label}, and "
                f"{_called(pair)} has shape {pair.b.shape} in {b.label}; the codings are of "
                "models of different size"
            )
    moved = _moved(a, b, free, left_a, left_b)
    ways_free = _by_shape(a.free, b.free, left_a, left_b)
    ways_data = _by_shape(a.observed, b.observed, data_a, data_b)
    if ways_free is None or ways_data is None:
        raise ModelRefused(_left(a, b, [*left_a, *data_a], [*left_b, *data_b]))
    order = {name: i for i, name in enumerate([*a.free, *a.observed])}
    return [
        sorted([*moved, *one, *observed, *other], key=lambda pair: order[pair.a.sampled])
        for one, other in itertools.product(ways_free, ways_data)
    ]


def _called(pair: Pair) -> str:
    return "it" if pair.a.name == pair.b.name else pair.b.name


def _all(coding: Coding) -> dict[str, tuple[int, ...]]:
    return {**coding.free, **coding.derived, **coding.observed}


def _known(a: Coding, b: Coding, names: Mapping[str, str]) -> None:
    for coding, asked in ((a, list(names)), (b, list(names.values()))):
        for name in asked:
            if name not in (valid := _all(coding)):
                close = difflib.get_close_matches(name, valid, n=1)
                hint = f"did you mean {close[0]!r}? " if close else ""
                raise UnknownName(
                    f"names: {coding.label} has no variable {name!r}; {hint}it has: "
                    f"{', '.join(valid)}"
                )
    if len(set(names.values())) < len(names):
        raise UnknownName(f"names gives two variables one name: {dict(names)}")
    for one, other in names.items():
        if (one in a.observed) != (other in b.observed):
            raise UnknownName(f"names: only one of {one} and {other} is observed")
        if one in a.derived and other in b.derived:
            raise UnknownName(
                f"names: {one} and {other} are both computed; match the variables that they are "
                "computed from"
            )


def _named(
    a: Coding, b: Coding, names: Mapping[str, str]
) -> tuple[list[Pair], list[str], list[str]]:
    """Pairs by name, with a place to fill where one is computed, and what is left."""
    all_a, all_b = {**a.free, **a.derived}, {**b.free, **b.derived}
    pairs, taken = [], set(names.values())
    given = {n: m for n, m in names.items() if n not in a.observed}
    for name in all_a:
        other = given.get(name, "" if name in taken else name)
        if other not in all_b or (name in a.derived and other in b.derived):
            continue
        computed = name in a.derived or other in b.derived
        if computed and name not in given and _size(all_a[name]) != _size(all_b[other]):
            continue  # something else of the same name
        how = "map" if name in given else "name"
        if how == "map" and name in a.free and other in b.free and name != other:
            # one of the two may be what the other's namesake is computed from
            if _size(b.derived.get(name)) == _size(b.free[other]) == _size(a.free[name]):
                place = Place(name, other, b.derived[name])
                pairs.append(Pair(Place(name, name, a.free[name]), place, how))
                continue
            if _size(a.derived.get(other)) == _size(a.free[name]) == _size(b.free[other]):
                place = Place(other, name, a.derived[other])
                pairs.append(Pair(place, Place(other, other, b.free[other]), how))
                continue
        pairs.append(Pair(
            Place(name, name if name in a.free else "", all_a[name]),
            Place(other, other if other in b.free else "", all_b[other]),
            how,
        ))  # fmt: skip
    for coding, other in ((a, b), (b, a)):
        for name in coding.free:
            if name in other.observed:
                raise ModelRefused(
                    f"{name} is sampled in {coding.label} and observed in {other.label}; the "
                    "models do not have the same data"
                )
    left_a = [n for n in a.free if n not in {pair.a.sampled for pair in pairs}]
    left_b = [n for n in b.free if n not in {pair.b.sampled for pair in pairs}]
    return pairs, left_a, left_b


def _observed(
    a: Coding, b: Coding, names: Mapping[str, str]
) -> tuple[list[Pair], list[str], list[str]]:
    pairs = []
    for name, shape in a.observed.items():
        other = names.get(name, name if name not in names.values() else "")
        if other in b.observed:
            how = "map" if name in names else "name"
            pairs.append(Pair(Place(name, name, shape), Place(other, other, b.observed[other]),
                              how))  # fmt: skip
    left_a = [n for n in a.observed if n not in {pair.a.name for pair in pairs}]
    left_b = [n for n in b.observed if n not in {pair.b.name for pair in pairs}]
    return pairs, left_a, left_b


def _moved(
    a: Coding, b: Coding, pairs: list[Pair], left_a: list[str], left_b: list[str]
) -> list[Pair]:
    """Pairs with the variable filled in that a computed one comes from; what is used is not left.

    It is the one left that has the name of the computed one in its own, or the only one of its
    size.
    """
    filled = []
    for pair in pairs:
        for coding, place, left, here in ((a, pair.a, left_a, "a"), (b, pair.b, left_b, "b")):
            if place.sampled:
                continue
            size = _size(place.shape)
            sized = [n for n in left if _size(coding.free[n]) == size]
            alike = [n for n in sized if place.name in n] or sized
            if len(alike) != 1:
                other, one = (b if coding is a else a), (sized[0] if sized else "...")
                remedy = f"{pair.a.name}={one}" if here == "b" else f"{one}={pair.b.name}"
                choice = f"; it could come from {', '.join(sized)}" if sized else ""
                raise ModelRefused(
                    f"{place.name} is computed in {coding.label} and sampled in {other.label}, and "
                    f"no one sampled variable of {coding.label} has its {size} "
                    f"element{'s' * (size != 1)}{choice}. Say which is which: "
                    f"--names {remedy}"
                )
            left.remove(alike[0])
            full = Place(place.name, alike[0], place.shape)
            pair = Pair(full, pair.b, pair.how) if here == "a" else Pair(pair.a, full, pair.how)
        filled.append(pair)
    return filled


def _by_shape(
    shapes_a: Mapping[str, tuple[int, ...]],
    shapes_b: Mapping[str, tuple[int, ...]],
    left_a: list[str],
    left_b: list[str],
) -> list[list[Pair]] | None:
    """Ways to match what is left, each to one of its own shape; None if there are none or many."""
    if len(left_a) != len(left_b):
        return None
    groups: dict[tuple[int, ...], tuple[list[str], list[str]]] = {}
    for name in left_a:
        groups.setdefault(_squeezed(shapes_a[name]), ([], []))[0].append(name)
    for name in left_b:
        groups.setdefault(_squeezed(shapes_b[name]), ([], []))[1].append(name)
    if any(len(one) != len(other) for one, other in groups.values()):
        return None
    if np.prod([float(_factorial(len(one))) for one, _ in groups.values()]) > MOST_PERMUTATIONS:
        return None
    each = [
        [
            [
                Pair(Place(n, n, shapes_a[n]), Place(m, m, shapes_b[m]), "shape")
                for n, m in zip(one, order, strict=True)
            ]
            for order in itertools.permutations(other)
        ]
        for one, other in groups.values()
    ]
    return [list(itertools.chain(*ways)) for ways in itertools.product(*each)]


def _size(shape: tuple[int, ...] | None) -> int:
    return -1 if shape is None else int(np.prod(shape))


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _factorial(n: int) -> int:
    return 1 if n < 2 else n * _factorial(n - 1)


def _left(a: Coding, b: Coding, left_a: list[str], left_b: list[str]) -> str:
    def shown(coding: Coding, names: list[str]) -> str:
        shapes = _all(coding)
        return ", ".join(f"{n} {shapes[n] or '(scalar)'}" for n in names) or "nothing"

    some = f"{left_a[0] if left_a else '...'}={left_b[0] if left_b else '...'}"
    if left_a and left_b:
        remedy = f'say which is which: --names {some}, or names={{"{left_a[0]}": "{left_b[0]}"}}'
    else:
        remedy = "one model has a variable that the other has not"
    return (
        f"names do not match; left in {a.label}: {shown(a, left_a)}; left in {b.label}: "
        f"{shown(b, left_b)}; {remedy}"
    )
