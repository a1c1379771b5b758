"""What is ranked of a model: found out from draws of its prior, not declared."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

LARGEST_DETERMINISTIC = 100
"""Elements of a deterministic variable above which it is not ranked."""
POINTS = 10
"""Observations whose log likelihoods are ranked one by one."""
ROUNDING = 1e-12
"""Relative differences below are those of floating-point numbers."""


@dataclass(frozen=True)
class Layout:
    """Names, shapes and labels of a model's variables.

    Attributes
    ----------
    dims : dict of str to tuple of str
    coords : dict of str to tuple of str
    ranked : dict of str to ndarray of int
        Of each variable, the elements (of the flattened array) that are quantities.
    labels : dict of str to tuple of str
        Their names.
    notes : tuple of str
        What is left out and why, a sentence each.
    """

    dims: Mapping[str, tuple[str, ...]]
    coords: Mapping[str, tuple[str, ...]]
    ranked: Mapping[str, np.ndarray]
    labels: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()

    def quantities(self, draws: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The scalars that are ranked, (...), of draws of shape (..., *dims)."""
        scalars = {}
        for name, labels in self.labels.items():
            if name in draws:
                values = np.asarray(draws[name])
                lead = values.shape[: values.ndim - len(self.dims[name])]
                chosen = values.reshape(*lead, -1)[..., self.ranked[name]]
                scalars |= dict(zip(labels, np.moveaxis(chosen, -1, 0), strict=True))
        return scalars

    def naming(self, variable: str, shapes: Mapping[str, tuple[int, ...]]) -> Layout:
        """With the elements of a variable called after the observations that they belong to."""
        if variable not in self.labels:
            return self
        _, names = observations(shapes)
        labels = tuple(f"log_lik[{names[i]}]" for i in self.ranked[variable])
        return replace(self, labels={**self.labels, variable: labels})


@dataclass
class _Notes:
    constants: dict[str, int] = field(default_factory=dict)
    repeated: dict[str, int] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)


def layout(
    draws: Sequence[Mapping[str, np.ndarray]],
    dims: Mapping[str, tuple[Any, ...]],
    coords: Mapping[str, Any],
    derived: frozenset[str] = frozenset(),
) -> Layout:
    """What to rank of variables, from draws of the prior.

    An element that is the same in all draws is no quantity, nor is one that always equals an
    earlier element of its variable, as in a symmetric matrix.

    Parameters
    ----------
    draws : sequence of dict of ndarray, shape (*dims)
    dims, coords : mapping
        Names of dimensions where the model has them, and labels along them.
    derived : set of str
        Variables that are functions of others: they are left out where they are not always finite,
        or have more than `LARGEST_DETERMINISTIC` elements.
    """
    notes = _Notes()
    names, lengths = _dims(draws[0], dims)
    texts = {dim: _coordinates(coords.get(dim), n) for dim, n in lengths.items()}
    ranked, labels = {}, {}
    for name in draws[0]:
        stacked = np.stack([np.asarray(each[name]) for each in draws])
        flat = stacked.reshape(len(draws), -1)
        if name in derived and flat.shape[1] > LARGEST_DETERMINISTIC:
            notes.sentences.append(
                f"{name}, computed from others, has {flat.shape[1]} elements and is not ranked; "
                "rank what you need of it as a quantity of your own"
            )
            continue
        if name in derived and not np.isfinite(flat).all():
            notes.sentences.append(f"{name}, computed from others, is not always finite, and is "
                                   "not ranked")  # fmt: skip
            continue
        ranked[name] = _varying(name, flat, stacked.ndim > 2, notes)
        labels[name] = _labels(name, names[name], texts, ranked[name])
    for what, found in (
        ("constant", notes.constants),
        ("always equal to an earlier one", notes.repeated),
    ):
        if found:
            each = ", ".join(f"{n} of {name}" for name, n in found.items())
            notes.sentences.append(f"elements that are {what} are no quantities: {each}")
    _distinct(labels)
    return Layout({n: names[n] for n in ranked}, texts, ranked, labels, tuple(notes.sentences))


def _varying(name: str, flat: np.ndarray, is_matrix: bool, notes: _Notes) -> np.ndarray:
    """Elements that vary and, in a matrix, are no copy of an earlier one."""
    # one computed as a product of roots is 1 up to rounding only
    varies = np.flatnonzero(np.ptp(flat, axis=0) > ROUNDING * np.abs(flat).max(axis=0))
    if len(varies) < flat.shape[1]:
        notes.constants[name] = flat.shape[1] - len(varies)
    if not len(varies) or not is_matrix:
        return varies
    rounded = np.array([[float(f"{x:.9g}") for x in row] for row in flat[:, varies]])
    _, first = np.unique(rounded, axis=1, return_index=True)
    if len(first) < len(varies):
        notes.repeated[name] = len(varies) - len(first)
    return varies[np.sort(first)]


def _dims(
    values: Mapping[str, np.ndarray], dims: Mapping[str, tuple[Any, ...]]
) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
    """Dimensions of each variable, all with names of one length each."""
    names: dict[str, tuple[str, ...]] = {}
    lengths: dict[str, int] = {}
    for name, value in values.items():
        declared = dims.get(name) or ()
        given = []
        for axis, n in enumerate(np.shape(value)):
            dim = declared[axis] if axis < len(declared) else None
            if not dim or lengths.get(dim, n) != n:
                dim = f"{name}_dim_{axis}"
            lengths[dim] = n
            given.append(dim)
        names[name] = tuple(given)
    return names, lengths


def _distinct(labels: Mapping[str, tuple[str, ...]]) -> None:
    """Raise a ValueError if two quantities have one name, of which one would be lost."""
    of: dict[str, str] = {}
    for name, each in labels.items():
        for label in each:
            if label in of:
                raise ValueError(
                    f"{label} is the name of two quantities, of {of[label]} and of {name}; give "
                    "one of the variables, or its coordinates, other names"
                )
            of[label] = name


def _coordinates(given: Sequence[object] | None, n: int) -> tuple[str, ...]:
    """Labels along a dimension; numbers where the model has none, or not one for each."""
    texts = tuple(str(value) for value in given) if given is not None else ()
    return texts if len(set(texts)) == n else tuple(map(str, range(n)))


def _labels(
    name: str, dims: tuple[str, ...], coords: Mapping[str, tuple[str, ...]], chosen: np.ndarray
) -> tuple[str, ...]:
    if not dims:
        return (name,) if len(chosen) else ()
    places = [f"{name}[{','.join(p)}]" for p in itertools.product(*(coords[d] for d in dims))]
    return tuple(places[i] for i in chosen)


def observations(
    shapes: Mapping[str, tuple[int, ...]],
) -> tuple[list[tuple[int, np.ndarray]], list[str]]:
    """At most `POINTS` observations, evenly spread over all: where they are, and their names."""
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    total = sum(sizes)
    if total < 2:
        return [], []
    chosen = np.unique(np.linspace(0, total - 1, POINTS).astype(int))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    points, names = [], []
    for i, (name, shape) in enumerate(shapes.items()):
        where = chosen[(chosen >= starts[i]) & (chosen < starts[i + 1])] - starts[i]
        if len(where):
            points.append((i, where))
            places = zip(*np.unravel_index(where, shape), strict=True) if shape else [()]
            names += [f"{name}[{','.join(map(str, at))}]" if at else name for at in places]
    return points, names
