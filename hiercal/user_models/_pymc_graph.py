"""A PyMC model with its data replaceable, its log densities reported, and forward draws."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.errors import ModelRefused
from hiercal.user_models._layout import observations
from hiercal.user_models._model_story import LARGEST, LOG_LIK, LOG_PRIOR, POINTWISE, names_taken

if TYPE_CHECKING:
    import pymc as pm

IN_ORDER = "in_order_"
"""Name of the forward draw's output that says whether transforms hold."""


def refuse(model: pm.Model, title: str, simulated: bool) -> None:
    """Raise `ModelRefused` with every reason why the model cannot be simulated and refitted."""
    from pymc.distributions.continuous import FlatRV, HalfFlatRV
    from pymc.distributions.simulator import SimulatorRV
    from pymc.variational.minibatch_rv import MinibatchRandomVariable

    reasons = []
    if not model.observed_RVs:
        reasons.append("it has no observed variable; give one its data, observed=...")
    if model.potentials and not simulated:
        names = ", ".join(each.name for each in model.potentials)
        reasons.append(
            f"potential {names} changes the density and not the forward draws, so that prior and "
            "model would disagree; write it as a distribution, or give a simulator: "
            "from_pymc(model, simulate=function)"
        )
    for rv in model.free_RVs:
        op = rv.owner.op
        if isinstance(op, FlatRV | HalfFlatRV):
            reasons.append(
                f"{rv.name} has an improper prior ({type(op).__name__[:-2]}), from which no truth "
                "can be drawn; give it a proper one, such as a wide Normal or HalfNormal"
            )
        if np.dtype(rv.dtype).kind in "biu":
            reasons.append(
                f"{rv.name} is discrete, and NUTS samples continuous variables only; sum it out "
                "(pm.Mixture), or observe it"
            )
    for rv in model.observed_RVs:
        if isinstance(rv.owner.op, FlatRV | HalfFlatRV):
            reasons.append(
                f"{rv.name} has no distribution ({type(rv.owner.op).__name__[:-2]}) that data can "
                "be drawn from; leave it out, or give it one"
            )
    for rv in model.basic_RVs:
        if isinstance(rv.owner.op, SimulatorRV):
            reasons.append(
                f"{rv.name} is a pm.Simulator, whose likelihood is simulated anew each time and "
                "has no gradient, so that NUTS cannot sample it; write it as a distribution, or "
                "check your sampler of it with from_functions(simulate, fit)"
            )
        if isinstance(rv.owner.op, MinibatchRandomVariable):
            reasons.append(
                f"{rv.name} is a minibatch (total_size), whose density stands for data that are "
                "not there; give it all its data"
            )
    reasons += _dependent_on_data(model)
    drawn = [each.name for each in [*model.basic_RVs, *model.deterministics]]
    reasons += names_taken(map(str, model.named_vars))
    reasons += [
        f"{rv.name}_data is what hiercal calls the data of {rv.name}; give the variable of this "
        "name another one"
        for rv in model.observed_RVs
        if f"{rv.name}_data" in drawn
    ]
    if reasons:
        raise ModelRefused(f"{title} cannot be checked: " + "; and ".join(reasons))


def _dependent_on_data(model: pm.Model) -> list[str]:
    """Variables whose distribution uses observed values, other than by their shape."""
    reasons = []
    for observed in model.observed_RVs:
        held = set(_ancestors(model.rvs_to_values[observed])) & set(model.data_vars)
        for rv in model.basic_RVs:
            used = held & set(_ancestors(rv)) if held else set()
            if used:
                names = ", ".join(sorted(each.name for each in used))
                reasons.append(
                    f"{rv.name} depends on {names}, the observed values of {observed.name}: with "
                    "simulated data the model would be another one; write the numbers out "
                    "(.eval()), or give lagged values a pm.Data of their own"
                )
    return reasons


def _ancestors(variable: Any) -> Iterator[Any]:
    """Variables that a variable's value depends on: shapes are not values."""
    from pytensor.tensor.shape import Shape, Shape_i

    waiting, seen = [variable], set()
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        yield each
        if each.owner is not None and not isinstance(each.owner.op, Shape | Shape_i):
            waiting += each.owner.inputs


@contextmanager
def without_initial_values(model: pm.Model) -> Generator[dict[str, Any]]:
    """The model without its initial values, which conversion refuses; they are put back."""
    given = {rv: value for rv, value in model.rvs_to_initial_values.items() if value is not None}
    model.rvs_to_initial_values.update(dict.fromkeys(given))
    try:
        yield {rv.name: value for rv, value in given.items()}
    finally:
        model.rvs_to_initial_values.update(given)


def driven(model: pm.Model) -> pm.Model:
    """A copy whose observed values are ``pm.Data`` named ``<variable>_data``.

    Its deterministics have the log prior, the log likelihood, and those of single observations. All
    densities and dims stay as they are.
    """
    import pymc as pm
    import pytensor
    from pymc.model.fgraph import (
        ModelNamed,
        ModelObservedRV,
        fgraph_from_model,
        model_from_fgraph,
    )

    with without_initial_values(model) as initial_values, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected variables likely created by GP")
        graph, _ = fgraph_from_model(model)
    observed = [n for n in graph.apply_nodes if isinstance(n.op, ModelObservedRV)]
    taken = {f"{node.op.name}_data" for node in observed}
    node: Any
    for node in list(graph.apply_nodes):
        # a pm.Data of a name that the data need goes by another; nothing shows it
        if isinstance(node.op, ModelNamed) and node.op.name in taken:
            renamed: Any = ModelNamed(name=f"{node.op.name}_as_given", dims=node.op.dims)
            graph.replace(node.outputs[0], renamed(*node.inputs), import_missing=True)
    for node in [n for n in graph.apply_nodes if isinstance(n.op, ModelObservedRV)]:
        name, dims = node.op.name, node.op.dims
        values = numbers(node.inputs[1])
        shared = pytensor.shared(values, name=f"{name}_data", shape=values.shape)
        data: Any = ModelNamed(name=shared.name, dims=dims)(shared)
        replacement: Any = ModelObservedRV(name=name, dims=dims)(node.inputs[0], data)
        graph.replace(node.outputs[0], replacement, import_missing=True)
    copy = model_from_fgraph(graph, mutate_fgraph=True)
    as_written(copy, list(model.named_vars))
    for name, value in initial_values.items():
        if not hasattr(value, "owner"):
            copy.set_initval(copy[name], value)
    with copy:
        _densities(copy, pm)
    return copy


def numbers(value: Any) -> np.ndarray:
    """The observed values, whatever holds them, in the type that the sampler takes."""
    try:
        numbers = np.asarray(value.eval() if not hasattr(value, "data") else value.data)
    except Exception:
        from pytensor.graph.replace import clone_replace

        numbers = np.asarray(clone_replace(value).eval())
    kinds = {"i": np.int64, "u": np.int64, "b": bool, "f": np.float64}
    return numbers.astype(kinds.get(numbers.dtype.kind, numbers.dtype))


def log_densities(model: pm.Model, data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Pointwise log density of each variable, as a function of the variables themselves.

    Parameters
    ----------
    model : pm.Model
    data : mapping of str to TensorVariable
        What the observed variables are; without, those are left out.
    """
    from pymc.logprob.basic import conditional_logp
    from pytensor.graph.fg import FunctionGraph

    wanted = [*model.free_RVs, *(model.observed_RVs if data else ())]
    # all at once: alone, a variable's density may be that of a copy of its parents
    values = {rv: rv.type() for rv in wanted}
    terms = conditional_logp(values)
    found = FunctionGraph(outputs=[terms[values[rv]] for rv in wanted], clone=False)
    # in place: the variables have to be those of the model, not copies that are drawn anew
    given = [(values[rv], (data or {}).get(rv.name or "", rv)) for rv in wanted]
    found.replace_all([each for each in given if each[0] in found.variables], import_missing=True)
    return {str(rv.name): term for rv, term in zip(wanted, found.outputs, strict=True)}


def _densities(model: pm.Model, pm: Any) -> None:
    """Add the log densities to a model, as functions of its variables and data."""
    import pytensor.tensor as pt

    data = {str(rv.name): model[f"{rv.name}_data"] for rv in model.observed_RVs}
    found = log_densities(model, data)
    priors = [found[str(rv.name)].sum() for rv in model.free_RVs]
    priors += [each.sum() for each in model.potentials]
    pointwise = [found[name].ravel() for name in data]
    terms = {LOG_PRIOR: pt.sum(priors), LOG_LIK: pt.sum([each.sum() for each in pointwise])}
    points, _ = observations({name: _shape(found[name]) for name in data})
    if points:
        terms[POINTWISE] = pt.concatenate([pointwise[i][where] for i, where in points])
    for name, term in terms.items():
        # infinite at the edge of the support, where rounding may put a draw
        most = np.float64(LARGEST)  # PyTensor takes a plain number for a float32
        pm.Deterministic(name, pt.clip(pt.cast(term, "float64"), -most, most))


def shapes_of_data(model: pm.Model) -> dict[str, tuple[int, ...]]:
    """Shapes of the pointwise log likelihoods of a `driven` model, by observed variable."""
    data = {str(rv.name): model[f"{rv.name}_data"] for rv in model.observed_RVs}
    found = log_densities(model, data)
    return {name: _shape(found[name]) for name in data}


def _shape(term: Any) -> tuple[int, ...]:
    return tuple(map(int, term.shape.eval()))


Draw = Callable[[int], dict[str, np.ndarray]]


def forward(model: pm.Model, only_free: bool = False) -> Draw:
    """A function of a seed that draws all variables and data of a `driven` model.

    With `only_free`, it draws the free variables alone, to the same values. The output `IN_ORDER`
    says whether they obey the transforms that their density assumes, such as ``ordered``: PyMC's
    own forward draws ignore these.
    """
    import pytensor.tensor as pt
    from pymc.pytensorf import compile, reseed_rngs
    from pytensor.graph.fg import FunctionGraph
    from pytensor.graph.traversal import ancestors
    from pytensor.tensor.random.variable import RandomGeneratorSharedVariable

    data = {f"{rv.name}_data": rv for rv in model.observed_RVs}
    in_order = pt.all(
        pt.stack([pt.constant(True), *map(partial(_obeyed, model), restricted(model))])
    )
    drawn: dict[str, Any] = {each.name: each for each in model.free_RVs}
    drawn |= {each.name: each for each in model.deterministics} | data | {IN_ORDER: in_order}
    # every random variable stays one node: what is drawn is what the densities are of
    graph = FunctionGraph(outputs=list(drawn.values()), clone=True, copy_inputs=False)
    outputs = dict(zip(drawn, graph.outputs, strict=True))
    graph.replace_all(
        [(model[name], _typed(outputs[name], model[name])) for name in data], import_missing=True
    )
    outputs = dict(zip(drawn, graph.outputs, strict=True))
    rngs = [v for v in ancestors(graph.outputs) if isinstance(v, RandomGeneratorSharedVariable)]
    if only_free:
        outputs = {rv.name: outputs[rv.name] for rv in model.free_RVs}
    function = compile([], list(outputs.values()), random_seed=0)

    def draw(seed: int) -> dict[str, np.ndarray]:
        reseed_rngs(rngs, seed)
        return dict(zip(outputs, map(np.asarray, function()), strict=True))

    return draw


def completed(
    model: pm.Model,
) -> Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, np.ndarray]]:
    """A function of free variables and data that gives all variables of a `driven` model."""
    from pymc.pytensorf import compile
    from pytensor.graph.replace import clone_replace

    free = {rv.name: rv.type(rv.name) for rv in model.free_RVs}
    data = {rv.name: model[f"{rv.name}_data"].type() for rv in model.observed_RVs}
    swap = {model[name]: value for name, value in free.items()}
    swap |= {model[f"{name}_data"]: value for name, value in data.items()}
    named = [each.name for each in model.deterministics]
    outputs = clone_replace([model[name] for name in named], swap)
    function = compile([*free.values(), *data.values()], outputs, on_unused_input="ignore")

    def complete(truth: Mapping[str, Any], observed: Mapping[str, Any]) -> dict[str, np.ndarray]:
        given = [np.asarray(truth[n], v.dtype) for n, v in free.items()]
        given += [np.asarray(observed[n], v.dtype) for n, v in data.items()]
        values = dict(zip(named, map(np.asarray, function(*given)), strict=True))
        return {name: np.asarray(truth[name]) for name in free} | values

    return complete


def _typed(value: Any, like: Any) -> Any:
    """A value in the exact type of another."""
    import pytensor.tensor as pt

    value = pt.cast(value, like.dtype)
    return value if value.type == like.type else pt.specify_shape(value, like.type.shape)


def as_written(model: pm.Model, names: Sequence[str]) -> None:
    """Put a model's variables in the order of names, which rewriting does not keep.

    Draws then repeat from process to process.
    """
    place = {name: i for i, name in enumerate(names)}
    for held in (model.free_RVs, model.observed_RVs, model.deterministics, model.potentials):
        ordered = sorted(held, key=lambda each: place.get(each.name or "", len(place)))
        held.clear()
        held.extend(ordered)


def restricted(model: pm.Model) -> Sequence[Any]:
    """Variables under a transform that their distribution does not bring itself."""
    from pymc.distributions.transforms import _default_transform

    found = []
    for rv in model.free_RVs:
        transform = model.rvs_to_transforms[rv]
        if transform is not None and type(transform) is not type(
            _default_transform(rv.owner.op, rv)
        ):
            found.append(rv)
    return found


def _obeyed(model: pm.Model, rv: Any) -> Any:
    """Whether a value comes back from a variable's transform as it went in."""
    import pytensor.tensor as pt

    transform = model.rvs_to_transforms[rv]
    back = transform.backward(transform.forward(rv, *rv.owner.inputs), *rv.owner.inputs)
    # NaN, where the value is outside of the transform's image, is not close to anything
    return pt.all(pt.le(pt.abs(back - rv), 1e-6 * (1 + pt.abs(rv))))


def digest(model: pm.Model) -> str:
    """Hash of what a model computes: its graph, with every constant and all its data."""
    from pytensor.graph.basic import Constant
    from pytensor.graph.traversal import ancestors
    from pytensor.printing import debugprint
    from pytensor.tensor.sharedvar import TensorSharedVariable

    roots = [*model.basic_RVs, *model.deterministics, *model.potentials]
    roots += [model.rvs_to_values[rv] for rv in model.observed_RVs]
    text = str(debugprint(roots, file="str", print_type=True, id_type="int"))
    # numbers of nodes depend on what else was made in the process, as addresses do
    hashed = hashlib.sha256(re.sub(r"\[id \w+\]|0x[0-9a-f]+", "", text).encode())
    hashed.update(repr([model.rvs_to_transforms[rv].__class__ for rv in model.free_RVs]).encode())
    for variable in ancestors(roots):
        held = (
            variable.data
            if isinstance(variable, Constant)
            else variable.get_value(borrow=True)
            if isinstance(variable, TensorSharedVariable)
            else None
        )
        if isinstance(held, np.ndarray | np.generic):
            hashed.update(np.ascontiguousarray(held).tobytes())
    return hashed.hexdigest()[:16]
