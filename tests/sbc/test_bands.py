from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, multinomial

from hiercal.sbc.bands import (
    acceptance_region,
    ecdf_band,
    ecdf_counts,
    inside_probability,
    pointwise_level,
)


def compositions(n, cells):
    return [x for x in product(range(n + 1), repeat=cells) if sum(x) == n]


@pytest.mark.parametrize(("n", "cells"), [(1, 2), (5, 3), (6, 4), (4, 5)])
def test_inside_probability_by_enumeration(n, cells):
    rng = np.random.default_rng(n)
    for _ in range(20):
        p = rng.dirichlet(np.ones(cells))
        lower = np.sort(rng.integers(0, n // 2 + 1, cells - 1))
        upper = np.minimum(n, lower + rng.integers(0, n, cells - 1))
        total = sum(
            multinomial.pmf(x, n, p)
            for x in compositions(n, cells)
            if np.all((lower <= np.cumsum(x)[:-1]) & (np.cumsum(x)[:-1] <= upper))
        )
        assert inside_probability(n, lower, upper, p) == pytest.approx(total, abs=1e-13)


def test_the_last_limit_is_the_total():
    p = np.full(3, 1 / 3)
    assert inside_probability(4, [0, 0, 4], [4, 4, 4], p) == pytest.approx(1)
    assert inside_probability(4, [0, 0, 0], [4, 4, 3], p) == 0
    assert inside_probability(4, [3, 0], [2, 4], p) == 0


def test_cells_of_probability_zero_stay_empty():
    assert inside_probability(3, [0, 0], [0, 3], [0.0, 0.5, 0.5]) == pytest.approx(1)
    assert inside_probability(3, [1, 0], [3, 3], [0.0, 0.5, 0.5]) == 0


@pytest.mark.parametrize("n", [10, 1000, 100_000])
def test_stable_for_many_simulations(n):
    # One constraint in the middle is a plain binomial interval.
    cells, k = 100, 37
    lower, upper = np.zeros(cells - 1, int), np.full(cells - 1, n)
    sd = np.sqrt(n * 0.37 * 0.63)
    lower[k - 1], upper[k - 1] = int(0.37 * n - sd), int(0.37 * n + sd)
    # Loose limits elsewhere keep the convolutions small; they hold but for 1e-13.
    mean = n * np.arange(1, cells) / cells
    far = 8 * np.sqrt(mean * (1 - mean / n)) + 10
    lower = np.maximum(lower, np.floor(mean - far).astype(int))
    upper = np.minimum(upper, np.ceil(mean + far).astype(int))
    expected = binom.cdf(upper[k - 1], n, k / cells) - binom.cdf(lower[k - 1] - 1, n, k / cells)
    found = inside_probability(n, lower, upper, np.full(cells, 1 / cells))
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "cells", "level", "gamma"),
    [
        (100, 100, 0.95, 0.00411),
        (200, 100, 0.95, 0.00353),
        (500, 100, 0.95, 0.00301),
        (1000, 100, 0.95, 0.00267),
        (1000, 20, 0.95, 0.00555),
        (1000, 1000, 0.95, 0.00152),
        (500, 100, 0.995, 0.000234),
        (1000, 100, 0.995, 0.000209),
    ],
)
def test_pointwise_level_table(n, cells, level, gamma):
    assert float(f"{pointwise_level(n, cells, level):.3g}") == gamma


@pytest.mark.parametrize(("n", "cells", "level"), [(7, 4, 0.8), (20, 5, 0.95), (200, 100, 0.95)])
def test_pointwise_level_is_the_largest(n, cells, level):
    gamma = pointwise_level(n, cells, level)
    uniform = np.full(cells, 1 / cells)
    keeps = inside_probability(n, *acceptance_region(n, cells, gamma * (1 - 1e-9)), uniform)
    loses = inside_probability(n, *acceptance_region(n, cells, gamma * (1 + 1e-9)), uniform)
    assert loses < level <= keeps


def test_acceptance_region_by_definition():
    n, cells, gamma = 30, 6, 0.03
    lower, upper = acceptance_region(n, cells, gamma)
    x = np.arange(n + 1)
    for k, low, high in zip(range(1, cells), lower, upper, strict=True):
        tail = 2 * np.minimum(binom.cdf(x, n, k / cells), binom.sf(x - 1, n, k / cells))
        np.testing.assert_array_equal(x[tail >= gamma], x[low : high + 1])


def test_band_covers_discrete_ranks_simultaneously():
    rng = np.random.default_rng(1)
    z, lower, upper = ecdf_band(200, 100)
    reps = 4000
    counts = np.stack([ecdf_counts(ranks, 99, 100) for ranks in rng.integers(0, 100, (reps, 200))])
    inside = ((lower <= counts) & (counts <= upper)).all(axis=1).mean()
    exact = inside_probability(200, lower, upper, np.full(100, 0.01))
    assert z[-1] == 1
    assert 0.95 <= exact < 0.952
    assert abs(inside - exact) < 4 * np.sqrt(0.05 * 0.95 / reps)


def test_ecdf_counts_compare_integers():
    ranks = np.random.default_rng(1).integers(0, 100, 500)
    for cells in (2, 20, 100):
        expected = [int(((ranks + 1) * cells <= k * 100).sum()) for k in range(1, cells + 1)]
        assert ecdf_counts(ranks, 99, cells).tolist() == expected


def test_grid_must_divide():
    with pytest.raises(ValueError, match=r"n_cells=30, expected a divisor of max_rank \+ 1 = 100"):
        ecdf_counts([1, 2], 99, 30)


@pytest.mark.parametrize("bad", [[0.5], [np.nan], [-1], [100], [[1, 2]]])
def test_ranks_are_checked(bad):
    with pytest.raises(ValueError, match="expected"):
        ecdf_counts(bad, 99, 100)


@pytest.mark.parametrize("arguments", [(0, 10, 0.95), (10, 1, 0.95), (10, 10, 1.0)])
def test_band_arguments_are_checked(arguments):
    with pytest.raises(ValueError, match="expected n >= 1"):
        pointwise_level(*arguments)
