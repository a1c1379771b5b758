"""Eight schools, with the school effects not centred by a reparameterisation inside the model.

Source: github.com/pyro-ppl/numpyro, README.md, "A Simple Example - 8 Schools",
`eight_schools_noncentered`; data of Rubin (1981). Licence: Apache-2.0.

Changed: nothing.
"""

from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer.reparam import TransformReparam


def eight_schools_noncentered(J, sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("J", J):
        shift = dist.transforms.AffineTransform(mu, tau)
        effect = dist.TransformedDistribution(dist.Normal(0.0, 1.0), shift)
        with numpyro.handlers.reparam(config={"theta": TransformReparam()}):
            theta = numpyro.sample("theta", effect)
        numpyro.sample("obs", dist.Normal(theta, sigma), obs=y)


model = partial(
    eight_schools_noncentered,
    J=8,
    sigma=np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]),
    y=np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]),
)
