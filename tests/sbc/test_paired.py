"""Paired ranks: size in strata picked by the truth, power against a sampler that misses some."""

import numpy as np
import pytest

from hiercal.sbc.paired import paired_test
from hiercal.sbc.uniformity import uniformity_test

L = 99


def p_values(rng, n, repeats, harm=lambda place: place):
    """Ranks of truths at Beta(1, 3) posterior percentiles, as where the true scale is small."""
    found = []
    for _ in range(repeats):
        place = rng.beta(1, 3, n)
        found.append(paired_test(rng.binomial(L, harm(place)), rng.binomial(L, place), L).p)
    return np.array(found)


@pytest.mark.parametrize("n", [20, 200])
def test_size_in_a_stratum_is_at_most_nominal(n):
    """4,000 strata; .05 + 3 binomial standard errors."""
    assert (p_values(np.random.default_rng(n), n, 4000) < 0.05).mean() < 0.0604


def test_uniformity_would_be_rejected_there_though_the_sampler_is_correct():
    rng = np.random.default_rng(4)
    assert uniformity_test(rng.binomial(L, rng.beta(1, 3, 200)), L).p < 1e-6


def test_power_against_a_neck_that_is_not_visited():
    """The lowest tenth of the posterior is missing: its draws move up."""
    rng = np.random.default_rng(5)
    harmed = p_values(rng, 100, 200, lambda place: np.clip((place - 0.1) / 0.9, 0, 1))
    assert (harmed < 0.01).mean() > 0.95


def test_equal_ranks_agree_and_few_are_not_judged():
    ranks = np.arange(40)
    assert paired_test(ranks, ranks, L).p == 1.0
    assert np.isnan(paired_test(ranks[:19], ranks[:19], L).p)


def test_every_simulation_needs_both_ranks():
    with pytest.raises(ValueError, match="got 3 ranks and 2 reference ranks"):
        paired_test([1, 2, 3], [1, 2], L)
