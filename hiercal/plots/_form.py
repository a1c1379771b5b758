"""What shape figures are given: as wide as suits them, or as a column of a paper."""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from hiercal.plots._style import DOUBLE, SINGLE

WIDTHS = {1: SINGLE, 2: DOUBLE}
"""Inches of a figure in one column and across two, as most journals have them."""


@dataclass(frozen=True)
class Form:
    """Width in inches, or None for what suits each figure; and whether it carries its note."""

    width: float | None = None
    notes: bool = True


AS_SUITS = Form()
_form: ContextVar[Form] = ContextVar("form")


@contextmanager
def form(columns: int | None = None, *, notes: bool = True) -> Generator[None]:
    """Figures made in the block are a column wide, or two, and carry a note below or do not.

    A note says how many simulations a figure is of, what its bands are, and which fits it leaves
    out. It is also the figure's label, ``figure.get_label()``, for a caption.

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
    token = _form.set(Form(None if columns is None else WIDTHS[columns], notes))
    try:
        yield
    finally:
        _form.reset(token)


def width_of(suits: float) -> float:
    """Inches that a figure is wide, which would best have `suits`."""
    return _form.get(AS_SUITS).width or suits


def carries_note() -> bool:
    """Whether a figure has its note below."""
    return _form.get(AS_SUITS).notes
