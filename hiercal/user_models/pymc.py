"""A PyMC model as a story: simulated forward, and refitted to what it simulated."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.errors import ModelRefused
from hiercal.simulators import Simulation
from hiercal.user_models import _pymc_graph as graph
from hiercal.user_models import reparameterise_pymc
from hiercal.user_models._layout import Layout, layout
from hiercal.user_models._model_story import (
    DENSITIES,
    LOG_LIK,
    LOG_PRIOR,
    POINTWISE,
    ModelStory,
    beside,
    interchangeable,
    prior_looked_at,
    sound,
)

if TYPE_CHECKING:
    import pymc as pm

MOST_TRIES = 10_000
"""Forward draws made for one that obeys the model's transforms."""
Simulator = Callable[[np.random.Generator], tuple[Mapping[str, Any], Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class PyMCStory(ModelStory):
    """A story of a PyMC model; see `from_pymc`.

    Parameters
    ----------
    simulator : callable, optional
        ``simulator(rng)`` returns the free variables and the data by name, in place of PyMC's
        forward draws.
    """

    simulator: Simulator | None = None

    def simulate(self, rng: np.random.Generator) -> Simulation:
        truth, data = _drawn(self, rng)
        return Simulation({name: truth[name] for name in self.dims}, data)

    def pymc_model(self, data: Mapping[str, np.ndarray], model: str) -> pm.Model:
        """The model, or one with variables taken off their location and scale; on its own data."""
        rewritten, refused = reparameterise_pymc.noncentred(_driven(self), self.moved(model))
        if refused:
            raise ModelRefused(f"{self.title}: {'; '.join(refused.values())}")
        return rewritten


def from_pymc(
    model: pm.Model, *, name: str = "", simulate: Simulator | None = None, module: str = ""
) -> PyMCStory:
    """A story of a PyMC model, taken as it is.

    Truths and data are drawn forward from the model; its observed values are replaced by those
    simulated. Every free variable is ranked, every deterministic of at most 100 elements, the log
    prior, the log likelihood, that of ten observations, and the joint density.

    Parameters
    ----------
    model : pm.Model
    name : str
        By default the model's own, or ``model``.
    simulate : callable
        ``simulate(rng)`` returns ``truth, data``: free and observed variables by name. It takes the
        place of forward draws, for a model with potentials.
    module : str
        The module that the model was read from; empty where it was made in Python.

    Returns
    -------
    PyMCStory

    Raises
    ------
    ModelRefused
        With variable, reason and remedy, if the model cannot be simulated or refitted: potentials,
        improper priors, minibatches, discrete variables, priors that depend on the data, priors
        that overflow.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> with pm.Model() as model:
    ...     mu = pm.Normal("mu", 0, 1)
    ...     y = pm.Normal("y", mu, 1, observed=np.zeros(3))
    >>> from_pymc(model).models
    {'as_written': ('mu', 'log_prior', 'log_lik', 'log_lik_at')}
    """
    title = re.sub(r"\W+", "_", name or model.name or "model")
    graph.refuse(model, title, simulated=simulate is not None)
    story = PyMCStory(
        title=title,
        digest=graph.digest(model),
        model=model,
        layout=Layout({}, {}, {}, {}),
        simulator=simulate,
        module=module,
    )
    try:
        drawn, broken = prior_looked_at(title, lambda rng: _drawn(story, rng))
    except NotImplementedError as error:
        raise ModelRefused(
            f"{title}: {error}. A variable of it cannot be drawn forward; give its distribution a "
            "`random` function, or give a simulator: from_pymc(model, simulate=function)"
        ) from None
    ours = _driven(story)
    derived = frozenset(d.name for d in ours.deterministics) - set(DENSITIES)
    found = layout(
        [truth for truth, _ in drawn], dict(ours.named_vars_to_dims), ours.coords, derived
    )
    movable, refused = reparameterise_pymc.movable(ours)
    switching, switched = interchangeable(
        *_at(story, drawn[0]), kept=[rv.name for rv in graph.restricted(ours)]
    )
    about = [*found.notes, *filter(None, [broken]), *_sayings(ours), *switched, *refused]
    return replace(
        story,
        layout=found.naming(POINTWISE, graph.shapes_of_data(ours)),
        noncentrable=movable,
        interchangeable=switching,
        about=tuple(about),
    )


def _at(
    story: PyMCStory, drawn: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]
) -> tuple[dict[str, np.ndarray], Callable[[Mapping[str, np.ndarray]], float]]:
    """Free variables of a draw, and the log joint density with its data as a function of them."""
    truth, data = drawn
    free = {rv.name: truth[rv.name] for rv in _driven(story).free_RVs}

    def log_joint(values: Mapping[str, np.ndarray]) -> float:
        found = _completed(story)(values, data)
        return float(found[LOG_PRIOR] + found[LOG_LIK])

    return free, log_joint


def _sayings(model: pm.Model) -> list[str]:
    names = [rv.name for rv in graph.restricted(model)]
    if not names:
        return []
    return [
        f"the transform of {', '.join(names)} restricts its prior, which PyMC's own forward draws "
        "ignore (sample_prior_predictive shows another model); hiercal draws until it holds"
    ]


@cache
def _driven(story: PyMCStory) -> pm.Model:
    return graph.driven(story.model)


@cache
def _forward(story: PyMCStory) -> Callable[[int], dict[str, np.ndarray]]:
    return graph.forward(_driven(story))


@cache
def _free(story: PyMCStory) -> Callable[[int], dict[str, np.ndarray]]:
    return graph.forward(_driven(story), only_free=True)


@cache
def _completed(story: PyMCStory) -> Callable[..., dict[str, np.ndarray]]:
    return graph.completed(_driven(story))


def _drawn(
    story: PyMCStory, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Truth and data, drawn forward or by the user's simulator."""
    model = _driven(story)
    if story.simulator is not None:
        given, simulated = story.simulator(rng)
        observed = {rv.name: np.asarray(simulated[rv.name]) for rv in model.observed_RVs}
        data = {n: v.astype(model[f"{n}_data"].dtype) for n, v in observed.items()}
        truth = _completed(story)(dict(given), data)
    else:
        values = _in_order(story, rng)
        data = {rv.name: values.pop(f"{rv.name}_data") for rv in model.observed_RVs}
        data = {n: v.astype(model[f"{n}_data"].dtype) for n, v in data.items()}
        truth = values
    # the order of the model as it was written, which a rewritten graph does not keep
    written = {each.name: 0 for each in [*story.model.free_RVs, *story.model.deterministics]}
    truth = {name: truth[name] for name in written | dict.fromkeys(truth)}
    parameters = {rv.name: truth[rv.name] for rv in model.free_RVs}
    sound(parameters, data, truth)
    return truth, data


def _in_order(story: PyMCStory, rng: np.random.Generator) -> dict[str, np.ndarray]:
    draw = _forward(story)
    for _ in range(MOST_TRIES):
        seed = int(rng.integers(2**63))
        try:
            values = draw(seed)
        except NotImplementedError:
            raise
        except Exception as error:
            # a generator refused its parameters: these can be drawn without it
            raise ValueError(f"{error}{beside(_free(story)(seed))}") from error
        if values.pop(graph.IN_ORDER):
            return values
    raise ModelRefused(
        f"{story.title}: none of {MOST_TRIES} draws of the prior obeys the transforms of "
        f"{', '.join(rv.name for rv in graph.restricted(_driven(story)))}; write the prior so that "
        "it does, or give a simulator: from_pymc(model, simulate=function)"
    )
