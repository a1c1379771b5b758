"""Days of absence of pupils in three programmes: negative binomial counts.

Source: github.com/bambinos/bambi, docs/notebooks/negative_binomial.ipynb, "Negative Binomial
Regression (Students absence example)", the additive model. Licence: MIT.

Changed: the original downloads 314 pupils; here 80 are simulated with a fixed seed.
"""

import bambi as bmb
import numpy as np
import pandas as pd

rng = np.random.default_rng(314)
code = rng.choice(3, size=80, p=[0.13, 0.53, 0.34])
mathematics = np.clip(rng.normal(48, 25, size=80), 1, 99).round()
mean = np.exp(np.array([2.4, 2.0, 1.1])[code] - 0.15 * (mathematics - 48) / 25)
data = pd.DataFrame(
    {
        "daysabs": rng.poisson(mean * rng.gamma(1.0, 1.0, size=80)),
        "prog": pd.Categorical.from_codes(code, ["General", "Academic", "Vocational"]),
        "math": mathematics,
    }
)

model = bmb.Model("daysabs ~ 0 + prog + scale(math)", data, family="negativebinomial")
