"""Truths and draws as a user gives them, brought into one form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hiercal.errors import DrawsRefused

SIMULATION, CHAIN, DRAW = "simulation", "chain", "draw"
GROUPS = {"truths": ("truths", "truth", "prior"), "draws": ("draws", "posterior")}
"""Names of the groups that truths and draws are looked for in."""
LISTED = 8
"""Names that a message lists at most."""


@dataclass(frozen=True)
class Given:
    """Truths and draws of the same names.

    Attributes
    ----------
    truths : dict of ndarray, shape (n_simulations, *dims)
    draws : dict of ndarray, shape (n_simulations, n_chains, n_draws, *dims)
    dims : dict of str to tuple of str, or None where they have no names
    coords : dict of str to tuple of str
    shape : (int, int)
        Chains and draws a chain.
    """

    truths: dict[str, np.ndarray]
    draws: dict[str, np.ndarray]
    dims: dict[str, tuple[str, ...] | None]
    coords: dict[str, tuple[str, ...]]
    shape: tuple[int, int]


class _Array(NamedTuple):
    """Values with all axes; names of all axes where they have any; labels along them."""

    values: np.ndarray
    dims: tuple[str, ...] | None
    labels: dict[str, tuple[str, ...]]


def given_arrays(truths: Any, draws: Any) -> Given:
    """Truths and draws in one form; a `DrawsRefused` that says what does not match."""
    true = {name: _array("truths", name, v) for name, v in _mapping("truths", truths).items()}
    drawn = {name: _array("draws", name, v) for name, v in _mapping("draws", draws).items()}
    only_true, only_drawn = [n for n in true if n not in drawn], [n for n in drawn if n not in true]
    if only_true or only_drawn:
        raise DrawsRefused(
            f"only truths have {_listed(only_true)}; only draws have {_listed(only_drawn)}; give "
            "both of the same names, and leave out what is not to be ranked"
        )
    if not true:
        raise DrawsRefused("truths and draws hold no variables; give at least one")
    one, first = next(iter(true)), next(iter(true.values()))
    kept_truths, kept_draws, dims = {}, {}, {}
    coords: dict[str, tuple[str, ...]] = {}
    for name, truth in true.items():
        drawing = _in_order(name, truth, drawn[name])
        with_chains = _with_chains(name, drawing.values, truth.values)
        if len(truth.values) != len(first.values):
            raise DrawsRefused(
                f"truths of {name} are of {len(truth.values)} simulations, those of {one} of "
                f"{len(first.values)}; give all of the same"
            )
        kept_truths[name] = np.ascontiguousarray(truth.values)
        kept_draws[name] = np.ascontiguousarray(with_chains)
        named = truth.dims or drawing.dims
        lead = 1 if truth.dims else drawing.values.ndim - truth.values.ndim + 1
        dims[name] = named[lead:] if named else None
        for dim, labels in (*truth.labels.items(), *drawing.labels.items()):
            if coords.setdefault(dim, labels) != labels:
                raise DrawsRefused(_differ(dim, coords[dim], labels))
    for own in (SIMULATION, CHAIN, DRAW):
        coords.pop(own, None)
    shapes = {values.shape[1:3]: name for name, values in kept_draws.items()}
    if len(shapes) > 1:
        each = "; ".join(f"{c} x {n} of {name}" for (c, n), name in shapes.items())
        raise DrawsRefused(f"draws are {each} (chains x draws); give as many of each variable")
    return Given(kept_truths, kept_draws, dims, coords, next(iter(shapes)))


def group_of(tree: Any, what: str) -> Any:
    """The Dataset in a DataTree that holds the truths, or the draws."""
    for name in GROUPS[what]:
        if name in tree.children:
            return tree.children[name].to_dataset()
    if len(tree.data_vars):
        return tree.to_dataset()
    raise DrawsRefused(
        f"there is no group of {what}, only {_listed(list(tree.children))}; give "
        f"{' or '.join(GROUPS[what])}"
    )


def _mapping(what: str, given: Any) -> dict[str, Any]:
    if hasattr(given, "children") and hasattr(given, "to_dataset"):
        given = group_of(given, what)
    if not isinstance(given, Mapping):
        raise DrawsRefused(
            f"{what} are {type(given).__name__}; give arrays by name, or a Dataset of xarray"
        )
    return {str(name): value for name, value in given.items()}


def _array(what: str, name: str, value: Any) -> _Array:
    dims = getattr(value, "dims", None)
    labels = {}
    if dims is not None:
        lead = [SIMULATION] if what == "truths" else [SIMULATION, CHAIN, DRAW]
        lacking = [dim for dim in lead if dim not in dims and dim != CHAIN]
        if lacking:
            optional = [f"[{dim}]" if dim == CHAIN else dim for dim in lead]
            raise DrawsRefused(
                f"{what} of {name} have the dimensions {_listed(dims)}, without "
                f"{' and '.join(lacking)}; give ({', '.join(optional)}, ...)"
            )
        value = value.transpose(*(dim for dim in lead if dim in dims), ...)
        dims = tuple(map(str, value.dims))
        labels = {
            dim: tuple(str(x) for x in np.asarray(value.coords[dim]))
            for dim in dims
            if dim in value.coords
        }
    try:
        values = np.asarray(value)
        if values.dtype.kind not in "biuf":
            raise ValueError
        return _Array(values.astype(float), dims, labels)
    except ValueError:
        raise DrawsRefused(
            f"{what} of {name} are not an array of numbers; give numbers, and as many draws of "
            "each simulation"
        ) from None


def _in_order(name: str, truth: _Array, drawing: _Array) -> _Array:
    """Draws with their named dimensions in the order of the truth's."""
    if truth.dims is None or drawing.dims is None:
        return drawing
    wanted = truth.dims[1:]
    lead = [dim for dim in drawing.dims if dim in (SIMULATION, CHAIN, DRAW)]
    if {*wanted} != {*drawing.dims} - {*lead}:
        raise DrawsRefused(
            f"truths of {name} have the dimensions {_listed(truth.dims)}, draws "
            f"{_listed(drawing.dims)}; give the same but for chain and draw"
        )
    axes = [drawing.dims.index(dim) for dim in (*lead, *wanted)]
    in_order = tuple(drawing.dims[axis] for axis in axes)
    return _Array(drawing.values.transpose(axes), in_order, drawing.labels)


def _with_chains(name: str, draws: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Draws with an axis of chains, of a truth's shape but for chains and draws."""
    extra = draws.ndim - truth.ndim
    if extra == 1:
        draws = draws[:, None]
    fits = extra in (1, 2) and draws.shape[3:] == truth.shape[1:]
    if truth.ndim == 0 or not fits:
        rest = "".join(f", {n}" for n in truth.shape[1:])
        n = f"{len(truth)}" if truth.ndim else "n_simulations"
        got = draws[:, 0].shape if extra == 1 else draws.shape
        raise DrawsRefused(
            f"draws of {name} have shape {got}, truths {truth.shape}; give draws as "
            f"({n}, n_draws{rest}) or ({n}, n_chains, n_draws{rest})"
        )
    if len(draws) != len(truth):
        raise DrawsRefused(
            f"there are draws of {name} of {len(draws)} simulations and truths of {len(truth)}; "
            "give both of all simulations, NaN for the draws of a fit that failed"
        )
    return draws


def _differ(dim: str, a: tuple[str, ...], b: tuple[str, ...]) -> str:
    """What differs between two sets of labels along a dimension."""
    one_side = [label for label in (*a, *b) if (label in a) != (label in b)]
    how = f"only in some are {_listed(one_side)}" if one_side else "they are in another order"
    return (
        f"truths and draws differ along the dimension {dim}: {how}; give all variables with the "
        f"same coordinates{', NaN for fits that failed' if dim == SIMULATION else ''}"
    )


def _listed(names: Any) -> str:
    each = list(map(str, names))
    more = f" and {len(each) - LISTED} more" if len(each) > LISTED else ""
    return (", ".join(each[:LISTED]) or "nothing") + more
