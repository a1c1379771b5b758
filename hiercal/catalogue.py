"""Finds stories, fitters, studies and kernels by name, or as ``file.py:attribute``."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from hiercal.errors import UnknownName
from hiercal.fitters import Fitter
from hiercal.fitters._fitter import MOST, at_least
from hiercal.fitters._function import FunctionFitter
from hiercal.fitters._given import GivenDraws
from hiercal.kernels import FunctionKernel, Kernel
from hiercal.runs import user_files
from hiercal.simulators import Story
from hiercal.simulators._capabilities import BringsDraws, NumPyroModel, PyMCModel
from hiercal.simulators._fields import is_number, is_whole
from hiercal.studies import Study
from hiercal.user_models._of import is_model, story_of
from hiercal.user_models.functions import FunctionStory
from hiercal.words import shown

ROOMS = {
    "stories": "simulators",
    "fitters": "fitters",
    "studies": "studies",
    "kernels": "kernels",
}
"""Kind of thing and the subpackage that holds it."""
_SAMPLED = {"numpyro": NumPyroModel, "pymc": PyMCModel}
"""Fitters that need nothing but a model, and the capability that is one."""
SINGULAR = {"stories": "story", "fitters": "fitter", "studies": "study", "kernels": "kernel"}


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
    cls = _find("stories", Story, name)
    if not isinstance(cls, type):
        raise UnknownName(f"{name} is a model; give file.py:Class")
    return cls


def fitter_class(name: str) -> type[Fitter]:
    """The class of a fitter; that of functions for one that is a function in a file."""
    code = _find("fitters", Fitter, name)
    return code if isinstance(code, type) else FunctionFitter


def study_class(name: str) -> type[Study]:
    """The class of a study."""
    return _class("studies", Study, name)


def kernel_class(name: str) -> type[Kernel]:
    """The class of a kernel."""
    return _class("kernels", Kernel, name)


def is_study(reference: str) -> bool:
    """Whether a name, or a ``file.py:attribute``, is a study's."""
    if ":" not in reference:
        return reference in names("studies")
    found = _found(reference)
    return inspect.isclass(found) and issubclass(found, Study)


def story(name: str, **options: Any) -> Story:
    """Make a story.

    Parameters
    ----------
    name : str
        A name of ``hiercal list stories``, ``file.py:Class`` for a story of your own, or
        ``file.py:model`` for a model of PyMC, NumPyro or Bambi. The file is read anew if it, or
        one beside it that it imports, has changed.
    options
        The story's fields; none of a model.

    Raises
    ------
    ValueError
        On an unknown name or option, or a bad value; the message names the nearest valid one. Of a
        model that cannot be checked, a `ModelRefused`.

    Examples
    --------
    >>> from hiercal import story
    >>> story("eight_schools", tau_scale=5).tau_scale
    5.0
    """
    found = _find("stories", Story, name)
    if isinstance(found, type):
        return _build(found, name, options)
    if options:
        raise UnknownName(f"{name} is a model, which has no options; got {', '.join(options)}")
    return model(name)


def model(reference: str, library: str = "") -> Story:
    """The story of a model in a file.

    Parameters
    ----------
    reference : str
        ``file.py:model``; a model called ``model`` goes by the name of its file.
    library : {"", "pymc", "numpyro", "bambi"}
        What it has to be written in.

    Raises
    ------
    ValueError
        If there is none, or if it cannot be checked.
    """
    found = _find("stories", Story, reference)
    path, _, attribute = reference.rpartition(":")
    name = Path(path).stem if attribute == "model" else attribute
    return story_of(found, name=name, module=_loaded(reference).__name__, library=library)


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


def usual_fitters(story: Story) -> list[Fitter]:
    """What a story is fitted by where nobody says: the samplers of its libraries, in every model.

    Raises
    ------
    ValueError
        If nothing of the catalogue can fit it.
    """
    if isinstance(story, BringsDraws):
        chains, draws = story.draws_shape
        return [GivenDraws(chains=chains, draws=draws)]
    if isinstance(story, FunctionStory):
        return [FunctionFitter(function=story.fit)]
    usual = getattr(story, "usual_models", None) or [
        model for model in ("centred", "noncentred") if model in story.models
    ]
    libraries = [name for name, needs in _SAMPLED.items() if isinstance(story, needs)]
    if not libraries:
        raise ValueError(
            f"story {story.name} has neither a PyMC model nor a NumPyro model; say what fits it: "
            "fitters=[...]"
        )
    return [fitter(name, model=model) for name in libraries for model in usual]


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
    for option, value in options.items():
        for each in value if isinstance(value, list | tuple) else [value]:
            if option != "seed" and is_whole(each) and each > MOST:
                at_least(name, option, each, 0)  # before anything is made of it
    return _build(cls, name, (dict(cls.quick) if quick else {}) | options)


def kernel(name: str | Callable[..., Any], **options: Any) -> Kernel:
    """Make a Markov kernel, for `hiercal.kernel_check`.

    Parameters
    ----------
    name : str or function
        A name of ``hiercal list kernels``; a function ``kernel(rng, theta, data)``, itself or as
        ``file.py:function``; ``file.py:Class`` or ``file.py:kernel`` for a `Kernel` of your own.
    options
        The kernel's fields, such as ``step_size=0.2``.

    Raises
    ------
    ValueError
        On an unknown name or option, or a bad value; the message names the nearest valid one.

    Examples
    --------
    >>> from hiercal import catalogue
    >>> catalogue.kernel("blackjax", algorithm="hmc", step_size=0.2).step_size
    0.2
    """
    code = _find("kernels", Kernel, name) if isinstance(name, str) else name
    if isinstance(code, Kernel):
        given = {field.name: getattr(code, field.name) for field in dataclasses.fields(code)}
        return _build(type(code), str(name), given | options)
    if isinstance(code, type) and issubclass(code, Kernel):
        return _build(code, str(name), options)
    return _build(FunctionKernel, getattr(code, "__name__", str(name)), options, function=code)


def unknown(what: str, got: str, valid: list[str]) -> str:
    """A message about a name that is not among the valid ones."""
    close = difflib.get_close_matches(got, valid, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {what} {got!r}; {hint}valid: {', '.join(valid)}"


def _class[T](kind: str, base: type[T], name: str) -> type[T]:
    cls = _find(kind, base, name)
    assert isinstance(cls, type)
    return cls


def _find[T](kind: str, base: type[T], name: str) -> type[T] | Any:
    """The class of a name; of a user's file a function among fitters, and a model among stories."""
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


def _found(reference: str) -> Any:
    """What a ``file.py:attribute`` is, or None."""
    path, _, attribute = reference.rpartition(":")
    return getattr(_loaded(reference), attribute, None) if path else None


def _loaded(reference: str) -> ModuleType:
    """The module of a ``file.py:attribute``, or an `UnknownName`."""
    path = Path(reference.rpartition(":")[0])
    if not path.is_file():
        raise UnknownName(
            f"{reference!r}: there is no file {str(path)!r}; give file.py:name, or a name of "
            "hiercal list"
        )
    return user_files.load(path)


def _from_file[T](kind: str, base: type[T], reference: str) -> type[T] | Any:
    path_text, _, attribute = reference.rpartition(":")
    loaded = _loaded(reference)

    def fits(value: Any) -> bool:
        if kind in ("fitters", "kernels") and isinstance(value, FunctionType):
            return value.__module__ == loaded.__name__
        if kind == "kernels" and isinstance(value, Kernel):
            return True
        if kind == "stories" and is_model(value):
            return True
        return inspect.isclass(value) and issubclass(value, base)

    code = getattr(loaded, attribute, None)
    if code is None or not fits(code):
        valid = [name for name, value in vars(loaded).items() if fits(value)]
        what = "model or story" if kind == "stories" else base.__name__
        raise UnknownName(unknown(f"{what} in {path_text}", attribute, valid))
    return code


def _build[T](cls: type[T], name: str, options: dict[str, Any], **fixed: Any) -> T:
    import pydantic

    fields = [field.name for field in dataclasses.fields(cls)]  # ty: ignore[invalid-argument-type]
    valid = [field for field in fields if field not in fixed]
    for option in options:
        if option not in valid:
            raise UnknownName(unknown(f"option of {name}", option, valid))
    options = {option: plain(value) for option, value in options.items()}
    try:
        made = pydantic.TypeAdapter(cls).validate_python(options | fixed)
    except pydantic.ValidationError as error:
        first = {e["loc"][:1]: e for e in reversed(error.errors())}
        found = [problem(e, name) for e in first.values()]
        raise ValueError("; ".join(reversed(found))) from None
    for option, value in options.items():
        taken = getattr(made, option, value)
        if found := _made_of_another(value, taken):
            given, wanted = found
            raise ValueError(f"{name}: {option} holds {given!r}; give {wanted}"
                             if given is not value else
                             f"{name}: {option} is {given!r}; give {wanted}")  # fmt: skip
    return made


def plain(value: Any) -> Any:
    """A value with Python's numbers in place of NumPy's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
    return value


def _made_of_another(given: Any, taken: Any) -> tuple[Any, str] | None:
    """A number or truth value that pydantic made of something else, and what it should be."""
    if isinstance(taken, bool):
        return None if isinstance(given, bool) else (given, "true or false")
    if isinstance(taken, int):
        return None if is_whole(given) else (given, "a whole number")
    if isinstance(taken, float):
        return None if is_number(given) else (given, "a number")
    if isinstance(given, Mapping) and isinstance(taken, Mapping | tuple):
        held = dict(taken)
        pairs = [(value, held.get(key, value)) for key, value in given.items()]
    elif isinstance(given, list | tuple) and isinstance(taken, list | tuple):
        pairs = list(zip(given, taken, strict=False))
    else:
        return None
    return next((found for pair in pairs if (found := _made_of_another(*pair))), None)


def problem(error: Any, where: str) -> str:
    """One of pydantic's findings as a sentence."""
    # of a union, the name of its part is among the places
    places = [p for p in error["loc"] if isinstance(p, int) or "[" not in p]
    at = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in places).lstrip(".")
    if error["type"] == "value_error":  # raised by our own checks, whose messages are whole
        return str(error["ctx"]["error"])
    return f"{where}: {at} is {shown(error['input'])}; {error['msg'][:1].lower()}{error['msg'][1:]}"
