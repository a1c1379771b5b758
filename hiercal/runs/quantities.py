"""Quantities of one's own: functions of draws and data, and products, ranked beside a story's."""

from __future__ import annotations

import difflib
import itertools
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from hiercal.errors import UnknownName
from hiercal.fitters._function import check_function
from hiercal.runs import user_files
from hiercal.runs.streams import stream
from hiercal.words import reason

LARGEST = 1e100
"""What an infinite quantity, such as a log density of zero, is recorded as: means then exist."""
MOST_PAIRS = 200
"""Products that ``products=True`` makes at most."""
DENSITIES = ("log_lik", "log_prior", "log_joint")
"""What a fit may report beside its parameters: no product of these is asked for by itself."""
TRIAL = (2, 3)
"""Chains and draws that a truth is repeated to, to see what a function makes of draws."""

Arrays = Mapping[str, np.ndarray]
Products = bool | tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Quantity:
    """A named function of draws and data.

    Parameters
    ----------
    name : str
    function : function
        ``function(draws, data)`` takes two dictionaries of arrays. Draws have shape (..., *dims):
        (chain, draw, *dims) for a fit and no leading axis for a truth. It returns an array of shape
        (...).

    Raises
    ------
    ValueError
        If it is no function with a name, or uses variables of a function around it.
    """

    name: str
    function: FunctionType

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"a quantity is named {self.name!r}; give it a name to be listed by")
        check_function(
            f"quantity {self.name}", self.function, "def effect_range(draws, data)", "take it from "
            "draws and data"
        )  # fmt: skip

    def __call__(self, draws: Arrays, data: Arrays, shape: tuple[int, ...]) -> np.ndarray:
        """Its values, of `shape`; a ValueError that names the function if it gives none."""
        called = f"quantity {self.name} (function {self.function.__qualname__})"
        try:
            returned = self.function(dict(draws), dict(data))
        except Exception as error:
            there = ""
            if isinstance(error, KeyError):
                there = f"; draws has {', '.join(draws)}, data has {', '.join(data) or 'nothing'}"
            raise ValueError(f"{called} raised {reason(error)}{there}") from error
        values = np.asarray(returned)
        if values.dtype.kind not in "biuf":
            raise ValueError(
                f"{called} returned {type(returned).__name__} of {values.dtype}; expected numbers"
            )
        if values.shape != shape:
            raise ValueError(
                f"{called} returned shape {values.shape}, expected {shape}: one number "
                f"{'for each draw' if shape else 'at the truth'}; reduce over the last axes, as in "
                "draws['theta'].max(axis=-1)"
            )
        values = values.astype(float)
        if undefined := int(np.isnan(values).sum()):
            of = f"in {undefined} of {values.size} draws" if shape else "at the truth"
            raise ValueError(f"{called} is not a number {of}, so it has no rank")
        return bounded(values)


def bounded(values: np.ndarray) -> np.ndarray:
    """The values, none beyond `LARGEST`."""
    # numpy.clip takes several times as long for the draws of one quantity
    return np.minimum(np.maximum(values, -LARGEST), LARGEST)


def named(quantities: Any) -> tuple[Quantity, ...]:
    """Quantities of a mapping of functions, a file, or several files.

    Parameters
    ----------
    quantities : mapping of str to callable, path, or iterable of path or Quantity
        A path is ``q.py``, for its public functions in the order in which they are defined, or
        ``q.py:function``.
    """
    if isinstance(quantities, Mapping):
        found = [Quantity(name, function) for name, function in quantities.items()]
    else:
        if isinstance(quantities, str | os.PathLike):
            quantities = [quantities]
        if not isinstance(quantities, Iterable):
            raise TypeError(
                f"quantities is {quantities!r}; give functions by name, as in "
                '{"range": function}, or a file, as in "q.py"'
            )
        found = [one for each in quantities for one in _read(each)]
    names = [one.name for one in found]
    if twice := [name for i, name in enumerate(names) if name in names[:i]]:
        raise ValueError(f"quantity {twice[0]} is asked for twice; give each a name of its own")
    return tuple(found)


def _read(given: Any) -> list[Quantity]:
    if isinstance(given, Quantity):
        return [given]
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f'quantities holds {given!r}; give a file, as in "q.py" or "q.py:function"')
    stem, _, name = os.fspath(given).partition(".py:")
    path = Path(f"{stem}.py" if name else stem)
    if not path.is_file():
        raise UnknownName(f"{given}: there is no file {path}; give q.py or q.py:function")
    loaded = user_files.load(path)
    own = {
        key: value
        for key, value in vars(loaded).items()
        if isinstance(value, FunctionType)
        and value.__module__ == loaded.__name__
        and not key.startswith("_")
    }
    if not own:
        raise ValueError(f"{path} defines no public function; give one, (draws, data) to an array")
    if name and name not in own:
        raise UnknownName(_unknown(f"function in {path}", name, own))
    wanted = [name] if name else sorted(own, key=lambda key: own[key].__code__.co_firstlineno)
    return [Quantity(key, own[key]) for key in wanted]


def pairs(products: Any) -> Products:
    """True, or pairs of names; a ValueError for anything else."""
    if isinstance(products, bool):
        return products or ()
    if isinstance(products, str) or not isinstance(products, Iterable):
        products = [products]
    listed = tuple(tuple(pair) if isinstance(pair, list) else pair for pair in products)
    for pair in listed:
        if not (isinstance(pair, tuple) and [type(name) for name in pair] == [str, str]):
            raise ValueError(
                f'products holds {pair!r}; give pairs of quantities, as in ("mu", "tau"), or '
                "True for all pairs of parameters"
            )
    return listed


def product_name(pair: tuple[str, str]) -> str:
    """What the product of two quantities is called."""
    return " * ".join(pair)


def asked(
    quantities: tuple[Quantity, ...],
    products: Products,
    draws: Arrays,
    data: Arrays,
    scalars: Arrays,
    labels: Mapping[str, list[str]],
) -> dict[str, np.ndarray]:
    """Values of the quantities and products.

    Parameters
    ----------
    draws : dict of ndarray, shape (..., *dims)
    scalars : dict of ndarray, shape (...)
        What is ranked besides, by name. A product of what is not there is left out.
    labels : dict of list of str
        Names of the scalars of each parameter.

    Returns
    -------
    dict of ndarray, shape (...)

    Raises
    ------
    ValueError
        If a name is taken, a function gives no numbers of that shape, or there are too many pairs.
    """
    shape = np.shape(next(iter(scalars.values())))
    found: dict[str, np.ndarray] = {}
    for quantity in quantities:
        if quantity.name in scalars:
            raise ValueError(
                f"quantity {quantity.name} has the name of one that is ranked already; there are "
                f"{', '.join(scalars)}: give it another name"
            )
        found[quantity.name] = quantity(draws, data, shape)
    known = {**scalars, **found}
    wanted = _all_pairs(scalars, labels) if products is True else products or ()
    for a, b in wanted:
        if a in known and b in known:
            found[product_name((a, b))] = bounded(known[a] * known[b])
    return found


def _all_pairs(scalars: Arrays, labels: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    each = [label for name, own in labels.items() if name not in DENSITIES for label in own]
    each = [label for label in each if label in scalars]
    if (n := math.comb(len(each), 2)) > MOST_PAIRS:
        raise ValueError(
            f"products of all pairs of {len(each)} scalar parameters are {n}, more than "
            f'{MOST_PAIRS}; name the pairs that matter, as in products=(("{each[0]}", '
            f'"{each[1]}"),)'
        )
    return list(itertools.combinations(each, 2))


def tried(quantities: tuple[Quantity, ...], truth: Arrays, data: Arrays) -> None:
    """Raise a ValueError if a function does not take draws; the truth is repeated to make some."""
    repeated = {name: np.broadcast_to(v, (*TRIAL, *np.shape(v))) for name, v in truth.items()}
    for quantity in quantities:
        quantity(repeated, data, TRIAL)


def check_products(products: Products, names: Iterable[str], scalars: Iterable[str] = ()) -> None:
    """Raise an error for a product that is not among the names of what is ranked.

    `scalars` are further names that it could be made of.
    """
    known = list(dict.fromkeys([*scalars, *names]))
    for pair in products if isinstance(products, tuple) else ():
        if product_name(pair) not in known:
            lacking = next((name for name in pair if name not in known), pair[0])
            raise UnknownName(_unknown("quantity in products", lacking, known))


def check_bounds(below: Iterable[tuple[str, float]], names: Iterable[str]) -> None:
    """Raise an error for a bound of what is not ranked."""
    known = list(dict.fromkeys(names))
    for name, _ in below:
        if name not in known:
            raise UnknownName(_unknown("quantity in below", name, known))


def tie_breaker(seed: int, arm_key: str, simulation: int, name: str) -> np.random.Generator:
    """Breaks ties of one quantity of one's own: its rank depends on no other that is asked for."""
    return stream(seed, "own", arm_key, simulation, name)


def _unknown(what: str, got: str, valid: Iterable[str]) -> str:
    names = list(valid)
    close = difflib.get_close_matches(got, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {what} {got!r}; {hint}valid: {', '.join(names)}"
