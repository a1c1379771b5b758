"""Batting averages of 18 players, and of one more who has only four at-bats.

Source: github.com/pymc-devs/pymc-examples,
examples/case_studies/hierarchical_partial_pooling.myst.md, "Hierarchical Partial Pooling", model
`baseball_model`. Licence: MIT.

Changed: the data of Efron and Morris (1975) are written out instead of downloaded, with surnames
for the players.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

hits = np.array([18, 17, 16, 15, 14, 14, 13, 12, 11, 11, 10, 10, 10, 10, 10, 9, 8, 7])
at_bats = np.full(18, 45)
players = [
    "Clemente",
    "F.Robinson",
    "F.Howard",
    "Johnstone",
    "Berry",
    "Spencer",
    "Kessinger",
    "Alvarado",
    "Santo",
    "Swoboda",
    "Unser",
    "Williams",
    "Scott",
    "Petrocelli",
    "E.Rodriguez",
    "Campaneris",
    "Munson",
    "Alvis",
]

with pm.Model(coords={"player_names": players}) as model:
    phi = pm.Uniform("phi", lower=0.0, upper=1.0)
    kappa_log = pm.Exponential("kappa_log", lam=1.5)
    kappa = pm.Deterministic("kappa", pt.exp(kappa_log))

    theta = pm.Beta("theta", alpha=phi * kappa, beta=(1.0 - phi) * kappa, dims="player_names")
    pm.Binomial("y", n=at_bats, p=theta, dims="player_names", observed=hits)

    theta_new = pm.Beta("theta_new", alpha=phi * kappa, beta=(1.0 - phi) * kappa)
    pm.Binomial("y_new", n=4, p=theta_new, observed=0)
