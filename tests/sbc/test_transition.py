"""Ranks of single transitions: exact under the null, and seeing errors under others."""

import numpy as np
import pytest
from scipy.stats import chi2

from hiercal.sbc.sequential import rank_log_e
from hiercal.sbc.transition import (
    OnlineRanks,
    chain_ranks,
    expectation,
    restarts,
    smallest_error,
)


def chi_square(ranks, max_rank):
    """p-value of uniform ranks and of independent neighbours."""
    n = len(ranks)
    counts = np.bincount(ranks, minlength=max_rank + 1)
    single = ((counts - n / (max_rank + 1)) ** 2).sum() / (n / (max_rank + 1))
    half = max_rank // 2
    pairs = np.bincount(2 * (ranks[1:] > half) + (ranks[:-1] > half), minlength=4)
    joint = ((pairs - (n - 1) / 4) ** 2).sum() / ((n - 1) / 4)
    return chi2.sf(single, max_rank), chi2.sf(joint, 3)


@pytest.mark.parametrize("discrete", [False, True])
def test_online_ranks_are_uniform_and_independent(discrete):
    # four p-values at 1e-4 each: a false alarm in 4e-4 of seeds
    rng = np.random.default_rng(1)

    def draw(n):
        x = rng.normal(size=(n, 1))
        return np.round(x) if discrete else x

    online = OnlineRanks(draw(20), 9)
    ranks = np.concatenate([online(draw(50), draw(10), rng) for _ in range(400)])[:, 0]
    assert min(chi_square(ranks, 9)) > 1e-4


def test_online_ranks_count_the_pool_and_the_values_before():
    rng = np.random.default_rng(1)
    online = OnlineRanks([[1.0], [2.0], [3.0]], 999)
    # pool 1, 2, 3 and fresh 4; then 2.5 is above two of four, 0 below five, 9 above six
    ranks = online([[2.5], [0.0], [9.0]], [[4.0]], rng)[:, 0] / 1000
    for rank, low, of in zip(ranks, (2, 0, 6), (5, 6, 7), strict=True):
        assert low / of - 1e-3 <= rank <= (low + 1) / of


def test_a_value_that_is_not_a_number_is_the_least():
    online = OnlineRanks(np.zeros((99, 1)), 9)
    assert online([[np.nan]], np.zeros((1, 1)), np.random.default_rng(0)).tolist() == [[0]]


def chains(rng, n, steps, scale=1.0):
    """Autoregressions that are reversible for N(0, scale^2), with truths from N(0, 1)."""
    truth = rng.normal(size=n)
    back, now, states = restarts(n, steps, rng), truth, [truth]
    for number in range(steps):
        now = np.where(back == number, truth, now)
        now = 0.8 * now + 0.6 * scale * rng.normal(size=n)
        states.append(now)
    return np.stack(states, axis=1)[..., None]


def test_chain_ranks_are_uniform_for_a_reversible_kernel():
    rng = np.random.default_rng(2)
    ranks = chain_ranks(chains(rng, 40_000, 5), rng)[:, 0]
    assert chi_square(ranks, 5)[0] > 1e-4


def test_without_a_restart_an_autocorrelated_chain_is_not_uniform():
    rng = np.random.default_rng(2)
    states = chains(rng, 40_000, 5)
    states[:, 1:] = np.cumsum(rng.normal(size=states[:, 1:].shape), axis=1) + states[:, :1]
    assert chi_square(chain_ranks(states, rng)[:, 0], 5)[0] < 1e-10


def test_states_that_stayed_tie_though_their_last_digit_differs():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20_000, 1, 1))
    states = np.concatenate([x, x * (1 + 2e-16), x * (1 - 2e-16), x], axis=1)
    assert chi_square(chain_ranks(states, rng)[:, 0], 3)[0] > 1e-4


def test_chain_ranks_see_a_wrong_sd():
    rng = np.random.default_rng(4)
    ranks = chain_ranks(chains(rng, 10_000, 9, scale=0.85), rng)[:, 0]
    assert rank_log_e(np.bincount(ranks, minlength=10), 9)[0] > np.log(1000)


def test_a_prediction_from_data_takes_the_prior_out():
    rng = np.random.default_rng(5)
    theta = rng.normal(size=(1000, 1))
    y = theta + 0.1 * rng.normal(size=(1000, 3))
    predict = expectation(y, theta)
    again = rng.normal(size=(500, 1))
    left = again - predict(again + 0.1 * rng.normal(size=(500, 3)))
    # the posterior sd is .1 / sqrt(3)
    assert left.std() < 1.3 * 0.1 / np.sqrt(3)


def test_a_prediction_without_data_or_from_noise_is_the_mean():
    rng = np.random.default_rng(6)
    values = 3 + rng.normal(size=(200, 2))
    assert np.allclose(expectation(np.zeros((200, 0)), values)(np.zeros((4, 0))), values.mean(0))
    noise = expectation(rng.normal(size=(200, 40)), values)(rng.normal(size=(50, 40)))
    assert np.abs(noise - 3).mean() < 0.5


def test_the_smallest_error_is_found_by_half():
    # a proportion of 100, within 4 standard errors of .05
    rng = np.random.default_rng(7)
    smallest = smallest_error(2000, 99, np.log(1000))
    found = 0
    for _ in range(100):
        values = rng.normal(smallest.shift, 1, size=(2000, 1))
        online = OnlineRanks(rng.normal(size=(100_000, 1)), 99)
        ranks = np.concatenate(
            [online(part, np.empty((0, 1)), rng)[:, 0] for part in np.split(values, 10)]
        )
        found += rank_log_e(np.bincount(ranks, minlength=100), 99)[0] >= np.log(1000)
    assert 30 <= found <= 70
