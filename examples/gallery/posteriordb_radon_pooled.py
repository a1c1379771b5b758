"""Radon in the houses of Minnesota, all counties taken together.

Source: github.com/stan-dev/posteriordb, posterior_database/models/stan/radon_pooled.stan, after
Gelman and Hill (2007). Licence: BSD-3-Clause.

Changed: written in PyMC instead of Stan; 100 houses simulated with a fixed seed.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(919)
floor_measure = rng.binomial(1, 0.17, size=100)
log_radon = rng.normal(1.4 - 0.6 * floor_measure, 0.8)

with pm.Model() as model:
    alpha = pm.Normal("alpha", 0, 10)
    beta = pm.Normal("beta", 0, 10)
    sigma_y = pm.HalfNormal("sigma_y", 1)
    pm.Normal("log_radon", alpha + beta * floor_measure, sigma_y, observed=log_radon)
