"""The grid: integrals, distribution functions and draws of densities known in closed form."""

import numpy as np
import pytest
from scipy import stats

from hiercal import story
from hiercal.exact.count_model import CountModel, exponential
from hiercal.exact.grid import Grid, positive_axis, real, unit
from hiercal.exact.likelihoods import poisson

CASES = {
    "normal far from where the search begins": (
        real("x", 0.0, 1.0),
        stats.norm(37.0, 0.02),
    ),
    "half-normal, with its mode at the boundary": (
        positive_axis("x", 10.0),
        stats.halfnorm(scale=7.0),
    ),
    "gamma with a pole at 0": (positive_axis("x", 1.0), stats.gamma(0.3)),
    "beta, flat at one end": (unit("x"), stats.beta(1.0, 4.0)),
    "log-normal, far above where the search begins": (
        positive_axis("x", 1.0),
        stats.lognorm(1, scale=1e4),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_moments_distribution_function_and_draws(case):
    """Kolmogorov-Smirnov of 4,000 draws at 0.1 %."""
    axis, law = CASES[case]
    grid = Grid(law.logpdf, [axis])
    x = grid.nodes["x"]
    mean = grid.weights @ x
    assert mean == pytest.approx(law.mean(), rel=1e-7)
    assert np.sqrt(grid.weights @ (x - mean) ** 2) == pytest.approx(law.std(), rel=1e-6)
    at = law.ppf([0.01, 0.3, 0.5, 0.9, 0.999])
    np.testing.assert_allclose(grid.cdf("x", at), law.cdf(at), atol=2e-6)
    draws = grid.draws(4000, np.random.default_rng(1))["x"]
    assert stats.kstest(draws, law.cdf).pvalue > 1e-3


def test_two_correlated_hyperparameters():
    covariance = np.array([[1.0, 0.8], [0.8, 2.0]])
    law = stats.multivariate_normal([3, -1], covariance)
    grid = Grid(
        lambda a, b: law.logpdf(np.column_stack([a, b])), [real("a", 0, 1), real("b", 0, 1)]
    )
    a, b = grid.nodes["a"], grid.nodes["b"]
    assert grid.weights @ (a * b) + 3 == pytest.approx(0.8, abs=1e-6)
    draws = grid.draws(50_000, np.random.default_rng(2))
    found = np.cov(draws["a"], draws["b"])
    np.testing.assert_allclose(found, covariance, atol=0.05)
    assert stats.kstest(draws["a"], stats.norm(3, 1).cdf).pvalue > 1e-3


def test_without_hyperparameters_there_is_one_node():
    grid = Grid(lambda: np.zeros(1), [])
    assert grid.weights.tolist() == [1.0]
    assert grid.nodes == {}
    assert grid.draws(5, np.random.default_rng(0)) == {}


@pytest.mark.parametrize(
    ("exposure", "found"),
    [
        (1e16, "200 rounds of proposals do not give all draws"),
        (1e18, "its log density is -"),
    ],
)
def test_a_posterior_too_sharp_for_the_grid_is_an_error_and_no_endless_loop(exposure, found):
    likelihood = poisson(exposure * np.array([1.0, 0.3, 2.0, 0.8]), np.full(4, exposure))
    with pytest.raises(ArithmeticError, match=rf"too sharp for its grid: {found}.* smaller"):
        CountModel(
            likelihood,
            centre=("mu_log", 0.0, 1.0),
            scale=None,
            link=exponential("lambda"),
            labels=("a", "b", "c", "d"),
            finite_moments=False,
        ).draws(400, np.random.default_rng(0))


def test_of_a_story_too():
    hospitals = story("hospitals", exposure=(1e12, 1.0, 1e-12, 1e6))
    data = hospitals.simulate(np.random.default_rng(1)).data
    with pytest.raises(ArithmeticError, match="200 rounds of proposals do not give all draws"):
        hospitals.exact(data, "centred").draws(400, np.random.default_rng(0))
