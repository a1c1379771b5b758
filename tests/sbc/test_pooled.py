"""Exact cases, then size and power with fixed seeds.

Statistical tests allow 4 binomial standard errors: a false-alarm rate of 6e-5 each.
"""

import numpy as np
import pytest

from hiercal.sbc._smooth import discrete_legendre
from hiercal.sbc.pooled import ORDER, exchanged_scores, pooled_band, pooled_test
from hiercal.sbc.ranks import ranks
from hiercal.sbc.uniformity import smooth_test

L = 19


def summary(truth, draws, rng):
    """Counts and covariance of one fit, as a run keeps them."""
    scores = exchanged_scores(truth, draws) / len(truth)
    counts = np.bincount(ranks(truth, draws, rng), minlength=len(draws) + 1)
    return counts, scores.T @ scores / len(scores)


def fits(n, make, rng, shift=0.0):
    """Summaries of `n` fits whose truth and L draws are `make`'s, the truth moved by `shift`."""
    together = make(rng, n)
    together[:, 0] += shift
    found = [summary(one[0], one[1:], rng) for one in together]
    return np.stack([counts for counts, _ in found]), np.stack([cov for _, cov in found])


def exchangeable(effects, correlation):
    def make(rng, n):
        shared = rng.normal(size=(n, L + 1, 1))
        own = rng.normal(size=(n, L + 1, effects))
        return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own

    return make


def autoregressive(effects, correlation):
    def make(rng, n):
        noise = rng.normal(size=(n, L + 1, effects))
        for g in range(1, effects):
            innovation = np.sqrt(1 - correlation**2) * noise[..., g]
            noise[..., g] = correlation * noise[..., g - 1] + innovation
        return noise

    return make


def test_scores_are_those_of_the_ranks_with_each_vector_as_the_truth():
    rng = np.random.default_rng(1)
    together = rng.normal(size=(8, 3))
    scores = exchanged_scores(together[0], together[1:])
    h = discrete_legendre(7, ORDER)
    for i, one in enumerate(together):
        rank = (np.delete(together, i, axis=0) < one).sum(axis=0)
        np.testing.assert_allclose(scores[i], h[:, rank].sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(scores.sum(axis=0), 0, atol=1e-12)
    parts = exchanged_scores(together[0, :1], together[1:, :1]) + exchanged_scores(
        together[0, 1:], together[1:, 1:]
    )
    np.testing.assert_allclose(scores, parts, atol=1e-12)


def test_of_one_effect_it_is_the_smooth_test():
    counts, covariances = fits(30, exchangeable(1, 0.0), np.random.default_rng(2))
    np.testing.assert_allclose(covariances, np.tile(np.eye(ORDER), (30, 1, 1)), atol=1e-12)
    expected = smooth_test(counts.argmax(axis=1), L).statistic
    assert pooled_test(counts, covariances).statistic == pytest.approx(expected, rel=1e-10)


def test_copies_of_an_effect_count_once():
    def copied(times):
        def make(rng, n):
            return np.repeat(rng.normal(size=(n, L + 1, 1)), times, axis=2)

        return make

    one = pooled_test(*fits(25, copied(1), np.random.default_rng(3)))
    many = pooled_test(*fits(25, copied(40), np.random.default_rng(3)))
    assert many.statistic == pytest.approx(one.statistic, rel=1e-10)
    assert many.p == pytest.approx(one.p, rel=1e-10)


def test_effects_that_mirror_each_other_leave_two_degrees_of_freedom():
    def mirrored(rng, n):
        one = rng.normal(size=(n, L + 1, 1))
        return np.concatenate([one, -one], axis=2)

    rng = np.random.default_rng(4)
    p = np.array([pooled_test(*fits(40, mirrored, rng)).p for _ in range(400)])
    assert abs(np.mean(p < 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 400)


# The excess over .05 that the docstring's table admits for effects of a common correlation.
@pytest.mark.parametrize(
    ("make", "excess"),
    [
        (exchangeable(8, 0.0), 0.0),
        (exchangeable(8, 0.9), 0.0),
        (exchangeable(50, 0.5), 0.015),
        (autoregressive(50, 0.9), 0.0),
    ],
)
@pytest.mark.parametrize("n", [20, 100])
def test_size(make, excess, n):
    rng = np.random.default_rng(5)
    counts, covariances = fits(6000, make, rng)
    studies = 2000
    chosen = [rng.choice(len(counts), n, replace=False) for _ in range(studies)]
    p = np.array([pooled_test(counts[i], covariances[i]).p for i in chosen])
    # studies share fits, n of 6000 each: their p-values are nearly independent
    allowed = 4 * np.sqrt(0.05 * 0.95 / studies)
    assert abs(np.mean(p <= 0.05) - 0.05) <= allowed + excess


def test_size_of_a_binomial_test_that_ignores_dependence_would_be_far_off():
    """The same ranks as if all effects were independent: what the clusters are for."""
    rng = np.random.default_rng(6)
    wrong = []
    for _ in range(40):
        counts, _ = fits(20, exchangeable(20, 0.9), rng)
        wrong.append(smooth_test(np.repeat(np.arange(L + 1), counts.sum(axis=0)), L).p)
    assert np.mean(np.array(wrong) < 0.05) > 0.5


@pytest.mark.parametrize(
    ("make", "shift", "least"),
    [(autoregressive(200, 0.5), 0.15, 0.95), (exchangeable(200, 0.05), 0.4, 0.9)],
)
def test_power_against_a_shift(make, shift, least):
    """A shift that no group of 30 simulations shows on its own is seen in all of them together."""
    rng = np.random.default_rng(7)
    p = [pooled_test(*fits(30, make, rng, shift)).p for _ in range(40)]
    assert np.mean(np.array(p) < 0.05) >= least


def test_power_against_a_posterior_too_narrow():
    rng = np.random.default_rng(8)

    def narrow(rng, n):
        together = autoregressive(200, 0.5)(rng, n)
        together[:, 1:] *= 0.85
        return together

    p = [pooled_test(*fits(30, narrow, rng)).p for _ in range(20)]
    assert np.mean(np.array(p) < 0.05) == 1


def test_half_widths_are_t_standard_errors_between_simulations():
    counts = np.array([[3, 1, 0, 0], [0, 0, 2, 2], [1, 1, 1, 1]])
    shares, half_widths = pooled_band(counts, 2, 0.95)
    each = np.array([1.0, 0.0, 0.5])
    np.testing.assert_allclose(shares, [0.5, 0.5])
    np.testing.assert_allclose(half_widths, 4.302653 * each.std(ddof=1) / np.sqrt(3), rtol=1e-6)
    assert np.isnan(pooled_band(counts[:1], 4)[1]).all()


def test_a_binned_share_is_outside_its_band_about_as_often_as_stated():
    rng = np.random.default_rng(9)
    counts, _ = fits(4000, exchangeable(30, 0.3), rng)
    outside = []
    for _ in range(400):
        shares, half_widths = pooled_band(counts[rng.choice(4000, 50, replace=False)], 10)
        outside.append(np.abs(shares - 0.1) > half_widths)
    assert 0.04 < np.mean(outside) < 0.07


def test_what_cannot_be_tested_is_refused():
    one = np.ones((3, L + 1))
    with pytest.raises(ValueError, match=r"covariances of shape \(2, 4, 4\) for 3"):
        pooled_test(one, np.zeros((2, 4, 4)))
    for counts in (np.zeros((0, 20)), np.zeros((2, 20)), np.ones(20)):
        with pytest.raises(ValueError, match="at least one simulation and effects in each"):
            pooled_test(counts, np.zeros((len(counts), 4, 4)))
    with pytest.raises(ValueError, match="n_bins=3, expected a divisor of the 20"):
        pooled_band(one, 3)
