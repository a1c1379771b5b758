"""Shrinkage rules against what they minimise and the posteriors that they are means of."""

import numpy as np
import pytest

from hiercal.exact.normal_normal_sets import NormalNormalSets
from hiercal.exact.shrinkage_rules import (
    bayes_name,
    empirical_bayes,
    pooled_mean,
    rules,
    sure,
)
from hiercal.exact.stein_risk import TrueEffects
from hiercal.simulators.eight_schools import (
    RUBIN_EFFECTS,
    RUBIN_STANDARD_ERRORS,
    EightSchools,
)

SIGMA = np.array(RUBIN_STANDARD_ERRORS)
RUBIN = np.array([RUBIN_EFFECTS])


@pytest.mark.parametrize(
    ("sigma", "tau_scale"),
    [(RUBIN_STANDARD_ERRORS, 10.0), (RUBIN_STANDARD_ERRORS, 30.0), ((10.0,) * 50, 10.0)],
)
def test_posterior_means_are_those_of_the_storys_exact_posterior(sigma, tau_scale):
    story = EightSchools(sigma=sigma, tau_scale=tau_scale)
    rng = np.random.default_rng(5)
    y = np.array([0.0, 8.0, 100.0])[:, None] + rng.normal(0, 12, (3, len(sigma)))
    y[0, -1] += 108.0
    posterior = NormalNormalSets(y, np.array(sigma), tau_scale=tau_scale)
    for own, theta, mu in zip(y, posterior.theta_mean, posterior.mu_mean, strict=True):
        exact = story.exact({"y": own})
        for i in (0, len(sigma) - 1):
            name = story.labels("theta")[i]
            assert theta[i] == pytest.approx(exact.mean(name), abs=1e-7)
        assert mu == pytest.approx(exact.mean("mu"), rel=1e-8)


def test_sure_minimises_its_estimate_of_the_risk():
    rng = np.random.default_rng(8)
    y = rng.normal(8, 1, (40, 8)) * rng.uniform(1, 30, (40, 1))
    shrunken, a = sure(y, SIGMA), SIGMA**2
    centre = y.mean(axis=1, keepdims=True)

    def estimate(lam):
        kept = a / (a + lam)
        return (kept**2 * (y - centre) ** 2 + a * (1 - 2 * kept + 2 * kept / 8)).mean(axis=1)

    lams = np.append(0.0, np.geomspace(0.01, 1e7, 400))
    least = np.min([estimate(lam) for lam in lams], axis=0)
    own = (y[:, 0] - shrunken[:, 0]) / (y[:, 0] - centre[:, 0])
    found = np.array([estimate(lam)[i] for i, lam in enumerate(a[0] * (1 / own - 1))])
    assert (found <= least + 1e-4).all()


def test_empirical_bayes_pools_completely_where_reml_is_zero():
    assert empirical_bayes(RUBIN, SIGMA) == pytest.approx(
        np.broadcast_to(pooled_mean(RUBIN, SIGMA), (1, 8))
    )


@pytest.mark.parametrize("distance", [20.0, 50.0])
def test_bayes_of_a_group_far_from_all_others_is_the_storys_exact_posterior(distance):
    (bayes,) = (rule for rule in rules() if rule.name == bayes_name(10.0))
    centre = np.zeros(8)
    centre[-1] = distance * SIGMA[-1]
    truth = TrueEffects(SIGMA, centre)
    _, y = truth.simulate(3, np.random.default_rng(4))
    story = EightSchools()
    for own, estimates in zip(y, bayes.estimate(y, truth), strict=True):
        exact = story.exact({"y": own})
        means = [exact.mean(name) for name in story.labels("theta")]
        assert estimates == pytest.approx(means, abs=1e-6)
