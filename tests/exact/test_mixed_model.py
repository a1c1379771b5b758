"""The linear model with one random coefficient a group, against values computed independently."""

import numpy as np
import pytest
from scipy import integrate, stats

from hiercal import story
from hiercal.exact.mixed_model import CrossProducts, MixedModel, Scale


def half_normal(name, scale):
    return Scale(name, lambda x: -0.5 * (x / scale) ** 2, scale)


def test_unknown_sigma_to_the_digits_given():
    """From sizes, means and the pooled sum of squares within groups."""
    n = np.array([3.0, 5, 8, 2, 12, 6])
    mean = np.array([3.74, 3.52, 2.75, 2.75, 2.88, 3.15])
    data = CrossProducts(
        n=n,
        uu=n[:, None, None],
        ux=n[:, None],
        uy=(n * mean)[:, None],
        xx=n,
        xy=n * mean,
        yy=n * mean**2 + 13.32 / 6,
    )
    exact = MixedModel(
        data,
        coefficients={"mu": (3, 2)},
        scale=half_normal("tau", 1.0),
        noise=half_normal("sigma", 2.0),
        effect="theta",
        labels=[f"theta[{i}]" for i in range(1, 7)],
        loadings=np.ones((6, 1)),
    )
    found = [round(exact.mean(q), 5) for q in ("tau", "sigma", "mu", "theta[1]")]
    assert found == [0.32784, 0.69690, 3.09289, 3.31951]


def test_slopes_with_an_intercept_to_the_digits_given():
    x = np.tile([-1.0, 0, 1, 2], 4)
    y = [0.1, 0.4, 0.3, 1.2, -0.6, 0.9, 1.4, 2.9, 0.8, 0.2, 0.9, 0.6, -1, 0.1, 1.8, 2.2]
    rows = np.column_stack([np.ones(16), x])
    exact = MixedModel(
        CrossProducts.of(np.repeat(range(4), 4), rows, x, np.array(y)),
        coefficients={"a": (0, 5), "mu_b": (0, 2)},
        scale=half_normal("t", 1.0),
        noise=half_normal("s", 2.0),
        effect="b",
        labels=[f"b[{i}]" for i in range(1, 5)],
        loadings=np.tile([0.0, 1.0], (4, 1)),
    )
    found = [round(exact.mean(q), 5) for q in ("t", "s", "a", "mu_b", "b[2]")]
    assert found == [0.69201, 0.40581, 0.44294, 0.61686, 1.10359]


def test_a_covariate_to_the_digits_given():
    x = (0.5, -0.3, -1.2, 0.1, -0.8, -0.2, 1.1, 0.8)
    schools = story("private_schools", sigma=story("eight_schools").sigma, x=x)
    exact = schools.exact(story("eight_schools").observed)
    found = [round(exact.mean(q), 4) for q in ("tau", "mu", "beta", "theta[A]")]
    assert found == [4.2330, 7.7188, 7.4867, 13.0728]


def test_without_a_covariate_it_is_eight_schools():
    """Two derivations of one posterior: on this grid, and by quadrature over tau alone."""
    schools = story("eight_schools")
    alone = story("private_schools", sigma=schools.sigma, x=(0.0,) * 8, exchangeable=True)
    here, there = alone.exact(schools.observed), schools.exact(schools.observed)
    for q in ("mu", "tau", "theta[A]", "theta[H]", "theta_new"):
        assert here.mean(q) == pytest.approx(there.mean(q), rel=1e-9)
        assert here.sd(q) == pytest.approx(there.sd(q), rel=1e-9)
        p = [0.055, 0.5, 0.945]
        np.testing.assert_allclose(here.quantile(q, p), there.quantile(q, p), rtol=1e-6)


def test_complete_pooling_and_no_pooling_are_normal_theory():
    schools = story("eight_schools")
    y, sigma = schools.observed["y"], np.array(schools.sigma)
    precision = 1 / 400 + (1 / sigma**2).sum()
    pooled = schools.exact(schools.observed, "complete_pooling")
    assert pooled.mean("mu") == pytest.approx((y / sigma**2).sum() / precision)
    assert pooled.sd("theta[C]") == pytest.approx(precision**-0.5)
    separate = schools.exact(schools.observed, "no_pooling")
    shrunk = 1 / (1 / 400 + 1 / sigma[2] ** 2)
    assert separate.mean("theta[C]") == pytest.approx(shrunk * y[2] / sigma[2] ** 2)
    assert separate.sd("theta[C]") == pytest.approx(shrunk**0.5)


@pytest.mark.parametrize(("noise", "between", "seed"), [(0.05, 1.0, 1), (3.0, 0.01, 2)])
def test_joint_draws_against_direct_integration(noise, between, seed):
    """E tau and E sigma by adaptive quadrature of the multivariate normal density of y."""
    design = story("instructors", sizes=(3, 4, 2), mu_scale=2.0, mu_mean=1.0)
    design = type(design)(
        sizes=(3, 4, 2), mu_mean=1.0, mu_scale=2.0, tau_scale=1.0, sigma_scale=2.0
    )
    rng = np.random.default_rng(seed)
    theta = rng.normal(1, between, 3)
    group = np.repeat(np.arange(3), design.sizes)
    y = rng.normal(theta[group], noise)
    same = group[:, None] == group

    def density(log_tau, log_sigma):
        tau, sigma = np.exp(log_tau), np.exp(log_sigma)
        covariance = 4.0 + tau**2 * same + sigma**2 * np.eye(9)
        log_y = stats.multivariate_normal.logpdf(y, np.ones(9), covariance)
        return np.exp(log_y - tau**2 / 2 - sigma**2 / 8 + log_tau + log_sigma)

    log_tau, log_sigma = np.linspace(-14, 2.2, 120), np.linspace(-4.5, 2.8, 120)
    p = np.array([[density(t, s) for s in log_sigma] for t in log_tau])
    p /= integrate.simpson(integrate.simpson(p, log_sigma), log_tau)
    by_hand = {
        "tau": integrate.simpson(integrate.simpson(p, log_sigma) * np.exp(log_tau), log_tau),
        "sigma": integrate.simpson(integrate.simpson(p * np.exp(log_sigma), log_sigma), log_tau),
    }
    exact = design.exact({"y": y})
    draws = exact.draws(20_000, rng)
    for q, expected in by_hand.items():
        assert exact.mean(q) == pytest.approx(expected, rel=1e-3)
        assert draws[q].mean() == pytest.approx(expected, abs=4.5 * exact.sd(q) / 20_000**0.5)


def test_data_almost_without_noise_are_integrated():
    design = story("instructors")
    y = np.repeat([40.0, 45, 50, 55, 60], design.sizes) + 1e-3 * np.sin(np.arange(75))
    exact = design.exact({"y": y})
    assert 0.0005 < exact.mean("sigma") < 0.001
    assert exact.mean("theta[C]") == pytest.approx(50, abs=1e-3)
