"""Radon in the houses of Minnesota: one intercept per county, one common slope for the floor.

Source: github.com/pymc-devs/pymc-examples,
examples/generalized_linear_models/multilevel_modeling.myst.md, "A Primer on Bayesian Methods for
Multilevel Modeling", model `varying_intercept`. Licence: MIT.

Changed: the original reads a file of 919 houses in 85 counties; here 100 houses in 12 counties are
simulated with a fixed seed.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(8924)
county = np.sort(np.concatenate([np.arange(12), rng.integers(0, 12, 88)]))
floor_measure = rng.binomial(1, 0.17, size=100)
log_radon = rng.normal(rng.normal(1.4, 0.3, size=12)[county] - 0.7 * floor_measure, 0.75)

with pm.Model(coords={"county": [f"county {k + 1}" for k in range(12)]}) as model:
    floor_idx = pm.Data("floor_idx", floor_measure, dims="obs_id")
    county_idx = pm.Data("county_idx", county, dims="obs_id")

    mu_a = pm.Normal("mu_a", mu=0.0, sigma=10.0)
    sigma_a = pm.Exponential("sigma_a", 1)
    alpha = pm.Normal("alpha", mu=mu_a, sigma=sigma_a, dims="county")
    beta = pm.Normal("beta", mu=0.0, sigma=10.0)
    sd_y = pm.Exponential("sd_y", 1)

    y_hat = alpha[county_idx] + beta * floor_idx
    pm.Normal("y_like", mu=y_hat, sigma=sd_y, observed=log_radon, dims="obs_id")
