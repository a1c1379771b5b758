"""A smooth curve with outliers: a latent Gaussian process with Student-t noise.

Source: github.com/pymc-devs/pymc-examples, examples/gaussian_processes/GP-Latent.myst.md,
"Gaussian Processes: Latent Variable Implementation", example 1. Licence: MIT.

Changed: 25 simulated points instead of 50. PyMC itself writes `f` as a rotation of standard normals
named `f_rotated_`.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(8998)
X = np.linspace(0, 10, 25)[:, None]
K = 16 * np.exp(-((X - X.T) ** 2) / 2)
y = rng.multivariate_normal(np.zeros(25), K) + rng.standard_t(5, size=25)

with pm.Model() as model:
    ell = pm.Gamma("ell", alpha=2, beta=1)
    eta = pm.HalfNormal("eta", sigma=5)
    cov = eta**2 * pm.gp.cov.ExpQuad(1, ell)
    gp = pm.gp.Latent(cov_func=cov)
    f = gp.prior("f", X=X)

    sigma = pm.HalfNormal("sigma", sigma=2.0)
    nu = 1 + pm.Gamma("nu", alpha=2, beta=0.1)
    pm.StudentT("y", mu=f, lam=1.0 / sigma, nu=nu, observed=y)
