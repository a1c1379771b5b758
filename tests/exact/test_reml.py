"""Estimates of tau without a prior, against exact cases and other implementations."""

import sys

import numpy as np
import pytest
from scipy.stats import chi2

from hiercal.exact import reml as meta
from hiercal.exact.normal_normal_sets import NormalNormalSets
from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS
from hiercal.simulators.instructors import Instructors

RUBIN = np.array([RUBIN_EFFECTS])
SIGMA = np.array(RUBIN_STANDARD_ERRORS)


@pytest.mark.parametrize("estimate", [meta.reml, meta.der_simonian_laird, meta.paule_mandel])
def test_every_estimate_is_zero_on_rubins_data(estimate):
    assert estimate(RUBIN, SIGMA).tolist() == [0.0]


def test_estimates_where_school_a_stands_out():
    y = np.array([[60.0, *RUBIN_EFFECTS[1:]]])
    found = [f(y, SIGMA)[0] for f in (meta.der_simonian_laird, meta.paule_mandel, meta.reml)]
    np.testing.assert_allclose(found, [149.64, 208.00, 152.72], atol=0.005)


def test_score_of_rubins_data_at_zero():
    assert meta.restricted_score(RUBIN, SIGMA, np.zeros(1))[0] == pytest.approx(-0.00808, abs=5e-6)


@pytest.mark.parametrize(
    ("tau", "moments", "score"),
    [
        (0, 0.5711, 0.5823),
        (5, 0.4505, 0.4562),
        (10, 0.2279, 0.2319),
        (15, 0.0886, 0.0931),
        (20, 0.0321, 0.0353),
    ],
)
def test_exact_probabilities_of_zero(tau, moments, score):
    assert meta.probability_of_zero(SIGMA, tau) == pytest.approx(moments, abs=6e-5)
    assert meta.probability_of_falling_score(SIGMA, tau) == pytest.approx(score, abs=6e-5)


@pytest.mark.parametrize(
    ("n_groups", "tau"),
    [(2, 0.0), (2, 2.0), (3, 1.0), (8, 0.5), (8, 2.0), (100, 0.0), (100, 1.0), (300, 0.1)],
)
def test_equal_variances_have_a_chi_square(n_groups, tau):
    sigma = np.ones(n_groups)
    expected = chi2.cdf((n_groups - 1) / (1 + tau**2), n_groups - 1)
    assert meta.probability_of_zero(sigma, tau) == pytest.approx(expected, abs=1e-12)
    assert meta.probability_of_falling_score(sigma, tau) == pytest.approx(expected, abs=1e-12)


def test_reml_is_the_sample_variance_less_sigma_where_variances_are_equal():
    y = np.random.default_rng(1).normal(0, 2, (50, 6))
    expected = np.maximum(0, y.var(axis=1, ddof=1) - 1)
    np.testing.assert_allclose(meta.reml(y, np.ones(6)), expected, atol=1e-12)


def test_reml_finds_the_larger_of_two_maxima():
    y = np.array([[0.1, -0.9, 25.9, -0.9, -8.9, 16.0, 11.5, 1.8]])
    sigma = np.array([1.0, 1.0, 8, 8, 8, 8, 8, 8])
    (found,) = meta.reml(y, sigma)
    assert meta.restricted_score(y, sigma, np.zeros(1))[0] < 0  # 0 is a maximum as well
    assert found == pytest.approx(57.157, abs=1e-3)
    values = np.array([0.0, found])
    at_zero, there = meta.restricted_log_likelihood(y, sigma, values)[0]
    assert there > at_zero


def test_reml_is_nowhere_below_a_fine_grid():
    rng = np.random.default_rng(2)
    sigma = np.array([1.0, 1, 8, 8, 8, 15, 3])
    y = rng.normal(0, np.sqrt(sigma**2 + 25), (300, 7))
    found = meta.reml(y, sigma)
    grid = np.append(np.linspace(0, 2000, 8001), found)
    values = meta.restricted_log_likelihood(y, sigma, grid)
    own = values[np.arange(300), 8001 + np.arange(300)]
    assert (own >= values.max(axis=1) - 1e-9).all()


def test_reml_is_the_mode_of_tau_under_flat_priors():
    y = np.random.default_rng(3).normal(5, 25, (20, 8))
    flat = NormalNormalSets(y, SIGMA, mu_scale=1e6, tau_scale=1e5)
    tau = np.linspace(0, 80, 16001)
    density = flat._log_density(tau)
    np.testing.assert_allclose(tau[density.argmax(axis=1)], np.sqrt(meta.reml(y, SIGMA)), atol=0.01)


def test_estimates_reject_data_of_another_shape():
    with pytest.raises(ValueError, match=r"y has shape \(8,\) .* give \(n_data_sets, n_groups\)"):
        meta.reml(RUBIN[0], SIGMA)


def test_one_way_reml_of_balanced_groups_is_the_anova_estimate():
    rng = np.random.default_rng(4)
    y = (rng.normal(0, 3, (5, 1)) + rng.normal(0, 2, (5, 7))).ravel()
    table = y.reshape(5, 7)
    within = table.var(axis=1, ddof=1).mean()
    between = 7 * table.mean(axis=1).var(ddof=1)
    tau2, sigma2 = meta.one_way_reml(y, (7,) * 5)
    assert sigma2 == pytest.approx(within)
    assert tau2 == pytest.approx((between - within) / 7)


def test_one_way_reml_at_the_boundary_pools_all_observations():
    y = np.array([0.0, 2.0, 1.0, 3.0, 0.5, 2.5])
    tau2, sigma2 = meta.one_way_reml(y, (2, 2, 2))
    assert tau2 == 0
    assert sigma2 == pytest.approx(y.var(ddof=1))


@pytest.mark.parametrize("sizes", [(10,) * 6, (10, 12, 15, 18, 20), (2, 30, 5, 5, 40, 3, 8)])
def test_one_way_reml_is_that_of_statsmodels(sizes):
    pytest.importorskip("statsmodels")
    story = Instructors(sizes=sizes, given={"tau": 8.0, "sigma": 10.0})
    for seed in range(3):
        y = story.simulate(np.random.default_rng(seed)).data["y"]
        tau2, sigma2, converged = meta.mixed_lm(y, sizes, "powell")
        ours = meta.one_way_reml(y, sizes)
        assert converged
        np.testing.assert_allclose(np.sqrt([tau2, sigma2]), np.sqrt(ours), rtol=2e-4, atol=2e-3)


def test_mixed_models_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels.regression.mixed_linear_model", None)
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'hiercal\[studies\]'"):
        meta.mixed_lm(np.array([0.0, 2.0, 5.0, 7.0]), (2, 2))
