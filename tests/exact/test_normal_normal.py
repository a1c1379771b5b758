"""The posterior of normal groups against check values and other quadratures."""

import numpy as np
import pytest
from scipy import integrate, stats

from hiercal import story
from hiercal.exact.normal_normal import NormalNormal

SCHOOLS = story("eight_schools")
EXACT = SCHOOLS.exact(SCHOOLS.observed)
# mean, sd, 5.5 % and 94.5 % points, from an independent quadrature
TABLE = {
    "mu": (7.453, 4.527, 0.2766, 14.64),
    "tau": (4.806, 3.719, 0.4115, 11.70),
    "theta[A]": (9.810, 6.945, 0.1635, 21.85),
    "theta[B]": (7.553, 5.686, -1.359, 16.57),
    "theta[C]": (6.357, 6.615, -4.454, 16.12),
    "theta[D]": (7.365, 5.870, -1.878, 16.58),
    "theta[E]": (5.531, 5.737, -4.122, 14.06),
    "theta[F]": (6.304, 5.973, -3.511, 15.29),
    "theta[G]": (9.547, 6.048, 0.7278, 19.86),
    "theta[H]": (7.844, 6.684, -2.273, 18.44),
    "theta_new": (7.453, 7.578, -3.891, 18.87),
}


def significant(x, digits=4):
    return float(f"{x:.{digits}g}")


@pytest.mark.parametrize("name", TABLE)
def test_exact_posterior_to_four_digits(name):
    got = (EXACT.mean(name), EXACT.sd(name), *EXACT.quantile(name, [0.055, 0.945]))
    assert tuple(map(significant, got)) == TABLE[name]


def test_exact_tail_probabilities_and_median_of_tau():
    assert significant(float(EXACT.quantile("tau", 0.5))) == 4.016
    assert significant(float(EXACT.cdf("tau", 0.16)), 3) == 0.0214
    assert significant(float(EXACT.cdf("tau", 1)), 3) == 0.133


@pytest.mark.parametrize(
    ("scale", "mean"), [(1, 0.791), (2.5, 1.890), (5, 3.297), (10, 4.806), (20, 5.822), (50, 6.334)]
)
def test_exact_mean_of_tau_under_other_priors(scale, mean):
    other = story("eight_schools", tau_scale=scale)
    assert round(other.exact(SCHOOLS.observed).mean("tau"), 3) == mean


def test_exact_posterior_under_a_half_cauchy_prior():
    """Heavy-tailed prior of the posteriordb model: mu ~ N(0, 5), tau ~ HalfCauchy(5)."""
    exact = NormalNormal(
        SCHOOLS.observed["y"],
        np.array(SCHOOLS.sigma),
        mu_scale=5,
        log_prior_tau=lambda tau: -np.log1p((tau / 5) ** 2),
        tau_scale=10,
        labels="ABCDEFGH",
    )
    assert [round(exact.mean(q), 3) for q in ("mu", "tau")] == [4.397, 3.598]
    assert [round(exact.sd(q), 3) for q in ("mu", "tau")] == [3.318, 3.220]
    theta = [round(exact.mean(f"theta[{s}]"), 3) for s in "ABCDEFGH"]
    assert theta == [6.212, 4.940, 3.927, 4.757, 3.615, 4.043, 6.297, 4.854]


@pytest.mark.parametrize(
    ("n", "tau_scale", "seed"), [(2, 10, 1), (3, 0.3, 2), (30, 10, 3), (500, 40, 4)]
)
def test_exact_tau_against_adaptive_quadrature(n, tau_scale, seed):
    """Sharp, flat and boundary posteriors, integrated by another method."""
    rng = np.random.default_rng(seed)
    design = story("eight_schools", sigma=tuple(rng.uniform(1, 20, n)), tau_scale=tau_scale)
    y = design.simulate(rng).data["y"]
    sigma2 = np.array(design.sigma) ** 2

    def log_density(tau):
        v = sigma2 + tau**2
        precision = 1 / design.mu_scale**2 + (1 / v).sum()
        mean = (y / v).sum() / precision
        misfit = ((y - mean) ** 2 / v).sum() + (mean / design.mu_scale) ** 2
        return -0.5 * (np.log(v).sum() + np.log(precision) + misfit + (tau / tau_scale) ** 2)

    grid = np.linspace(0, 8 * tau_scale, 4001)
    logs = np.array([log_density(t) for t in grid])
    held = grid[logs > logs.max() - 40]
    moments = [
        integrate.quad(
            lambda t, k=k: t**k * np.exp(log_density(t) - logs.max()),
            max(held[0] - grid[1], 0),
            held[-1] + grid[1],
            points=[grid[logs.argmax()]],
            limit=500,
            epsabs=0,
            epsrel=1e-10,
        )[0]
        for k in range(3)
    ]
    mean = moments[1] / moments[0]
    sd = np.sqrt(moments[2] / moments[0] - mean**2)
    exact = design.exact({"y": y})
    assert exact.mean("tau") == pytest.approx(mean, rel=1e-6)
    assert exact.sd("tau") == pytest.approx(sd, rel=1e-5)
    assert float(exact.cdf("tau", exact.quantile("tau", 0.2))) == pytest.approx(0.2, abs=1e-9)


@pytest.mark.parametrize("name", EXACT.names)
def test_exact_draws_follow_the_exact_distribution(name):
    """Kolmogorov-Smirnov on 20,000 draws; P(reject) about 1.2 % over the twelve quantities."""
    rng = np.random.default_rng(8)
    draws = SCHOOLS.quantities(EXACT.draws(20_000, rng), SCHOOLS.observed, rng)[name]
    assert stats.kstest(draws, lambda x: EXACT.cdf(name, x)).pvalue > 1e-3
    assert draws.std() == pytest.approx(EXACT.sd(name), rel=0.03)
    assert draws.mean() == pytest.approx(EXACT.mean(name), abs=4 * EXACT.sd(name) / 20_000**0.5)


def test_exact_draws_of_tau_and_theta_depend_as_they_should():
    """E[theta_A | tau] is linear in mu's mean given tau: check the covariance by quadrature."""
    rng = np.random.default_rng(9)
    draws = EXACT.draws(200_000, rng)
    means, _ = EXACT._mixture("theta[A]")
    exact = EXACT._w @ (EXACT._tau * means) - EXACT.mean("tau") * EXACT.mean("theta[A]")
    products = (draws["tau"] - EXACT.mean("tau")) * (draws["theta"][:, 0] - EXACT.mean("theta[A]"))
    assert products.mean() == pytest.approx(exact, abs=4 * products.std() / 200_000**0.5)


def test_quantile_and_cdf_are_inverse_and_have_the_shape_asked_for():
    p = np.array([[0.01, 0.3], [0.5, 0.99]])
    for name in ("mu", "tau", "theta[C]", "theta_new"):
        np.testing.assert_allclose(EXACT.cdf(name, EXACT.quantile(name, p)), p, atol=1e-9)
    np.testing.assert_allclose(EXACT.cdf("log_lik", EXACT.quantile("log_lik", p)), p, atol=1e-6)
    assert EXACT.quantile("tau", 0.5).shape == ()
    assert EXACT.cdf("tau", [-1.0, 0.0]).tolist() == [0, 0]


def test_unknown_quantities_and_levels_are_refused():
    with pytest.raises(KeyError, match=r"no quantity 'theta\[Z\]'.*theta\[A\]"):
        EXACT.mean("theta[Z]")
    with pytest.raises(ValueError, match="inside"):
        EXACT.quantile("tau", 1.0)


@pytest.mark.parametrize("tau_scale", [5.0, 100.0])
@pytest.mark.parametrize("true_tau", [0.003, 0.05, 4.0])
@pytest.mark.parametrize(
    "sigma", [(0.002,) * 8, (0.002, *(10.0,) * 7), (0.002, 0.02, 0.2, 2.0)], ids=len
)
def test_tau_is_right_where_a_group_is_known_far_better_than_the_prior(sigma, true_tau, tau_scale):
    """Against adaptive quadrature of the same density over log tau; the bound is 1e-5."""
    sigma = np.array(sigma)
    rng = np.random.default_rng(7)
    y = rng.normal(1.0, np.sqrt(true_tau**2 + sigma**2))
    exact = NormalNormal(
        y,
        sigma,
        mu_scale=20.0,
        log_prior_tau=lambda tau: -0.5 * (tau / tau_scale) ** 2,
        tau_scale=tau_scale,
        labels=[str(i) for i in range(len(sigma))],
    )

    def log_density(t):
        tau = np.exp(t)
        covariance = np.diag(sigma**2 + tau**2) + 20.0**2
        return (
            stats.multivariate_normal.logpdf(y, cov=covariance) - 0.5 * (tau / tau_scale) ** 2 + t
        )

    grid = np.linspace(np.log(1e-10), np.log(1e3), 6001)
    log_p = np.array([log_density(t) for t in grid])
    p = np.exp(log_p - log_p.max())
    below = integrate.cumulative_simpson(p, x=grid, initial=0)
    below /= below[-1]
    at = np.searchsorted(below, [0.05, 0.3, 0.5, 0.8, 0.99])
    assert exact.cdf("tau", np.exp(grid[at])) == pytest.approx(below[at], abs=1e-5)
