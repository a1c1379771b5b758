"""Ratings of managers on an ordered scale, with ordered normal cutpoints (ordered logit).

Source: github.com/pymc-devs/pymc-examples,
examples/generalized_linear_models/GLM-ordinal-regression.myst.md, "Regression Models with Ordered
Categorical Outcomes", `make_model` with model_spec=3. Licence: MIT.

Changed: 80 simulated ratings instead of 500, counted from the lowest one that occurs. The name
of the transform, `univariate_ordered` in the original, is now `ordered`. It orders the cutpoints in
the fit only: forward draws from their prior may be out of order.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(42)
salary = rng.normal(40, 10, 80)
work_sat = rng.beta(1, 0.4, 80)
work_from_home = rng.binomial(1, 0.7, 80)
latent_rating = 0.08423 * salary + 0.2 * work_sat + 1.4 * work_from_home + rng.normal(size=80)
explicit_rating = np.unique(np.round(latent_rating), return_inverse=True)[1]
K = explicit_rating.max() + 1

with pm.Model() as model:
    sigma = pm.Exponential("sigma", 1)
    cutpoints = pm.Normal(
        "cutpoints",
        mu=np.linspace(0, K, K - 1),
        sigma=sigma,
        transform=pm.distributions.transforms.ordered,
    )
    beta = pm.Normal("beta", 0, 1, size=3)
    mu = pm.Deterministic("mu", beta[0] * salary + beta[1] * work_sat + beta[2] * work_from_home)
    pm.OrderedLogistic("y", cutpoints=cutpoints, eta=mu, observed=explicit_rating)
