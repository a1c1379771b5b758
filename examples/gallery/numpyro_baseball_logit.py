"""Batting averages of 18 players: binomial counts with normal log odds.

Source: github.com/pyro-ppl/numpyro, examples/baseball.py, "Example: Baseball Batting Average",
`partially_pooled_with_logit`. Licence: Apache-2.0.

Changed: the data of Efron and Morris (1975) are written out instead of downloaded.
"""

from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist


def partially_pooled_with_logit(at_bats, hits=None):
    loc = numpyro.sample("loc", dist.Normal(-1, 1))
    scale = numpyro.sample("scale", dist.HalfCauchy(1))
    with numpyro.plate("num_players", at_bats.shape[0]):
        alpha = numpyro.sample("alpha", dist.Normal(loc, scale))
        return numpyro.sample("obs", dist.Binomial(at_bats, logits=alpha), obs=hits)


hits = np.array([18, 17, 16, 15, 14, 14, 13, 12, 11, 11, 10, 10, 10, 10, 10, 9, 8, 7])
model = partial(partially_pooled_with_logit, at_bats=np.full(18, 45), hits=hits)
