"""Graphics of one quantity of one arm as SVG: small, and with the bands of `hiercal.plots`.

Bands and axes are the same for all quantities of as many fits, so each is written once
and used from there. Coordinates are whole numbers in a box of `WIDE` by `HIGH`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup, escape

from hiercal.sbc.bands import ecdf_band, ecdf_counts
from hiercal.sbc.coverage import DRAWN_LEVELS, central_coverage, order_statistics
from hiercal.sbc.histogram_band import bin_number, histogram_band

WIDE, HIGH = 480, 200
LEFT, TOP, RIGHT, BOTTOM = 58, 12, 12, 34
"""Margins around the box, for the numbers of the axes."""
TALLEST = 3.0
"""Times the expected count at which a bar is cut off; its count is written beside it."""
ROOM = (1.3, 2.6, 5.2)
"""Times the largest deviation of the ECDF's band that the box holds, where the line needs it."""
POINTS = (2.5, 5.0, 10.0, 25.0, 50.0, 100.0)
"""Percentage points of coverage that the box holds above and below the nominal level."""


class Drawings:
    """Draws the graphics of a page, and keeps what they share.

    Parameters
    ----------
    level : float
        Of the simultaneous bands, and of the intervals of coverage one by one.
    """

    def __init__(self, level: float = 0.95) -> None:
        self.level = level
        self._symbols: dict[tuple[object, ...], tuple[str, str]] = {}

    def histogram(self, ranks: np.ndarray, max_rank: int) -> Markup:
        """Rank histogram, with the band that holds all bins of a correct sampler's.

        Parameters
        ----------
        ranks : ndarray of int, shape (n,)
            Of the completed fits, at least one.
        max_rank : int
            L.
        """
        n, n_ranks = len(ranks), max_rank + 1
        bins = bin_number(n_ranks, n)
        counts = np.bincount(ranks, minlength=n_ranks).reshape(bins, -1).sum(axis=1)
        band = histogram_band(n, bins, self.level)
        low, high = band.simultaneous_lower, band.simultaneous_upper
        peak = max(TALLEST * n / bins, 1.15 * high)
        top = 1.15 * high if counts.max() <= 1.15 * high else peak
        edges = np.linspace(0, WIDE, bins + 1)
        y = HIGH * (1 - np.minimum(counts, top) / top)
        outside = (counts < low) | (counts > high)
        bars = [
            (f"M{left:.0f} {HIGH}V{height:.0f}H{right:.0f}V{HIGH}", out)
            for left, right, height, out in zip(edges[:-1], edges[1:], y, outside, strict=True)
            if height < HIGH
        ]
        cut = np.flatnonzero(counts > top)
        parts = [
            self._use("histogram", n, bins, max_rank, top),
            _path("b", (d for d, out in bars if not out)),
            _path("o", (d for d, out in bars if out)),
            *(_cut_count(int(counts[i]), edges[i], edges[i + 1]) for i in cut),
        ]
        said = f"{bins} bins, {int(outside.sum()) or 'none'} outside the band"
        return _svg(parts, f"Rank histogram: {said}")

    def ecdf(self, ranks: np.ndarray, max_rank: int) -> Markup:
        """ECDF of the ranks minus the uniform one, with its simultaneous band."""
        n, n_ranks = len(ranks), max_rank + 1
        z = np.arange(n_ranks + 1) / n_ranks
        difference = np.append(0, ecdf_counts(ranks, max_rank, n_ranks)) / n - z
        lower, upper = self._ecdf_band(n, n_ranks)
        most = float(np.abs(difference).max())
        widest = max(float(-lower.min()), float(upper.max()))
        room = next((r for r in ROOM if most <= r * widest), max(ROOM[-1], 1.05 / widest))
        limit = room * widest
        x, y = _thinned(WIDE * z, HIGH / 2 * (1 - difference / limit))
        parts = [
            self._use("ecdf", n, n_ranks, limit),
            _path("l", [_line(x, y)]),
        ]
        leaves = bool(((difference < lower - 1e-12) | (difference > upper + 1e-12)).any())
        said = f"it {'leaves' if leaves else 'stays inside'} the band"
        return _svg(parts, f"ECDF of the ranks minus the uniform one: {said}")

    def coverage(self, ranks: np.ndarray, max_rank: int) -> Markup:
        """Coverage of central intervals minus their level, with Clopper-Pearson intervals."""
        k = order_statistics(max_rank, DRAWN_LEVELS)
        found = central_coverage(ranks, max_rank, k, level=self.level)
        off, low, high = (
            100 * (each - found.nominal) for each in (found.coverage, found.lower, found.upper)
        )
        most = float(max(np.abs(low).max(), np.abs(high).max()))
        limit = next(points for points in POINTS if most <= points)
        x = WIDE * found.nominal
        at, from_, to = (HIGH / 2 * (1 - each / limit) for each in (off, low, high))
        parts = [
            self._use("coverage", limit),
            _path("l", (f"M{a:.0f} {b:.0f}V{c:.0f}" for a, b, c in zip(x, from_, to, strict=True))),
            _path("d", (f"M{a:.0f} {b:.0f}h0" for a, b in zip(x, at, strict=True))),
        ]
        missed = int(((low > 0) | (high < 0)).sum())
        said = f"of {len(k)} levels, {missed} are outside their interval"
        return _svg(parts, f"Coverage minus the nominal level: {said}")

    def symbols(self) -> Markup:
        """What the graphics share; to be put into definitions of the page."""
        return Markup("").join(
            Markup('<g id="{}">{}</g>').format(name, Markup(content))
            for name, content in self._symbols.values()
        )

    def _use(self, kind: str, *of: object) -> Markup:
        key = (kind, *of)
        if key not in self._symbols:
            content = getattr(self, f"_{kind}_symbol")(*of)
            self._symbols[key] = (f"s{len(self._symbols)}", content)
        return Markup('<use href="#{}"/>').format(self._symbols[key][0])

    def _histogram_symbol(self, n: int, bins: int, max_rank: int, top: float) -> str:
        band = histogram_band(n, bins, self.level)
        low, high, expected = (
            HIGH * (1 - count / top)
            for count in (band.simultaneous_lower, band.simultaneous_upper, n / bins)
        )
        return (
            _rectangle(high, low)
            + _frame([(0, "0"), (WIDE, str(max_rank))])
            + _dashed(expected)
            + _at_left([(high, band.simultaneous_upper), (low, band.simultaneous_lower)])
        )

    def _ecdf_symbol(self, n: int, n_ranks: int, limit: float) -> str:
        lower, upper = self._ecdf_band(n, n_ranks)
        x = WIDE * np.arange(n_ranks + 1) / n_ranks
        above = _thinned(x, HIGH / 2 * (1 - upper / limit))
        below = _thinned(x[::-1], HIGH / 2 * (1 - lower[::-1] / limit))
        joined = [np.concatenate(each) for each in zip(above, below, strict=True)]
        return (
            f'<path class="g" d="{_line(*joined)}z"/>'
            + _frame([(0, "0"), (WIDE // 2, "0.5"), (WIDE, "1")])
            + _dashed(HIGH / 2)
            + _at_left([(0, f"+{limit:.2g}"), (HIGH / 2, "0"), (HIGH, f"−{limit:.2g}")])
        )

    def _coverage_symbol(self, limit: float) -> str:
        ticks = [(round(WIDE * share), f"{100 * share:.0f}") for share in (0.1, 0.5, 0.9)]
        return (
            _frame(ticks)
            + _dashed(HIGH / 2)
            + _at_left([(0, f"+{limit:g}"), (HIGH / 2, "0"), (HIGH, f"−{limit:g}")])
        )

    def _ecdf_band(self, n: int, n_ranks: int) -> tuple[np.ndarray, np.ndarray]:
        z = np.arange(n_ranks + 1) / n_ranks
        _, low, high = ecdf_band(n, n_ranks, self.level)
        return np.append(0, low) / n - z, np.append(0, high) / n - z


def _svg(parts: Sequence[Markup], label: str) -> Markup:
    view = f"{-LEFT} {-TOP} {WIDE + LEFT + RIGHT} {HIGH + TOP + BOTTOM}"
    return Markup('<svg viewBox="{}" role="img" aria-label="{}">{}</svg>').format(
        view, label, Markup("").join(parts)
    )


def _path(kind: str, pieces: Iterable[str]) -> Markup:
    d = "".join(pieces)
    return Markup('<path class="{}" d="{}"/>').format(kind, Markup(d)) if d else Markup("")


def _cut_count(count: int, left: float, right: float) -> Markup:
    """How many are in a bar that is cut off, on the side of it that has room."""
    here, anchor = (right + 4, "start") if left < WIDE / 2 else (left - 4, "end")
    return Markup('<text class="c" x="{:.0f}" y="16" text-anchor="{}">{}</text>').format(
        here, anchor, count
    )


def _line(x: np.ndarray, y: np.ndarray) -> str:
    """A path through points, of relative steps between whole numbers."""
    x, y = np.rint(x).astype(int), np.rint(y).astype(int)
    steps = zip(np.diff(x), np.diff(y), strict=True)
    return f"M{x[0]} {y[0]}l" + " ".join(f"{dx} {dy}" for dx, dy in steps)


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of points that are drawn in one column, the first, lowest, highest and last."""
    if len(x) <= WIDE:
        return x, y
    column = np.rint(x).astype(int)
    starts = np.flatnonzero(np.diff(column, prepend=column[0] - 1))
    kept = set()
    for start, end in zip(starts, [*starts[1:], len(x)], strict=True):
        here = y[start:end]
        kept |= {start, start + int(here.argmin()), start + int(here.argmax()), end - 1}
    order = np.array(sorted(kept))
    return x[order], y[order]


def _rectangle(top: float, bottom: float) -> str:
    return f'<path class="g" d="M0 {top:.0f}H{WIDE}V{bottom:.0f}H0z"/>'


def _dashed(y: float) -> str:
    return f'<path class="e" d="M0 {y:.0f}H{WIDE}"/>'


def _frame(ticks: Sequence[tuple[int, str]]) -> str:
    texts = "".join(
        f'<text x="{x}" y="{HIGH + 27}" text-anchor="{_anchor(x)}">{escape(text)}</text>'
        for x, text in ticks
    )
    marks = "".join(f"M{x} {HIGH}v6" for x, _ in ticks)
    return f'<path class="a" d="M0 0V{HIGH}H{WIDE}{marks}"/>{texts}'


def _anchor(x: int) -> str:
    return "end" if x == WIDE else "middle"


def _at_left(numbers: Sequence[tuple[float, object]]) -> str:
    return "".join(
        f'<text x="-8" y="{y + 8:.0f}" text-anchor="end">{escape(str(text))}</text>'
        for y, text in numbers
    )
