"""LaTeX tables that fit the text width of a plain article: smaller letters, broken lines, parts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

TEXT_WIDTH = 345.0
"""Points that text is wide in the class `article` with 10-point letters."""
SIZES = {"": (10.0, 1.0), r"\small": (9.0, 1.028), r"\footnotesize": (8.0, 1.062)}
"""Commands of sizes, with points and how much wider letters are than in proportion."""
SPACES = (6.0, 4.0, 3.0)
"""Points on either side of a column: LaTeX's own, and less where room is short."""
WIDEST_WORDS, NARROWEST = 60.0, 45.0
"""Points from which on a column of words is broken into lines, and how narrow it may get."""
SAFETY = 1.03
LETTERS = {
    letter: width
    for letters, width in {
        "ilI.,:;'|[]!": 2.9, "fjt() -": 3.9, "rs": 4.0, "ceza": 4.8, "gov0123456789*/": 5.1,
        "bdhknpquxyJS": 5.6, "LZ_FEP": 6.7, "ABCDGHKNOQRTUVXY": 7.7, "w": 7.3, "m%+=<>": 8.4,
        "MW": 10.3,
    }.items()
    for letter in letters
}  # fmt: skip
"""Points of letters of Computer Modern at 10 points, rounded up."""
OTHER = 7.0
BREAKS = re.compile(r"(?<=[/_-])|\s+")
"""Where a line of a column of words may end."""


@dataclass(frozen=True)
class Part:
    """Columns of a table that fit beside each other.

    Attributes
    ----------
    columns : list of int
        Their places in the whole table.
    widths : dict of int to float
        Points of those whose text is broken into lines.
    size : str
        The command of the letters' size.
    space : float
        Points on either side of a column.
    lines : int
        Lines that the rows take.
    """

    columns: list[int]
    widths: dict[int, float]
    size: str
    space: float
    lines: int


def text_points(text: str) -> float:
    """Points that text takes at 10 points, at most.

    Examples
    --------
    >>> round(text_points("0.260 (0.025)"), 1)
    60.0
    """
    return SAFETY * sum(LETTERS.get(letter, OTHER) for letter in text)


def stacked(heading: str) -> list[str]:
    """A heading in lines of at most a dozen letters, or of a word.

    Examples
    --------
    >>> stacked("detectable shift of one")
    ['detectable', 'shift of one']
    """
    lines = [""]
    for word in heading.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > 12:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def parts(
    headings: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool], n_keys: int
) -> list[Part]:
    """Divide the columns of a table into parts that fit the text width, one if it can be.

    Parameters
    ----------
    headings : sequence of str
    cells : sequence of columns
        Text of each, as it is shown.
    numeric : sequence of bool
        Whether a column holds numbers, which are never broken.
    n_keys : int
        Columns at the left that say what a row is of; each part has them.
    """
    natural = [_natural(h, column) for h, column in zip(headings, cells, strict=True)]
    least = [
        width if is_number else min(width, max(_longest_word(h, column), NARROWEST))
        for h, column, width, is_number in zip(headings, cells, natural, numeric, strict=True)
    ]
    whole = _fitted(range(len(headings)), natural, least, cells)
    if whole is not None:
        return [whole]
    keys, rest = list(range(n_keys)), list(range(n_keys, len(headings)))
    found: list[Part] = []
    while rest:
        for n in range(len(rest), 0, -1):
            part = _fitted([*keys, *rest[:n]], natural, least, cells)
            if part is not None or n == 1:
                found.append(part or _tight([*keys, *rest[:1]], natural, least, cells))
                rest = rest[n:]
                break
    return found


def _fitted(
    columns: Sequence[int],
    natural: Sequence[float],
    least: Sequence[float],
    cells: Sequence[Sequence[str]],
) -> Part | None:
    """These columns beside each other in the largest letters that do, or None."""
    breakable = [c for c in columns if natural[c] > WIDEST_WORDS and least[c] < natural[c]]
    found: list[tuple[float, Part]] = []
    for size, (points, wider) in SIZES.items():
        scale = points / 10 * wider
        for space in SPACES[: 1 if not size else None]:
            room = TEXT_WIDTH - 2 * space * len(columns)
            if scale * sum(natural[c] for c in columns) <= room:
                whole = Part(list(columns), {}, size, space, len(cells[columns[0]]))
                return min([*found, (whole.lines * points, whole)], key=lambda pair: pair[0])[1]
            room -= scale * sum(natural[c] for c in columns if c not in breakable)
            if not breakable or room <= 0:
                continue
            widths = _shared(room, {c: natural[c] * scale for c in breakable})
            if all(widths[c] >= scale * least[c] for c in breakable):
                part = _part(columns, widths, size, space, natural, scale, cells)
                found.append((part.lines * points, part))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _tight(
    columns: Sequence[int],
    natural: Sequence[float],
    least: Sequence[float],
    cells: Sequence[Sequence[str]],
) -> Part:
    """Columns of which even few are too wide: all words in narrow columns."""
    size = r"\footnotesize"
    scale, space = SIZES[size][0] / 10 * SIZES[size][1], SPACES[-1]
    words = [c for c in columns if least[c] < natural[c]]
    fixed = scale * sum(natural[c] for c in columns if c not in words)
    room = TEXT_WIDTH - 2 * space * len(columns) - fixed
    widths = _shared(max(room, 40.0 * len(words)), {c: natural[c] * scale for c in words})
    return _part(columns, widths, size, space, natural, scale, cells)


def _part(
    columns: Sequence[int],
    widths: dict[int, float],
    size: str,
    space: float,
    natural: Sequence[float],
    scale: float,
    cells: Sequence[Sequence[str]],
) -> Part:
    kept = {c: width for c, width in widths.items() if width < natural[c] * scale}
    lines = sum(
        max(
            [1]
            + [math.ceil(1.15 * scale * text_points(cells[c][row]) / w) for c, w in kept.items()]
        )
        for row in range(len(cells[columns[0]]))
    )
    return Part(list(columns), kept, size, space, lines)


def _shared(room: float, wanted: dict[int, float]) -> dict[int, float]:
    """Widths that together take the room, none more than it wants."""
    widths: dict[int, float] = {}
    for place, (column, width) in enumerate(sorted(wanted.items(), key=lambda pair: pair[1])):
        widths[column] = min(width, room / (len(wanted) - place))
        room -= widths[column]
    return widths


def _natural(heading: str, column: Sequence[str]) -> float:
    lines = stacked(heading)
    return max([text_points(each) for each in (*lines, *column)])


def _longest_word(heading: str, column: Sequence[str]) -> float:
    cells = {word for text in set(column) for word in BREAKS.split(text)}
    return max([text_points(each) for each in (*stacked(heading), *cells)], default=0.0)
