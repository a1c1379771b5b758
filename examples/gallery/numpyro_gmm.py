"""A mixture of two normals with a common scale for five points, memberships summed out.

Source: github.com/pyro-ppl/numpyro, notebooks/source/gmm.ipynb, "Gaussian Mixture Model". Licence:
Apache-2.0.

Changed: the author's function is called `model`; here it is `mixture`. The membership of each point
is a discrete site that NumPyro enumerates (this needs funsor). Nothing orders the two components.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.funsor import config_enumerate

K = 2


@config_enumerate
def mixture(data):
    weights = numpyro.sample("weights", dist.Dirichlet(0.5 * jnp.ones(K)))
    scale = numpyro.sample("scale", dist.LogNormal(0.0, 2.0))
    with numpyro.plate("components", K):
        locs = numpyro.sample("locs", dist.Normal(0.0, 10.0))
    with numpyro.plate("data", len(data)):
        assignment = numpyro.sample("assignment", dist.Categorical(weights))
        numpyro.sample("obs", dist.Normal(locs[assignment], scale), obs=data)


model = partial(mixture, data=np.array([0.0, 1.0, 10.0, 11.0, 12.0]))
