"""Daily returns of a share index, whose log volatility is a random walk.

Source: github.com/pymc-devs/pymc-examples, examples/case_studies/stochastic_volatility.myst.md,
"Stochastic Volatility model". Licence: MIT.

Changed: 60 days simulated with a fixed seed instead of the 2905 of the S&P 500. The prior of the
first log volatility is Normal(0, 100), so prior draws of the returns span hundreds of orders of
magnitude.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(1234)
log_volatility = -4.5 + np.cumsum(rng.normal(0, 0.15, size=60))
change = np.exp(log_volatility) * rng.standard_t(10, size=60)

with pm.Model(coords={"time": np.arange(60)}) as model:
    step_size = pm.Exponential("step_size", 10)
    volatility = pm.GaussianRandomWalk(
        "volatility", sigma=step_size, dims="time", init_dist=pm.Normal.dist(0, 100)
    )
    nu = pm.Exponential("nu", 0.1)
    pm.StudentT("returns", nu=nu, lam=np.exp(-2 * volatility), observed=change, dims="time")
