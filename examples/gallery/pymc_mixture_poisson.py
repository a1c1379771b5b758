"""A mixture of two Poisson counts. Nothing orders the two, so their labels can be exchanged.

Source: PyMC documentation, `pymc.Mixture` (github.com/pymc-devs/pymc,
pymc/distributions/mixture.py), first example, "Mixture of 2 Poisson variables". Licence:
Apache-2.0.

Changed: the example leaves the data open; here 60 counts are simulated with a fixed seed.
"""

import numpy as np
import pymc as pm

rng = np.random.default_rng(20)
data = rng.poisson(np.where(rng.random(60) < 0.4, 0.5, 4.0))

with pm.Model() as model:
    w = pm.Dirichlet("w", a=np.array([1, 1]))
    lam1 = pm.Exponential("lam1", lam=1)
    lam2 = pm.Exponential("lam2", lam=1)
    components = [pm.Poisson.dist(mu=lam1), pm.Poisson.dist(mu=lam2)]
    pm.Mixture("like", w=w, comp_dists=components, observed=data)
