"""Weights of young rats at five ages: a growth line for each rat.

Source: github.com/stan-dev/posteriordb, posterior_database/models/stan/rats_model.stan, after
Gelfand et al. (1990). Licence: BSD-3-Clause.

Changed: written in PyMC instead of Stan; 12 rats simulated with a fixed seed instead of 30. The
three standard deviations have no prior in the Stan file, which makes it flat over the positive
numbers: there is nothing to draw from.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(30)
N = 12
rat = np.repeat(np.arange(N), 5)
x = np.tile([8.0, 15.0, 22.0, 29.0, 36.0], N)
xbar = 22.0
y = rng.normal(rng.normal(242, 14, N)[rat] + rng.normal(6.2, 0.5, N)[rat] * (x - xbar), 6)

with pm.Model() as model:
    mu_alpha = pm.Normal("mu_alpha", 0, 100)
    mu_beta = pm.Normal("mu_beta", 0, 100)
    sigma_y = pm.HalfFlat("sigma_y")
    sigma_alpha = pm.HalfFlat("sigma_alpha")
    sigma_beta = pm.HalfFlat("sigma_beta")
    alpha = pm.Normal("alpha", mu_alpha, sigma_alpha, shape=N)
    beta = pm.Normal("beta", mu_beta, sigma_beta, shape=N)
    pm.Deterministic("alpha0", mu_alpha - xbar * mu_beta)
    pm.Normal("y", alpha[rat] + beta[rat] * (x - xbar), sigma_y, observed=y)
