"""Posteriors of many data sets and exact leave-one-out, against check values and brute force."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from hiercal.exact import normal_normal_sets
from hiercal.exact.loo import (
    MODELS,
    effects,
    loo,
    naive_se,
    new_group,
)
from hiercal.exact.normal_normal_sets import NormalNormalSets
from hiercal.simulators.eight_schools import (
    RUBIN_EFFECTS,
    RUBIN_STANDARD_ERRORS,
    EightSchools,
)

RUBIN = np.array([RUBIN_EFFECTS])
SIGMA = np.array(RUBIN_STANDARD_ERRORS)


def simulated(n: int, n_groups: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    sigma = np.resize(SIGMA, n_groups)
    rng = np.random.default_rng(seed)
    return rng.normal(5, np.sqrt(sigma**2 + 100), (n, n_groups)), sigma


def test_elpd_of_rubins_data():
    pointwise = {model: loo(RUBIN, SIGMA, model)[0] for model in MODELS}
    elpd = [pointwise[model].sum() for model in ("partial", "complete", "no")]
    np.testing.assert_allclose(elpd, [-30.924, -30.521, -33.835], atol=5e-4)
    difference = pointwise["partial"] - pointwise["complete"]
    assert difference.sum() == pytest.approx(-0.403, abs=5e-4)
    assert naive_se(difference) == pytest.approx(0.18, abs=5e-3)


@pytest.mark.parametrize("n_groups", [3, 8, 20])
def test_loo_is_the_predictive_density_of_a_refit_without_the_group(n_groups):
    y, sigma = simulated(250, n_groups)  # more than one chunk
    found = NormalNormalSets(y, sigma).loo()
    for i in (0, n_groups - 1):
        others = np.arange(n_groups) != i
        refit = NormalNormalSets(y[:, others], sigma[others])
        variance = refit.tau**2 + 1 / refit._precision + sigma[i] ** 2
        density = np.exp(-0.5 * (y[:, [i]] - refit._mean) ** 2 / variance)
        density = density / np.sqrt(2 * np.pi * variance)
        expected = np.log((refit.weights * density).sum(axis=1))
        np.testing.assert_allclose(found[:, i], expected, atol=1e-9)


@pytest.mark.parametrize("model", ["no", "complete"])
def test_loo_without_tau_is_a_ratio_of_normal_densities(model):
    y, sigma = simulated(1, 5)
    between = 400 * (np.eye(5) if model == "no" else np.ones((5, 5)))
    covariance = between + np.diag(sigma**2)
    joint = multivariate_normal(np.zeros(5), covariance).logpdf(y[0])
    for i in range(5):
        others = np.arange(5) != i
        rest = multivariate_normal(np.zeros(4), covariance[np.ix_(others, others)])
        expected = joint - rest.logpdf(y[0, others])
        assert loo(y, sigma, model)[0, i] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("model", MODELS)
def test_effects_are_those_of_the_story(model):
    story = EightSchools()
    names = {"partial": "noncentred", "no": "no_pooling", "complete": "complete_pooling"}
    exact = story.exact(story.observed, names[model])
    expected = [exact.mean(name) for name in story.labels("theta")]
    np.testing.assert_allclose(effects(RUBIN, SIGMA, model)[0], expected, atol=1e-7)


@pytest.mark.parametrize("model", MODELS)
def test_expected_density_of_a_new_group_is_the_integral(model):
    y, sigma = simulated(2, 4)
    mu, tau = np.array([3.0, -5.0]), np.array([6.0, 15.0])
    found = new_group(y, sigma, model, mu, tau)
    for k in range(2):
        sd = np.hypot(tau[k], sigma[0])
        x = mu[k] + sd * np.linspace(-9, 9, 1201)
        rows = np.column_stack([np.tile(y[k], (len(x), 1)), x])
        log_density = loo(rows, np.append(sigma, sigma[0]), model)[:, -1]
        expected = np.trapezoid(log_density * norm(mu[k], sd).pdf(x), x)
        assert found[k, 0] == pytest.approx(expected, abs=1e-6)


def test_log_sum_exp_is_scipys():
    terms = np.random.default_rng(6).normal(-900, 300, (4, 5, 20))
    expected = logsumexp(terms, axis=-1)
    np.testing.assert_allclose(normal_normal_sets._log_sum_exp(terms), expected, rtol=1e-13)


def test_expected_density_of_a_new_group_needs_no_more_nodes(monkeypatch):
    y, sigma = simulated(300, 8)
    rng = np.random.default_rng(7)
    mu, tau = rng.normal(5, 5, 300), np.abs(rng.normal(0, 10, 300))
    found = new_group(y, sigma, "partial", mu, tau).sum(axis=1)
    monkeypatch.setattr(normal_normal_sets, "HERMITE", 48)
    finer = new_group(y, sigma, "partial", mu, tau).sum(axis=1)
    np.testing.assert_allclose(found, finer, atol=5e-3)


@pytest.mark.parametrize(("n_groups", "tau"), [(3, 0.0), (8, 5.0), (40, 20.0)])
def test_posteriors_are_those_of_the_story(n_groups, tau):
    story = EightSchools(given={"tau": tau}).resized(n_groups)
    drawn = [story.simulate(np.random.default_rng(i)) for i in range(3)]
    batch = NormalNormalSets(np.stack([s.data["y"] for s in drawn]), np.array(story.sigma))
    theta = np.stack([s.truth["theta"] for s in drawn])
    below, quantile = batch.theta_cdf(theta), batch.theta_quantile(0.055)
    for k, simulation in enumerate(drawn):
        exact = story.exact(simulation.data)
        assert batch.tau_mean[k] == pytest.approx(exact.mean("tau"), abs=1e-7)
        assert batch.tau_sd[k] == pytest.approx(exact.sd("tau"), abs=1e-7)
        for i, name in ((0, "theta[A]"), (2, "theta[C]")) if n_groups <= 26 else ((0, "theta[1]"),):
            assert batch.theta_mean[k, i] == pytest.approx(exact.mean(name), abs=1e-7)
            assert batch.theta_sd[k, i] == pytest.approx(exact.sd(name), abs=1e-7)
            assert below[k, i] == pytest.approx(exact.cdf(name, theta[k, i]), abs=1e-8)
            assert exact.cdf(name, quantile[k, i]) == pytest.approx(0.055, abs=1e-8)


def test_mode_of_tau_is_zero_on_rubins_data_and_inside_where_schools_differ():
    assert NormalNormalSets(RUBIN, SIGMA).tau_mode[0] == 0
    apart = NormalNormalSets(4 * RUBIN, SIGMA)
    tau = np.linspace(0, 60, 60001)
    density = apart._log_density(tau)[0]
    assert apart.tau_mode[0] == pytest.approx(tau[density.argmax()], abs=2e-3)
