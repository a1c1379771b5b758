"""Admissions to six departments of Berkeley in 1973, with correlated effects per department.

Source: github.com/pyro-ppl/numpyro, examples/ucbadmit.py, "Example: Generalized Linear Mixed
Models", `glmm`. Licence: Apache-2.0.

Changed: the data of Bickel, Hammel and O'Connell (1975) are written out instead of downloaded. The
original's extra site for predictions, which exists only without data, is left out.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist


def glmm(dept, male, applications, admit=None):
    v_mu = numpyro.sample("v_mu", dist.Normal(0, jnp.array([4.0, 1.0])))
    sigma = numpyro.sample("sigma", dist.HalfNormal(jnp.ones(2)))
    L_Rho = numpyro.sample("L_Rho", dist.LKJCholesky(2, concentration=2))
    scale_tril = sigma[..., jnp.newaxis] * L_Rho

    num_dept = len(np.unique(dept))
    z = numpyro.sample("z", dist.Normal(jnp.zeros((num_dept, 2)), 1))
    v = jnp.dot(scale_tril, z.T).T

    logits = v_mu[0] + v[dept, 0] + (v_mu[1] + v[dept, 1]) * male
    numpyro.sample("admit", dist.Binomial(applications, logits=logits), obs=admit)


model = partial(
    glmm,
    dept=np.repeat(np.arange(6), 2),
    male=np.tile([1, 0], 6),
    applications=np.array([825, 108, 560, 25, 325, 593, 417, 375, 191, 393, 373, 341]),
    admit=np.array([512, 89, 353, 17, 120, 202, 138, 131, 53, 94, 22, 24]),
)
