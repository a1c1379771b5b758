"""Against arviz-stats, one scalar at a time, on series for every branch of the estimators."""

import warnings

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy.signal import lfilter

from hiercal.sbc.efficiency import diagnostics


def autoregression(rng, n_chains, n_draws, rho):
    noise = rng.normal(size=(n_chains, n_draws)) * np.sqrt(1 - rho**2)
    noise[:, 0] /= np.sqrt(1 - rho**2)
    return lfilter([1], [1, -rho], noise, axis=1)


def series_of_every_kind(rng, n_chains, n_draws):
    shape = (n_chains, n_draws)
    kinds = [autoregression(rng, *shape, rho) for rho in (-0.9, -0.5, 0, 0.4, 0.8, 0.98, 0.999)]
    kinds += [
        rng.standard_cauchy(shape),
        np.exp(2 * rng.normal(size=shape)),
        np.round(autoregression(rng, *shape, 0.5)),
        rng.poisson(1.0, shape).astype(float),
        (rng.random(shape) < 0.02).astype(float),
        np.ones(shape),
        np.repeat(rng.normal(size=(n_chains, 1)), n_draws, axis=1),
        np.cumsum(rng.random(shape) < 0.05, axis=1).astype(float),
        np.tile([-1.0, 1.0], n_draws)[:n_draws] + np.zeros(shape),
        rng.normal(size=shape) * np.arange(1, n_chains + 1)[:, None],
    ]
    return np.stack(kinds, axis=-1)


def arviz_r_hat(chains):
    if chains.shape[0] > 1:
        return array_stats.rhat(chains, chain_axis=0, draw_axis=1)
    # arviz-stats refuses one chain before it splits; these are the steps after.
    halves = array_stats._split_chains(chains)
    bulk = array_stats._rhat(array_stats._z_scale(halves))
    tail = array_stats._rhat(array_stats._z_scale(abs(halves - np.median(halves))))
    return max(bulk, tail)


def arviz(draws):
    columns = np.moveaxis(draws, -1, 0)
    axes = {"chain_axis": 0, "draw_axis": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "ess_bulk": [array_stats.ess(x, method="bulk", **axes) for x in columns],
            "ess_tail": [
                array_stats.ess(x, method="tail", prob=(0.05, 0.95), **axes) for x in columns
            ],
            "ess_mean": [array_stats.ess(x, method="mean", **axes) for x in columns],
            "r_hat": [arviz_r_hat(x) for x in columns],
        }


@pytest.mark.parametrize("n_draws", [4, 5, 7, 10, 51, 100, 250, 499, 1000])
@pytest.mark.parametrize("n_chains", [1, 2, 4])
def test_agrees_with_arviz_stats(n_chains, n_draws):
    rng = np.random.default_rng(n_chains * 10_000 + n_draws)
    draws = series_of_every_kind(rng, n_chains, n_draws)
    found, expected = diagnostics(draws), arviz(draws)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-8, err_msg=name)


def test_quantities_do_not_touch_each_other():
    rng = np.random.default_rng(1)
    draws = series_of_every_kind(rng, 2, 101)
    spoilt = draws.copy()
    spoilt[0, 3, 0] = np.nan
    together, alone = diagnostics(spoilt), diagnostics(draws[:, :, 1:])
    for name, value in together.items():
        assert np.isnan(value[0])
        np.testing.assert_allclose(value[1:], alone[name], rtol=1e-12)


def test_infinite_draws_leave_the_rank_based_ones_finite():
    draws = np.random.default_rng(1).normal(size=(1, 100, 1))
    draws[0, :3] = -np.inf
    found = diagnostics(draws)
    assert np.isfinite([found["ess_bulk"], found["ess_tail"], found["r_hat"]]).all()
    assert np.isnan(found["ess_mean"]).all()


def test_a_known_autocorrelation_has_its_effective_size():
    draws = autoregression(np.random.default_rng(1), 4, 20_000, 0.8)[..., None]
    # n (1 - rho) / (1 + rho) for the mean; the estimator's own error is about 3 % here.
    np.testing.assert_allclose(diagnostics(draws)["ess_mean"], 80_000 / 9, rtol=0.1)


@pytest.mark.parametrize("shape", [(100, 3), (1, 3, 2), (0, 100, 2)])
def test_shapes_are_checked(shape):
    with pytest.raises(ValueError, match="expected \\(n_chains, n_draws, n_quantities\\)"):
        diagnostics(np.zeros(shape))
