"""Batting averages of 15 players: a binomial model with an effect per player, by Bambi's defaults.

Source: github.com/bambinos/bambi, docs/notebooks/hierarchical_binomial_bambi.ipynb, "Hierarchical
Logistic regression with Binomial family", the hierarchical model. Licence: MIT.

Changed: the original takes 15 players of 2016 from the Baseball Databank; here hits and at-bats are
simulated with a fixed seed.
"""

import bambi as bmb
import numpy as np
import pandas as pd

rng = np.random.default_rng(1234)
at_bats = rng.integers(1, 625, size=15)
average = 1 / (1 + np.exp(-rng.normal(-1.2, 0.3, size=15)))
df = pd.DataFrame(
    {
        "playerID": [f"player{k + 1:02}" for k in range(15)],
        "AB": at_bats,
        "H": rng.binomial(at_bats, average),
    }
)

model = bmb.Model("p(H, AB) ~ 1 + (1|playerID)", df, family="binomial")
