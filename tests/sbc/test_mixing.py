import math

import numpy as np
import pytest
from scipy.signal import lfilter

from hiercal.sbc.efficiency import diagnostics
from hiercal.sbc.mixing import LEVEL, NOISE, SHARE, ess_limit, mixing, r_hat_limit

FINE = {
    "r_hat_max": 1.01,
    "ess_tail_min": 900.0,
    "divergences": 0.0,
    "e_bfmi": 0.9,
    "max_tree_depth": 5.0,
}


def fits(n=200, **changed):
    return {name: np.resize(changed.get(name, value), n) for name, value in FINE.items()}


def chains(rng, n_chains, n_draws, n, rho=0.0):
    """Stationary AR(1) chains of N(0, 1)."""
    noise = rng.normal(size=(n_chains, n_draws, n)) * math.sqrt(1 - rho**2)
    noise[:, 0] /= math.sqrt(1 - rho**2)
    return lfilter([1], [1, -rho], noise, axis=1)


def judged(rng, n_chains, n_draws, n_quantities, n_fits, rho=0.0, spoil=lambda draws, rng: draws):
    """Simulated fits of normal quantities, and what is said of them."""
    draws = spoil(chains(rng, n_chains, n_draws, n_fits * n_quantities, rho), rng)
    found = diagnostics(draws)
    r_hat = found["r_hat"].reshape(n_fits, n_quantities).max(axis=1)
    ess = found["ess_tail"].reshape(n_fits, n_quantities).min(axis=1)
    measured = fits(n_fits) | {"r_hat_max": r_hat, "ess_tail_min": ess}
    return mixing(measured, n_chains, n_draws, n_quantities, 10)


def stuck_at_a_draw(draws, rng):
    draws[0] = rng.normal(size=draws.shape[-1])
    return draws


def stuck_far_out(draws, rng):
    draws[0] = 5 * rng.choice([-1, 1], size=draws.shape[-1])
    return draws


def two_modes(draws, rng):
    return draws + 2 * rng.choice([-1, 1], size=(len(draws), 1, draws.shape[-1]))


SHAPES = [(1, 100), (1, 1000), (4, 25), (20, 50), (12, 8), (25, 4)]


@pytest.mark.parametrize(("n_chains", "n_draws"), SHAPES)
def test_independent_draws_of_any_shape_mix(n_chains, n_draws):
    found = judged(np.random.default_rng(1), n_chains, n_draws, 12, 60)
    assert found.mixes == "yes"
    assert found.unmixed == 0


@pytest.mark.slow
@pytest.mark.parametrize("n_quantities", [3, 12, 60])
@pytest.mark.parametrize(("n_chains", "n_draws"), SHAPES)
def test_false_alarms_are_at_most_as_stated(n_chains, n_draws, n_quantities):
    n_fits = min(2000, 6_000_000 // (n_chains * n_draws * n_quantities))
    rng = np.random.default_rng(2)
    for rho in (0.0, 0.5):
        found = judged(rng, n_chains, n_draws, n_quantities, n_fits, rho)
        # 4 standard errors of a binomial share
        assert found.unmixed <= NOISE + 4 * math.sqrt(NOISE * (1 - NOISE) / n_fits)
        assert found.mixes == "yes"


def test_1_05_alone_would_flag_short_chains_that_mix():
    rng = np.random.default_rng(3)
    r_hat = diagnostics(chains(rng, 20, 50, 12 * 50, 0.5))["r_hat"].reshape(50, 12).max(axis=1)
    assert np.mean(r_hat > 1.05) > 0.8
    assert np.mean(r_hat > r_hat_limit(20, 50, 12)) < 0.1


@pytest.mark.parametrize(
    ("spoil", "n_chains", "n_draws", "least"),
    [
        (stuck_far_out, 20, 50, 0.95),
        (stuck_far_out, 4, 50, 0.95),
        (stuck_at_a_draw, 20, 100, 0.9),
        (stuck_at_a_draw, 4, 250, 0.95),
        (two_modes, 20, 50, 0.95),
        (two_modes, 4, 250, 0.9),
    ],
)
def test_planted_faults_are_found(spoil, n_chains, n_draws, least):
    found = judged(np.random.default_rng(4), n_chains, n_draws, 12, 60, spoil=spoil)
    assert found.mixes == "no"
    assert found.unmixed >= least


def test_a_chain_that_never_moves_does_not_mix():
    constant = judged(np.random.default_rng(5), 1, 100, 2, 50, spoil=lambda d, rng: 0 * d)
    assert constant.mixes == "no"
    assert constant.high_r_hat == 1


def test_an_arm_is_flagged_above_the_share_and_above_chance():
    def bad(k, n):
        return mixing(fits(n, r_hat_max=np.r_[np.full(k, 1.3), np.full(n - k, 1.0)]), 4, 1000, 9)

    assert bad(int(SHARE * 1000), 1000).mixes == "yes"
    assert bad(int(SHARE * 1000) + 1, 1000).mixes == "no"
    # one of one is seen by chance in NOISE of the fits
    assert NOISE > LEVEL
    assert bad(1, 1).mixes == "yes"
    assert bad(2, 2).mixes == "no"


def test_reasons_are_told_apart():
    low = mixing(fits(ess_tail_min=50.0), 4, 1000, 9, 10)
    assert (low.mixes, low.high_r_hat, low.low_ess_tail) == ("no", 0, 1)
    diverged = mixing(fits(divergences=[3, 0]), 4, 1000, 9, 10)
    assert (diverged.mixes, diverged.diverged) == ("yes", 0.5)
    assert diverged.divergent_draws == pytest.approx(1.5 / 4000)
    energy = mixing(fits(e_bfmi=0.2), 4, 1000, 9, 10)
    assert (energy.mixes, energy.low_e_bfmi) == ("yes", 1)
    deep = mixing(fits(max_tree_depth=10.0), 4, 1000, 9, 10)
    assert (deep.mixes, deep.deepest_tree) == ("yes", 1)


def test_what_cannot_be_judged_is_not():
    assert mixing(fits(r_hat_max=np.nan), 50, 2, 9).mixes == "unchecked"
    assert mixing(fits(0), 4, 1000, 9, 10).mixes == "unchecked"
    short = mixing(fits(e_bfmi=0.1), 4, 10, 9)
    assert math.isnan(short.low_e_bfmi)
    assert math.isnan(short.deepest_tree)


def test_limits():
    assert r_hat_limit(4, 1000, 12) == 1.05
    assert r_hat_limit(4, 25, 60) > r_hat_limit(4, 25, 3) > 1.05
    assert math.isinf(r_hat_limit(50, 2, 3))
    assert ess_limit(4, 1000) == ess_limit(4, 5000) == 400
    with pytest.raises(ValueError, match="at least 1 of each"):
        r_hat_limit(0, 10, 3)
    with pytest.raises(ValueError, match="expected one a fit of each"):
        mixing(fits(10) | {"e_bfmi": np.ones(9)}, 4, 1000, 9)
