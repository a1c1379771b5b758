"""A story of whatever a user has: told by what it is."""

from __future__ import annotations

import inspect
import sys
from functools import partial
from types import FunctionType
from typing import Any

from hiercal.errors import ModelRefused
from hiercal.simulators import Story

KINDS = "a pm.Model, a bambi.Model, a NumPyro model, a Story, or a function that returns one"
LIBRARIES = ("pymc", "numpyro", "bambi")
"""What a model may be said to be written in."""


def is_model(value: Any) -> bool:
    """Whether a value could be meant as a model or story; of a function nobody knows yet."""
    return (
        isinstance(value, Story | partial | FunctionType)
        or (inspect.isclass(value) and issubclass(value, Story))
        or _is_of("pymc", "Model", value)
        or _is_of("bambi", "Model", value)
        or _is_of("pymc", "Model", getattr(value, "pymc_model", None))
    )


def story_of(
    model: Any, *args: Any, name: str = "", module: str = "", library: str = "", **inputs: Any
) -> Story:
    """A story of a model.

    Parameters
    ----------
    model
        A ``pm.Model``, a ``bambi.Model``, a NumPyro model with what it is called with in `args` and
        `inputs`, a `Story`, or a function without arguments that returns one of these.
    name : str
        What to call it; by default what its library does.
    module : str
        The module that it was read from.
    library : {"", "pymc", "numpyro", "bambi"}
        What it has to be written in.

    Raises
    ------
    ModelRefused
        If it is none of these, or cannot be checked.
    """
    story, written_in = _story_of(model, args, inputs, name, module)
    if library and library != written_in:
        raise ModelRefused(f"{name or model!r} is written in {written_in or 'nothing known'}, "
                           f"not in {library}")  # fmt: skip
    return story


def _story_of(model: Any, args: Any, inputs: Any, name: str, module: str) -> tuple[Story, str]:
    if inspect.isclass(model) and issubclass(model, Story):
        return model(), ""
    if isinstance(model, Story):
        return model, ""
    if _is_of("bambi", "Model", model):
        from hiercal.user_models.bambi import from_bambi

        return from_bambi(model, name=name, module=module), "bambi"
    if not _is_of("pymc", "Model", model):
        # other libraries that build a PyMC model have it under this name
        model = getattr(model, "pymc_model", model)
    if _is_of("pymc", "Model", model):
        from hiercal.user_models.pymc import from_pymc

        return from_pymc(model, name=name, module=module), "pymc"
    if isinstance(model, partial) or callable(model):
        lacking = _lacking(model, args, inputs)
        if lacking:
            raise ModelRefused(
                f"{name or getattr(model, '__name__', model)!s} needs {', '.join(lacking)}; give "
                "them: hiercal.check(model, x=x, y=y), or in a file "
                "model = functools.partial(function, x=x, y=y)"
            )
        try:
            returned = _called(model, args, inputs)
        except ModelRefused:
            raise
        except Exception as error:
            # the user's own code: its error is what they need to see, in one line
            raise ModelRefused(
                f"{name or getattr(model, '__name__', model)!s} could not be called: "
                f"{type(error).__name__}: {error}"
            ) from error
        if returned is not None:
            return _story_of(returned, (), {}, name, module)
        from hiercal.user_models.numpyro import from_numpyro

        return from_numpyro(model, *args, name=name, module=module, **inputs), "numpyro"
    raise ModelRefused(f"got {type(model).__name__}; give {KINDS}")


def _is_of(library: str, cls: str, value: Any) -> bool:
    """Whether a value is of a library's class; a library not imported has made nothing."""
    loaded = sys.modules.get(library)
    return loaded is not None and hasattr(loaded, cls) and isinstance(value, getattr(loaded, cls))


def _lacking(function: Any, args: Any, inputs: Any) -> list[str]:
    """Arguments that a function cannot do without and was not given."""
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **inputs)
    except TypeError:
        given = signature.bind_partial(*args, **inputs).arguments
        return [
            name
            for name, each in signature.parameters.items()
            if each.default is each.empty
            and name not in given
            and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        ]
    return []


def _called(function: Any, args: Any, inputs: Any) -> Any:
    """What a function returns that makes a model; None for a NumPyro model, which samples."""
    if "numpyro" not in sys.modules:
        return function(*args, **inputs)
    import numpyro

    numpyro.enable_x64()
    from hiercal.user_models import _numpyro_trace as trace

    kept: list[Any] = []
    sites = trace.traced(lambda: kept.append(function(*args, **inputs)))
    return None if any(site["type"] == "sample" for site in sites.values()) else kept[0]
