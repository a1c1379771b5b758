"""Sneezes per day, by alcohol and by missed medicine: a Poisson regression with an interaction.

Source: github.com/pymc-devs/pymc-examples,
examples/generalized_linear_models/GLM-poisson-regression.myst.md, "GLM: Poisson Regression", model
`mdl_fish`. Licence: MIT.

Changed: 30 simulated days for each of the four cases instead of 1000; the columns of the design
are written out instead of taken from formulae. The priors are the author's, and wide: the expected
count of a day with both reaches exp(40) now and then, so some prior draws cannot be simulated.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(8927)
q = 30
alcohol = np.repeat([0, 1, 0, 1], q)
nomeds = np.repeat([0, 0, 1, 1], q)
nsneeze = rng.poisson(np.repeat([1, 3, 6, 36], q))

with pm.Model() as model:
    b0 = pm.Normal("Intercept", mu=0, sigma=10)
    b1 = pm.Normal("alcohol", mu=0, sigma=10)
    b2 = pm.Normal("nomeds", mu=0, sigma=10)
    b3 = pm.Normal("alcohol:nomeds", mu=0, sigma=10)

    theta = b0 + b1 * alcohol + b2 * nomeds + b3 * alcohol * nomeds
    pm.Poisson("y", mu=pm.math.exp(theta), observed=nsneeze)
