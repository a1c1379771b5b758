"""Tumours in 71 groups of rats: binomial counts with a beta population of rates.

Source: github.com/pymc-devs/pymc-examples,
examples/generalized_linear_models/GLM-hierarchical-binomial-model.myst.md, "Hierarchical Binomial
Model: Rat Tumor Example", after Gelman et al., Bayesian Data Analysis, chapter 5. Licence: MIT.

Changed: nothing in the model. Its prior of (alpha, beta) is a half-normal times a `pm.Potential`,
so it cannot be drawn from forwards. Data: Tarone (1982), as printed in the book.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

# fmt: off
y = np.array([
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2,
    1, 5, 2, 5, 3, 2, 7, 7, 3, 3, 2, 9, 10, 4, 4, 4, 4, 4, 4, 4, 10, 4, 4, 4, 5, 11, 12, 5, 5, 6,
    5, 6, 6, 6, 6, 16, 15, 15, 9, 4,
])
n = np.array([
    20, 20, 20, 20, 20, 20, 20, 19, 19, 19, 19, 18, 18, 17, 20, 20, 20, 20, 19, 19, 18, 18, 25, 24,
    23, 20, 20, 20, 20, 20, 20, 10, 49, 19, 46, 27, 17, 49, 47, 20, 20, 13, 48, 50, 20, 20, 20, 20,
    20, 20, 20, 48, 19, 19, 19, 22, 46, 49, 20, 20, 23, 19, 22, 20, 20, 20, 52, 46, 47, 24, 14,
])
# fmt: on

with pm.Model(coords={"obs_id": np.arange(len(n)), "param": ["alpha", "beta"]}) as model:
    n_val = pm.Data("n_val", n)
    ab = pm.HalfNormal("ab", sigma=10, dims="param")
    pm.Potential("p(a, b)", pt.log(pt.pow(pt.sum(ab), -5 / 2)))

    X = pm.Deterministic("X", pt.log(ab[0] / ab[1]))
    Z = pm.Deterministic("Z", pt.log(pt.sum(ab)))

    theta = pm.Beta("theta", alpha=ab[0], beta=ab[1], dims="obs_id")
    pm.Binomial("y", p=theta, observed=y, n=n_val)
