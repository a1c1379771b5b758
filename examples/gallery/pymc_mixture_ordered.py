"""A mixture of three normals, whose means are kept in order by a transform.

Source: github.com/pymc-devs/pymc-examples, examples/mixture_models/gaussian_mixture_model.myst.md,
"Gaussian Mixture Model". Licence: MIT.

Changed: 90 simulated points instead of 500. The transform orders the means in the fit only: forward
draws from the prior of `μ` are not ordered.
"""

import numpy as np
import pymc as pm

k = 3
rng = np.random.default_rng(8927)
idx = rng.integers(0, k, 90)
x = rng.normal(np.array([-5, 0, 5])[idx], np.array([0.5, 2.0, 0.75])[idx])

with pm.Model(coords={"cluster": range(k)}) as model:
    μ = pm.Normal(
        "μ",
        mu=0,
        sigma=5,
        transform=pm.distributions.transforms.ordered,
        initval=[-4, 0, 4],
        dims="cluster",
    )
    σ = pm.HalfNormal("σ", sigma=1, dims="cluster")
    weights = pm.Dirichlet("w", np.ones(k), dims="cluster")
    pm.NormalMixture("x", w=weights, mu=μ, sigma=σ, observed=x)
