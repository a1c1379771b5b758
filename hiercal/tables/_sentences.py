"""The sentence that says how the draws of a quantity are wrong."""

from __future__ import annotations

import math

from hiercal import words
from hiercal.sbc import pattern as p
from hiercal.sbc.pattern import Interval
from hiercal.tables._causes import Arm, Failure, named


def sentence(failure: Failure, arm: Arm) -> str:
    """Which way the draws are off, and by how much.

    Parameters
    ----------
    failure : Failure
        One of the arm's.
    arm : Arm

    Returns
    -------
    str
        One sentence or two, without the names of arm and quantity.
    """
    found, name = failure.pattern, named(failure, arm)
    if name == "stuck":
        return (
            f"The chains do not mix in {words.percent(arm.unmixed)} of fits, and the ranks are far "
            f"from uniform: {_ends(failure)}."
        )
    if name == p.NONE:
        return (
            "The ranks are not uniform, in no simple pattern. At a glance the draws are "
            f"{shifted(found.shift)}, and {wide(found.scale)}."
        )
    if name in (p.MISSES_SMALL, p.MISSES_LARGE, p.MISSES_BOTH):
        return f"The draws do not reach {_MISSES[name]}: {_ends(failure)}."
    parts = [
        f"The draws are {shifted(found.shift)}"
        if part in (p.SHIFTED_UP, p.SHIFTED_DOWN)
        else f"The draws are {part}: {wide(found.scale)}"
        for part in name.split(p.AND)
    ]
    return ". ".join(parts) + "."


_MISSES = {
    p.MISSES_SMALL: "small values",
    p.MISSES_LARGE: "large values",
    p.MISSES_BOTH: "small or large values",
}


def shifted(shift: Interval) -> str:
    """A shift in words.

    Examples
    --------
    >>> shifted(Interval(-0.31, -0.4, -0.22))
    '0.31 posterior sd too low (95 % interval 0.22 to 0.40)'
    >>> shifted(Interval(0.02, -0.1, 0.14))
    '0.02 posterior sd too high (95 % interval -0.10 to 0.14)'
    """
    way, sign = ("too high", 1) if shift.value >= 0 else ("too low", -1)
    low, high = sorted((sign * shift.low, sign * shift.high))
    size = abs(shift.value)
    if not math.isfinite(low):
        return f"more than {math.floor(size):.0f} posterior sd {way}"
    return f"{size:.2f} posterior sd {way} (95 % interval {low:.2f} to {high:.2f})"


def wide(scale: Interval) -> str:
    """A factor of the sd in words.

    Examples
    --------
    >>> wide(Interval(0.77, 0.7, 0.84))
    'their sd is 0.77 times what it should be (95 % interval 0.70 to 0.84)'
    """
    if not (scale.low > 0 and math.isfinite(scale.high)):
        size = "far below" if scale.value < 1 else "far above"
        return f"their sd is {size} what it should be"
    return (
        f"their sd is {scale.value:.2f} times what it should be (95 % interval {scale.low:.2f} to "
        f"{scale.high:.2f})"
    )


def _ends(failure: Failure) -> str:
    """How often the truth lies outside all draws."""
    found, right = failure.pattern, 1 / (failure.max_rank + 1)
    ends = (
        ("below", found.at_zero, found.missed_below),
        ("above", found.at_max, found.missed_above),
    )
    if failure.effective:
        # effective ranks are spread, so that the share at an end says too little
        shares = [
            f"{side} them in {100 * more:.1f} %" for side, _, more in ends if more > right / 2
        ]
        if not shares:
            return "though not at the ends"
        return (
            f"allowing for autocorrelation, the true value lies {' and '.join(shares)} more "
            "of the simulations than is right"
        )
    shares = [
        f"{side} all {failure.max_rank} draws in {100 * share:.1f} % of simulations"
        for side, share, _ in ends
        if share > 1.5 * right
    ]
    if not shares:
        return "though not at the ends"
    return f"the true value lies {' and '.join(shares)}, where {100 * right:.2g} % is right"
