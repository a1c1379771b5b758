"""Counts of peregrine pairs over 40 years: a cubic trend with an effect per year.

Source: github.com/stan-dev/posteriordb, posterior_database/models/stan/GLMM_Poisson_model.stan,
after Kéry and Schaub (2012), chapter 4. Licence: BSD-3-Clause.

Changed: written in PyMC instead of Stan; counts simulated with a fixed seed. The intercept may be
anything from -20 to 20 on the log scale, so many prior draws have counts that no integer can hold.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(40)
year = (np.arange(1, 41) - 20.5) / 11.69
trend = 4.3 + 0.6 * year + 0.05 * year**2 - 0.1 * year**3
C = rng.poisson(np.exp(rng.normal(trend, 0.1)))

with pm.Model() as model:
    alpha = pm.Uniform("alpha", -20, 20)
    beta1 = pm.Uniform("beta1", -10, 10)
    beta2 = pm.Uniform("beta2", -10, 10)
    beta3 = pm.Uniform("beta3", -10, 10)
    sigma = pm.Uniform("sigma", 0, 5)
    eps = pm.Normal("eps", 0, sigma, shape=40)
    log_lambda = pm.Deterministic(
        "log_lambda", alpha + beta1 * year + beta2 * year**2 + beta3 * year**3 + eps
    )
    pm.Poisson("C", mu=pm.math.exp(log_lambda), observed=C)
