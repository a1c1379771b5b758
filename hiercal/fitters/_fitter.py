"""What every fitter is: a way to get a posterior, prepared once and applied to many data sets."""

from __future__ import annotations

import atexit
import dataclasses
import difflib
import importlib
import importlib.util
import inspect
import os
import pkgutil
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.simulators._capabilities import CALLED
from hiercal.simulators._story import ClassName

if TYPE_CHECKING:
    from hiercal.simulators import Story

STATISTICS = ("diverging", "tree_depth", "n_steps", "energy")
"""Per-draw statistics that every NUTS fitter reports, under these names."""


@dataclass(frozen=True)
class Fit:
    """A posterior, or what went wrong.

    Attributes
    ----------
    draws : dict of ndarray, shape (n_chains, n_draws, *dims)
        Draws of the parameters after tuning.
    stats : dict of ndarray, shape (n_chains, n_draws)
        ``diverging``, ``tree_depth``, ``n_steps`` (leapfrog steps) and ``energy`` of each draw;
        empty for a fitter that does not sample by NUTS.
    seconds : float
        Wall-clock time of the fit.
    error : str or None
        Why the fit failed; its draws are then not to be used.
    """

    draws: Mapping[str, np.ndarray]
    stats: Mapping[str, np.ndarray]
    seconds: float
    error: str | None = None

    @property
    def divergences(self) -> int:
        """Number of divergent draws."""
        return int(self.stats["diverging"].sum()) if "diverging" in self.stats else 0


Refit = Callable[[Mapping[str, np.ndarray], int], Fit]
"""What `Fitter.prepare` returns: ``refit(data, seed) -> Fit``."""


@dataclass(frozen=True, kw_only=True)
class Fitter(ABC):
    """A way to get a posterior; subclass as a frozen dataclass of its options.

    ``prepare`` and ``shape`` are required.

    Parameters
    ----------
    assume : mapping
        Options of the story that the model takes to be other than they were in the simulation:
        ``{"tau_scale": 50.0}`` fits the same data sets under another prior. The ranks are then not
        uniform.

    Class attributes
    ----------------
    name : what the catalogue and arm labels call it; by default the class's name in snake case.
    extra : the extra of this package that installs what it requires; empty if none does.
    needs : the capability that it needs of a story, one of `hiercal.simulators._capabilities`; none
        if it can do with the data alone.
    """

    assume: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()

    name: ClassVar[Any] = ClassName()
    extra: ClassVar[str] = ""
    needs: ClassVar[type | None] = None

    def __post_init__(self) -> None:
        assumed = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in dict(self.assume).items()
        }
        object.__setattr__(self, "assume", tuple(sorted(assumed.items())))

    def assumed(self, story: Story) -> Story:
        """The story as this fitter's model takes it; a ValueError if it has no such option."""
        valid = [field.name for field in dataclasses.fields(story)]
        for option, _ in self.assume:
            if option not in valid:
                close = difflib.get_close_matches(option, valid, n=1)
                hint = f"did you mean {close[0]!r}? " if close else ""
                raise ValueError(
                    f"{self.name}: assume names {option!r}; {hint}story {story.name} has "
                    f"{', '.join(valid)}"
                )
        return dataclasses.replace(story, **dict(self.assume)) if self.assume else story

    @property
    def label(self) -> str:
        """Short name in arm labels, such as ``numpyro-noncentred``."""
        return self.name

    @property
    def requires(self) -> tuple[str, ...]:
        """The packages that it needs, by import name."""
        return ()

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Chains and draws a chain."""

    def parameters(self, story: Story) -> tuple[str, ...]:
        """The parameters that its fits of `story` report; a ValueError if it cannot fit it."""
        return tuple(story.dims)

    @abstractmethod
    def prepare(self, story: Story) -> Refit:
        """Compile whatever can be compiled once; return a callable that fits one data set."""

    def check(self, story: Story) -> None:
        """Raise an error that says what to do if this fitter cannot fit `story` here."""
        assumed = self.assumed(story)
        if assumed.coords != story.coords:
            raise ValueError(
                f"{self.name}: assume {dict(self.assume)} changes the groups of {story.name}; "
                "leave out what is not an assumption on the model"
            )
        if self.needs is not None and not isinstance(assumed, self.needs):
            raise ValueError(_mismatch(assumed, self.needs))
        self.parameters(assumed)
        for package in self.requires:
            if importlib.util.find_spec(package) is None:
                wanted = f"'hiercal[{self.extra}]'" if self.extra else package
                raise ModuleNotFoundError(
                    f"fitter {self.name} needs {package}, which is not installed; "
                    f"install it with: pip install {wanted}",
                    name=package,
                )


def _mismatch(story: Story, needs: type) -> str:
    """What to do with a story that has not what a fitter needs."""
    called, method = CALLED[needs]
    able = [cls.name for cls in catalogued() if cls.needs and isinstance(story, cls.needs)]
    instead = f"fit it with {' or '.join(able)}" if able else "fit it with a function of your own"
    return f"story {story.name} has no {called}; {instead}, or give it one, as its `{method}`"


def catalogued() -> list[type[Fitter]]:
    """The fitters of the catalogue: those in the public modules beside this one."""
    package = importlib.import_module("hiercal.fitters")
    public = [
        importlib.import_module(f"{package.__name__}.{entry.name}")
        for entry in pkgutil.iter_modules(package.__path__)
        if not entry.name.startswith("_")
    ]
    return [
        value
        for module in public
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Fitter)
        and value.__module__ == module.__name__
    ]


def reported(story: Story, model: str) -> tuple[str, ...]:
    """The parameters that fits of a story's model report, or a ValueError."""
    if model not in story.models:
        close = difflib.get_close_matches(model, story.models, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(
            f"story {story.name} has no model {model!r}; {hint}it has {', '.join(story.models)}"
        )
    return story.models[model]


def whole(fitter: Fitter, story: Story, fit: Fit) -> Fit:
    """The fit with just its parameters, or a failed one if draws are missing or not finite."""
    if fit.error is not None:
        return fit
    names = fitter.parameters(story)
    if lacking := [name for name in names if name not in fit.draws]:
        got = ", ".join(fit.draws) or "nothing"
        return failed(f"no draws of {', '.join(lacking)}; the fit holds {got}", fit.seconds)
    draws = {name: np.asarray(fit.draws[name]) for name in names}
    for name, values in draws.items():
        expected = (*fitter.shape, *(len(story.coords[dim]) for dim in story.dims[name]))
        got = values.shape
        if got != expected:
            return failed(f"draws of {name} have shape {got}, expected {expected}", fit.seconds)
        if not np.isfinite(values).all():
            n = int((~np.isfinite(values)).sum())
            return failed(f"{n} draws of {name} are not finite", fit.seconds)
    return dataclasses.replace(fit, draws=draws)


def failed(error: str, seconds: float = float("nan")) -> Fit:
    """A failed fit."""
    return Fit({}, {}, seconds, error)


COMPILED = 50_000_000
"""Bytes of room that compiled code may need."""


def cache_folder(name: str) -> Path:
    """Where compiled code of one backend persists: ``HIERCAL_CACHE`` or the user's cache folder.

    Where that cannot be written or is full, a temporary folder of this process, for which code is
    compiled again.
    """
    import platformdirs

    root = os.environ.get("HIERCAL_CACHE") or platformdirs.user_cache_path("hiercal")
    folder = Path(root) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"1")
        room = shutil.disk_usage(folder).free >= COMPILED
    except OSError:
        room = False
    return folder if room else _own_folder(name)


@cache
def _own_folder(name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"hiercal-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def at_least(owner: str, field: str, value: Any, least: int) -> None:
    """Raise a ValueError unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{owner}: {field} is {value!r}; give a whole number of at least {least}")
