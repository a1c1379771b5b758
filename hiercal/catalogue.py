"""Finds stories, fitters and studies by name, or as ``file.py:attribute``."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from hiercal.fitters import Fitter
from hiercal.simulators import Story
from hiercal.studies import _user_files
from hiercal.studies._experiment import Experiment

ROOMS = {"stories": "simulators", "fitters": "fitters", "studies": "studies"}
"""Kind of thing and the subpackage that holds it."""


class UnknownName(ValueError):
    """A name that the catalogue does not hold; the message says what is close."""


def names(kind: str) -> list[str]:
    """Names of one kind: the public modules of its room."""
    package = importlib.import_module(f"hiercal.{ROOMS[kind]}")
    return sorted(
        m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")
    )


def module(kind: str, name: str) -> ModuleType:
    """The module of a name, or an `UnknownName` with the nearest ones."""
    if name not in names(kind):
        raise UnknownName(unknown(f"{kind} name", name, names(kind)))
    return importlib.import_module(f"hiercal.{ROOMS[kind]}.{name}")


def story_class(name: str) -> type[Story]:
    """The class of a story."""
    return _find("stories", Story, name)


def fitter_class(name: str) -> type[Fitter]:
    """The class of a fitter."""
    return _find("fitters", Fitter, name)


def experiment_class(name: str) -> type[Experiment]:
    """The class of a study."""
    return _find("studies", Experiment, name)


def story(name: str, **options: Any) -> Story:
    """Make a story.

    Parameters
    ----------
    name : str
        A name of ``hiercal list stories``, or ``file.py:Class`` for a story of your own. The file
        is read anew if it, or one beside it that it imports, has changed.
    options
        The story's fields.

    Raises
    ------
    ValueError
        On an unknown name or option, or a bad value; the message names the nearest valid one.

    Examples
    --------
    >>> from hiercal import story
    >>> story("eight_schools", tau_scale=5).tau_scale
    5.0
    """
    return _build(story_class(name), name, options)


def fitter(name: str, **options: Any) -> Fitter:
    """Make a fitter.

    Parameters
    ----------
    name : str
        A name of ``hiercal list fitters``, or ``file.py:Class`` for a fitter of your own. The file
        is read anew if it, or one beside it that it imports, has changed.
    options
        The fitter's fields.

    Raises
    ------
    ValueError
        On an unknown name or option, or a bad value; the message names the nearest valid one.

    Examples
    --------
    >>> from hiercal import fitter
    >>> fitter("numpyro", model="centred", target_accept=0.9).label
    'numpyro-centred'
    """
    return _build(fitter_class(name), name, options)


def experiment(name: str, *, quick: bool = False, **options: Any) -> Experiment:
    """Make one of the named studies.

    Parameters
    ----------
    name : str
        A name of ``hiercal list studies``, or ``file.py:Class`` for a study of your own.
    quick : bool
        At a size that takes less than a minute, where no option says otherwise.
    options
        The study's fields.

    Raises
    ------
    ValueError
        On an unknown name or option, or a bad value; the message names the nearest valid one.

    Examples
    --------
    >>> from hiercal import experiment
    >>> experiment("funnel", simulations=50).simulations
    50
    """
    cls = experiment_class(name)
    return _build(cls, name, (dict(cls.quick) if quick else {}) | options)


def unknown(what: str, got: str, valid: list[str]) -> str:
    """A message about a name that is not among the valid ones."""
    close = difflib.get_close_matches(got, valid, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {what} {got!r}; {hint}valid: {', '.join(valid)}"


def _find[T](kind: str, base: type[T], name: str) -> type[T]:
    if ":" in name:
        return _from_file(kind, base, name)
    found = [
        value
        for value in vars(module(kind, name)).values()
        if inspect.isclass(value)
        and issubclass(value, base)
        and value.__module__ == f"hiercal.{ROOMS[kind]}.{name}"
    ]
    (cls,) = found
    return cls


def _from_file[T](kind: str, base: type[T], reference: str) -> type[T]:
    path_text, _, attribute = reference.rpartition(":")
    path = Path(path_text)
    if not path.is_file():
        raise UnknownName(
            f"{reference!r}: there is no file {path_text!r}; give file.py:Class, or one of "
            f"{', '.join(names(kind))}"
        )
    try:
        loaded = _user_files.load(path)
    except SyntaxError as error:
        raise UnknownName(f"{path_text} is not Python: {error}") from None
    cls = getattr(loaded, attribute, None)
    if not (inspect.isclass(cls) and issubclass(cls, base)):
        classes = [n for n, v in vars(loaded).items() if inspect.isclass(v) and issubclass(v, base)]
        raise UnknownName(unknown(f"{base.__name__} in {path_text}", attribute, classes))
    return cls


def _build[T](cls: type[T], name: str, options: dict[str, Any]) -> T:
    import pydantic

    valid = [field.name for field in dataclasses.fields(cls)]  # ty: ignore[invalid-argument-type]
    for option in options:
        if option not in valid:
            raise UnknownName(unknown(f"option of {name}", option, valid))
    try:
        return pydantic.TypeAdapter(cls).validate_python(options)
    except pydantic.ValidationError as error:
        raise ValueError("; ".join(problem(e, name) for e in error.errors())) from None


def problem(error: Any, where: str) -> str:
    """One of pydantic's findings as a sentence."""
    at = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error["loc"]).lstrip(".")
    if error["type"] == "value_error":  # raised by our own checks, whose messages are whole
        return str(error["ctx"]["error"])
    return f"{where}: {at} is {error['input']!r}; {error['msg'][:1].lower()}{error['msg'][1:]}"
