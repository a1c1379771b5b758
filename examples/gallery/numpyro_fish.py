"""Fish caught by groups of visitors to a park: Poisson counts with too many zeros.

Source: github.com/pyro-ppl/numpyro, examples/zero_inflated_poisson.py, "Example: Zero-Inflated
Poisson regression model". Licence: Apache-2.0.

Changed: the original downloads 250 groups; here 80 are simulated with a fixed seed. The author's
function is called `model`; here it is `zero_inflated`.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist


def zero_inflated(X, Y):
    D_X = X.shape[1]
    b1 = numpyro.sample("b1", dist.Normal(0.0, 1.0).expand([D_X]).to_event(1))
    b2 = numpyro.sample("b2", dist.Normal(0.0, 1.0).expand([D_X]).to_event(1))
    q = jax.scipy.special.expit(jnp.dot(X, b1[:, None])).reshape(-1)
    lam = jnp.exp(jnp.dot(X, b2[:, None]).reshape(-1))
    with numpyro.plate("obs", X.shape[0]):
        numpyro.sample("Y", dist.ZeroInflatedPoisson(gate=q, rate=lam), obs=Y)


rng = np.random.default_rng(250)
livebait, camper = rng.binomial(1, 0.85, 80), rng.binomial(1, 0.6, 80)
persons = rng.integers(1, 5, 80)
child = rng.binomial(persons - 1, 0.4)
X = np.column_stack([livebait, camper, persons, child, np.ones(80)]).astype(float)
fishes = rng.random(80) > 1 / (1 + np.exp(0.5 * persons - 1.5 * child))
Y = rng.poisson(np.exp(X @ [1.2, 0.6, 0.6, -1.0, -2.0])) * fishes
model = partial(zero_inflated, X=X, Y=Y)
