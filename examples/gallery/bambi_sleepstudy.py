"""Reaction times of 18 people over ten days without sleep: an intercept and a slope per person.

Source: github.com/bambinos/bambi, docs/notebooks/sleepstudy.ipynb, "Hierarchical Linear Regression
(Sleepstudy dataset)"; data of Belenky et al. (2003). Licence: MIT.

Changed: the original downloads the data; here 18 people with ten days each are simulated with a
fixed seed, with about the spread of the real ones. Bambi's default priors
scale with the data.
"""

import bambi as bmb
import numpy as np
import pandas as pd

rng = np.random.default_rng(1234)
subject = np.repeat(np.arange(18), 10)
days = np.tile(np.arange(10), 18)
intercept, slope = rng.normal(251, 25, size=18), rng.normal(10.5, 6, size=18)
data = pd.DataFrame(
    {
        "Reaction": rng.normal(intercept[subject] + slope[subject] * days, 26),
        "Days": days,
        "Subject": [f"person{k + 1:02}" for k in subject],
    }
)

model = bmb.Model("Reaction ~ 1 + Days + (Days | Subject)", data)
