"""Finds stories, fitters and studies by name, or as ``file.py:attribute``."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from hiercal.errors import UnknownName
from hiercal.fitters import Fitter
from hiercal.fitters._function import FunctionFitter
from hiercal.runs import user_files
from hiercal.simulators import Story
from hiercal.studies import Study

ROOMS = {"stories": "simulators", "fitters": "fitters", "studies": "studies"}
"""Kind of thing and the subpackage that holds it."""
SINGULAR = {"stories": "story", "fitters": "fitter", "studies": "study"}


def names(kind: str) -> list[str]:
    """Names of one kind: the public modules, or folders, of its room."""
    package = importlib.import_module(f"hiercal.{ROOMS[kind]}")
    return sorted(
        m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_")
    )


def module(kind: str, name: str) -> ModuleType:
    """The module of a name, or an `UnknownName` with the nearest ones."""
    if name not in names(kind):
        raise UnknownName(unknown(SINGULAR[kind], name, names(kind)))
    return importlib.import_module(_home(kind, name))


def _home(kind: str, name: str) -> str:
    """Module of a name; a study is a folder."""
    return f"hiercal.{ROOMS[kind]}.{name}{'.study' if kind == 'studies' else ''}"


def story_class(name: str) -> type[Story]:
    """The class of a story."""
    return _class("stories", Story, name)


def fitter_class(name: str) -> type[Fitter]:
    """The class of a fitter; that of functions for one that is a function in a file."""
    code = _find("fitters", Fitter, name)
    return code if isinstance(code, type) else FunctionFitter


def study_class(name: str) -> type[Study]:
    """The class of a study."""
    return _class("studies", Study, name)


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


def fitter(name: str | Callable[..., Any], **options: Any) -> Fitter:
    """Make a fitter.

    Parameters
    ----------
    name : str or function
        A name of ``hiercal list fitters``, or ``file.py:Class`` for a fitter of your own, or a
        function, itself or as ``file.py:function``: it takes the data and a seed, and returns
        draws by name, (n_chains, n_draws, *dims) or (n_draws, *dims). The file is read anew if it,
        or one beside it that it imports, has changed.
    options
        The fitter's fields; of a function ``chains`` and ``draws``, which are learned from its
        first fit if left out.

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
    code = _find("fitters", Fitter, name) if isinstance(name, str) else name
    if isinstance(code, type) and issubclass(code, Fitter):
        return _build(code, str(name), options)
    return _build(FunctionFitter, getattr(code, "__name__", str(name)), options, function=code)


def study(name: str, *, quick: bool = False, **options: Any) -> Study:
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
    >>> from hiercal import study
    >>> study("funnel", simulations=50).simulations
    50
    """
    cls = study_class(name)
    return _build(cls, name, (dict(cls.quick) if quick else {}) | options)


def unknown(what: str, got: str, valid: list[str]) -> str:
    """A message about a name that is not among the valid ones."""
    close = difflib.get_close_matches(got, valid, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {what} {got!r}; {hint}valid: {', '.join(valid)}"


def _class[T](kind: str, base: type[T], name: str) -> type[T]:
    cls = _find(kind, base, name)
    assert isinstance(cls, type)
    return cls


def _find[T](kind: str, base: type[T], name: str) -> type[T] | FunctionType:
    """The class of a name; or, among fitters, a function of a user's file."""
    if ":" in name:
        return _from_file(kind, base, name)
    classes = [
        value
        for value in vars(module(kind, name)).values()
        if inspect.isclass(value)
        and issubclass(value, base)
        and value.__module__ == _home(kind, name)
    ]
    (cls,) = classes
    return cls


def _from_file[T](kind: str, base: type[T], reference: str) -> type[T] | FunctionType:
    path_text, _, attribute = reference.rpartition(":")
    path = Path(path_text)
    if not path.is_file():
        raise UnknownName(
            f"{reference!r}: there is no file {path_text!r}; give file.py:Class, or one of "
            f"{', '.join(names(kind))}"
        )
    try:
        loaded = user_files.load(path)
    except SyntaxError as error:
        raise UnknownName(f"{path_text} is not Python: {error}") from None

    def fits(value: Any) -> bool:
        if kind == "fitters" and isinstance(value, FunctionType):
            return value.__module__ == loaded.__name__
        return inspect.isclass(value) and issubclass(value, base)

    code = getattr(loaded, attribute, None)
    if code is None or not fits(code):
        valid = [name for name, value in vars(loaded).items() if fits(value)]
        raise UnknownName(unknown(f"{base.__name__} in {path_text}", attribute, valid))
    return code


def _build[T](cls: type[T], name: str, options: dict[str, Any], **fixed: Any) -> T:
    import pydantic

    fields = [field.name for field in dataclasses.fields(cls)]  # ty: ignore[invalid-argument-type]
    valid = [field for field in fields if field not in fixed]
    for option in options:
        if option not in valid:
            raise UnknownName(unknown(f"option of {name}", option, valid))
    try:
        return pydantic.TypeAdapter(cls).validate_python(options | fixed)
    except pydantic.ValidationError as error:
        raise ValueError("; ".join(problem(e, name) for e in error.errors())) from None


def problem(error: Any, where: str) -> str:
    """One of pydantic's findings as a sentence."""
    at = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error["loc"]).lstrip(".")
    if error["type"] == "value_error":  # raised by our own checks, whose messages are whole
        return str(error["ctx"]["error"])
    return f"{where}: {at} is {error['input']!r}; {error['msg'][:1].lower()}{error['msg'][1:]}"
