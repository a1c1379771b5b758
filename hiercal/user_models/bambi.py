"""A Bambi model as a story: the PyMC model that it builds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hiercal.errors import ModelRefused
from hiercal.user_models.pymc import PyMCStory, from_pymc

if TYPE_CHECKING:
    import bambi


def from_bambi(model: bambi.Model, *, name: str = "", module: str = "") -> PyMCStory:
    """A story of a Bambi model, built on its own data.

    Bambi scales its default priors to the data. They are frozen as they are on the data that the
    model was made with, and stay so for all simulations.

    Parameters
    ----------
    model : bambi.Model
    name : str
        By default that of the response.
    module : str
        The module that the model was read from; empty where it was made in Python.

    Returns
    -------
    PyMCStory

    Raises
    ------
    ModelRefused
        As of `from_pymc`, and if the response is weighted.
    """
    if not model.built:
        model.build()
    backend: Any = model.backend
    response = model.response_component.term.name
    if model.response_component.term.is_weighted:
        raise ModelRefused(
            f"{name or response} cannot be checked: its log likelihood is weighted, its forward "
            "draws are not, so that prior and model would disagree; write the model without weights"
        )
    story = from_pymc(backend.model, name=name or response, module=module)
    frozen = _automatic(model)
    if not frozen:
        return story
    note = (
        f"Bambi scaled the priors of {', '.join(frozen)} to the data; they are frozen as they are "
        "on these data, and the same in all simulations"
    )
    return replace(story, about=(*story.about, note))


def _automatic(model: bambi.Model) -> list[str]:
    """Names of terms whose priors Bambi scaled to the data."""
    # terms of other parameters have priors that Bambi marks as scaled and leaves as they are
    family: Any = model.family
    parent = model.components[family.likelihood.parent]
    return [
        name
        for name, term in getattr(parent, "terms", {}).items()
        if getattr(getattr(term, "prior", None), "auto_scale", False)
    ]
