"""Test martingales: exact under the null, growing under errors, and never moved by looking."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtr

from hiercal.sbc import sequential
from hiercal.sbc._power import rank_probabilities

L = 99
NEEDED = -np.log(0.001)


@pytest.mark.parametrize("max_rank", [9, 99, 500])
def test_each_factor_is_an_e_value_exactly(max_rank):
    """Under uniform ranks every law's factor has mean 1, so that M is a martingale."""
    log_ratio, log_weight = sequential._mixture(max_rank)
    np.testing.assert_allclose(np.exp(log_ratio).mean(axis=0), 1, rtol=1e-9)
    assert np.exp(log_weight).sum() == pytest.approx(1)


def test_the_order_of_ranks_does_not_matter_and_the_path_ends_at_the_total():
    ranks = np.random.default_rng(1).integers(0, L + 1, (300, 2, 3))
    path = sequential.rank_log_e_path(ranks, L)
    counts = np.stack([(ranks == r).sum(axis=0) for r in range(L + 1)], axis=-1)
    low, high = sequential.rank_log_e(counts, L)
    np.testing.assert_allclose(path[-1], low)
    np.testing.assert_array_equal(low, high)
    np.testing.assert_allclose(sequential.rank_log_e_path(ranks[::-1], L)[-1], low)


def test_a_failed_simulation_is_bounded_by_every_rank_that_it_could_have_had():
    counts = np.bincount(np.random.default_rng(2).integers(0, L + 1, 60), minlength=L + 1)
    low, high = sequential.rank_log_e(counts, L, failed=1)
    with_one = sequential.rank_log_e(counts + np.eye(L + 1, dtype=int), L)[0]
    assert low <= with_one.min()
    assert with_one.max() <= high
    path = sequential.rank_log_e_path([3, -1, 5], L)
    assert path[1] == path[0]


def test_false_alarms_are_at_most_alpha_with_a_look_after_each_simulation():
    """1,000 runs of 400 looks at alpha = .05: more than 68 alarms have probability .001 at .05."""
    rng = np.random.default_rng(3)
    paths = sequential.rank_log_e_path(rng.integers(0, L + 1, (400, 1000)), L)
    assert (paths.max(axis=0) >= -np.log(0.05)).sum() <= 68


def test_a_family_of_equal_quantities_is_no_looser_than_one():
    rng = np.random.default_rng(4)
    one = sequential.rank_log_e_path(rng.integers(0, L + 1, (200, 1)), L)
    family = sequential.family_log_e(np.repeat(one, 20, axis=1))
    np.testing.assert_allclose(family, one[:, 0])


def test_growth_is_positive_for_sd_errors_of_3_percent_and_shifts_of_a_twentieth():
    log_ratio, _ = sequential._mixture(L)
    errors = [(0.0, s) for s in np.geomspace(1.03, 6, 60)] + [(0.0, 1 / s) for s in
              np.geomspace(1.03, 6, 60)]  # fmt: skip
    errors += [(sign * d, 1.0) for d in np.geomspace(0.05, 4, 60) for sign in (1, -1)]
    for shift, scale in errors:
        law = rank_probabilities(L, shift, scale)
        limit = float(law @ np.log(law * (L + 1) + 1e-300))
        growth = float((law @ log_ratio).max())
        assert 0 < growth <= limit + 1e-12, (shift, scale)
        if abs(shift) <= 1.5 and abs(np.log(scale)) <= 1.2:
            assert growth > 0.9 * limit, (shift, scale)


def test_ranks_of_a_wrong_sd_are_found():
    """Draws with .95 of the right sd (stan-dev/stan#2178), in 4,000 ranks or fewer in most runs."""
    law = rank_probabilities(L, 0, 1 / 0.95)
    rng, counts, found = np.random.default_rng(5), np.zeros((1000, L + 1)), np.zeros(1000, bool)
    for _ in range(40):
        counts += rng.multinomial(100, law, size=1000)
        found |= sequential.rank_log_e(counts, L)[0] >= NEEDED
    assert found.mean() > 0.5


def test_coverage_sequence_agrees_with_the_value_computed_elsewhere():
    sequence = sequential.coverage_sequence(882, 1000, 0.89, alpha=0.05)
    assert sequence.log_e == pytest.approx(-3.346, abs=5e-4)
    assert (sequence.lower, sequence.upper) == pytest.approx((0.841, 0.916), abs=5e-4)
    assert sequential.coverage_sequence(0, 0, 0.89)[:2] == (0, 1)
    with pytest.raises(ValueError, match="covered=5"):
        sequential.coverage_sequence(5, 4, 0.89)


def chains(rng, correlation, sd, fits):
    noise = rng.normal(size=(1, 1000, fits)) * np.sqrt(1 - correlation**2)
    start = correlation * rng.normal(size=(1, 1, fits))
    series, _ = lfilter([1], [1, -correlation], noise, axis=1, zi=start)
    return ndtr(sd * series)


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_autocorrelated_chains_of_a_correct_sampler_raise_no_alarm(correlation):
    """200 runs of 20 fits: an alarm at alpha = .001 has probability .18, two .016, three .001."""
    rng, found = np.random.default_rng(6), 0
    means, ess = sequential.exact_scores(chains(rng, correlation, 1.0, 20 * 200))
    for run in range(200):
        part = slice(20 * run, 20 * run + 20)
        log_e = sequential.difference_log_e(means[part], ess[part])
        found += bool((sequential.family_log_e(log_e) >= NEEDED).any())
    assert found <= 2


def test_an_sd_of_95_percent_is_found_in_ten_fits():
    means, ess = sequential.exact_scores(chains(np.random.default_rng(7), 0.0, 0.95, 1000))
    found = 0
    for run in range(100):
        part = slice(10 * run, 10 * run + 10)
        log_e = sequential.difference_log_e(means[part], ess[part])
        found += bool((sequential.family_log_e(log_e) >= NEEDED).any())
    assert found > 50


def test_no_single_fit_decides_and_failed_ones_change_nothing():
    assert sequential.difference_log_e([5.0], [1e4])[0] < NEEDED
    with_failed = sequential.difference_log_e([0.1, np.nan, 0.1], [500.0, np.nan, 500.0])
    np.testing.assert_allclose(
        with_failed[2], sequential.difference_log_e([0.1] * 2, [500.0] * 2)[1]
    )


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected \(..., 100\)"):
        sequential.rank_log_e(np.zeros(99), L)
    with pytest.raises(ValueError, match="got a rank of 100"):
        sequential.rank_log_e_path([100], L)
