"""A PyMC model whose data are observed twice: as they are, and once more at the same parents."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.errors import ModelRefused
from hiercal.simulators import Simulation
from hiercal.user_models import _pymc_graph as graph
from hiercal.user_models._model_story import AGAIN, DENSITIES, finite

if TYPE_CHECKING:
    import pymc as pm

    from hiercal.user_models.pymc import PyMCStory


def twice(model: pm.Model) -> pm.Model:
    """A copy in which each observed variable is there again, as ``<name>_again``.

    Both have the same distribution and parents. The second copy has random numbers of its own, and
    its values are ``pm.Data`` named ``<name>_again_data``, at first those of the first.

    Raises
    ------
    ModelRefused
        If an observed variable has no random numbers of its own to be drawn again with.
    """
    import pytensor
    from pymc.model.fgraph import (
        ModelNamed,
        ModelObservedRV,
        fgraph_from_model,
        model_from_fgraph,
    )

    with graph.without_initial_values(model) as initial_values, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected variables likely created by GP")
        doubled, _ = fgraph_from_model(model)
    for node in [n for n in doubled.apply_nodes if isinstance(n.op, ModelObservedRV)]:
        rv, value = node.inputs
        name, dims = f"{node.op.name}{AGAIN}", node.op.dims
        values = graph.numbers(value)
        shared = pytensor.shared(values, name=f"{name}_data", shape=values.shape)
        data = ModelNamed(name=shared.name, dims=dims)(shared)
        copy: Any = ModelObservedRV(name=name, dims=dims)(_drawn_anew(rv, node.op.name), data)
        copy.name = name
        doubled.add_output(copy, import_missing=True)
    copied = model_from_fgraph(doubled, mutate_fgraph=True)
    for name, value in initial_values.items():
        if not hasattr(value, "owner"):
            copied.set_initval(copied[name], value)
    return copied


def _drawn_anew(rv: Any, name: str) -> Any:
    """A variable of the same distribution and parents, with random numbers of its own."""
    import pytensor
    from pytensor.tensor.random.type import RandomGeneratorType

    node = rv.owner
    inputs = list(node.inputs) if node is not None else []
    own = [i for i, each in enumerate(inputs) if isinstance(each.type, RandomGeneratorType)]
    if not own:
        raise ModelRefused(
            f"{name} is not drawn by a distribution of its own ({rv}), so that it cannot be drawn "
            "again; write it as one, or give a story with `replicate`"
        )
    for i in own:
        inputs[i] = pytensor.shared(np.random.default_rng(0))
    return node.op.make_node(*inputs).outputs[node.outputs.index(rv)]


def observed(story: PyMCStory) -> dict[str, np.ndarray]:
    """The values that a model observes."""
    model = _driven(story)
    return {rv.name: model[f"{rv.name}_data"].get_value() for rv in model.observed_RVs}


def latent(story: PyMCStory) -> tuple[str, ...]:
    """The variables that posterior draws must hold."""
    return tuple(rv.name for rv in _driven(story).free_RVs)


def dims(story: PyMCStory) -> tuple[dict[str, Any], frozenset[str]]:
    """Dimensions of the variables, and those that are computed from others."""
    model = _driven(story)
    computed = frozenset(d.name for d in model.deterministics) - set(DENSITIES)
    return dict(model.named_vars_to_dims), computed


def points(story: PyMCStory) -> dict[str, tuple[int, ...]]:
    """Shapes of the pointwise log likelihoods."""
    return graph.shapes_of_data(_driven(story))


def replicated(
    story: PyMCStory,
    fixed: Mapping[str, np.ndarray],
    parameters: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> Simulation:
    """Second data at given parameters, all variables and densities given both."""
    model = _driven(story)
    second = _replicates(story)(parameters, int(rng.integers(2**63)))
    data = {n: v.astype(model[f"{n}_data"].dtype) for n, v in {**fixed, **second}.items()}
    finite(second, parameters)
    truth = _completed(story)(parameters, data)
    finite({name: truth[name] for name in DENSITIES if name in truth}, parameters)
    written = [each.name for each in [*story.model.free_RVs, *story.model.deterministics]]
    return Simulation({name: truth[name] for name in dict.fromkeys([*written, *truth])}, data)


@cache
def _driven(story: PyMCStory) -> pm.Model:
    return graph.driven(story.model)


@cache
def _completed(story: PyMCStory) -> Callable[..., dict[str, np.ndarray]]:
    return graph.completed(_driven(story))


@cache
def _replicates(story: PyMCStory) -> Callable[..., dict[str, np.ndarray]]:
    from pymc.pytensorf import compile, reseed_rngs
    from pytensor.graph.replace import clone_replace
    from pytensor.tensor.random.variable import RandomGeneratorSharedVariable

    model = _driven(story)
    free = {rv.name: rv.type(rv.name) for rv in model.free_RVs}
    names = [rv.name for rv in model.observed_RVs if rv.name.endswith(AGAIN)]
    swap = {model[name]: value for name, value in free.items()}
    outputs = clone_replace([model[name] for name in names], swap)
    function = compile(list(free.values()), outputs, random_seed=0, on_unused_input="ignore")
    rngs = [v for v in function.get_shared() if isinstance(v, RandomGeneratorSharedVariable)]

    def draw(parameters: Mapping[str, Any], seed: int) -> dict[str, np.ndarray]:
        reseed_rngs(rngs, seed)
        values = function(*(np.asarray(parameters[n], v.dtype) for n, v in free.items()))
        return dict(zip(names, map(np.asarray, values), strict=True))

    return draw
