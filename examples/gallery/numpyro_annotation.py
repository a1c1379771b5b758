"""Several annotators put items into classes: the Dawid-Skene model, true classes summed out.

Source: github.com/pyro-ppl/numpyro, examples/annotation.py, "Example: Bayesian Models of
Annotation", `dawid_skene`, after Paun et al. (2018). Licence: Apache-2.0.

Changed: 20 items, 3 classes and 3 annotators, the first of whom looks twice, simulated with a fixed
seed, instead of 45 items, 4 classes and 5 annotators. The true class `c` is a discrete site that
NumPyro enumerates (this needs funsor). The numbers of classes and annotators are read from the
data.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.ops.indexing import Vindex


def dawid_skene(positions, annotations):
    num_annotators = int(np.max(positions)) + 1
    num_classes = int(np.max(annotations)) + 1
    num_items, num_positions = annotations.shape
    uniform = dist.Dirichlet(jnp.ones(num_classes))

    with (
        numpyro.plate("annotator", num_annotators, dim=-2),
        numpyro.plate("class", num_classes),
    ):
        beta = numpyro.sample("beta", uniform)
    pi = numpyro.sample("pi", uniform)

    with numpyro.plate("item", num_items, dim=-2):
        c = numpyro.sample("c", dist.Categorical(pi), infer={"enumerate": "parallel"})
        with numpyro.plate("position", num_positions):
            probs = Vindex(beta)[positions, c, :]
            numpyro.sample("y", dist.Categorical(probs), obs=annotations)


rng = np.random.default_rng(45)
true_class = rng.choice(3, size=20, p=[0.4, 0.4, 0.2])
right = rng.random((20, 4)) < np.array([0.85, 0.85, 0.7, 0.8])
annotations = np.where(right, true_class[:, None], rng.integers(0, 3, size=(20, 4)))
model = partial(dawid_skene, positions=np.array([0, 0, 1, 2]), annotations=annotations)
