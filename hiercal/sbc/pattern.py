"""In which way ranks are not uniform, and by how much: shift, width and pile-ups, with intervals.

A rejection says that the draws of a quantity are wrong. Seven simple laws say how:

=========================  ===================================================================
`SHIFTED_UP`, `..._DOWN`   the draws lie too high, or too low
`TOO_NARROW`, `TOO_WIDE`   their sd is too small, or too large
`MISSES_SMALL`, `..LARGE`  the truth lies below, or above, all draws in a share of simulations
`MISSES_BOTH`              both, as with draws that are copies of a few
=========================  ===================================================================

A shift and a width may come together. Where none of the laws explains half of the departure from
uniformity, the pattern is `NONE`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy

from hiercal.sbc._rank_laws import Array, Kernel, kernel, normal_law
from hiercal.sbc.bands import check_ranks

SHIFTED_UP, SHIFTED_DOWN = "shifted up", "shifted down"
TOO_NARROW, TOO_WIDE = "too narrow", "too wide"
MISSES_SMALL, MISSES_LARGE = "misses small values", "misses large values"
MISSES_BOTH = "misses both ends"
NONE = "no simple pattern"
AND = " and "

EXPLAINED = 0.5
"""Least share of the departure from uniformity that a law must explain to be named."""
_CELLS = 20
_Z = 1.959963984540054
_LARGEST_SHIFT, _LARGEST_LOG_SCALE = 6.0, float(np.log(12))


class Interval(NamedTuple):
    """An estimate with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """How the ranks of one quantity depart from uniformity.

    Attributes
    ----------
    name
        One of the patterns above; a shift and a width are joined by `AND`, the larger first.
    shift
        Mean of the draws minus what it ought to be, in sds of the draws.
    scale
        Sd of the draws over what it ought to be.
    missed_below, missed_above
        Share of simulations, beyond what is right, in which the truth lies below or above all
        draws: at least 0.
    at_zero, at_max
        Shares of the ranks that are 0 and L; ``1 / (L + 1)`` is right.
    explained
        Share of the departure from uniformity that the pattern explains: of the deviance of 20
        cells and the two ends, less its degrees of freedom.
    n
        Number of ranks.
    """

    name: str
    shift: Interval
    scale: Interval
    missed_below: float
    missed_above: float
    at_zero: float
    at_max: float
    explained: float
    n: int


def pattern(ranks: ArrayLike, max_rank: int, n_draws: ArrayLike | None = None) -> Pattern:
    """Estimate shift and scale of the draws, and name the law that describes the ranks best.

    Shift and scale are the maximum likelihood estimates of ``truth ~ N(d, s^2)`` on the scale of
    the draws, by Fisher scoring with the exact law of the discrete ranks: the shift is -d, the
    scale 1/s. Their 95 % intervals are Wald intervals in d and log s with the sandwich variance,
    which allows for laws that are not normal, or the Fisher variance where that is larger.

    Coverage measured for L = 99 (1,000 runs, standard error .7 %; shifts of 0, .3, -.4 and 1 with
    scales of 1, .8, 1.3, .75 and .5): 92.9 to 96.4 % at n = 50, 200 and 1000. Right draws, (0, 1):
    93.9 to 95.6 %. Of runs that were rejected in a family of 50 it is lower where few are, as
    those have the larger errors: for a shift of .3, 47 % at n = 50 (5 % of runs), 95 % at n = 200
    (59 %).

    The law is that with the least BIC (Schwarz 1978) of: shift; scale; shift and scale; truths
    below all draws in a share w of the simulations and uniform ranks in the others; the same above;
    and both. Share named right of faults that were found in a family of 50, at n = 200 and 1000
    (1,000 runs each): a shift of .3 sd 95 and 99 %, sds 1.3 times too small 96 and 99 %, too large
    97 and 99 %, 5 % of truths beyond one end 98 and 99 %, 4 % beyond each 86 and 100 %.

    Parameters
    ----------
    ranks
        Ranks in 0..max_rank, shape (n,).
    max_rank
        L, at least 4.
    n_draws
        Of effective ranks, the draws that each truth was ranked among, shape (n,), from
        `hiercal.sbc._rank_laws.effective_numbers`.

    Returns
    -------
    Pattern

    Raises
    ------
    ValueError
        When there are no ranks, or they leave 0..max_rank.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari, Gelman (2018), arXiv:1804.06788, section 4, for what
    histograms of ranks mean; White (1982), Econometrica 50:1, for the sandwich; Schwarz (1978),
    Annals of Statistics 6:461.

    Examples
    --------
    >>> rng = np.random.default_rng(5)
    >>> truth, draws = rng.normal(0, 1, 500), rng.normal(0.5, 1, (500, 99))
    >>> found = pattern((draws < truth[:, None]).sum(axis=1), 99)
    >>> found.name, round(found.shift.value, 2), round(found.scale.value, 2)
    ('shifted up', 0.51, 1.02)
    """
    checked = check_ranks(ranks, max_rank)
    if not checked.size:
        raise ValueError("got no ranks, expected at least 1: were all fits failed?")
    counts = np.bincount(checked, minlength=max_rank + 1).astype(float)
    of = kernel(max_rank, n_draws)
    both = _normal_fit(counts, of, (True, True))
    fits = {
        "shift": _normal_fit(counts, of, (True, False)),
        "scale": _normal_fit(counts, of, (False, True)),
        "shift and scale": both,
    }
    piles = {
        "small": _pile_fit(counts, of.law[:, [0]]),
        "large": _pile_fit(counts, of.law[:, [-1]]),
        "both": _pile_fit(counts, of.law[:, [0, -1]]),
    }
    laws = {name: (fit.p, 2 if name == "shift and scale" else 1) for name, fit in fits.items()}
    laws |= {name: (p, len(shares)) for name, (shares, p) in piles.items()}
    n = checked.size
    bic = {name: np.log(n) * k - 2 * xlogy(counts, p).sum() for name, (p, k) in laws.items()}
    best = min(bic, key=lambda name: bic[name])
    explained = _explained(counts, *laws[best])
    below, above = piles["both"][0]
    return Pattern(
        name=_name(best, fits) if explained >= EXPLAINED else NONE,
        shift=_interval(-both.d, both.se[0]),
        scale=Interval(*np.exp(_interval(-both.log_s, both.se[1])).tolist()),
        missed_below=float(below),
        missed_above=float(above),
        at_zero=float(counts[0] / n),
        at_max=float(counts[-1] / n),
        explained=explained,
        n=n,
    )


class _Normal(NamedTuple):
    d: float
    log_s: float
    se: tuple[float, float]
    p: Array


def _normal_fit(counts: Array, of: Kernel, free: tuple[bool, bool]) -> _Normal:
    """Maximum likelihood of the free ones of (d, log s); the others are 0."""
    which = np.flatnonzero(free)
    limits = np.array([_LARGEST_SHIFT, _LARGEST_LOG_SCALE])
    at = np.zeros(2)
    p, by = normal_law(of, *at)
    likelihood = xlogy(counts, p).sum()
    for _ in range(50):
        ratio = by[which] / np.maximum(p, 1e-300)
        information = counts.sum() * ratio @ (by[which]).T
        step = np.zeros(2)
        step[which] = np.linalg.lstsq(information, ratio @ counts)[0]
        for _ in range(30):
            proposed = np.clip(at + step, -limits, limits)
            p_new, by_new = normal_law(of, *proposed)
            new = xlogy(counts, np.maximum(p_new, 1e-300)).sum()
            if new >= likelihood:
                break
            step /= 2
        else:
            break
        moved = np.abs(proposed - at).max()
        at, p, by, likelihood = proposed, p_new, by_new, new
        if moved < 1e-7:
            break
    ratio = by[which] / np.maximum(p, 1e-300)
    bread = np.linalg.pinv(counts.sum() * ratio @ by[which].T)
    sandwich = np.diag(bread @ (ratio * counts @ ratio.T) @ bread)
    se = np.zeros(2)
    se[which] = np.sqrt(np.maximum(sandwich, np.diag(bread)))
    # at a limit the data do not say how far beyond it lies
    se[np.abs(at) >= limits] = np.inf
    return _Normal(float(at[0]), float(at[1]), (float(se[0]), float(se[1])), p)


def _pile_fit(counts: Array, ends: Array) -> tuple[Array, Array]:
    """Shares w >= 0 of ``(1 - sum w) uniform + ends w``, by EM, and the law."""
    parts = np.column_stack([ends, np.full(len(counts), 1 / len(counts))])
    shares = np.append(np.full(ends.shape[1], 0.1), 1 - 0.1 * ends.shape[1])
    for _ in range(500):
        p = parts @ shares
        new = shares * (parts.T @ (counts / p)) / counts.sum()
        if np.abs(new - shares).max() < 1e-9:
            break
        shares = new
    return shares[:-1], parts @ shares


def _explained(counts: Array, p: Array, n_parameters: int) -> float:
    """Share of the departure from uniformity that a law explains."""
    size = len(counts)
    cells = np.arange(size) * min(_CELLS, size - 2) // size + 1
    cells[0], cells[-1] = 0, cells[-1] + 1  # a pile-up is in one rank
    seen, expected = np.bincount(cells, counts), np.bincount(cells, p * counts.sum())
    even = np.bincount(cells) * counts.sum() / size
    total = 2 * (xlogy(seen, seen / even)).sum() - (len(seen) - 1)
    left = 2 * (xlogy(seen, seen / np.maximum(expected, 1e-300))).sum()
    left -= len(seen) - 1 - n_parameters
    return float(np.clip(1 - left / total, 0, 1)) if total > 0 else 0.0


def _interval(value: float, se: float) -> Interval:
    return Interval(value, value - _Z * se, value + _Z * se)


def _name(best: str, fits: dict[str, _Normal]) -> str:
    if best in ("small", "large", "both"):
        return {"small": MISSES_SMALL, "large": MISSES_LARGE, "both": MISSES_BOTH}[best]
    fit = fits[best]
    shift = (abs(fit.d) / max(fit.se[0], 1e-300), SHIFTED_DOWN if fit.d > 0 else SHIFTED_UP)
    scale = (abs(fit.log_s) / max(fit.se[1], 1e-300), TOO_NARROW if fit.log_s > 0 else TOO_WIDE)
    if best == "shift":
        return shift[1]
    if best == "scale":
        return scale[1]
    return AND.join(name for _, name in sorted([shift, scale], reverse=True))
