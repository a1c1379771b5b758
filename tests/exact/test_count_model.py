"""Counts with normal effects, against values computed independently."""

import numpy as np
import pytest
from scipy import integrate, stats

from hiercal import story

COUNTS = np.array([0, 3, 7, 2, 15, 4, 9, 1])
EXPOSURES = (1.2, 3.5, 5.1, 2.2, 8.8, 4.4, 6.1, 2.9)


def test_poisson_to_the_digits_given():
    exact = story("hospitals", exposure=EXPOSURES).exact({"y": COUNTS})
    assert round(exact.mean("mu_log"), 6) == 0.068056
    assert round(exact.mean("sigma_log"), 6) == 0.317837
    draws = np.log(exact.draws(100_000, np.random.default_rng(0))["lambda"][:, 0])
    assert draws.mean() == pytest.approx(-0.083627, abs=4 * draws.std() / 100_000**0.5)


def test_the_conditional_of_one_effect_against_adaptive_quadrature():
    """Two players, one of whom never hit: mean and distribution function of his effect."""
    design = story("batting", at_bats=(6, 40))
    hits = {"hits": np.array([0, 12])}

    def density(theta, mu, tau):
        likelihood = stats.binom.pmf(0, 6, 1 / (1 + np.exp(-theta)))
        return likelihood * stats.norm.pdf(theta, mu, tau)

    log_tau, mu = np.linspace(-9, 1.1, 60), np.linspace(-3.5, 1.5, 60)
    theta = np.linspace(-9, 4, 2001)
    other = stats.binom.pmf(12, 40, 1 / (1 + np.exp(-theta)))
    joint = np.zeros((3, 60, 60))
    for i, t in enumerate(np.exp(log_tau)):
        for j, m in enumerate(mu):
            z = np.linspace(-9, 9, 301)
            effect = m + t * z
            weight = stats.norm.pdf(z) * stats.binom.pmf(0, 6, 1 / (1 + np.exp(-effect)))
            rest = np.trapezoid(stats.norm.pdf(z) * np.interp(m + t * z, theta, other), z)
            prior = stats.norm.pdf(m, -1, 0.5) * np.exp(-0.5 * (t / 0.5) ** 2) * t
            below = np.where(effect < -1.2, 1.0, 0.0)
            joint[:, i, j] = [
                prior * rest * np.trapezoid(weight * f, z) for f in (1.0, effect, below)
            ]
    total, mean, below = (integrate.simpson(integrate.simpson(each, mu), log_tau) for each in joint)
    exact = design.exact(hits)
    assert exact.mean("theta[A]") == pytest.approx(mean / total, abs=1e-3)
    assert float(exact.cdf("theta[A]", -1.2)) == pytest.approx(below / total, abs=5e-3)


def test_complete_pooling_is_one_dimensional():
    design = story("hospitals", exposure=EXPOSURES)
    mu = np.linspace(-3, 3, 4001)
    log_density = stats.norm.logpdf(mu) + COUNTS.sum() * mu - sum(EXPOSURES) * np.exp(mu)
    density = np.exp(log_density - log_density.max())
    mean = np.trapezoid(density * np.exp(mu), mu) / np.trapezoid(density, mu)
    exact = design.exact({"y": COUNTS}, "complete_pooling")
    assert exact.mean("lambda[A]") == pytest.approx(mean, rel=1e-6)
    assert exact.mean("lambda[A]") == exact.mean("lambda[H]")


def test_a_rate_not_seen_has_quantiles_and_no_moments():
    exact = story("hospitals").exact(story("hospitals").observed)
    assert np.isnan(exact.mean("lambda_new"))
    assert 0.5 < exact.quantile("lambda_new", 0.1) < exact.quantile("lambda_new", 0.9) < 5


def test_moments_do_not_move_when_the_grid_is_refined(monkeypatch):
    from hiercal.exact import count_model
    from hiercal.exact.grid import Grid

    design = story("batting")
    coarse = design.exact(design.observed)
    monkeypatch.setattr(count_model, "NODES", 90)
    monkeypatch.setattr(
        count_model, "Grid", lambda density, axes, points: Grid(density, axes, points=90)
    )
    fine = design.exact(design.observed)
    for q in ("mu", "tau", "theta[Clemente]", "theta_new"):
        assert coarse.mean(q) == pytest.approx(fine.mean(q), rel=1e-6)
        assert coarse.sd(q) == pytest.approx(fine.sd(q), rel=1e-6)
