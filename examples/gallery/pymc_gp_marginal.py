"""A smooth curve with normal noise: a Gaussian process that is integrated out.

Source: github.com/pymc-devs/pymc-examples, examples/gaussian_processes/GP-Marginal.myst.md,
"Marginal Likelihood Implementation", first example. Licence: MIT.

Changed: 30 simulated points instead of 100, about a sine wave instead of a draw of the process.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(1)
X = np.linspace(0, 10, 30)[:, None]
y = rng.normal(3 * np.sin(X[:, 0]), 2.0)

with pm.Model() as model:
    ell = pm.Gamma("ell", alpha=2, beta=1)
    eta = pm.HalfCauchy("eta", beta=5)
    cov = eta**2 * pm.gp.cov.Matern52(1, ell)
    gp = pm.gp.Marginal(cov_func=cov)

    sigma = pm.HalfCauchy("sigma", beta=5)
    gp.marginal_likelihood("y", X=X, y=y, sigma=sigma)
