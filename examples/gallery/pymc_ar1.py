"""A time series as an AR(1) process with a constant.

Source: github.com/pymc-devs/pymc-examples, examples/time_series/AR.myst.md, "Analysis of An AR(1)
Model in PyMC", model `ar1`. Licence: MIT.

Changed: 80 simulated time points instead of 5000; they come from the AR(2) of the original. The
prior lets the process explode: a slope of 2 gives values of 2^80.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(8927)
y = rng.normal(-1.0, 2.0, size=130)
for t in range(2, 130):
    y[t] += 0.7 * y[t - 1] - 0.3 * y[t - 2]
y = y[50:]

with pm.Model() as model:
    rho = pm.Normal("rho", mu=0.0, sigma=1.0, shape=2)
    tau = pm.Exponential("tau", lam=0.5)
    init_dist = pm.Normal.dist(0, 10)
    pm.AR("y", rho=rho, tau=tau, constant=True, init_dist=init_dist, observed=y)
