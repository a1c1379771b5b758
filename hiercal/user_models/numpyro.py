"""A NumPyro model as a story: simulated forward, and refitted to what it simulated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from hiercal.errors import ModelRefused
from hiercal.simulators import Simulation
from hiercal.user_models._layout import Layout, layout
from hiercal.user_models._model_story import (
    POINTWISE,
    ModelStory,
    interchangeable,
    prior_looked_at,
    sound,
)

Simulator = Callable[[np.random.Generator], tuple[Mapping[str, Any], Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class NumPyroStory(ModelStory):
    """A story of a NumPyro model; see `from_numpyro`.

    Parameters
    ----------
    simulator : callable, optional
        ``simulator(rng)`` returns the latent variables and the data by name, in place of forward
        draws.
    """

    simulator: Simulator | None = None

    def simulate(self, rng: np.random.Generator) -> Simulation:
        truth, data = _drawn(self, rng)
        return Simulation({name: truth[name] for name in self.dims}, data)

    def numpyro_model(self, model: str) -> Callable[..., None]:
        """The model, or one with variables taken off their location and scale."""
        from hiercal.user_models import _numpyro_trace as trace

        return trace.refitted(self.model, _sites(self), self.moved(model))


def from_numpyro(
    model: Callable[..., Any],
    *args: Any,
    name: str = "",
    simulate: Simulator | None = None,
    module: str = "",
    **inputs: Any,
) -> NumPyroStory:
    """A story of a NumPyro model, taken as it is.

    Truths and data are drawn forward from the model; its observed values are replaced by those
    simulated. Every latent variable is ranked, every deterministic of at most 100 elements, the log
    prior, the log likelihood, that of ten observations, and the joint density.

    Parameters
    ----------
    model : callable
    args, inputs
        What the model is called with, the observed values among it.
    name : str
        By default the function's own.
    simulate : callable
        ``simulate(rng)`` returns ``truth, data``: latent and observed variables by name. It takes
        the place of forward draws, for a model with factors.
    module : str
        The module that the model was read from; empty where it was made in Python.

    Returns
    -------
    NumPyroStory

    Raises
    ------
    ModelRefused
        With variable, reason and remedy, if the model cannot be simulated or refitted: factors,
        improper priors, subsampled plates, discrete variables that cannot be summed out, priors
        that depend on the data, priors that overflow.
    """
    import numpyro

    numpyro.enable_x64()
    from hiercal.user_models import _numpyro_trace as trace
    from hiercal.user_models._numpyro_refusals import refuse

    given_name = getattr(getattr(model, "func", model), "__name__", "model")
    title = re.sub(r"\W+", "_", name or given_name)
    bound = _double(model, args, inputs)
    sites = trace.traced(bound)
    try:
        refuse(bound, sites, title, simulated=simulate is not None)
        digest = trace.digest(bound, sites)
    except ModelRefused:
        raise
    except Exception as error:
        # whatever NumPyro and JAX say of a model that they cannot draw from
        raise ModelRefused(
            f"{title} cannot be drawn from forward ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}), as where a site is observed inside of a scan "
            "(give the data to a site outside of it), or where Python's if asks for a drawn value "
            "(write jnp.where)"
        ) from error
    story = NumPyroStory(
        title=title,
        digest=digest,
        model=bound,
        layout=Layout({}, {}, {}, {}),
        simulator=simulate,
        module=module,
    )
    drawn, broken = prior_looked_at(title, lambda rng: _drawn(story, rng))
    derived = frozenset(name for name, site in sites.items() if site["type"] == "deterministic")
    found = layout([truth for truth, _ in drawn], trace.dims_of(sites), {}, derived)
    movable, refused = trace.movable(bound, sites)
    trace.delivered(bound, sites, drawn[0][1], title)
    switching, switched = (), []
    if not trace.discrete_in(sites):
        truth, data = drawn[0]
        latent = {n: truth[n] for n in trace.latent_in(sites)}
        switching, switched = interchangeable(latent, partial(trace.log_joint, bound, data))
    about = [*found.notes, *filter(None, [broken]), *trace.sayings(sites), *switched, *refused]
    return replace(
        story,
        layout=found.naming(POINTWISE, trace.shapes_of_data(sites)),
        noncentrable=movable,
        interchangeable=switching,
        about=tuple(about),
    )


def _double(model: Callable[..., Any], args: Any, inputs: Any) -> Callable[..., Any]:
    """The model bound to its inputs, floating-point ones in double precision."""
    import jax
    from jax import numpy as jnp

    def double(value: Any) -> Any:
        is_array = isinstance(value, np.ndarray | jax.Array)
        floating = is_array and np.asarray(value).dtype.kind == "f"
        # of the same kind: JAX can be indexed by what it traces, NumPy cannot
        as_array = np.asarray if isinstance(value, np.ndarray) else jnp.asarray
        return as_array(value, np.float64) if floating else value

    if isinstance(model, partial):
        model, args, inputs = model.func, (*model.args, *args), {**model.keywords, **inputs}
    if not args and not inputs:
        return model
    args, inputs = jax.tree.map(double, (tuple(args), dict(inputs)))
    return partial(model, *args, **inputs)


@cache
def _sites(story: NumPyroStory) -> dict[str, Any]:
    import numpyro

    numpyro.enable_x64()
    from hiercal.user_models import _numpyro_trace as trace

    return trace.traced(story.model)


@cache
def _forward(story: NumPyroStory) -> Callable[[Any], dict[str, Any]]:
    from hiercal.user_models import _numpyro_trace as trace

    return trace.forward(story.model, _sites(story))


def _drawn(
    story: NumPyroStory, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Truth and data, drawn forward or by the user's simulator."""
    import jax

    from hiercal.user_models import _numpyro_trace as trace

    sites = _sites(story)
    names = trace.observed_in(sites)
    if story.simulator is not None:
        given, simulated = story.simulator(rng)
        data = {n: np.asarray(simulated[n]) for n in names}
        truth = {n: np.asarray(v) for n, v in given.items()}
        truth |= jax.device_get(trace.densities(story.model, truth, data))
    else:
        seed = int(rng.integers(2**63))
        values = jax.device_get(_forward(story)(jax.random.key(seed)))
        data = {n: np.asarray(values.pop(n)) for n in names}
        truth = {n: np.asarray(v) for n, v in values.items()}
    # the order of the model as it was written, which compiled functions do not keep
    truth = {name: truth[name] for name in {**sites, **truth} if name in truth}
    latent, _ = trace.reported(story.model, sites)
    parameters = {n: truth[n] for n in latent}
    sound(parameters, data, truth)
    return truth, data
