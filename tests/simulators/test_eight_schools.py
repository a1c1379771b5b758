"""Eight Schools against the check values computed for it, and its exact posterior."""

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from hiercal import story
from hiercal.simulators._normal_normal import NormalNormal

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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": (10,)}, "two or more"),
        ({"sigma": (10, 0)}, r"sigma\[1\] is 0"),
        ({"sigma": (10, float("nan"))}, r"sigma\[1\] is nan"),
        ({"tau_scale": -1}, "tau_scale is -1"),
        ({"mu_scale": float("inf")}, "mu_scale is inf"),
        ({"schools": ("A", "B")}, "2 names in schools for 8"),
        ({"schools": ("A",) * 8}, "repeat"),
        ({"sigma": "wide"}, "sigma is 'wide'"),
    ],
)
def test_designs_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        story("eight_schools", **options)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"y": [1.0] * 7}, r"shape \(7,\); sigma asks for \(8,\)"),
        ({"y": [float("nan")] * 8}, "finite"),
        ({"x": [1.0] * 8}, "give y"),
        ({}, "give y"),
    ],
)
def test_data_that_do_not_fit_the_design_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        SCHOOLS.exact(data)


def test_any_number_of_schools():
    assert story("eight_schools", sigma=(5.0, 6.0)).coords["school"] == ("A", "B")
    many = story("eight_schools", sigma=(5.0,) * 30)
    assert many.coords["school"][:2] == ("1", "2")
    assert many.observed is None
    assert many.simulate(np.random.default_rng(0)).data["y"].shape == (30,)


def test_reading_a_table():
    frame = pd.DataFrame({"school": ["X", "Y", "Z"], "y": [1, 2, 3], "sigma": [4, 5, 6]})
    design, data = type(SCHOOLS).from_frame(frame)
    assert design.sigma == (4, 5, 6)
    assert design.coords["school"] == ("X", "Y", "Z")
    assert data["y"].tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="no column sigma among school, y"):
        type(SCHOOLS).from_frame(frame.drop(columns="sigma"))


def test_log_likelihood_is_the_joint_normal_density():
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(5, 8))
    got = SCHOOLS.log_likelihood({"theta": theta}, SCHOOLS.observed)
    np.testing.assert_allclose(got, stats.norm.logpdf(SCHOOLS.observed["y"], theta, SCHOOLS.sigma))
