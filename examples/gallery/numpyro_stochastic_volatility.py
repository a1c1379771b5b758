"""Daily returns of a share index, whose log volatility is a random walk.

Source: github.com/pyro-ppl/numpyro, examples/stochastic_volatility.py, "Example: Stochastic
Volatility". Licence: Apache-2.0.

Changed: 60 days simulated with a fixed seed instead of the years of the S&P 500. The author's
function is called `model`; here it is `stochastic_volatility`.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist


def stochastic_volatility(returns):
    step_size = numpyro.sample("sigma", dist.Exponential(50.0))
    walk = dist.GaussianRandomWalk(scale=step_size, num_steps=jnp.shape(returns)[0])
    s = numpyro.sample("s", walk)
    nu = numpyro.sample("nu", dist.Exponential(0.1))
    return numpyro.sample("r", dist.StudentT(df=nu, loc=0.0, scale=jnp.exp(s)), obs=returns)


rng = np.random.default_rng(21)
log_volatility = -0.5 + np.cumsum(rng.normal(0, 0.1, size=60))
returns = np.exp(log_volatility) * rng.standard_t(10, size=60)
model = partial(stochastic_volatility, returns=returns)
