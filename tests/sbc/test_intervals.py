import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.stats import norm

from hiercal.sbc.coverage import coverage_p
from hiercal.sbc.intervals import central, hdi, hdi_level


@pytest.mark.parametrize("n_draws", [1, 2, 3, 10, 101, 1000])
@pytest.mark.parametrize("prob", [0.05, 0.29, 0.89, 0.94, 1.0])
def test_hdi_agrees_with_arviz_stats(n_draws, prob):
    rng = np.random.default_rng(n_draws)
    columns = [rng.normal(size=n_draws), rng.exponential(size=n_draws)]
    columns += [rng.poisson(2, n_draws).astype(float), rng.standard_cauchy(n_draws)]
    draws = np.stack(columns, axis=1)
    expected = [array_stats.hdi(column, prob) for column in columns]
    np.testing.assert_array_equal(hdi(draws, prob), expected)


def test_hdi_of_a_monotone_density_starts_at_its_mode():
    draws = np.random.default_rng(1).exponential(size=(4000, 1))
    [[lower, upper]] = hdi(draws, 0.89)
    assert lower < 0.002
    # -log(.11); the standard error of the quantile is sqrt(.89 / .11 / 4000) = .045.
    assert upper == pytest.approx(-np.log(0.11), abs=4 * 0.045)


def test_hdi_with_nan_is_nan_there_only():
    draws = np.random.default_rng(1).normal(size=(50, 2))
    draws[7, 0] = np.nan
    found = hdi(draws)
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


@pytest.mark.parametrize(
    ("n_draws", "level"), [(100, 0.8635), (400, 0.8787), (1000, 0.8838), (4000, 0.8875)]
)
def test_hdis_of_draws_cover_less_than_they_say(n_draws, level):
    found = hdi_level(n_draws, 0.89)
    assert found.standard_error < 2e-4
    assert found.level == pytest.approx(level, abs=4 * found.standard_error)


@pytest.mark.parametrize(("n_draws", "level"), [(12, 0.89), (12, 0.3), (101, 0.5)])
def test_hdi_level_is_the_mean_probability_of_drawn_intervals(n_draws, level):
    draws = np.random.default_rng(5).normal(size=(n_draws, 20_000))
    held = norm.cdf(hdi(draws, level)) @ [-1, 1]
    found = hdi_level(n_draws, level)
    apart = abs(found.level - held.mean())
    assert apart < 4 * np.hypot(found.standard_error, held.std() / np.sqrt(len(held)))


def test_hdi_level_of_two_draws_is_exact():
    assert hdi_level(2, 0.89) == pytest.approx((1 / 3, 0))


def test_hdi_level_is_what_intervals_cover():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=4000)
    ends = hdi(rng.normal(size=(100, 4000)), 0.89)
    covered = int(((ends[:, 0] <= truth) & (truth <= ends[:, 1])).sum())
    assert coverage_p(covered, 4000, hdi_level(100).level) > 0.01
    assert coverage_p(covered, 4000, 0.89) < 1e-4


def test_central_interval_is_that_of_numpy():
    draws = np.random.default_rng(1).normal(size=(501, 3))
    ends = np.stack(central(np.sort(draws, axis=0), 0.89))
    np.testing.assert_allclose(ends, np.quantile(draws, [0.055, 0.945], axis=0), rtol=1e-12)
    assert np.stack(central(draws[:1], 0.89)).tolist() == np.stack([draws[0], draws[0]]).tolist()
