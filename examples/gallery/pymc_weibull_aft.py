"""Survival times from a Weibull distribution; the censored ones enter through a potential.

Source: github.com/pymc-devs/pymc-examples, examples/survival_analysis/weibull_aft.myst.md,
"Reparameterizing the Weibull Accelerated Failure Time Model", parameterisation 1. Licence: MIT.

Changed: the original draws 500 rows of the R data set flchain; here 80 times are simulated with
a fixed seed. The censored times are a `pm.Potential`, so the model does not say how to draw them.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

rng = np.random.default_rng(8927)
time = 6000 * rng.weibull(1.2, size=80)
end = rng.uniform(3000, 5000, size=80)
y, censored = np.minimum(time, end), time > end

with pm.Model() as model:
    alpha_sd = 10.0
    mu = pm.Normal("mu", mu=0, sigma=100)
    alpha_raw = pm.Normal("a0", mu=0, sigma=0.1)
    alpha = pm.Deterministic("alpha", pt.exp(alpha_sd * alpha_raw))
    beta = pm.Deterministic("beta", pt.exp(mu / alpha))

    pm.Weibull("y_obs", alpha=alpha, beta=beta, observed=y[~censored])
    pm.Potential("y_cens", -((y[censored] / beta) ** alpha))
