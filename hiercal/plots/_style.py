"""What all figures look like: style sheet, widths in inches, arm colours, labels, text widths."""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import matplotlib.style
from matplotlib.cbook import is_math_text
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

SINGLE = 3.4
DOUBLE = 7.0
TEXT_SIZE = 8.0
SMALL_SIZE = 7.0
NOTE_SIZE = 6.5
# matplotlib ships this family, so a figure has the same letters, and bytes, on every machine.
FAMILY = "DejaVu Sans"

INK = "#262626"
BAND = "#8c8c8c"
BAR = "#7d9cc4"
OUTSIDE = "#a3201f"

RC: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelpad": 2.0,
    "axes.labelsize": TEXT_SIZE,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlepad": 3.0,
    "axes.titlesize": TEXT_SIZE,
    "figure.dpi": 200,
    "figure.facecolor": "white",
    "figure.labelsize": TEXT_SIZE,
    "figure.titlesize": TEXT_SIZE,
    "font.family": [FAMILY],
    "font.size": TEXT_SIZE,
    "hatch.linewidth": 0.5,
    "legend.borderaxespad": 0.2,
    "legend.columnspacing": 1.4,
    "legend.fontsize": SMALL_SIZE,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "legend.handletextpad": 0.5,
    "legend.labelspacing": 0.35,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "mathtext.fontset": "dejavusans",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": SMALL_SIZE,
    "xtick.major.pad": 2.0,
    "xtick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "xtick.minor.size": 1.5,
    "xtick.minor.width": 0.4,
    "ytick.color": INK,
    "ytick.labelsize": SMALL_SIZE,
    "ytick.major.pad": 2.0,
    "ytick.major.size": 2.5,
    "ytick.major.width": 0.6,
}


class TooMuch(ValueError):
    """One figure cannot show so much that it is readable; with `fewer` of these it can.

    Attributes
    ----------
    fewer : {"arms", "quantities"}
    """

    def __init__(self, message: str, fewer: Literal["arms", "quantities"]) -> None:
        super().__init__(message)
        self.fewer: Literal["arms", "quantities"] = fewer


def style() -> AbstractContextManager[None]:
    """Style sheet of all figures, over matplotlib's defaults, restored on leaving the block."""
    return matplotlib.style.context(RC, after_reset=True)


@dataclass(frozen=True)
class ArmStyle:
    """Colour, marker and line style that one arm has in every figure."""

    colour: str
    marker: str
    linestyle: Literal["-"] | tuple[float, tuple[float, ...]]
    marker_scale: float = 1.0
    marker_edge: str = "white"


# CIE lightness 22, 60, 44, 70, 0, 50, 32, 81: all differ in greyscale, the first most.
_ARM_STYLES = (
    ArmStyle("#332288", "o", "-"),
    ArmStyle("#e0703a", "s", (0, (5, 1.5))),
    ArmStyle("#117733", "^", (0, (1.2, 1.2))),
    ArmStyle("#44bbbb", "D", (0, (5, 1.5, 1.2, 1.5))),
    ArmStyle("#000000", "v", (0, (2.5, 1.2))),
    ArmStyle("#3377cc", "P", (0, (8, 1.5)), 1.25),
    ArmStyle("#882255", "X", (0, (5, 1.2, 1.2, 1.2, 1.2, 1.2)), 1.25),
    ArmStyle("#d9c24a", "*", (0, (1, 2.2)), 1.6, INK),
)


def arm_styles(arms: Sequence[str], shown: Sequence[str] | None = None) -> dict[str, ArmStyle]:
    """Style of each arm that is `shown`, by its place in `arms`.

    Of more than eight arms some share a style. Where such are shown together, styles go by the
    place among those shown.

    Raises
    ------
    TooMuch
        More arms are shown than there are styles that can be told apart.
    """
    most = len(_ARM_STYLES)
    shown = arms if shown is None else shown
    if len(shown) > most:
        raise TooMuch(
            f"got {len(shown)} arms, at most {most} can be told apart in one figure; choose arms "
            "and draw several figures",
            "arms",
        )
    places = [list(arms).index(arm) % most for arm in shown]
    if len(set(places)) < len(places):
        places = range(len(shown))
    return {arm: _ARM_STYLES[place] for arm, place in zip(shown, places, strict=True)}


_GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|"
    "upsilon|phi|chi|psi|omega"
)
_SYMBOL = re.compile(
    rf"(?P<log>log_)?(?P<letter>[A-Za-z]|{_GREEK})(?P<number>[0-9])?"
    r"(?:_(?P<subscript>[A-Za-z0-9]+))?(?:\[(?P<index>[A-Za-z0-9]+(?:, ?[A-Za-z0-9]+)*)\])?"
)


def quantity_label(quantity: str) -> str:
    r"""Quantity as mathtext: a letter with subscripts, or else the plain name.

    Examples
    --------
    >>> quantity_label("theta[A]"), quantity_label("log_tau"), quantity_label("log_lik")
    ('$\\theta_{A}$', '$\\log\\,\\tau$', 'log likelihood')
    >>> quantity_label("pi0[A]"), quantity_label("pi_new[A]")
    ('$\\pi_{0,A}$', '$\\pi_{\\mathrm{new},A}$')
    >>> quantity_label("elpd waic")
    'elpd waic'
    """
    match = _SYMBOL.fullmatch(quantity)
    if match is None:
        return plain_label(quantity)
    letter = match["letter"]
    symbol = letter if len(letter) == 1 else "\\" + letter
    parts = [part for part in (match["number"], match["subscript"]) if part]
    parts += re.split(", ?", match["index"]) if match["index"] else []
    below = ",".join(p if len(p) == 1 or p.isdigit() else rf"\mathrm{{{p}}}" for p in parts)
    return f"${r'\log\,' if match['log'] else ''}{symbol}{f'_{{{below}}}' if below else ''}$"


def plain_label(quantity: str) -> str:
    """Quantity in words."""
    words = {
        "log_lik": "log likelihood",
        "log_prior": "log prior",
        "log_joint": "log joint density",
    }
    return words.get(quantity, plain(quantity))


def plain(name: str) -> str:
    """Name that matplotlib does not read as mathematics."""
    return name.replace("$", r"\$")


@lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """Width in inches of one line of text at `size` points."""
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(family=FAMILY, size=size), ismath=bool(is_math_text(text))
    )
    return float(width) / 72


def wrap(text: str, width: float, size: float) -> list[str]:
    """Break text into lines no wider than `width` inches, dropping nothing.

    Lines break after a space, a hyphen, an underscore, a slash or a comma, and before a bracket;
    a piece that is still too wide anywhere, so that two names never look the same by being cut.
    Mathematics stays whole.
    """
    if text_width(text, size) <= width:
        return [text]
    pieces = re.findall(
        r"(?<!\\)\$(?:\\\$|[^$])+\$\S*\s*|\[?(?:\\\$|[^\s\-_/,\[$])*[\s\-_/,$]?", text
    )
    lines = [""]
    for piece in filter(None, pieces):
        if lines[-1] and text_width((lines[-1] + piece).rstrip(), size) > width:
            lines.append("")
        lines[-1] += piece
    return [part for line in lines for part in _parts(line.rstrip(), width, size)]


def _parts(text: str, width: float, size: float) -> list[str]:
    """A line in parts that fit, mathematics whole."""
    if is_math_text(text):
        return [text]
    parts = [""]
    for letter in re.findall(r"\\\$|.", text, re.DOTALL):  # an escaped dollar is one letter
        if parts[-1] and text_width(parts[-1] + letter, size) > width:
            parts.append("")
        parts[-1] += letter
    return parts
