"""A NumPyro model whose data are observed twice: as they are, and once more at the same parents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import numpyro
from numpyro import handlers

from hiercal.errors import ModelRefused
from hiercal.simulators import Simulation
from hiercal.user_models import _numpyro_trace as trace
from hiercal.user_models._model_story import AGAIN, DENSITIES, finite

if TYPE_CHECKING:
    from hiercal.user_models.numpyro import NumPyroStory


def twice(
    model: Callable[..., None],
    names: Sequence[str],
    second: Mapping[str, np.ndarray] | None = None,
) -> Callable[..., None]:
    """A model that samples each of its observed variables again, as ``<name>_again``.

    Parameters
    ----------
    model : callable
        A function of its data by keyword, or of nothing.
    names : sequence of str
        Its observed variables.
    second : dict of ndarray
        Values of the second copies; by default those that the returned function is called with.
    """

    def doubled(**data: Any) -> None:
        with handlers.trace() as sites:
            model(**{name: data[name] for name in names if name in data})
        for name in names:
            site = sites[name]
            value = (data if second is None else second).get(f"{name}{AGAIN}")
            # the plates are in the batch shape already; a scale is not
            with handlers.scale(scale=1.0 if site["scale"] is None else site["scale"]):
                numpyro.sample(f"{name}{AGAIN}", site["fn"], obs=value)

    return doubled


def doubled(model: Callable[..., None], title: str) -> tuple[Callable[..., None], str]:
    """A user's model with its data observed twice, and a hash of what it computes."""
    numpyro.enable_x64()
    sites = trace.traced(model)
    names = trace.observed_in(sites)
    if discrete := trace.discrete_in(sites):
        raise ModelRefused(
            f"{title}: {', '.join(discrete)} is discrete; both data sets would share its value, "
            "which NumPyro sums out and does not draw; write the sum, as in "
            "MixtureSameFamily"
        )
    copy = twice(model, names, {f"{n}{AGAIN}": np.asarray(sites[n]["value"]) for n in names})
    return copy, trace.digest(copy, trace.traced(copy))


def observed(story: NumPyroStory) -> dict[str, np.ndarray]:
    """The values that a model observes."""
    sites = _sites(story)
    return {name: np.asarray(sites[name]["value"]) for name in trace.observed_in(sites)}


def latent(story: NumPyroStory) -> tuple[str, ...]:
    """The variables that posterior draws must hold."""
    return tuple(trace.reported(story.model, _sites(story))[0])


def dims(story: NumPyroStory) -> tuple[dict[str, tuple[str, ...]], frozenset[str]]:
    """Dimensions of the variables, and those that are computed from others."""
    sites = _sites(story)
    return trace.dims_of(sites), frozenset(trace.reported(story.model, sites)[1])


def points(story: NumPyroStory) -> dict[str, tuple[int, ...]]:
    """Shapes of the pointwise log likelihoods."""
    return trace.shapes_of_data(_sites(story))


def replicated(
    story: NumPyroStory,
    fixed: Mapping[str, np.ndarray],
    parameters: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> Simulation:
    """Second data at given parameters, all variables and densities given both."""
    key = jax.random.key(int(rng.integers(2**63)))
    truth, data = jax.device_get(_replicates(story)(key, dict(parameters), dict(fixed)))
    finite({name: data[name] for name in data if name not in fixed}, parameters)
    finite({name: truth[name] for name in DENSITIES if name in truth}, parameters)
    order = dict.fromkeys([*_sites(story), *truth])
    return Simulation({name: truth[name] for name in order if name in truth}, data)


@cache
def _sites(story: NumPyroStory) -> dict[str, Any]:
    numpyro.enable_x64()
    return trace.traced(story.model)


@cache
def _replicates(story: NumPyroStory) -> Callable[..., Any]:
    sites = _sites(story)
    names, derived = trace.reported(story.model, sites)

    def draw(key: Any, parameters: Any, fixed: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        drawn = handlers.trace(trace.at(story.model, parameters, fixed, key)).get_trace()
        data = {name: drawn[name]["value"] for name in trace.observed_in(sites)}
        truth = {name: drawn[name]["value"] for name in [*names, *derived]}
        parts = {name: truth[name] for name in names}
        return truth | trace.densities(story.model, parts, data), data

    return jax.jit(draw)
