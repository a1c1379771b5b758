"""Test scores of children, by whether the mother finished high school and by her IQ.

Source: github.com/stan-dev/posteriordb, posterior_database/models/stan/kidscore_momhsiq.stan, after
Gelman and Hill (2007), chapter 3. Licence: BSD-3-Clause.

Changed: written in PyMC instead of Stan; 60 children simulated with a fixed seed instead of 434.
The coefficients have no prior in the Stan file, which makes it flat: there is nothing to draw from.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(434)
mom_iq = rng.normal(100, 15, size=60)
mom_hs = rng.binomial(1, 0.79, size=60)
kid_score = rng.normal(26 + 6 * mom_hs + 0.56 * mom_iq, 18)

with pm.Model() as model:
    beta = pm.Flat("beta", shape=3)
    sigma = pm.HalfCauchy("sigma", 2.5)
    mu = beta[0] + beta[1] * mom_hs + beta[2] * mom_iq
    pm.Normal("kid_score", mu, sigma, observed=kid_score)
