"""What cannot be checked of a NumPyro model, each with what to do instead."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpyro import distributions as dist
from numpyro.primitives import Messenger

from hiercal.errors import ModelRefused
from hiercal.user_models import _numpyro_trace as trace
from hiercal.user_models._model_story import names_taken


class _Keys(Messenger):
    """Notes whether a model asks for random numbers of its own."""

    asked = False

    def process_message(self, msg: Any) -> None:
        self.asked |= msg["type"] == "prng_key"


def refuse(model: Callable[..., Any], sites: trace.Sites, title: str, simulated: bool) -> None:
    """Raise `ModelRefused` with every reason why the model cannot be simulated and refitted."""
    reasons = []
    shrunk = any(site["type"] == "plate" and _subsampled(site) for site in sites.values())
    if not trace.observed_in(sites):
        reasons.append(
            "no site of it is observed; give the data, as in from_numpyro(model, y=y), or with "
            "functools.partial(model, y=y) in a file"
        )
    for name, site in sites.items():
        bare = trace.bare(site.get("fn"))
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
        if trace.is_variable(site, observed=True) and isinstance(site["value"], list | tuple):
            reasons.append(
                f"{name} is observed as a {type(site['value']).__name__}; give an array, as in "
                "jnp.asarray(y)"
            )
        if trace.is_variable(site, observed=False) and isinstance(bare, dist.Delta):
            reasons.append(
                f"{name} is a Delta distribution, which NUTS does not take; write "
                "numpyro.deterministic"
            )
        if trace.is_variable(site, observed=False) and _masked(site["fn"]) and not simulated:
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
    for name in trace.discrete_in(sites):
        if not sites[name]["fn"].has_enumerate_support:
            reasons.append(
                f"{name} is discrete without an end "
                f"({type(trace.bare(sites[name]['fn'])).__name__}), which NumPyro cannot sum out; "
                "observe it, or write the sum"
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


def _random_besides(model: Callable[..., Any], sites: trace.Sites) -> list[str]:
    """Variables whose distribution changes with random numbers that are drawn at no site."""
    keys = _Keys(model)
    trace.traced(keys)
    if not keys.asked:
        return []
    one, other = (trace.log_probs(model, sites, seed) for seed in (0, 1))
    return [
        f"{at} depends on random numbers that are drawn outside of a site (numpyro.prng_key), "
        "which the sampler cannot learn; draw them with numpyro.sample"
        for at in one
        if not np.allclose(one[at], other[at], equal_nan=True)
    ]


def _dependent_on_data(model: Callable[..., Any], sites: trace.Sites) -> list[str]:
    """Variables whose distribution changes with the values that are observed.

    The observed arrays are looked for among the arguments that the model is bound to, are put in
    another order, and all densities are compared at the same values.
    """
    if not isinstance(model, partial):
        return []
    reasons = []
    for name in trace.observed_in(sites):
        other = _reordered(model, np.asarray(sites[name]["value"]))
        if other is None:
            continue
        log_probs = [trace.log_probs(each, sites) for each in (model, other)]
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
