"""A normal sample that is cut off below 3 and above 16; the censored part is integrated out.

Source: github.com/pymc-devs/pymc-examples, examples/survival_analysis/censored_data.myst.md,
"Censored Data Models", model 2, `unimputed_censored_model`. Licence: MIT.

Changed: 100 simulated values instead of 500.
"""

import numpy as np
import pymc as pm

low, high = 3.0, 16.0
rng = np.random.default_rng(1234)
censored = np.clip(rng.normal(13.0, 5.0, size=100), low, high)

with pm.Model() as model:
    mu = pm.Normal("mu", mu=0.0, sigma=(high - low) / 2.0)
    sigma = pm.HalfNormal("sigma", sigma=(high - low) / 2.0)
    y_latent = pm.Normal.dist(mu=mu, sigma=sigma)
    pm.Censored("obs", y_latent, lower=low, upper=high, observed=censored)
