"""Weak data, around which the centred model fails, and which its prior hardly ever makes.

Säilynoja, Schmitt, Bürkner, Vehtari (2025), arXiv:2502.03279: 50 groups of 5, with groups that
differ far less (sd 0.06) than their members (sd 1.96).

    uv run hiercal run examples/weak_data.py:model
    uv run hiercal run examples/weak_data.py:model --around
"""

from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist

GROUPS, EACH = 50, 5


def hierarchy(y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    sigma = numpyro.sample("sigma", dist.HalfNormal(1))
    with numpyro.plate("group", GROUPS, dim=-1):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        with numpyro.plate("member", EACH, dim=-2):
            numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


def data(tau, sigma):
    rng = np.random.default_rng(1)
    return rng.normal(rng.normal(0, tau, size=GROUPS), sigma, size=(EACH, GROUPS))


model = partial(hierarchy, y=data(tau=0.06, sigma=1.96))
strong = partial(hierarchy, y=data(tau=1.96, sigma=0.06))
