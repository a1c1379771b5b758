"""Ordered logit with flat cutpoints: a prior that is not a distribution.

Source: github.com/pyro-ppl/numpyro, notebooks/source/ordinal_regression.ipynb, "Ordinal
Regression", `model1`. Licence: Apache-2.0.

Changed: the 50 points come from another generator. The author shows this model as the one to avoid:
the cutpoints have an improper uniform prior.
"""

from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.distributions import constraints


def model1(X, Y, nclasses=3):
    b_X_eta = numpyro.sample("b_X_eta", dist.Normal(0, 5))
    flat = dist.ImproperUniform(
        support=constraints.ordered_vector, batch_shape=(), event_shape=(nclasses - 1,)
    )
    c_y = numpyro.sample("c_y", flat)
    with numpyro.plate("obs", X.shape[0]):
        numpyro.sample("Y", dist.OrderedLogistic(X * b_X_eta, c_y), obs=Y)


rng = np.random.default_rng(1)
Y = rng.integers(0, 3, size=50)
X = rng.normal(size=50) + Y
model = partial(model1, X=X, Y=Y, nclasses=3)
