"""What the fields of a design and the data may hold, and how to say so when they do not."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


MOST_GROUPS, MOST_OBSERVATIONS = 1_000_000, 100_000_000
"""More than any design that can be fitted thousands of times."""
LARGEST = 1e100
"""Beyond it, and below its inverse, squares and their sums leave the range of floats."""
LARGEST_COUNT = 2**53
"""Whole numbers up to here are themselves as floats."""
LISTED = 5
"""Places that a message names."""


@dataclass(frozen=True)
class Kind:
    """What a field of a design holds.

    Attributes
    ----------
    kept : callable
        Takes the story's name, the field's and the value; returns the value as it is kept, or
        raises a ValueError.
    by_group : bool
        Whether it has an entry for each group, or is their number.
    amounts : callable or None
        How much data each group has, from the value, where it says so.
    """

    kept: Callable[[str, str, Any], Any]
    by_group: bool = False
    amounts: Callable[[Any], tuple[float, ...]] | None = None


@dataclass(frozen=True)
class Observed:
    """A field of the data.

    Attributes
    ----------
    meaning : str
        What messages call it.
    kind : {"finite", "counts"}
        Finite numbers, or whole ones of at least 0.
    dims : tuple of str
        Its dimensions; empty for a value a group. One that is not in the story's ``coords`` counts
        the observations of all groups.
    shaped_by : str
        The fields that its shape follows from; empty for the first of the design.
    most : str
        The field that bounds it from above, entry by entry; empty without one.
    real : sequence
        The real data, of the default design; empty without any.
    """

    meaning: str
    kind: Literal["finite", "counts"] = "finite"
    dims: tuple[str, ...] = ()
    shaped_by: str = ""
    most: str = ""
    real: tuple[Any, ...] = ()

    def checked(
        self, owner: str, field: str, values: Any, shape: tuple[int, ...], why: str
    ) -> np.ndarray:
        """`values` as an array of this kind and shape, or a ValueError; `why`: see `finite`."""
        check = counts if self.kind == "counts" else finite
        return check(owner, field, values, shape, self.shaped_by or why)


@cache
def kinds(cls: type) -> Mapping[str, Kind]:
    """Kinds of the fields of a design, as their annotations say."""
    hints = get_type_hints(cls, include_extras=True)
    by_field: dict[str, Kind] = {}
    for field in dataclasses.fields(cls):  # ty: ignore[invalid-argument-type]
        hint = hints[field.name]
        said = [each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Kind)]
        if get_origin(hint) is Literal:
            said = [Kind(_one_of(get_args(hint)))]
        if said:
            by_field[field.name] = said[0]
    return by_field


def positive(owner: str, field: str, value: float) -> float:
    """`value`, or a ValueError unless it is a finite number above zero."""
    if not (is_number(value) and np.isfinite(value) and value > 0):
        raise ValueError(f"{owner}: {field} is {value!r}; give a finite number above 0")
    if not 1 / LARGEST <= value <= LARGEST:
        raise ValueError(
            f"{owner}: {field} is {value!r}; give a number between {1 / LARGEST:g} and "
            f"{LARGEST:g}, whose square is one too"
        )
    return value


def is_number(value: Any) -> bool:
    """Whether it is a number, NumPy's among them; a truth value or a text is none."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether it is an integer, NumPy's among them."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def at_least_two_groups(owner: str, field: str, n: int) -> None:
    """Raise a ValueError unless there are two groups or more."""
    if n < 2:
        raise ValueError(f"{owner}: {field} has {n} value(s); a hierarchy needs two or more")
    if n > MOST_GROUPS:
        raise ValueError(
            f"{owner}: {field} has {n:,} groups; give at most {MOST_GROUPS:,}: a fit of 1,000 "
            f"draws alone would have {8 * n / 1e6:,.0f} GB"
        )


def finite(owner: str, field: str, values: Any, shape: tuple[int, ...], why: str) -> np.ndarray:
    """`values` as floats of this shape, or a ValueError; `why` says what the shape comes from."""
    array = _numbers(values)
    if array is None:
        wrong = next((v for v in _flat(values) if not is_number(v)), values)
        wrong = wrong.item() if isinstance(wrong, np.generic) else wrong
        raise ValueError(f"{owner}: {field} holds {wrong!r}; every value must be a finite number")
    if array.shape != shape:
        raise ValueError(f"{owner}: {field} has shape {array.shape}; {why} asks for {shape}")
    if not np.isfinite(array).all():
        wrong = [f"{field}{list(map(int, i))}" for i in np.argwhere(~np.isfinite(array))]
        where = ", ".join(wrong[:LISTED]) + f" and {len(wrong) - LISTED} more" * (
            len(wrong) > LISTED
        )
        raise ValueError(f"{owner}: {where} not finite; every value must be a finite number")
    if (large := np.argwhere(np.abs(array) > LARGEST)).size:
        at = tuple(map(int, large[0]))
        raise ValueError(
            f"{owner}: {field}{list(at)} is {array[at]:g}; give numbers of at most {LARGEST:g} in "
            "size, whose squares are numbers too"
        )
    return array


def counts(owner: str, field: str, values: Any, shape: tuple[int, ...], why: str) -> np.ndarray:
    """`values` as counts of this shape, or a ValueError."""
    array = finite(owner, field, values, shape, why)
    if (wrong := np.argwhere((array < 0) | (array != np.floor(array)))).size:
        at = tuple(map(int, wrong[0]))
        raise ValueError(
            f"{owner}: {field}{list(at)} is {array[at]:g}; give a whole number of at least 0"
        )
    if (large := np.argwhere(array > LARGEST_COUNT)).size:
        at = tuple(map(int, large[0]))
        raise ValueError(
            f"{owner}: {field}{list(at)} is {array[at]:g}; give a count of at most 2**53"
        )
    return array.astype(np.int64)


def group_sizes(owner: str, field: str, values: Any) -> tuple[int, ...]:
    """`values` as whole numbers of at least 1, or a ValueError."""
    for i, n in enumerate(values):
        if not is_number(n) or not float(n).is_integer() or n < 1:
            raise ValueError(f"{owner}: {field}[{i}] is {n!r}; give a whole number of at least 1")
    if (total := sum(map(int, values))) > MOST_OBSERVATIONS:
        raise ValueError(
            f"{owner}: {field} are {total:,} observations in all; give at most "
            f"{MOST_OBSERVATIONS:,}: a data set alone would have {8 * total / 1e9:,.0f} GB"
        )
    return tuple(int(n) for n in values)


def group_names(owner: str, field: str, given: tuple[str, ...], n: int) -> tuple[str, ...]:
    """Names of `n` groups: those given, or letters where they suffice, or numbers from 1."""
    if not given:
        letters = string.ascii_uppercase
        return tuple(letters[:n] if n <= len(letters) else map(str, range(1, n + 1)))
    if len(given) != n:
        raise ValueError(f"{owner}: {len(given)} names in {field} for {n} groups; give one each")
    if len(set(given)) < n:
        raise ValueError(f"{owner}: {field} {given} repeat a name; make them unique")
    return given


def columns(owner: str, frame: pd.DataFrame, needed: tuple[str, ...], layout: str) -> None:
    """Raise a ValueError unless the table has the columns needed."""
    missing = [column for column in needed if column not in frame]
    if missing:
        raise ValueError(
            f"{owner}: no column {' or '.join(missing)} among "
            f"{', '.join(map(str, frame.columns))}; give {layout}"
        )


def complete(owner: str, frame: pd.DataFrame, column: str) -> None:
    """Raise a ValueError if rows of the table have nothing in a column."""
    empty = [str(i + 1) for i in np.flatnonzero(frame[column].isna())]
    if empty:
        raise ValueError(
            f"{owner}: column {column} is empty in row {', '.join(empty)} below the header; fill "
            "it in, or leave the row out"
        )


def _finite_number(owner: str, field: str, value: float) -> float:
    if not (is_number(value) and np.isfinite(value)):
        raise ValueError(f"{owner}: {field} is {value!r}; give a finite number")
    if abs(value) > LARGEST:
        raise ValueError(f"{owner}: {field} is {value!r}; give at most {LARGEST:g} in size")
    return value


def _one_of(choices: tuple[Any, ...]) -> Callable[[str, str, Any], Any]:
    def kept(owner: str, field: str, value: Any) -> Any:
        if value not in choices:
            raise ValueError(
                f"{owner}: {field} is {value!r}; give {' or '.join(map(repr, choices))}"
            )
        return value

    return kept


def _number_of_groups(owner: str, field: str, value: Any) -> int:
    if not is_whole(value) or value < 2:
        raise ValueError(f"{owner}: {field} is {value!r}; give a whole number of at least 2")
    at_least_two_groups(owner, field, int(value))
    return int(value)


def _each(one: Callable[[str, str, float], float]) -> Callable[[str, str, Any], Any]:
    def kept(owner: str, field: str, values: Any) -> tuple[float, ...]:
        return tuple(float(one(owner, f"{field}[{i}]", value)) for i, value in enumerate(values))

    return kept


def _finite_entries(owner: str, field: str, values: Any) -> tuple[float, ...]:
    array = finite(owner, field, values, np.shape(values), "the field")
    return tuple(array.tolist())


def _rows(owner: str, field: str, values: Any) -> tuple[tuple[float, ...], ...]:
    rows = [
        finite(owner, f"{field}[{g}]", row, (len(row),), "the group")
        for g, row in enumerate(values)
    ]
    for g, row in enumerate(rows):
        if not len(row):
            raise ValueError(f"{owner}: {field}[{g}] is empty; give each group a point or more")
    return tuple(tuple(row.tolist()) for row in rows)


def _numbers(values: Any) -> np.ndarray | None:
    """`values` as floats; None if one is no number, such as a text that reads as one."""
    try:
        array = np.asarray(values)
    except ValueError:  # rows of several lengths
        return None
    if array.dtype.kind == "O" and not all(map(is_number, array.ravel())):
        return None
    return array.astype(float) if array.dtype.kind in "iufO" else None


def _flat(values: Any) -> Iterator[Any]:
    """All entries, however deep."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        yield values
        return
    for each in values:
        yield from _flat(each)


def _names(owner: str, field: str, values: Any) -> tuple[str, ...]:
    return tuple(map(str, values))


def _lengths(rows: Any) -> tuple[float, ...]:
    return tuple(float(len(row)) for row in rows)


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(map(float, values))


Positive = Annotated[float, Kind(positive)]
"""A number above 0."""
Finite = Annotated[float, Kind(_finite_number)]
"""A finite number."""
Positives = Annotated[tuple[float, ...], Kind(_each(positive), by_group=True)]
"""A number above 0 for each group."""
Exposures = Annotated[tuple[float, ...], Kind(_each(positive), by_group=True, amounts=_floats)]
"""Numbers above 0 that say how much data each group has."""
Finites = Annotated[tuple[float, ...], Kind(_finite_entries, by_group=True)]
"""A finite number for each group."""
SIZES = Kind(group_sizes, by_group=True, amounts=_floats)
Sizes = Annotated[tuple[int, ...], SIZES]
"""How many observations each group has."""
Rows = Annotated[tuple[tuple[float, ...], ...], Kind(_rows, by_group=True, amounts=_lengths)]
"""A number for each observation, group by group."""
NumberOfGroups = Annotated[int, Kind(_number_of_groups, by_group=True)]
"""Two or more."""
NAMES = Kind(_names, by_group=True)
Names = Annotated[tuple[str, ...], NAMES]
"""Names of the groups; letters or numbers where empty."""
