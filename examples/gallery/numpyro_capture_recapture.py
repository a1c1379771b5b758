"""Animals that are caught, marked and caught again: survival and recapture (Cormack-Jolly-Seber).

Source: github.com/pyro-ppl/numpyro, examples/capture_recapture.py, "Example: CJS Capture-Recapture
Model for Ecological Data", `model_1`. Licence: Apache-2.0.

Changed: 40 animals over 7 periods, simulated with a fixed seed, instead of the 294 European
dippers. The argument `sex`, which this model does not use, is left out, and the first state is a
default integer instead of int32, so that the `scan` also runs in 64 bits. Whether an animal lives
is a discrete site inside the `scan`, which NumPyro enumerates (this needs funsor). A mask drops the
periods before the first capture: it is computed from the data.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.contrib.control_flow import scan


def model_1(capture_history):
    N, _ = capture_history.shape
    phi = numpyro.sample("phi", dist.Uniform(0.0, 1.0))
    rho = numpyro.sample("rho", dist.Uniform(0.0, 1.0))

    def transition_fn(carry, y):
        first_capture_mask, z = carry
        with (
            numpyro.plate("animals", N, dim=-1),
            handlers.mask(mask=first_capture_mask),
        ):
            mu_z_t = first_capture_mask * phi * z + (1 - first_capture_mask)
            alive = dist.Bernoulli(dist.util.clamp_probs(mu_z_t))
            z = numpyro.sample("z", alive, infer={"enumerate": "parallel"})
            numpyro.sample("y", dist.Bernoulli(dist.util.clamp_probs(rho * z)), obs=y)
        return (first_capture_mask | y.astype(bool), z), None

    z = jnp.ones(N, dtype=int)
    first_capture_mask = capture_history[:, 0].astype(bool)
    scan(transition_fn, (first_capture_mask, z), jnp.swapaxes(capture_history[:, 1:], 0, 1))


rng = np.random.default_rng(294)
first = rng.integers(0, 6, size=40)
capture_history = np.zeros((40, 7), dtype=int)
for animal, start in enumerate(first):
    capture_history[animal, start] = 1
    lives = np.cumprod(rng.random(6 - start) < 0.6)
    capture_history[animal, start + 1 :] = lives * (rng.random(6 - start) < 0.9)
model = partial(model_1, capture_history=capture_history)
