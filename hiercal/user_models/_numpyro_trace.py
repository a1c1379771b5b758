"""A NumPyro model traced: its sites, its densities, and what cannot be checked of it."""

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
from hiercal.user_models._model_story import LARGEST, LOG_LIK, LOG_PRIOR, POINTWISE, names_taken
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
        if msg["type"] == "sample" and isinstance(_bare(msg["fn"]), dist.ImproperUniform):
            shape = msg["fn"].shape(msg["kwargs"].get("sample_shape", ()))
            msg["value"] = msg["fn"].support.feasible_like(jnp.zeros(shape))


class _Keys(Messenger):
    """Notes whether a model asks for random numbers of its own."""

    asked = False

    def process_message(self, msg: Any) -> None:
        self.asked |= msg["type"] == "prng_key"


def traced(model: Callable[..., Any]) -> Sites:
    """All sites of a model, drawn once."""
    return handlers.trace(handlers.seed(_Improper(model), jax.random.key(0))).get_trace()


def observed_in(sites: Sites) -> list[str]:
    """Names of the observed variables; factors are none."""
    return [name for name, site in sites.items() if _is(site, observed=True)]


def latent_in(sites: Sites) -> list[str]:
    """Names of the variables that are drawn, discrete ones among them."""
    return [name for name, site in sites.items() if _is(site, observed=False)]


def _is(site: dict[str, Any], observed: bool) -> bool:
    is_factor = isinstance(_bare(site.get("fn")), dist.Unit)
    return site["type"] == "sample" and not is_factor and site["is_observed"] == observed


def _bare(fn: Any) -> Any:
    while isinstance(fn, dist.Independent | dist.ExpandedDistribution | dist.MaskedDistribution):
        fn = fn.base_dist
    return fn


def discrete_in(sites: Sites) -> list[str]:
    """Latent variables that are discrete: NumPyro sums them out where it can."""
    return [name for name in latent_in(sites) if sites[name]["fn"].support.is_discrete]


def refuse(model: Callable[..., Any], sites: Sites, title: str, simulated: bool) -> None:
    """Raise `ModelRefused` with every reason why the model cannot be simulated and refitted."""
    reasons = []
    shrunk = any(site["type"] == "plate" and _subsampled(site) for site in sites.values())
    if not observed_in(sites):
        reasons.append(
            "no site of it is observed; give the data, as in from_numpyro(model, y=y), or with "
            "functools.partial(model, y=y) in a file"
        )
    for name, site in sites.items():
        bare = _bare(site.get("fn"))
        if site["type"] == "plate" and _subsampled(site):
            reasons.append(
                f"plate {name} is subsampled, so that its density stands for data that are not "
                "there; leave subsample_size out"
            )
        if site["type"] == "sample" and isinstance(bare, dist.Unit) and not simulated:
            reasons.append(
                f"factor {name} changes the density and not the forward draws, so that prior and "
                "model would disagree; write it as a distribution, or give a simulator: "
                "from_numpyro(model, simulate=function)"
            )
        scaled = site.get("scale") is not None and not np.all(np.asarray(site["scale"]) == 1)
        if site["type"] == "sample" and scaled and not (simulated or shrunk):
            reasons.append(
                f"the log density of {name} is scaled, the forward draws are not, so that prior "
                "and model would disagree; leave handlers.scale out, or give a simulator: "
                "from_numpyro(model, simulate=function)"
            )
        if _is(site, observed=True) and isinstance(site["value"], list | tuple):
            reasons.append(
                f"{name} is observed as a {type(site['value']).__name__}; give an array, as in "
                "jnp.asarray(y)"
            )
        if _is(site, observed=False) and isinstance(bare, dist.Delta):
            reasons.append(
                f"{name} is a Delta distribution, which NUTS does not take; write "
                "numpyro.deterministic"
            )
        if _is(site, observed=False) and _masked(site["fn"]) and not simulated:
            reasons.append(
                f"{name} is drawn and masked: what is masked has no density for the sampler, as "
                "under an improper prior; leave the mask out, and of values that are missing "
                "(obs_mask) draw only these"
            )
        if site["type"] == "sample" and isinstance(bare, dist.ImproperUniform):
            reasons.append(
                f"{name} has an improper prior, from which no truth can be drawn; give it a proper "
                "one, such as a wide Normal"
            )
    for name in discrete_in(sites):
        if not sites[name]["fn"].has_enumerate_support:
            reasons.append(
                f"{name} is discrete without an end ({type(_bare(sites[name]['fn'])).__name__}), "
                "which NumPyro cannot sum out; observe it, or write the sum"
            )
    own = ("sample", "deterministic")
    reasons += names_taken(name for name, site in sites.items() if site["type"] in own)
    if not reasons:
        reasons += _random_besides(model, sites)
    if not reasons:
        reasons += _dependent_on_data(model, sites)
    if reasons:
        raise ModelRefused(f"{title} cannot be checked: " + "; and ".join(reasons))


def _masked(fn: Any) -> bool:
    """Whether a mask hides some of a continuous variable's density."""
    if fn.support.is_discrete:
        return False  # summed out, what is masked counts alike
    while isinstance(fn, dist.Independent | dist.ExpandedDistribution | dist.MaskedDistribution):
        if isinstance(fn, dist.MaskedDistribution) and not np.all(np.asarray(fn._mask)):
            return True
        fn = fn.base_dist
    return False


def _subsampled(site: dict[str, Any]) -> bool:
    size, subsample_size = site["args"]
    return subsample_size is not None and subsample_size < size


def _random_besides(model: Callable[..., Any], sites: Sites) -> list[str]:
    """Variables whose distribution changes with random numbers that are drawn at no site."""
    keys = _Keys(model)
    traced(keys)
    if not keys.asked:
        return []
    one, other = (_log_probs(model, sites, seed) for seed in (0, 1))
    return [
        f"{at} depends on random numbers that are drawn outside of a site (numpyro.prng_key), "
        "which the sampler cannot learn; draw them with numpyro.sample"
        for at in one
        if not np.allclose(one[at], other[at], equal_nan=True)
    ]


def _log_probs(model: Callable[..., Any], sites: Sites, seed: int = 0) -> dict[str, Any]:
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


def _dependent_on_data(model: Callable[..., Any], sites: Sites) -> list[str]:
    """Variables whose distribution changes with the values that are observed.

    The observed arrays are looked for among the arguments that the model is bound to, are put in
    another order, and all densities are compared at the same values.
    """
    if not isinstance(model, partial):
        return []
    reasons = []
    for name in observed_in(sites):
        other = _reordered(model, np.asarray(sites[name]["value"]))
        if other is None:
            continue
        log_probs = [_log_probs(each, sites) for each in (model, other)]
        reasons += [
            f"{at} depends on the observed values of {name}: with simulated data the model would "
            "be another one; write the numbers out, or give lagged values an argument of their own"
            for at in log_probs[0]
            if not np.allclose(log_probs[0][at], log_probs[1][at], equal_nan=True)
        ]
    return reasons


def _reordered(model: partial[Any], observed: np.ndarray) -> partial[Any] | None:
    """The model bound to other values where it was bound to those observed; None if it was not."""
    if observed.size == 0:
        return None
    changed = np.atleast_1d(observed)[::-1].reshape(observed.shape).copy()
    # another mean too
    changed.reshape(-1)[0] = not changed.flat[0] if changed.dtype == bool else changed.flat[0] + 1
    found = False

    def swap(value: Any) -> Any:
        nonlocal found
        array = np.asarray(value) if isinstance(value, np.ndarray | jax.Array) else None
        if array is not None and array.shape == observed.shape and np.array_equal(array, observed):
            found = True
            new = changed.astype(array.dtype)
            return new if isinstance(value, np.ndarray) else jnp.asarray(new)
        return value

    args, keywords = jax.tree.map(swap, (model.args, model.keywords))
    return partial(model.func, *args, **keywords) if found else None


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
