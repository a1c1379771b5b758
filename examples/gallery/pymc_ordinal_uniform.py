"""Ratings of managers on an ordered scale, with uniform spacings between cutpoints (ordered logit).

Source: github.com/pymc-devs/pymc-examples,
examples/generalized_linear_models/GLM-ordinal-regression.myst.md, "Regression Models with Ordered
Categorical Outcomes", `make_model` with model_spec=3 and constrained_uniform=True. Licence: MIT.

Changed: 80 simulated ratings instead of 500, counted from the lowest one that occurs.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

rng = np.random.default_rng(42)
salary = rng.normal(40, 10, 80)
work_sat = rng.beta(1, 0.4, 80)
work_from_home = rng.binomial(1, 0.7, 80)
latent_rating = 0.08423 * salary + 0.2 * work_sat + 1.4 * work_from_home + rng.normal(size=80)
explicit_rating = np.unique(np.round(latent_rating), return_inverse=True)[1]
K = explicit_rating.max() + 1

with pm.Model() as model:
    spacings = pm.Dirichlet("cuts_unknown", a=np.ones(K - 2))
    cutpoints = pm.Deterministic(
        "cutpoints", pt.concatenate([np.zeros(1), pt.cumsum(spacings) * K])
    )
    beta = pm.Normal("beta", 0, 1, size=3)
    mu = pm.Deterministic("mu", beta[0] * salary + beta[1] * work_sat + beta[2] * work_from_home)
    pm.OrderedLogistic("y", cutpoints=cutpoints, eta=mu, observed=explicit_rating)
