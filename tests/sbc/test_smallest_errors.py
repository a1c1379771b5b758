"""Smallest errors in closed form are found, with the power that is said, by simulated checks."""

import math

import numpy as np
import pytest

from hiercal.sbc._power import rank_probabilities
from hiercal.sbc.sequential import difference_log_e, rank_log_e, rank_log_e_path
from hiercal.sbc.smallest_errors import smallest_by_exact, smallest_by_ranks

L = 99


def power(n, law, alpha, runs=4000):
    """Share of runs that are found at the last look; its standard error is .005."""
    counts = np.random.default_rng(1).multinomial(n, law, size=runs)
    return np.mean(rank_log_e(counts, L)[0] >= -np.log(alpha))


@pytest.mark.parametrize(("n", "alpha"), [(100, 1e-3), (300, 3e-5), (1000, 1e-3)])
def test_by_ranks(n, alpha):
    found = smallest_by_ranks(n, L, alpha)
    assert 0.88 < power(n, rank_probabilities(L, found.shift, 1), alpha) < 0.96
    both = [power(n, rank_probabilities(L, 0, s), alpha) for s in (found.scale, 1 / found.scale)]
    assert 0.86 < min(both) < 0.97


def test_looks_before_the_last_one_only_add():
    found = smallest_by_ranks(300, L, 0.001)
    law = rank_probabilities(L, found.shift, 1)
    ranks = np.random.default_rng(2).choice(L + 1, size=(300, 400), p=law)
    share = (rank_log_e_path(ranks, L).max(axis=0) >= -np.log(0.001)).mean()
    assert share > 0.9 - 3 * 0.015


@pytest.mark.parametrize(("n", "ess", "alpha"), [(10, 1000.0, 1e-3), (50, 200.0, 1e-5)])
def test_by_the_exact_posterior(n, ess, alpha):
    found = smallest_by_exact(n, ess, alpha)
    noise = np.random.default_rng(3).normal(size=(n, 4000)) / np.sqrt(ess)
    squares = found.scale**2
    for means in (found.shift + noise, (squares - 1) / np.sqrt(2) + squares * noise):
        log_e = difference_log_e(means, np.full(noise.shape, ess))[-1]
        assert 0.87 < np.mean(log_e >= -np.log(alpha)) < 0.93


def test_nothing_is_found_in_no_simulation():
    for found in (smallest_by_ranks(0, L, 0.01), smallest_by_exact(0, 100.0, 0.01)):
        assert found == (math.inf, math.inf)
    assert smallest_by_exact(1, 100.0, 1e-9) == (math.inf, math.inf)
