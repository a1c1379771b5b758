"""Linear regression with a horseshoe prior on the slopes.

Source: github.com/pyro-ppl/numpyro, examples/horseshoe_regression.py, "Example: Horseshoe
Regression", `model_normal_likelihood`, after Carvalho, Polson and Scott. Licence: Apache-2.0.

Changed: 40 rows and 8 predictors, of which three matter, instead of 100 and 32; another generator.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist


def model_normal_likelihood(X, Y):
    D_X = X.shape[1]
    lambdas = numpyro.sample("lambdas", dist.HalfCauchy(jnp.ones(D_X)))
    tau = numpyro.sample("tau", dist.HalfCauchy(jnp.ones(1)))
    unscaled_betas = numpyro.sample("unscaled_betas", dist.Normal(0.0, jnp.ones(D_X)))
    scaled_betas = numpyro.deterministic("betas", tau * lambdas * unscaled_betas)
    prec_obs = numpyro.sample("prec_obs", dist.Gamma(3.0, 1.0))
    sigma_obs = 1.0 / jnp.sqrt(prec_obs)
    numpyro.sample("Y", dist.Normal(jnp.dot(X, scaled_betas), sigma_obs), obs=Y)


rng = np.random.default_rng(0)
X = rng.normal(size=(40, 8))
signal = X[:, :3] @ np.array([2.0, -1.0, 0.5])
Y = signal - signal.mean() + 0.05 * rng.normal(size=40)
model = partial(model_normal_likelihood, X=X, Y=Y)
