"""A time series as an AR(2) process, written with `scan` and conditioned on the data inside.

Source: github.com/pyro-ppl/numpyro, examples/ar2.py, "Example: AR2 process", `ar2_scan`. Licence:
Apache-2.0.

Changed: 60 simulated points, from another generator. The data become a JAX array inside the model.
The site `y` is observed by a `condition` handler inside the model, and the first two values of the
data start the recursion.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan


def ar2_scan(y):
    y = jnp.asarray(y)
    alpha_1 = numpyro.sample("alpha_1", dist.Normal(0, 1))
    alpha_2 = numpyro.sample("alpha_2", dist.Normal(0, 1))
    const = numpyro.sample("const", dist.Normal(0, 1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))

    def transition(carry, _):
        y_prev, y_prev_prev = carry
        m_t = const + alpha_1 * y_prev + alpha_2 * y_prev_prev
        y_t = numpyro.sample("y", dist.Normal(m_t, sigma))
        return (y_t, y_prev), m_t

    with numpyro.handlers.condition(data={"y": y[2:]}):
        _, mu = scan(transition, (y[1], y[0]), jnp.arange(y.shape[0] - 2))
    numpyro.deterministic("mu", mu)


rng = np.random.default_rng(0)
model = partial(ar2_scan, y=np.sin(np.arange(60)) + 0.1 * rng.normal(size=60))
