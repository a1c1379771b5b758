"""Eight schools, not centred, as posteriordb has it in PyMC3.

Source: github.com/stan-dev/posteriordb, posterior_database/models/pymc3/
eight_schools_noncentered.py; data of Rubin (1981). Licence: BSD-3-Clause.

Changed: the names of PyMC 3 to those of today (`sd` to `sigma`). The prior of `tau` is a whole
Cauchy, as written there: the Stan file beside it has `tau` positive. The signs of `tau` and
`theta_trans` can thus be exchanged.
"""

import numpy as np
import pymc as pm

y_obs = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
sigma = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])

with pm.Model() as model:
    mu = pm.Normal("mu", mu=0, sigma=5)
    tau = pm.Cauchy("tau", alpha=0, beta=5)
    theta_trans = pm.Normal("theta_trans", mu=0, sigma=1, shape=8)
    theta = mu + tau * theta_trans
    pm.Normal("y", mu=theta, sigma=sigma, observed=y_obs)
