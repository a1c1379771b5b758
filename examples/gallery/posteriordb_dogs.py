"""Dogs that learn to jump away from a shock: a logistic regression on their own past.

Source: github.com/stan-dev/posteriordb, posterior_database/models/stan/dogs.stan, after Gelman and
Hill (2007), chapter 24; data of Solomon and Wynne (1953). Licence: BSD-3-Clause.

Changed: written in PyMC instead of Stan; 10 dogs with 25 trials, simulated with a fixed seed,
instead of 30. `n_avoid` and `n_shock` count a dog's earlier outcomes in the data, so a forward draw
of `y` does not feed back into them.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(24)
n_dogs, n_trials = 10, 25
y = np.ones((n_dogs, n_trials), dtype=int)
for t in range(n_trials):
    shocks = y[:, :t].sum(axis=1)
    y[:, t] = rng.random(n_dogs) < 1 / (1 + np.exp(-1.8 + 0.35 * (t - shocks) + 0.2 * shocks))
n_shock = np.cumsum(y, axis=1) - y
n_avoid = np.arange(n_trials) - n_shock

with pm.Model() as model:
    beta = pm.Normal("beta", 0, 100, shape=3)
    p = beta[0] + beta[1] * n_avoid + beta[2] * n_shock
    pm.Bernoulli("y", logit_p=p, observed=y)
