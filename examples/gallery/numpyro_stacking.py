"""Weights of candidate models that depend on covariates: Bayesian hierarchical stacking.

Source: github.com/pyro-ppl/numpyro, notebooks/source/bayesian_hierarchical_stacking.ipynb,
"Bayesian Hierarchical Stacking: Well Switching Case Study", `stacking`, after Yao, Pirš, Vehtari
and Gelman (2022). Licence: Apache-2.0.

Changed: the leave-one-out densities of the original come from six fits to the wells of Bangladesh;
here they are simulated with a fixed seed, for 60 wells, three models, two discrete and two
continuous covariates. The part for a test set is left out. The data enter through
`numpyro.factor`: there is no distribution to draw them from.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist


def stacking(X, d_discrete, lpd_point, tau_mu, tau_sigma):
    N, d = X.shape
    K = lpd_point.shape[1]

    with numpyro.plate("Candidate models", K - 1, dim=-2):
        mu = numpyro.sample("mu", dist.Normal(0, tau_mu))
        sigma = numpyro.sample("sigma", dist.HalfNormal(scale=tau_sigma))
        with numpyro.plate("Discrete features", d_discrete, dim=-1):
            tau = numpyro.sample("tau", dist.Normal(0, 1))
        with numpyro.plate("Continuous features", d - d_discrete, dim=-1):
            beta_con = numpyro.sample("beta_con", dist.Normal(0, 1))

    discrete = (sigma.squeeze() * tau.T + mu.squeeze()).T
    beta = numpyro.deterministic("beta", jnp.hstack([discrete, beta_con]))
    log_w = jax.nn.log_softmax(jnp.hstack([X @ beta.T, jnp.zeros((N, 1))]), axis=1)
    numpyro.deterministic("w", jnp.exp(log_w))
    numpyro.factor("logp", jnp.sum(jax.nn.logsumexp(lpd_point + log_w, axis=1)))


rng = np.random.default_rng(17)
school = rng.integers(0, 2, size=60)
X = np.column_stack([school == 0, school == 1, rng.normal(size=(60, 2))]).astype(float)
lpd_point = -rng.exponential(0.6, size=(60, 3))
model = partial(stacking, X=X, d_discrete=2, lpd_point=lpd_point, tau_mu=1.0, tau_sigma=0.5)
