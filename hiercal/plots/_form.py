"""What shape figures are given: as wide as suits them, or as a column of a paper."""

import math
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from hiercal.plots._style import DOUBLE, SINGLE, TooMuch

WIDTHS = {1: SINGLE, 2: DOUBLE}
"""Inches of a figure in one column and across two, as most journals have them."""
TALLEST = 6.7
"""Inches of the panels of a figure that stands on a page of an `article` with its caption."""


@dataclass(frozen=True)
class Form:
    """Width in inches, None for what suits each; whether it has its note; the greatest height."""

    width: float | None = None
    notes: bool = True
    height: float = math.inf


AS_SUITS = Form()
_form: ContextVar[Form] = ContextVar("form")


@contextmanager
def form(columns: int | None = None, *, notes: bool = True) -> Generator[None]:
    """Figures made in the block are a column wide, or two, and carry a note below or do not.

    A note says how many simulations a figure is of, what its bands are, and which fits it leaves
    out. It is also the figure's label, ``figure.get_label()``, for a caption. A figure of more than
    7 inches or so, which leaves no room for a caption on a page, is refused: draw fewer arms or
    quantities in each of several figures.

    Parameters
    ----------
    columns : {1, 2}, optional
        3.4 or 7.0 inches; by default what suits the figure.
    notes : bool

    Raises
    ------
    ValueError
        If columns is neither.

    Examples
    --------
    >>> with form(columns=1, notes=False):
    ...     print(width_of(7.0), carries_note())
    3.4 False
    """
    if columns not in (None, *WIDTHS):
        raise ValueError(f"columns is {columns!r}; give 1 or 2")
    token = _form.set(Form(None if columns is None else WIDTHS[columns], notes, TALLEST))
    try:
        yield
    finally:
        _form.reset(token)


def width_of(suits: float) -> float:
    """Inches that a figure is wide, which would best have `suits`."""
    return _form.get(AS_SUITS).width or suits


def fits_page(height: float, fewer: Literal["arms", "quantities"]) -> None:
    """Raise `TooMuch` if a figure is higher than a page; `fewer` of these make it lower."""
    most = _form.get(AS_SUITS).height
    if height > most:
        raise TooMuch(
            f"the figure would be {height:.1f} inches high, more than the {most:g} that leave room "
            f"for a caption on a page; draw fewer {fewer} in each of several figures",
            fewer,
        )


def carries_note() -> bool:
    """Whether a figure has its note below."""
    return _form.get(AS_SUITS).notes
