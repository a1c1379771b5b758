"""The family-wise level with thousands of quantities, by exact ranks."""

import numpy as np
import pytest
from scipy.special import ndtr

from hiercal.sbc._power import _critical_value, rank_probabilities
from hiercal.sbc._smooth import discrete_legendre
from hiercal.sbc.bands import TIE, acceptance_region, pointwise_level
from hiercal.sbc.uniformity import holm, uniformity_test

L = 99


def limits(n, level):
    """Limits outside which `uniformity_test` rejects at `level`: of the ECDF, and of T."""
    gamma = pointwise_level(n, L + 1, 1 - level / 2)
    lower, upper = acceptance_region(n, L + 1, gamma * (1 - TIE))
    return lower, upper, _critical_value(n, L, level / 2)


def rejected(counts, lower, upper, critical):
    """Which rows of counts of ranks, shape (n_quantities, L + 1), are rejected."""
    running = counts.cumsum(axis=1)
    n = running[0, -1]
    running = running[:, :-1]
    smooth = ((counts @ discrete_legendre(L, 4).T) ** 2).sum(axis=1) / n
    return ((running < lower) | (running > upper)).any(axis=1) | (smooth > critical)


def alarms(n, quantities, correlation, repeats, seed=1):
    """Share of runs with any rejection at 5 %; Holm's first step decides whether there is one."""
    rng = np.random.default_rng(seed)
    bounds = limits(n, 0.05 / quantities)
    offset = (L + 1) * np.arange(quantities)
    found = 0
    for _ in range(repeats):
        if correlation:
            own, common = rng.standard_normal((n, quantities)), rng.standard_normal((n, 1))
            z = np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own
            ranks = np.minimum((ndtr(z) * (L + 1)).astype(np.int64), L)
        else:
            ranks = rng.integers(0, L + 1, (n, quantities))
        cells = np.bincount((ranks + offset).ravel(), minlength=offset.size * (L + 1))
        found += rejected(cells.reshape(quantities, L + 1), *bounds).any()
    return found / repeats


@pytest.mark.parametrize("n", [60, 200])
def test_the_limits_are_those_of_the_p_values(n):
    """Of ranks shifted so far that about half are rejected at a level of 2,000 quantities."""
    rng, level = np.random.default_rng(n), 0.05 / 2000
    shifted = rank_probabilities(L, 5 / np.sqrt(n), 1.0)
    sets = rng.choice(L + 1, size=(60, n), p=shifted)
    counts = np.array([np.bincount(ranks, minlength=L + 1) for ranks in sets])
    by_limits = rejected(counts, *limits(n, level))
    by_holm = [
        holm([uniformity_test(ranks, L).p, *np.ones(1999)])[0] < 2000 * level for ranks in sets
    ]
    assert by_limits.tolist() == by_holm
    assert 10 < by_limits.sum() < 50


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "correlation"),
    [
        (200, 0.0),
        (200, 0.5),
        pytest.param(200, 0.9, marks=pytest.mark.nightly),
        (50, 0.0),
        (20, 0.0),
    ],
)
def test_the_family_wise_level_holds_with_2000_quantities(n, correlation):
    repeats = 500
    share = alarms(n, 2000, correlation, repeats)
    se = np.sqrt(0.05 * 0.95 / repeats)
    print(f"{n} simulations, correlation {correlation}: {100 * share:.1f} %")
    assert share <= 0.05 + 4 * se
    # a test that never rejects would hold every level
    assert correlation or share >= 0.05 - 4 * se
