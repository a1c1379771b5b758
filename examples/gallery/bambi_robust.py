"""A straight line through points with three outliers, with Student-t errors.

Source: Bambi documentation, docs/notebooks/t_regression, "Robust Linear Regression"
(github.com/bambinos/bambi). Licence: MIT.

Changed: 60 simulated points instead of 100, besides the three outliers.
"""

import bambi as bmb
import numpy as np
import pandas as pd

rng = np.random.default_rng(8927)
x = np.linspace(0, 1, 60)
y = rng.normal(1 + 2 * x, 0.5)
data = pd.DataFrame({"x": np.append(x, [0.1, 0.15, 0.2]), "y": np.append(y, [8, 6, 9])})

model = bmb.Model("y ~ x", data, family="t")
model.set_priors({"nu": bmb.Prior("Gamma", alpha=3, beta=1)})
