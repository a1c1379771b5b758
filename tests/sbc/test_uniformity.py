"""Sizes by enumeration where it can be done, else with a fixed seed; powers against the exact ones.

Statistical tests allow 4 binomial standard errors: a false-alarm rate of 6e-5 each.
"""

from itertools import product

import numpy as np
import pytest
from scipy.stats import multinomial

from hiercal.sbc._power import rank_probabilities
from hiercal.sbc._tail import FAR, smooth_p, tail
from hiercal.sbc.bands import acceptance_region, inside_probability, pointwise_level
from hiercal.sbc.ranks import ranks as rank
from hiercal.sbc.uniformity import (
    SMALLEST_P,
    discrete_legendre,
    ecdf_test,
    holm,
    smooth_test,
    uniformity_test,
)


def four_errors(p, n):
    return 4 * np.sqrt(p * (1 - p) / n)


@pytest.mark.parametrize(
    ("n", "max_rank", "cells"), [(1, 3, 4), (2, 9, 10), (4, 3, 4), (6, 2, 3), (5, 5, 3), (3, 5, 6)]
)
def test_ecdf_p_is_exact_by_enumeration(n, max_rank, cells):
    width = (max_rank + 1) // cells
    tables = [x for x in product(range(n + 1), repeat=cells) if sum(x) == n]
    weights = multinomial.pmf(tables, n, np.full(cells, 1 / cells))
    p = np.array(
        [
            ecdf_test(width * np.repeat(np.arange(cells), x), max_rank, n_cells=cells).p
            for x in tables
        ]
    )
    for attained in np.unique(p.round(10)):
        assert weights[p <= attained + 1e-9].sum() == pytest.approx(attained, abs=1e-9)


def test_ecdf_p_and_band_agree():
    rng = np.random.default_rng(1)
    n, level = 150, 0.9
    lower, upper = acceptance_region(n, 100, pointwise_level(n, 100, level) * (1 - 1e-9))
    exact = 1 - inside_probability(n, lower, upper, np.full(100, 0.01))
    for shift in np.repeat([0.0, 0.1, 0.2], 40):
        ranks = rng.choice(100, size=n, p=rank_probabilities(99, shift, 1.0))
        counts = np.cumsum(np.bincount(ranks, minlength=100))[:-1]
        outside = bool(((counts < lower) | (counts > upper)).any())
        assert outside == (ecdf_test(ranks, 99).p <= exact + 1e-12)


def test_tiny_p_says_what_can_be_resolved():
    assert ecdf_test(np.zeros(500, int), 99).p == SMALLEST_P
    assert ecdf_test(np.zeros(500, int), 99).statistic < 1e-300
    assert 0 <= smooth_test(np.zeros(500, int), 99).p < 1e-30
    assert uniformity_test(np.zeros(500, int), 99).p < SMALLEST_P


@pytest.mark.parametrize(("max_rank", "order"), [(4, 4), (5, 4), (99, 4), (999, 4), (99, 8)])
def test_discrete_legendre_is_orthonormal(max_rank, order):
    h = discrete_legendre(max_rank, order)
    assert h.shape == (order, max_rank + 1)
    np.testing.assert_allclose(h @ h.T / (max_rank + 1), np.eye(order), atol=1e-12)
    np.testing.assert_allclose(h.mean(axis=1), 0, atol=1e-12)
    assert (h[:, -1] > 0).all()
    # Degree j: the (j + 1)-th difference vanishes and the j-th does not.
    for degree, polynomial in enumerate(h[: max_rank - 1], start=1):
        assert np.abs(np.diff(polynomial, degree)).max() > 0
        np.testing.assert_allclose(np.diff(polynomial, degree + 1), 0, atol=1e-9)


def test_too_few_ranks_for_the_polynomials():
    with pytest.raises(ValueError, match="order=4 for max_rank=3"):
        smooth_test([0, 1, 2], 3)


@pytest.mark.parametrize("test", [ecdf_test, smooth_test, uniformity_test])
def test_no_ranks_is_an_error(test):
    with pytest.raises(ValueError, match="got 0 ranks"):
        test([], 99)


def smooth_statistics(rng, n, repeats, max_rank=99):
    """Smooth statistics of `repeats` sets of n uniform ranks, in batches that fit in the cache."""
    h = discrete_legendre(max_rank, 4)
    statistics = []
    batch = max(1, 500_000 // n)
    for start in range(0, repeats, batch):
        ranks = rng.integers(0, max_rank + 1, (min(batch, repeats - start), n))
        statistics.append(sum(polynomial[ranks].sum(axis=1) ** 2 for polynomial in h) / n)
    return np.concatenate(statistics)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "repeats"), [(20, 1_000_000), (50, 1_000_000), (200, 250_000)])
def test_smooth_size_far_in_the_tail(n, repeats):
    statistics = smooth_statistics(np.random.default_rng(n), n, repeats)
    grid = np.linspace(0, 60, 3001)
    p = np.array([smooth_p(x, n, 99, 4) for x in grid])
    assert (np.diff(p) <= 0).all()
    for nominal in (0.05, 0.005, 0.0005):
        critical = np.interp(-nominal, -p, grid)
        size = np.mean(statistics >= critical)
        # The expansion's own error: 4 % at .05 and 10 % in the tail at n = 20, less above.
        assert abs(size - nominal) < four_errors(nominal, repeats) + 0.12 * nominal


def test_the_tail_is_exact_where_all_data_sets_can_be_listed():
    """Two simulations among 10 ranks: 55 pairs; the largest statistics are those of the ends."""
    h = discrete_legendre(9, 4)
    pairs = [(a, b) for a in range(10) for b in range(10)]
    statistics = np.array([np.sum((h[:, a] + h[:, b]) ** 2) / 2 for a, b in pairs])
    for value in np.unique(statistics.round(9))[-5:]:
        exact = np.mean(statistics >= value - 1e-6)
        assert tail(value, 2, 9, 4) == pytest.approx(exact, rel=0.05)
    assert tail(1e3, 2, 9, 4) == pytest.approx(np.mean(statistics >= statistics.max() - 1e-6), 0.05)


@pytest.mark.parametrize(("n", "nominal"), [(20, 4e-4), (100, 4e-4)])
def test_the_tail_agrees_with_plain_sampling(n, nominal):
    statistics = smooth_statistics(np.random.default_rng(n), n, 200_000)
    critical = np.quantile(statistics, 1 - nominal)
    assert abs(tail(critical, n, 99, 4) - nominal) < four_errors(nominal, 200_000) + 0.1 * nominal


def test_p_falls_with_the_statistic_where_the_tail_takes_over():
    p = np.array([smooth_p(x, 30, 99, 4) for x in np.linspace(15, 80, 400)])
    assert (np.diff(p) <= 0).all()
    assert p[0] > FAR > p[-1] > 0


def test_smooth_p_matches_the_statistic():
    ranks = np.random.default_rng(1).integers(0, 100, 200)
    found = smooth_test(ranks, 99)
    direct = 200 * np.sum(discrete_legendre(99, 4)[:, ranks].mean(axis=1) ** 2)
    assert found.statistic == pytest.approx(direct, rel=1e-12)
    assert found.p == smooth_p(found.statistic, 200, 99, 4)


spike = np.full(100, 0.95 / 100)
spike[:5] += 0.05 / 5
# methods: power at n = 200, 5 %, L = 99, from at least 2000 repetitions.
TABLE = [
    (rank_probabilities(99, 0.0, 1.0), 0.045, 0.047),
    (rank_probabilities(99, 0.1, 1.0), 0.20, 0.16),
    (rank_probabilities(99, 0.2, 1.0), 0.66, 0.59),
    (rank_probabilities(99, 0.0, 1.15), 0.41, 0.59),
    (rank_probabilities(99, 0.0, 1.3), 0.95, 0.99),
    (rank_probabilities(99, 0.0, 0.8), 0.72, 0.89),
    (spike, 0.51, 0.50),
]


@pytest.mark.parametrize(("p", "ecdf", "smooth"), TABLE)
def test_power_table(p, ecdf, smooth):
    n, repeats = 200, 2000
    lower, upper = acceptance_region(n, 100, pointwise_level(n, 100, 0.95) * (1 - 1e-9))
    exact = 1 - inside_probability(n, lower, upper, p)
    # .005 for the table's rounding.
    assert abs(exact - ecdf) < four_errors(exact, 2000) + 0.005
    ranks = np.random.default_rng(7).choice(100, size=(repeats, n), p=p)
    counts = np.apply_along_axis(np.bincount, 1, ranks, minlength=100).cumsum(axis=1)[:, :-1]
    outside = ((counts < lower) | (counts > upper)).any(axis=1).mean()
    assert abs(outside - exact) < four_errors(exact, repeats)
    rejected = np.mean([smooth_test(row, 99).p < 0.05 for row in ranks])
    assert abs(rejected - smooth) < np.sqrt(2) * four_errors(smooth, repeats) + 0.005


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 200])
def test_combined_size(n):
    repeats = 2000
    data = np.random.default_rng(3).integers(0, 100, (repeats, n))
    p = np.array([uniformity_test(ranks, 99).p for ranks in data])
    for level in (0.05, 0.005):
        assert np.mean(p <= level) <= level + four_errors(level, repeats)


def test_holm_by_hand():
    # 4 counted hypotheses: 4 x .01, 3 x .013, 2 x .03, 1 x .9, made monotone.
    found = holm([0.03, np.nan, 0.01, 0.9, 0.013])
    np.testing.assert_allclose(found, [0.06, np.nan, 0.04, 0.9, 0.04], rtol=1e-12)
    assert holm([]).shape == (0,)
    assert np.isnan(holm([np.nan])).all()
    assert holm([0.7, 0.8]).tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match=r"p-values in \[0, 1\]"):
        holm([1.5])


def test_wrong_bernoulli_posterior_needs_data_dependent_quantities():
    # Modrák et al. (2023), example 1: the sampler is wrong, and the ranks of theta do not show it.
    rng = np.random.default_rng(1)
    n, max_rank = 20_000, 99
    theta = rng.random(n)
    y = rng.random(n) < theta
    u = rng.random((max_rank, n))
    draws = np.where(y, np.sqrt(u * (2 - 2 * u + u**3)), u**2)

    def p(quantity):
        found = rank(quantity(theta), quantity(draws), rng)
        return uniformity_test(found, max_rank).p

    assert p(lambda t: t) > 0.01
    assert p(lambda t: np.where(y, np.log(t), np.log1p(-t))) < 1e-12
    assert p(lambda t: (t - 0.5) ** 2) < 1e-12


@pytest.mark.slow
def test_looking_after_each_extension_raises_more_false_alarms_than_one_look():
    """Uniform ranks, looked at after 200, 400, ..., 1000: 12.1 % (.5) in 4000 runs, once 3.9 %.

    Bounds are four standard errors of 500 runs.
    """
    rng = np.random.default_rng(11)
    looks = range(200, 1001, 200)
    rejected = np.empty((500, len(looks)), bool)
    for run in rejected:
        ranks = rng.integers(0, 100, 1000)
        run[:] = [uniformity_test(ranks[:n], 99).p < 0.05 for n in looks]
    assert rejected[:, 0].mean() < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 500)
    assert rejected.any(axis=1).mean() == pytest.approx(0.121, abs=4 * np.sqrt(0.121 * 0.879 / 500))
