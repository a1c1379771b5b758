"""Points in the Six Nations rugby: attack and defence of each team, and playing at home.

Source: github.com/pymc-devs/pymc-examples, examples/case_studies/rugby_analytics.myst.md,
"A Hierarchical model for Rugby prediction", after Baio and Blangiardo (2010). Licence: MIT.

Changed: the original reads the 60 matches of 2014 to 2017 from a file; here the same 60 pairings
(each pair once a year, the ground alternating) have points simulated with a fixed seed. As in the
original, the likelihood indexes by the arrays and not by the two `pm.Data`.
"""

from itertools import combinations

import numpy as np
import pymc as pm
import pytensor.tensor as pt

teams = ["England", "France", "Ireland", "Italy", "Scotland", "Wales"]
pairs = [
    (i, j)[:: 1 if (year + i + j) % 2 else -1]
    for year in range(4)
    for i, j in combinations(range(6), 2)
]
home_idx, away_idx = np.array(pairs).T

rng = np.random.default_rng(2014)
attack = np.array([0.25, -0.1, 0.1, -0.35, -0.05, 0.15])
defence = np.array([-0.2, -0.05, -0.35, 0.55, 0.15, -0.1])
home_score = rng.poisson(np.exp(2.9 + 0.2 + attack[home_idx] + defence[away_idx]))
away_score = rng.poisson(np.exp(2.9 + attack[away_idx] + defence[home_idx]))

with pm.Model(coords={"team": teams}) as model:
    home_team = pm.Data("home_team", home_idx, dims="match")
    away_team = pm.Data("away_team", away_idx, dims="match")

    home = pm.Normal("home", mu=0, sigma=1)
    sd_att = pm.HalfNormal("sd_att", sigma=2)
    sd_def = pm.HalfNormal("sd_def", sigma=2)
    intercept = pm.Normal("intercept", mu=3, sigma=1)

    atts_star = pm.Normal("atts_star", mu=0, sigma=sd_att, dims="team")
    defs_star = pm.Normal("defs_star", mu=0, sigma=sd_def, dims="team")
    atts = pm.Deterministic("atts", atts_star - pt.mean(atts_star), dims="team")
    defs = pm.Deterministic("defs", defs_star - pt.mean(defs_star), dims="team")

    home_theta = pt.exp(intercept + home + atts[home_idx] + defs[away_idx])
    away_theta = pt.exp(intercept + atts[away_idx] + defs[home_idx])
    pm.Poisson("home_points", mu=home_theta, observed=home_score, dims="match")
    pm.Poisson("away_points", mu=away_theta, observed=away_score, dims="match")
