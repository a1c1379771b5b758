"""How numbers and names are put into text, the same on the console, in pages and in reports."""

from __future__ import annotations

import math
import re

SMALLEST_P = 1e-10
"""P-values below are not told apart: their digits depend on the machine."""
LIBRARIES = {"numpyro": "NumPyro", "pymc": "PyMC"}
"""Names of fitters, as their libraries write them."""
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~$])")


def coding(library: str, model: str) -> str:
    """A library and the coding of a model.

    Examples
    --------
    >>> coding("pymc", "noncentred")
    'PyMC non-centred'
    """
    return f"{LIBRARIES[library]} {model.replace('non', 'non-')}"


def p_value(p: float) -> str:
    """A p-value with two digits.

    Examples
    --------
    >>> p_value(0.0321), p_value(3e-13), p_value(float("nan"))
    ('0.032', '< 1e-10', '-')
    """
    if math.isnan(p):
        return "-"
    return f"< {SMALLEST_P:.0e}" if p < SMALLEST_P else f"{p:.2g}"


def percent(share: float) -> str:
    """A share in whole percent: 0 % only of none, 100 % only of all.

    Examples
    --------
    >>> percent(0.0), percent(1 / 200), percent(0.25), percent(199 / 200), percent(1.0)
    ('0 %', '< 1 %', '25 %', '> 99 %', '100 %')
    """
    if math.isnan(share):
        return "-"
    if 0 < share < 0.01:
        return "< 1 %"
    if 0.99 < share < 1:
        return "> 99 %"
    return f"{100 * share:.0f} %"


def count(n: int, noun: str) -> str:
    """A number of things.

    Examples
    --------
    >>> count(1, "arm"), count(1200, "arm"), count(2, "quantity")
    ('1 arm', '1200 arms', '2 quantities')
    """
    if n == 1:
        return f"{n} {noun}"
    return f"{n} {noun[:-1]}ies" if noun.endswith("ty") else f"{n} {noun}s"


def detectable(shift: float, scale: float) -> str:
    """The smallest errors that are found; infinite ones are beyond what is looked for.

    Examples
    --------
    >>> detectable(0.362, 1.35)
    '0.36 posterior sd, or an sd 1.35 times too large or too small'
    >>> detectable(math.inf, math.inf)
    'more than 5 posterior sd, or an sd more than 10 times too large or too small'
    """
    by = f"{shift:.2f}" if math.isfinite(shift) else "more than 5"
    times = f"{scale:.2f}" if math.isfinite(scale) else "more than 10"
    return f"{by} posterior sd, or an sd {times} times too large or too small"


def markdown(text: object) -> str:
    r"""Text that Markdown shows as it is, on one line and inside one cell of a table.

    Examples
    --------
    >>> markdown("theta[north]|a*b"), markdown("<script>\n")
    ('theta\\[north\\]\\|a\\*b', '\\<script\\> ')
    """
    return _MARKDOWN.sub(r"\\\1", str(text)).replace("\n", " ")
