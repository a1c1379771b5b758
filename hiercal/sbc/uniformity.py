"""Tests that ranks are uniform on 0..L, with exact or checked sizes for discrete ranks."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr

from hiercal.sbc._power import Detectable, detectable
from hiercal.sbc._smooth import discrete_legendre
from hiercal.sbc._tail import smooth_p
from hiercal.sbc.bands import TIE, acceptance_region, check_ranks, ecdf_counts, inside_probability

__all__ = [
    "SMALLEST_P",
    "Detectable",
    "TestResult",
    "Uniformity",
    "detectable",
    "discrete_legendre",
    "ecdf_test",
    "holm",
    "smooth_test",
    "uniformity_test",
]

SMALLEST_P = 1e-12
"""The recursion's rounding error is about 1e-13: smaller p-values of `ecdf_test` say this."""


class TestResult(NamedTuple):
    """A test statistic and its p-value."""

    __test__ = False  # the name is no test class to pytest

    statistic: float
    p: float


@dataclass(frozen=True, slots=True)
class Uniformity:
    """Both tests of uniformity and their combination.

    Attributes
    ----------
    ecdf, smooth
        `ecdf_test` and `smooth_test`.
    p
        ``min(1, 2 min(ecdf.p, smooth.p))``, valid however the two depend on each other.
    """

    ecdf: TestResult
    smooth: TestResult
    p: float


def ecdf_test(ranks: ArrayLike, max_rank: int, *, n_cells: int | None = None) -> TestResult:
    """Exact test of uniformity by the most extreme point of the empirical distribution.

    ``g = 2 min_k min{BinCDF(R_k; n, k/K), 1 - BinCDF(R_k - 1; n, k/K)}`` and ``p = P(G <= g)``
    under uniform discrete ranks, so ``P(p <= a) <= a`` for every n, L and a, with equality at every
    value p can take.

    Parameters
    ----------
    ranks
        Ranks in 0..max_rank, shape (n_simulations,).
    max_rank
        L, the number of draws each truth was ranked among.
    n_cells
        K, a divisor of L + 1; L + 1 by default.

    Returns
    -------
    TestResult
        g and p. p is given as 1e-12 where it is smaller.

    Raises
    ------
    ValueError
        When there are no ranks, they leave 0..max_rank, or K does not divide L + 1.

    References
    ----------
    Säilynoja, Bürkner, Vehtari (2022), Statistics and Computing 32:32, section 3.2; the exact
    p-value is the complement of the coverage that their algorithm 1 computes.

    Examples
    --------
    >>> ecdf_test(np.arange(100), 99).p, ecdf_test(np.zeros(100, int), 99).p
    (1.0, 1e-12)
    """
    cells = max_rank + 1 if n_cells is None else n_cells
    counts = ecdf_counts(ranks, max_rank, cells)
    n = int(counts[-1])
    _need(n)
    z = np.arange(1, cells) / cells
    inner = counts[:-1]
    tails = np.minimum(bdtr(inner, n, z), bdtr(n - inner, n, 1 - z))
    g = float(2 * tails.min())
    # Union bound: P(G <= g) <= K g needs no recursion when it is already below the floor.
    if g * cells < SMALLEST_P:
        return TestResult(g, SMALLEST_P)
    return TestResult(g, min(1.0, max(SMALLEST_P, _outside(n, cells, g))))


@lru_cache(maxsize=1024)
def _outside(n: int, cells: int, g: float) -> float:
    """``P(G <= g)``; with few simulations many quantities share one of the values of g."""
    lower, upper = acceptance_region(n, cells, g * (1 + TIE))
    return 1 - inside_probability(n, lower, upper, np.full(cells, 1 / cells))


def smooth_test(ranks: ArrayLike, max_rank: int, order: int = 4) -> TestResult:
    """Neyman's smooth test with polynomials orthonormal on the discrete ranks.

    ``T = n sum_j mean(h_j(r))^2``. The chi-square limit is too light in the tail (at n = 50 a
    nominal .0005 is .0009, at n = 20 .0013), so p has the next term of the Edgeworth expansion,
    with the exact third and fourth moments of h:

    ``p = G_0 + [k4/8 (G_2 - 2 G_1 + G_0) + (9 a + 6 b)/72 (G_3 - 3 G_2 + 3 G_1 - G_0)] / n``

    where G_j is the upper tail of chi-square with order + 2j degrees of freedom, ``k4 = E|h|^4 -
    q(q+2)``, ``a = sum_j (sum_i E[h_i^2 h_j])^2``, ``b = sum_ijk E[h_i h_j h_k]^2``.

    Further out the expansion is too light where simulations are few. At a nominal 1.25e-5, which a
    family of 2,000 quantities asks for, it has 2.9e-5 at n = 20, 1.7e-5 at n = 50 and 1.3e-5 at n =
    200. So below n = 200 a p under .001 is by importance sampling, see `hiercal.sbc._tail`.

    Size measured for L = 99, at nominal .05, .005, .0005 (4 to 8 million data sets for n <= 50, 1
    million for n = 200, 200,000 for n = 1000; standard errors at most 10 % of the last):

    ====  ======  ======  =======
    n     .05     .005    .0005
    ====  ======  ======  =======
    20    .0515   .0046   .00046
    50    .0504   .0050   .00048
    200   .0496   .0051   .00051
    1000  .0505   .0051   .00051
    ====  ======  ======  =======

    Parameters
    ----------
    ranks
        Ranks in 0..max_rank, shape (n_simulations,).
    max_rank
        L, the number of draws each truth was ranked among, at least `order`.
    order
        Number of polynomials.

    Returns
    -------
    TestResult
        T and p.

    Raises
    ------
    ValueError
        When there are no ranks, they leave 0..max_rank, or max_rank is below the order.

    References
    ----------
    Neyman (1937), Skandinavisk Aktuarietidskrift 20:149; Rayner, Thas, Best (2009), Smooth Tests of
    Goodness of Fit; Harris (1985), Biometrika 72:653, for the expansion of score statistics.

    Examples
    --------
    >>> smooth_test(np.arange(100), 99).p > 0.99
    True
    """
    checked = check_ranks(ranks, max_rank)
    _need(checked.size)
    polynomials = discrete_legendre(max_rank, order)
    counts = np.bincount(checked, minlength=max_rank + 1)
    statistic = float(np.sum((polynomials @ counts) ** 2) / checked.size)
    return TestResult(statistic, smooth_p(statistic, checked.size, max_rank, order))


def uniformity_test(ranks: ArrayLike, max_rank: int) -> Uniformity:
    """The ECDF test and the smooth test together.

    The first is exact and sees any departure, spikes at the edges above all; the second is stronger
    against the smooth departures that a wrong location, scale or skewness makes.

    Parameters
    ----------
    ranks
        Ranks in 0..max_rank, shape (n_simulations,).
    max_rank
        L, the number of draws each truth was ranked among, at least 4.

    Returns
    -------
    Uniformity

    Raises
    ------
    ValueError
        When there are no ranks, they leave 0..max_rank, or max_rank is below 4.

    Examples
    --------
    >>> uniformity_test(np.arange(100), 99).p
    1.0
    """
    ecdf, smooth = ecdf_test(ranks, max_rank), smooth_test(ranks, max_rank)
    return Uniformity(ecdf, smooth, min(1.0, 2 * min(ecdf.p, smooth.p)))


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """P-values adjusted so that any below alpha rejects at family-wise level alpha.

    ``max_{j <= i} min(1, (m - j + 1) p_(j))``, valid under any dependence. NaN stands for a
    hypothesis that could not be tested: it stays NaN and is not counted in m.

    Parameters
    ----------
    p
        P-values, shape (n_hypotheses,).

    Returns
    -------
    array of shape (n_hypotheses,)

    Raises
    ------
    ValueError
        When a p-value lies outside [0, 1].

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6:65.

    Examples
    --------
    >>> holm([0.01, np.nan, 0.02, 0.5])
    array([0.03,  nan, 0.04, 0.5 ])
    """
    values = np.asarray(p, dtype=float)
    if values.ndim != 1 or (values < 0).any() or (values > 1).any():
        raise ValueError(f"got p={values!s}, expected a list of p-values in [0, 1] (or NaN).")
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.argsort(values[tested], kind="stable")]
    steps = np.arange(order.size, 0, -1) * values[order]
    adjusted = np.full(values.shape, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def _need(n: int, least: int = 1) -> None:
    if n < least:
        raise ValueError(
            f"got {n} ranks, expected at least {least}. Were all fits failed? Report the run as "
            "inconclusive rather than test it."
        )
