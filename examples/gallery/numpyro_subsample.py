"""Logistic regression whose likelihood uses a random part of the rows at each evaluation.

Source: github.com/pyro-ppl/numpyro, examples/hmcecs.py, "Example: Hamiltonian Monte Carlo with
Energy Conserving Subsampling", after Dang et al. (2019). Licence: Apache-2.0.

Changed: 60 rows of 4 simulated covariates with parts of 20, instead of the Higgs data with parts of
1300. The author's function is called `model`; here it is `logistic`. It is written for the HMCECS
sampler; NUTS itself refuses it.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist


def logistic(data, obs, subsample_size):
    n, m = data.shape
    theta = numpyro.sample("theta", dist.Normal(jnp.zeros(m), 0.5 * jnp.ones(m)))
    with numpyro.plate("N", n, subsample_size=subsample_size):
        batch_feats = numpyro.subsample(data, event_dim=1)
        batch_obs = numpyro.subsample(obs, event_dim=0)
        likelihood = dist.Bernoulli(logits=theta @ batch_feats.T)
        numpyro.sample("obs", likelihood, obs=batch_obs)


rng = np.random.default_rng(37)
data = rng.normal(size=(60, 4))
obs = (rng.random(60) < 1 / (1 + np.exp(-data[:, 0] + 0.5 * data[:, 1]))).astype(int)
model = partial(logistic, data=data, obs=obs, subsample_size=20)
