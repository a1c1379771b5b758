"""A straight line through points that are seen only when the outcome lies between -5 and 5.

Source: github.com/pymc-devs/pymc-examples,
examples/generalized_linear_models/GLM-truncated-censored-regression.myst.md, "Bayesian regression
with truncated or censored data", `truncated_regression`. Licence: MIT.

Changed: simulated with another generator, 120 points before truncation instead of 200.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(12345)
x = rng.uniform(-10, 10, 120)
y = rng.normal(x, 2)
keep = np.abs(y) <= 5
xt, yt = x[keep], y[keep]

with pm.Model() as model:
    slope = pm.Normal("slope", mu=0, sigma=1)
    intercept = pm.Normal("intercept", mu=0, sigma=1)
    σ = pm.HalfNormal("σ", sigma=1)
    normal_dist = pm.Normal.dist(mu=slope * xt + intercept, sigma=σ)
    pm.Truncated("obs", normal_dist, lower=-5, upper=5, observed=yt)
