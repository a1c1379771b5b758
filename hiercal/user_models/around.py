"""Posterior SBC: a story around data, from posterior draws given them.

A truth theta' is drawn from p(theta | y_obs) and new data y' from p(y | theta'). Given both data
sets, theta' is a draw of the posterior p(theta | y_obs, y'): its rank is uniform if the fits are
right, where the data put the model and not all over its prior.

Säilynoja, Schmitt, Bürkner, Vehtari (2025), arXiv:2502.03279, section 3.
"""

from __future__ import annotations

import dataclasses
import hashlib
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from hiercal.errors import ModelRefused
from hiercal.simulators import Simulation, Story
from hiercal.simulators._capabilities import (
    ExactPosterior,
    Merges,
    NumPyroModel,
    PyMCModel,
    Replicates,
)
from hiercal.simulators._story import changed_fields, needed
from hiercal.user_models._around_story import Around, Arrays, Augment, parted, usual_model
from hiercal.user_models._layout import layout
from hiercal.user_models._model_story import AGAIN, POINTWISE, ModelStory
from hiercal.user_models.numpyro import NumPyroStory
from hiercal.user_models.pymc import PyMCStory

LOOKED_AT = 200
"""Draws that tell which elements of a user's variables vary."""


def around(
    story: Story,
    fixed: Arrays,
    draws: Arrays,
    *,
    augment: Augment | None = None,
    said: tuple[str, ...] = (),
) -> Around:
    """A story around data, from posterior draws given them.

    Parameters
    ----------
    story : Story
    fixed : dict of ndarray
        The data, y_obs.
    draws : dict of ndarray, shape (n_draws, *dims)
        Of all `parameters` of the story.
    augment : callable
        ``augment(y_obs, y_new)`` returns the data that are fitted, where the story's models take
        data of other sizes; by default each observed variable is there twice.
    said : tuple of str
        What the user should know of the draws.

    Raises
    ------
    ModelRefused, ValueError
        If the story cannot draw new data, or its data cannot be observed twice.
    """
    refuse(story)
    hashed = hashlib.sha256(f"{story.name}{changed_fields(story)}".encode())
    for name, values in sorted([*fixed.items(), *draws.items()]):
        hashed.update(name.encode() + np.ascontiguousarray(values).tobytes())
    parts: dict[str, Any] = {
        "title": f"{story.name}_around",
        "digest": hashed.hexdigest()[:16],
        "fixed": dict(fixed),
        "draws": {name: draws[name] for name in parameters(story)},
        "augment": augment,
        "notes": (*story.notes, *said),
        "module": getattr(story, "module", ""),
    }
    if isinstance(story, ModelStory):
        if augment is not None:
            raise ModelRefused(
                f"{story.title}: augment is for stories whose functions take data of any size; "
                "leave it out, and the data are observed twice"
            )
        return Around(**parts, **_of_model(story, parts))
    return Around(**parts, **_of_story(story, fixed, augment))


def refuse(story: Story) -> None:
    """Raise a ValueError if a story cannot draw new data, or its data cannot be there twice."""
    if isinstance(story, Around):
        raise ValueError(f"{story.name} is around data already; give the story that it was made of")
    if dict(story.given):
        raise ValueError(f"{story.name}: given is {dict(story.given)}; a posterior fixes nothing")
    if not isinstance(story, ModelStory):
        needed(story, Replicates)
    elif isinstance(story, PyMCStory):
        _machinery(story).twice(story.model)
    else:
        _machinery(story).doubled(story.model, story.title)


def _of_story(story: Story, fixed: Arrays, augment: Augment | None) -> dict[str, Any]:
    """What an `Around` of a story that simulates by itself has besides data and draws."""
    able = needed(story, Replicates)
    if not fixed:
        raise ValueError(f"story {story.name} has no data to be around")
    made: dict[str, Any] = {
        "story": story,
        "replicated": partial(_replicated, able, dict(fixed), augment),
    }
    if augment is not None:
        for method, capability in (("pymc_model", PyMCModel), ("numpyro_model", NumPyroModel)):
            made |= {method: getattr(story, method)} if isinstance(story, capability) else {}
        return made | ({"exact": story.exact} if isinstance(story, ExactPosterior) else {})
    if isinstance(story, PyMCModel):
        made["pymc_model"] = partial(_pymc_model, story)
    if isinstance(story, NumPyroModel):
        made["numpyro_model"] = partial(_numpyro_model, story, tuple(fixed))
    if isinstance(story, ExactPosterior) and isinstance(story, Merges):
        made["exact"] = partial(_exact, story)
    return made


def _of_model(story: ModelStory, parts: dict[str, Any]) -> dict[str, Any]:
    """The same of a user's model, whose graph is written out twice."""
    again = _machinery(story)
    if isinstance(story, PyMCStory):
        from hiercal.user_models import _pymc_graph

        model = again.twice(story.model)
        digest = _pymc_graph.digest(model)
    else:
        model, digest = again.doubled(story.model, story.title)
    # no simulator: it draws from the prior
    changes: dict[str, Any] = {"model": model, "digest": digest, "simulator": None}
    both = dataclasses.replace(story, title=parts["title"], **changes)
    replicated = partial(again.replicated, both, dict(parts["fixed"]))
    draws, rng = parts["draws"], np.random.default_rng(0)
    n_draws = len(next(iter(draws.values())))
    looked_at = []
    for i in np.unique(np.linspace(0, n_draws - 1, LOOKED_AT).astype(int)):
        truth = replicated({n: v[i] for n, v in draws.items()}, rng).truth
        # in the order of the story, which a rewritten graph does not keep
        looked_at.append({n: truth[n] for n in {**story.dims, **truth} if n in truth})
    dims, computed = again.dims(both)
    found = layout(looked_at, dims, story.coords, computed)
    both = dataclasses.replace(both, layout=found.naming(POINTWISE, again.points(both)))
    made = {"story": both, "replicated": partial(again.replicated, both, dict(parts["fixed"]))}
    method = "pymc_model" if isinstance(both, PyMCStory) else "numpyro_model"
    return made | {method: getattr(both, method)}


def parameters(story: Story) -> tuple[str, ...]:
    """The variables that posterior draws must hold."""
    if isinstance(story, ModelStory):
        return _machinery(story).latent(story)
    return tuple(story.models[usual_model(story)])


def observed_in(story: Story) -> dict[str, np.ndarray] | None:
    """The data that a user's model observes; None of another story."""
    return _machinery(story).observed(story) if isinstance(story, ModelStory) else None


def _machinery(story: ModelStory) -> ModuleType:
    """What writes a model of its library out twice."""
    if isinstance(story, PyMCStory):
        from hiercal.user_models import _again_pymc as again
    elif isinstance(story, NumPyroStory):
        from hiercal.user_models import _again_numpyro as again
    else:
        raise ModelRefused(f"{story.title}: nothing is known of {type(story).__name__}")
    return again


def _replicated(
    story: Replicates,
    fixed: Arrays,
    augment: Augment | None,
    parameters: Arrays,
    rng: np.random.Generator,
) -> Simulation:
    new = {name: np.asarray(values) for name, values in story.replicate(parameters, rng).items()}
    if augment is not None:
        return Simulation(dict(parameters), dict(augment(fixed, new)))
    second = {f"{name}{AGAIN}": values for name, values in new.items()}
    return Simulation(dict(parameters), {**fixed, **second})


def _pymc_model(story: PyMCModel, data: Arrays, model: str) -> Any:
    from hiercal.user_models import _again_pymc as again

    first, _ = parted(data)
    return again.twice(story.pymc_model(first, model))


def _numpyro_model(story: NumPyroModel, names: tuple[str, ...], model: str) -> Any:
    from hiercal.user_models import _again_numpyro as again

    return again.twice(story.numpyro_model(model), names)


def _exact(story: Any, data: Arrays, model: str = "centred") -> Any:
    told, merged = story.merged(*parted(data))
    return told.exact(merged, model)
