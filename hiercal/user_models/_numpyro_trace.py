"""A NumPyro model traced: its sites, its densities, and the forms that can be made of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro import distributions as dist
from numpyro import handlers
from numpyro.infer.util import compute_log_probs
from numpyro.primitives import Messenger

from hiercal.errors import ModelRefused
from hiercal.user_models._layout import observations
from hiercal.user_models._model_story import LARGEST, LOG_LIK, LOG_PRIOR, POINTWISE
from hiercal.user_models.reparameterise_numpyro import RAW, NonCentred, family

TOLERANCE = 1e-8
"""Relative difference of log densities above which a change of variables is refused."""
CHECKED = 10
"""Prior draws at which it is checked."""
Sites = dict[str, dict[str, Any]]
Values = Mapping[str, Any]


class _Improper(Messenger):
    """Gives improper variables, which cannot be drawn, some value of their support."""

    def process_message(self, msg: Any) -> None:
        if msg["type"] == "sample" and isinstance(bare(msg["fn"]), dist.ImproperUniform):
            shape = msg["fn"].shape(msg["kwargs"].get("sample_shape", ()))
            msg["value"] = msg["fn"].support.feasible_like(jnp.zeros(shape))


def traced(model: Callable[..., Any]) -> Sites:
    """All sites of a model, drawn once."""
    return handlers.trace(handlers.seed(_Improper(model), jax.random.key(0))).get_trace()


def observed_in(sites: Sites) -> list[str]:
    """Names of the observed variables; factors are none."""
    return [name for name, site in sites.items() if is_variable(site, observed=True)]


def latent_in(sites: Sites) -> list[str]:
    """Names of the variables that are drawn, discrete ones among them."""
    return [name for name, site in sites.items() if is_variable(site, observed=False)]


def is_variable(site: dict[str, Any], observed: bool) -> bool:
    """Whether a site is a variable that is observed, or one that is not; factors are neither."""
    is_factor = isinstance(bare(site.get("fn")), dist.Unit)
    return site["type"] == "sample" and not is_factor and site["is_observed"] == observed


def bare(fn: Any) -> Any:
    """A distribution without what expands, masks or groups it."""
    while isinstance(fn, dist.Independent | dist.ExpandedDistribution | dist.MaskedDistribution):
        fn = fn.base_dist
    return fn


def discrete_in(sites: Sites) -> list[str]:
    """Latent variables that are discrete: NumPyro sums them out where it can."""
    return [name for name in latent_in(sites) if sites[name]["fn"].support.is_discrete]


def log_probs(model: Callable[..., Any], sites: Sites, seed: int = 0) -> dict[str, Any]:
    """Log density of each site, at the values in `sites`."""
    values, data = (
        {name: sites[name]["value"] for name in names}
        for names in (latent_in(sites), observed_in(sites))
    )
    return compute_log_probs(at(model, values, data, seed), (), {}, {})[0]


def at(model: Callable[..., Any], values: Values, data: Values, seed: Any = 0) -> Any:
    """The model with its variables at given values, and its data.

    What a scan draws takes values by substitution alone: conditioned, it would be drawn anew. A
    scan asks for a key all the same, and so does what is not given.
    """
    given = handlers.substitute(handlers.condition(_free(model), dict(data)), dict(values))
    return handlers.seed(given, seed)


def sayings(sites: Sites) -> list[str]:
    """What the user should know of the model."""
    notes = [
        f"{name.removesuffix('_centered')} is under LocScaleReparam() without a number, which "
        "learns how to centre in variational inference only and stays half-way under NUTS "
        "(numpyro#1598); write LocScaleReparam(0.0)"
        for name, site in sites.items()
        if site["type"] == "param" and name.endswith("_centered")
    ]
    if names := discrete_in(sites):
        notes.append(
            f"{', '.join(names)} is discrete: NumPyro sums it out, so it is not ranked, and no log "
            "density is"
        )
    return notes


def _free(model: Callable[..., Any]) -> Callable[..., Any]:
    return handlers.uncondition(model)


def densities(model: Callable[..., Any], values: Values, data: Values) -> dict[str, Any]:
    """Log prior and log likelihood of a model at values, in the variables as they were written."""
    values, data = ({n: jnp.asarray(v) for n, v in each.items()} for each in (values, data))
    with handlers.block():
        # what is left to be drawn is nothing: the key is not used
        terms, _ = compute_log_probs(at(model, values, data), (), {}, {}, sum_log_prob=False)
    pointwise = [jnp.ravel(terms[name]) for name in data]
    found = {
        LOG_PRIOR: sum((jnp.sum(v) for n, v in terms.items() if n not in data), jnp.zeros(())),
        LOG_LIK: sum((each.sum() for each in pointwise), jnp.zeros(())),
    }
    points, _ = observations({name: np.shape(terms[name]) for name in data})
    if points:
        found[POINTWISE] = jnp.concatenate([pointwise[i][where] for i, where in points])
    # infinite at the edge of the support, where rounding may put a draw
    return {name: jnp.clip(each, -LARGEST, LARGEST) for name, each in found.items()}


def log_joint(model: Callable[..., Any], data: Values, values: Values) -> float:
    """Log density of data and latent variables."""
    found = densities(model, values, data)
    return float(found[LOG_PRIOR] + found[LOG_LIK])


def shapes_of_data(sites: Sites) -> dict[str, tuple[int, ...]]:
    """Shapes of the pointwise log likelihoods, by observed variable."""
    return {
        name: np.shape(sites[name]["fn"].log_prob(sites[name]["value"]))
        for name in observed_in(sites)
    }


def reported(model: Callable[..., Any], sites: Sites) -> tuple[list[str], list[str]]:
    """Variables that are ranked: latent ones, and those computed from others."""
    discrete = set(discrete_in(sites))
    latent = [name for name in latent_in(sites) if name not in discrete]
    return latent, [name for name, site in sites.items() if site["type"] == "deterministic"]


def forward(model: Callable[..., Any], sites: Sites) -> Callable[[Any], dict[str, np.ndarray]]:
    """A function of a key that draws all variables and data, with the log densities."""
    latent, derived = reported(model, sites)
    data_names, dense = observed_in(sites), not discrete_in(sites)

    def draw(key: Any) -> dict[str, Any]:
        drawn = handlers.trace(handlers.seed(_free(model), key)).get_trace()
        values = {name: drawn[name]["value"] for name in [*latent, *derived, *data_names]}
        data = {name: values[name] for name in data_names}
        if not dense:
            return values
        return values | densities(model, {n: values[n] for n in latent}, data)

    return jax.jit(draw)


def refitted(model: Callable[..., Any], sites: Sites, moved: Sequence[str]) -> Callable[..., None]:
    """The model as a function of its data, with variables moved off their location and scale."""
    latent, _ = reported(model, sites)
    dense = not discrete_in(sites)
    moves = {name: NonCentred() for name in moved}

    def fitted(**data: Any) -> None:
        given = {n: v for n, v in data.items() if v is not None}
        config: dict[str, Any] = dict(moves)
        rewritten = handlers.reparam(_free(model), config=config) if moves else _free(model)
        with handlers.trace() as trace:
            handlers.condition(rewritten, given)()
        if dense:
            values = {name: trace[name]["value"] for name in latent}
            for name, value in densities(model, values, given).items():
                numpyro.deterministic(name, value)

    return fitted


def delivered(model: Callable[..., Any], sites: Sites, data: Values, title: str) -> None:
    """Raise `ModelRefused` unless the model, refitted, takes the data that it is given."""
    found = traced(
        partial(refitted(model, sites, ()), **{n: jnp.asarray(v) for n, v in data.items()})
    )
    for name, values in data.items():
        site = found.get(name, {})
        taken = site.get("is_observed") and np.array_equal(site["value"], values)
        if not taken:
            raise ModelRefused(
                f"{title} cannot be checked: {name} does not take other values, as where it is "
                "observed inside of a scan, or conditioned inside of the model; give the data as "
                "an argument, and to a site outside of a scan as obs="
            )


def movable(model: Callable[..., Any], sites: Sites) -> tuple[tuple[str, ...], list[str]]:
    """The variables that can be taken off their location and scale, and who cannot and why."""
    from numpyro.infer.inspect import get_dependencies

    latent = [name for name in latent_in(sites) if name not in discrete_in(sites)]
    depends: Any = get_dependencies(model)["prior_dependencies"]
    found, refused = [], []
    for name in latent:
        parents = (set(depends.get(name, ())) & set(latent)) - {name}
        if parents and family(sites[name]["fn"]) is not None:
            if f"{name}{RAW}" in sites:
                refused.append(
                    f"{name} cannot be non-centred: there is a {name}{RAW} already, as its "
                    "standardised variable would be called"
                )
                continue
            worst = _disagreement(model, sites, name)
            if worst > TOLERANCE:
                refused.append(
                    f"{name} cannot be non-centred: the log density would change by {worst:.2g}"
                )
            else:
                found.append(name)
    return tuple(found), refused


def _disagreement(model: Callable[..., Any], sites: Sites, name: str) -> float:
    """Largest relative difference of the log prior from that before the move, Jacobian added."""
    latent, observed = latent_in(sites), observed_in(sites)

    def both(key: Any) -> tuple[Any, Any]:
        move = NonCentred()
        moved = handlers.reparam(_free(model), config={name: move})
        drawn = handlers.trace(handlers.seed(moved, key)).get_trace()
        sampled = [site for site in drawn.values() if site["type"] == "sample"]
        now = sum(jnp.sum(site["fn"].log_prob(site["value"])) for site in sampled)
        values, data = ({n: drawn[n]["value"] for n in each} for each in (latent, observed))
        terms, _ = compute_log_probs(at(model, values, data), (), {}, {})
        return now, sum(terms.values()) + move.log_jacobian

    # not compiled: that would take longer than the few operations themselves
    now, was = jax.vmap(both)(jax.random.split(jax.random.key(0), CHECKED))
    differences = np.abs(now - was) / (1 + np.abs(was))
    return float(np.max(differences[np.isfinite(was)], initial=0.0))


def dims_of(sites: Sites) -> dict[str, tuple[str, ...]]:
    """Dimensions of each variable: its plates, from the left."""
    dims = {}
    for name, site in sites.items():
        if site["type"] != "sample":
            continue
        n_batch = len(site["fn"].batch_shape)
        by_place = {frame.dim: frame.name for frame in site["cond_indep_stack"]}
        given = [by_place.get(axis - n_batch, "") for axis in range(n_batch)]
        event = [""] * len(site["fn"].event_shape)
        dims[name] = tuple(given + event)
    return dims


def digest(model: Callable[..., Any], sites: Sites) -> str:
    """Hash of what a model computes: the program of its forward draws, with its constants."""
    closed = jax.make_jaxpr(forward(model, sites))(jax.random.key(0))
    hashed = hashlib.sha256(re.sub(r"0x[0-9a-f]+", "", str(closed.jaxpr)).encode())
    for constant in _constants(closed):
        hashed.update(np.ascontiguousarray(constant).tobytes())
    return hashed.hexdigest()[:16]


def _constants(program: Any) -> Iterator[Any]:
    """Arrays that a program and those inside of it hold."""
    yield from (each for each in getattr(program, "consts", ()) if not _is_key(each))
    for equation in getattr(program, "eqns", ()):
        for value in equation.invars:
            if hasattr(value, "val") and not _is_key(value.val):
                yield value.val
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, tuple | list) else (parameter,):
                if hasattr(inner, "eqns"):
                    yield from _constants(inner)


def _is_key(value: Any) -> bool:
    return jnp.issubdtype(getattr(value, "dtype", float), jax.dtypes.prng_key)
