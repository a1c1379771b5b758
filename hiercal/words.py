"""How numbers and names are put into text, the same on the console, in pages and in reports."""

from __future__ import annotations

import math
import re

SMALLEST_P = 1e-10
"""P-values below are not told apart: their digits depend on the machine."""
LIBRARIES = {"numpyro": "NumPyro", "pymc": "PyMC"}
"""Names of fitters, as their libraries write them."""
LONGEST_REASON, LONGEST_SHOWN = 2000, 100
"""Letters of an error's message and of a value that messages have at most."""
MILLISECONDS_A_DAY = 86_400_000
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


def e_value(log10: float) -> str:
    """An e-value with two digits.

    Examples
    --------
    >>> e_value(-0.3), e_value(2.0), e_value(7.31)
    ('0.5', '100', '1e7')
    """
    if log10 < 4:
        return f"{10**log10:.2g}" if log10 < 2 else f"{10**log10:.0f}"
    return f"1e{log10:.0f}"


def rounded(value: float, error: float) -> str:
    """A number and its standard error, to as many digits as the error allows.

    The error has two digits if they are at most 35, and one if they are more, as the Particle Data
    Group (2024, Review of Particle Physics, section 5.3) rounds.

    Examples
    --------
    >>> rounded(0.25967, 0.0253), rounded(-1.2345, 0.0671), rounded(12345.6, 420.0)
    ('0.260 (0.025)', '-1.23 (0.07)', '12300 (400)')
    >>> rounded(0.5, 0.0), rounded(2.0, float("nan"))
    ('0.5', '2')
    """
    if math.isnan(value):
        return "-"
    if not (error > 0 and math.isfinite(error) and math.isfinite(value)):
        return f"{value:.3g}"
    power = math.floor(math.log10(error))
    two = round(error / 10 ** (power - 1))
    digits = 1 - power if two <= 35 else -power
    if two >= 95:  # it is rounded up to 10
        digits = 1 - (power + 1)
    shown = (round(each, digits) for each in (value, error))
    most = max(digits, 0)
    number, of_error = (f"{each + 0.0:.{most}f}" for each in shown)
    return f"{number} ({of_error})"


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


def reason(error: BaseException) -> str:
    r"""An error's type and message on one line, whatever is in it.

    Examples
    --------
    >>> reason(KeyError("tau")), reason(ValueError("a\0b\n\udc80"))
    ("KeyError: 'tau'", 'ValueError: a\\x00b \\udc80')
    """
    try:
        text = " ".join(str(error).split())
    except Exception:
        # an error in making the message hides nothing but the message
        text = "(its message cannot be made)"
    if len(text) > LONGEST_REASON:
        text = f"{text[:LONGEST_REASON]} ... ({len(text)} letters)"
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shown(value: object) -> str:
    """What a message shows of a value that was given, however long it is.

    Examples
    --------
    >>> shown(3.5), shown("x" * 500)[:6]
    ('3.5', "'xxxxx")
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:
        # as of a number of more digits than Python writes out
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def cost(n: float, numbers: float = 1) -> str:
    """What so many things take, of which each is a millisecond and some numbers.

    Examples
    --------
    >>> cost(10**9)
    'at a millisecond each they take 12 days, and 8 GB of memory'
    """
    return (
        f"at a millisecond each they take {n / MILLISECONDS_A_DAY:,.0f} days, and "
        f"{gigabytes(8 * n * numbers)} of memory"
    )


def gigabytes(n_bytes: float) -> str:
    """A size in memory.

    Examples
    --------
    >>> gigabytes(64e9), gigabytes(3e12)
    ('64 GB', '3,000 GB')
    """
    return f"{n_bytes / 1e9:,.0f} GB"


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
