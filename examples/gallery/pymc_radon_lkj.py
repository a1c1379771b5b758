"""Radon in the houses of Minnesota: correlated intercepts and slopes per county, not centred.

Source: github.com/pymc-devs/pymc-examples,
examples/generalized_linear_models/multilevel_modeling.myst.md, "A Primer on Bayesian Methods for
Multilevel Modeling", second model `covariation_intercept_slope`. Licence: MIT.

Changed: the original reads a file of 919 houses in 85 counties; here 100 houses in 12 counties are
simulated with a fixed seed.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

rng = np.random.default_rng(8924)
county = np.sort(np.concatenate([np.arange(12), rng.integers(0, 12, 88)]))
floor_measure = rng.binomial(1, 0.3, size=100)
effects = rng.multivariate_normal([1.4, -0.7], [[0.09, -0.03], [-0.03, 0.09]], size=12)
log_radon = rng.normal(effects[county, 0] + effects[county, 1] * floor_measure, 0.75)

coords = {
    "county": [f"county {k + 1}" for k in range(12)],
    "param": ["alpha", "beta"],
    "param_bis": ["alpha", "beta"],
}
with pm.Model(coords=coords) as model:
    floor_idx = pm.Data("floor_idx", floor_measure, dims="obs_id")
    county_idx = pm.Data("county_idx", county, dims="obs_id")

    sd_dist = pm.Exponential.dist(0.5, shape=(2,))
    chol, corr, stds = pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=sd_dist)
    mu_alpha_beta = pm.Normal("mu_alpha_beta", mu=0.0, sigma=5.0, shape=2)
    z = pm.Normal("z", 0.0, 1.0, dims=("param", "county"))
    alpha_beta_county = pm.Deterministic(
        "alpha_beta_county", pt.dot(chol, z).T, dims=("county", "param")
    )

    intercept = mu_alpha_beta[0] + alpha_beta_county[county_idx, 0]
    slope = mu_alpha_beta[1] + alpha_beta_county[county_idx, 1]
    sigma = pm.Exponential("sigma", 1.0)
    pm.Normal("y", intercept + slope * floor_idx, sigma=sigma, observed=log_radon, dims="obs_id")
