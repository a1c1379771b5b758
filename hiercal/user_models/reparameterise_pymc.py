"""Non-centred copies of PyMC models, by rewriting their graphs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.user_models._pymc_graph import as_written, log_densities, without_initial_values

if TYPE_CHECKING:
    import pymc as pm

TOLERANCE = 1e-8
"""Relative difference of log densities above which a change of variables is refused."""
CHECKED = 10
"""Prior draws at which it is checked."""


@dataclass(frozen=True)
class Change:
    """A variable as a function of a standardised one.

    Attributes
    ----------
    raw : TensorVariable
        The standardised variable.
    value_of : callable
        The variable itself, and the log of the determinant d variable / d raw, given the raw one.
    """

    raw: Any
    value_of: Callable[[Any], tuple[Any, Any]]


def movable(model: pm.Model) -> tuple[tuple[str, ...], list[str]]:
    """The variables that can be taken off their location and scale, and who cannot and why."""
    names = candidates(model)
    _, refused = noncentred(model, names)
    return tuple(name for name in names if name not in refused), list(refused.values())


def candidates(model: pm.Model) -> tuple[str, ...]:
    """Free variables of a family that is known, whose parameters depend on other free ones."""
    from pytensor.graph.traversal import ancestors

    free = set(model.free_RVs)
    found = []
    for rv in model.free_RVs:
        parents = set(ancestors(rv.owner.inputs)) & (free - {rv})
        missing = f"{rv.name.removesuffix('_unobserved')}_observed" in model.named_vars
        # a transform of the user's restricts the variable, and would be lost with it
        own = type(model.rvs_to_transforms[rv]) is not type(_default_transform(rv))
        if parents and not missing and not own and _family(rv) is not None:
            found.append(rv.name)
    return tuple(found)


def noncentred(model: pm.Model, names: Sequence[str]) -> tuple[pm.Model, dict[str, str]]:
    """A copy in which variables are functions of standardised ones, named ``<variable>_raw``.

    Parameters
    ----------
    model : pm.Model
        As `_pymc_graph.driven` returns it, with its log prior among the deterministics.
    names : sequence of str

    Returns
    -------
    pm.Model
        With the same deterministics, to which the variables moved are added; dims stay.
    dict of str to str
        Variables that were refused, with the reason: the log density of the copy must be that of
        the model plus the log Jacobian to `TOLERANCE`, at `CHECKED` draws of the prior.
    """
    if not names:
        return model, {}
    refused: dict[str, str] = {}
    copy = model
    for name in names:
        if f"{name}_raw" in model.named_vars:
            refused[name] = (
                f"{name} cannot be non-centred: there is a {name}_raw already, as its standardised "
                "variable would be called"
            )
            continue
        moved, log_jacobian = _moved(copy, name)
        if (worst := _disagreement(copy, moved, log_jacobian)) > TOLERANCE:
            refused[name] = (
                f"{name} cannot be non-centred: the log density would change by {worst:.2g}"
            )
        else:
            copy = moved
    return copy, refused


def _moved(model: pm.Model, name: str) -> tuple[pm.Model, Any]:
    """A copy with one variable moved, and the log Jacobian in terms of the copy's variables."""
    from pymc.model.fgraph import (
        ModelDeterministic,
        ModelFreeRV,
        fgraph_from_model,
        model_from_fgraph,
    )

    with without_initial_values(model) as initial:
        graph, _ = fgraph_from_model(model)
    node: Any
    (node,) = [n for n in graph.apply_nodes if isinstance(n.op, ModelFreeRV) and n.op.name == name]
    rv: Any = node.inputs[0]
    dims = node.op.dims
    family = _family(rv)
    assert family is not None
    change = family(rv)
    value_type = change.raw.type()
    change.raw.name = value_type.name = f"{name}_raw"
    raw: Any = ModelFreeRV(
        transform=_default_transform(change.raw),
        name=change.raw.name,
        dims=dims if change.raw.ndim == rv.ndim else (),
    )(change.raw, value_type)
    value, log_jacobian = change.value_of(raw)
    moved: Any = ModelDeterministic(name=name, dims=dims)(value)
    graph.replace(node.outputs[0], moved, import_missing=True)
    graph.add_output(raw, import_missing=True)
    jacobian: Any = ModelDeterministic(name=f"{name}_log_jacobian", dims=())(log_jacobian)
    graph.add_output(jacobian, import_missing=True)
    copy = model_from_fgraph(graph, mutate_fgraph=True)
    as_written(copy, list(model.named_vars))
    for other, start in initial.items():
        if other != name and not hasattr(start, "owner"):
            copy.set_initval(copy[other], start)
    log_jacobian = copy[f"{name}_log_jacobian"]
    copy.deterministics.remove(log_jacobian)
    del copy.named_vars[log_jacobian.name]
    return copy, log_jacobian


def _disagreement(before: pm.Model, after: pm.Model, log_jacobian: Any) -> float:
    """Largest relative difference of the log prior from that before the move, Jacobian added."""
    import pytensor.tensor as pt
    from pymc.pytensorf import compile
    from pytensor.graph.replace import clone_replace

    now = pt.sum(_log_priors(after))
    was = clone_replace(pt.sum(_log_priors(before)), {rv: after[rv.name] for rv in before.free_RVs})
    # a few evaluations are made: compiling to machine code would take longer than all of them
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS")
        function = compile([], [was + log_jacobian, now], random_seed=1, mode="FAST_COMPILE")
    pairs = np.array([function() for _ in range(CHECKED)], float)
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if not len(pairs):
        return np.inf
    return float((np.abs(pairs[:, 0] - pairs[:, 1]) / (1 + np.abs(pairs[:, 0]))).max())


def _log_priors(model: pm.Model) -> list[Any]:
    """Log densities of the free variables, and the potentials, at the variables themselves."""
    return [each.sum() for each in [*log_densities(model).values(), *model.potentials]]


def _family(rv: Any) -> Callable[[Any], Change] | None:
    """How a variable of this distribution is standardised; None if nobody knows."""
    from pymc.distributions.multivariate import ZeroSumNormalRV

    op = rv.owner.op
    if isinstance(op, ZeroSumNormalRV):
        return _zero_sum
    return {
        "normal": _location_scale,
        "t": _location_scale,
        "laplace": _location_scale,
        "logistic": _location_scale,
        "cauchy": _location_scale,
        "gumbel": _location_scale,
        "halfnormal": _location_scale,
        "halfcauchy": _scale,
        "exponential": _scale,
        "lognormal": _log_normal,
        "multivariate_normal": _multivariate,
    }.get(str(getattr(op, "name", None)))


def _location_scale(rv: Any) -> Change:
    *shape, loc, scale = rv.owner.op.dist_params(rv.owner)
    raw = rv.owner.op(*shape, np.float64(0), np.float64(1), size=rv.shape)
    return Change(raw, lambda raw: (loc + scale * raw, _log_all(scale, rv)))


def _scale(rv: Any) -> Change:
    import pymc as pm

    (scale,) = rv.owner.op.dist_params(rv.owner)
    standard = {"halfcauchy": pm.HalfCauchy, "exponential": pm.Exponential}
    raw = standard[rv.owner.op.name].dist(np.float64(1), size=rv.shape)
    return Change(raw, lambda raw: (scale * raw, _log_all(scale, rv)))


def _log_normal(rv: Any) -> Change:
    import pymc as pm
    import pytensor.tensor as pt

    loc, scale = rv.owner.op.dist_params(rv.owner)

    def value_of(raw: Any) -> tuple[Any, Any]:
        log_value = loc + scale * raw
        return pt.exp(log_value), _log_all(scale, rv) + log_value.sum()

    return Change(pm.Normal.dist(np.float64(0), np.float64(1), size=rv.shape), value_of)


def _multivariate(rv: Any) -> Change:
    import pymc as pm
    import pytensor.tensor as pt

    mean, covariance = rv.owner.op.dist_params(rv.owner)
    root = pt.linalg.cholesky(covariance)

    def value_of(raw: Any) -> tuple[Any, Any]:
        each = pt.log(pt.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
        log_jacobian = pt.broadcast_to(each, rv.shape[:-1]).sum() if rv.ndim > 1 else each
        return mean + (root @ raw[..., None])[..., 0], log_jacobian

    return Change(pm.Normal.dist(np.float64(0), np.float64(1), size=rv.shape), value_of)


def _zero_sum(rv: Any) -> Change:
    import pymc as pm
    import pytensor.tensor as pt

    n_axes = rv.owner.op.ndim_supp
    (sigma, *_) = rv.owner.op.dist_params(rv.owner)
    lead = [rv.shape[axis] for axis in range(rv.ndim - n_axes)]
    support = [rv.shape[axis] for axis in range(rv.ndim - n_axes, rv.ndim)]
    raw: Any = pm.ZeroSumNormal.dist(
        np.float64(1), n_zerosum_axes=n_axes, support_shape=support, size=lead or None
    )
    # each of the axes that sum to zero has one element less than it seems
    free = pt.prod(pt.stack([n - 1 for n in support]))
    # sigma has length 1 along these axes
    each = pt.log(pt.sum(sigma, axis=tuple(range(-n_axes, 0))) if sigma.ndim else sigma)
    full = pt.broadcast_to(each, rv.shape[: rv.ndim - n_axes]).sum() if lead else pt.sum(each)
    return Change(raw, lambda raw: (sigma * raw, free * full))


def _log_all(scale: Any, rv: Any) -> Any:
    """Sum of the log scales of all elements of a variable."""
    import pytensor.tensor as pt

    return pt.log(pt.broadcast_to(scale, rv.shape)).sum()


def _default_transform(rv: Any) -> Any:
    from pymc.distributions.transforms import _default_transform as of

    return of(rv.owner.op, rv)
