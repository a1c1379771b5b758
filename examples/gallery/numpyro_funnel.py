"""Neal's funnel: a distribution with a narrow neck, and no data at all.

Source: github.com/pyro-ppl/numpyro, examples/funnel.py, "Example: Neal's Funnel", the centred
model. Licence: Apache-2.0.

Changed: nothing but the name of the function. Nothing is observed, so there is nothing to simulate.
"""

import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist


def model(dim=10):
    y = numpyro.sample("y", dist.Normal(0, 3))
    numpyro.sample("x", dist.Normal(jnp.zeros(dim - 1), jnp.exp(y / 2)))
