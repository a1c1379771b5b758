"""Language scores of children with hearing loss: regression with a regularised horseshoe.

Source: github.com/pymc-devs/pymc, docs/source/learn/core_notebooks/pymc_overview.ipynb,
"Introductory Overview of PyMC", case study 1, `test_score_model`. Licence: Apache-2.0.

Changed: the original reads 101 complete rows of 9 predictors from a file; here 60 rows are
simulated with a fixed seed, and standardised as there.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

N, D = 60, 9
D0 = D // 2
predictors = ["male", "siblings", "family_inv", "non_english", "prev_disab"]
predictors += ["age_test", "non_severe_hl", "mother_hs", "early_ident"]

rng = np.random.default_rng(101)
X = rng.normal(size=(N, D))
X = (X - X.mean(axis=0)) / X.std(axis=0, ddof=1)
y = rng.normal(85 + X @ np.array([0, -3, -8, -4, 0, 0, 6, 0, 5]), 20)

with pm.Model(coords={"predictors": predictors}) as model:
    sigma = pm.HalfNormal("sigma", 25)
    tau = pm.HalfStudentT("tau", 2, D0 / (D - D0) * sigma / np.sqrt(N))
    lam = pm.HalfStudentT("lam", 5, dims="predictors")
    c2 = pm.InverseGamma("c2", 1, 1)
    z = pm.Normal("z", 0.0, 1.0, dims="predictors")
    shrunk = z * tau * lam * pt.sqrt(c2 / (c2 + tau**2 * lam**2))
    beta = pm.Deterministic("beta", shrunk, dims="predictors")
    beta0 = pm.Normal("beta0", 100, 25.0)
    pm.Normal("scores", beta0 + pt.dot(X, beta), sigma, observed=y)
