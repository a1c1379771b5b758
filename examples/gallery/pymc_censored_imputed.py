"""A normal sample that is cut off below 3 and above 16; the censored values are parameters.

Source: github.com/pymc-devs/pymc-examples, examples/survival_analysis/censored_data.myst.md,
"Censored Data Models", model 1, `imputed_censored_model`. Licence: MIT.

Changed: 60 simulated values instead of 500. Transforms hold the censored values beyond the limits
in the fit only, forward draws ignore them; and the number of values of each kind is a constant.
"""

import numpy as np
import pymc as pm

low, high = 3.0, 16.0
rng = np.random.default_rng(1234)
samples = rng.normal(13.0, 5.0, size=60)
uncensored = samples[(samples > low) & (samples < high)]
n_right_censored = int(np.sum(samples >= high))
n_left_censored = int(np.sum(samples <= low))

interval = pm.distributions.transforms.Interval
with pm.Model() as model:
    mu = pm.Normal("mu", mu=((high - low) / 2) + low, sigma=(high - low))
    sigma = pm.HalfNormal("sigma", sigma=(high - low) / 2.0)
    right_censored = pm.Normal(
        "right_censored",
        mu,
        sigma,
        transform=interval(high, None),
        shape=n_right_censored,
        initval=np.full(n_right_censored, high + 1),
    )
    left_censored = pm.Normal(
        "left_censored",
        mu,
        sigma,
        transform=interval(None, low),
        shape=n_left_censored,
        initval=np.full(n_left_censored, low - 1),
    )
    pm.Normal("observed", mu=mu, sigma=sigma, observed=uncensored, shape=len(uncensored))
