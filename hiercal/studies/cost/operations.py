"""Operations of a log density and its gradient, counted in the programs that the libraries make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hiercal.simulators._catalogue_story import CatalogueStory


def in_numpyro(story: CatalogueStory, model: str, data: Mapping[str, np.ndarray]) -> float:
    """Floating-point operations of NumPyro's potential energy and its gradient.

    XLA's own count of the program that JAX hands it, transcendental functions counted as one each.
    Nothing is compiled or run, so that the count is the same on every machine.
    """
    import jax
    import numpyro
    from numpyro.infer.util import initialize_model

    numpyro.enable_x64()
    made = initialize_model(
        jax.random.key(0), story.numpyro_model(model), model_kwargs=dict(data), dynamic_args=True
    )
    gradient = jax.jit(lambda z, given: jax.value_and_grad(made.potential_fn(**given))(z))
    cost: Any = gradient.lower(made.param_info.z, dict(data)).cost_analysis()
    return float(cost["flops"] + cost.get("transcendentals", 0.0))


def in_pymc(story: CatalogueStory, model: str, data: Mapping[str, np.ndarray]) -> float:
    """Elements computed by PyMC's log density and its gradient.

    Those of every node of PyTensor's graph, rewritten but not fused: an elementwise operation
    counts its output, a sum its input, whatever moves values about its output.
    """
    import pytensor
    import pytensor.tensor as pt
    from pytensor.graph.rewriting.utils import rewrite_graph
    from pytensor.graph.traversal import applys_between
    from pytensor.tensor.elemwise import CAReduce

    made = story.pymc_model(data, model)
    density: Any = made.logp()
    gradient: Any = pytensor.grad(density, made.value_vars)
    stages = ("canonicalize", "stabilize", "specialize")
    wanted: Any = rewrite_graph([density, *gradient], include=stages)
    counted = [
        node.inputs[0] if isinstance(node.op, CAReduce) else node.outputs[0]
        for node in applys_between(made.value_vars, wanted)
    ]
    sizes = [value.size for value in counted if isinstance(value, pt.TensorVariable)]
    count = pytensor.function(made.value_vars, sizes, mode="FAST_COMPILE", on_unused_input="ignore")
    point = made.initial_point()
    return float(sum(count(*(point[value.name] for value in made.value_vars))))


COUNTS: dict[str, Callable[[CatalogueStory, str, Mapping[str, np.ndarray]], float]] = {
    "numpyro": in_numpyro,
    "pymc": in_pymc,
}
"""What is counted, by library."""
