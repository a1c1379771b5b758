"""What every fitter is: a way to get a posterior, prepared once and applied to many data sets."""

from __future__ import annotations

import atexit
import dataclasses
import difflib
import importlib
import importlib.util
import inspect
import math
import os
import pkgutil
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.simulators._capabilities import CALLED
from hiercal.simulators._fields import is_number, is_whole
from hiercal.simulators._story import ClassName
from hiercal.words import cost, gigabytes, reason, shown

if TYPE_CHECKING:
    from hiercal.simulators import Story

STATISTICS = ("diverging", "tree_depth", "n_steps", "energy")
"""Per-draw statistics that every NUTS fitter reports, under these names."""
MOST = 10_000_000
"""Simulations, draws, chains, ...: more of anything is a slip of the keyboard."""
MOST_BYTES = 64 * 10**9
"""Draws of one fit; a record takes several times as much while it is made."""


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
RefitMany = Callable[[Sequence[Mapping[str, np.ndarray]], Sequence[int]], list[Fit]]
"""What `Fitter.prepare_many` returns: ``refit(data sets, seeds) -> fits``, in their order."""


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

    Attributes
    ----------
    name : what the catalogue and arm labels call it; by default the class's name in snake case.
    extra : the extra of this package that installs what it requires; empty if none does.
    needs : the capability that it needs of a story, one of `hiercal.simulators._capabilities`; none
        if it can do with the data alone.
    unseeded : options that say how fits are made and not of what: random numbers do not depend on
        them.
    """

    assume: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()

    name: ClassVar[Any] = ClassName()
    extra: ClassVar[str] = ""
    needs: ClassVar[type | None] = None
    unseeded: ClassVar[tuple[str, ...]] = ()

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

    @property
    def at_once(self) -> int:
        """The data sets that it fits in one call of what `prepare_many` returns, at most."""
        return 1

    def parameters(self, story: Story) -> tuple[str, ...]:
        """The parameters that its fits of `story` report; a ValueError if it cannot fit it."""
        return tuple(story.dims)

    @abstractmethod
    def prepare(self, story: Story) -> Refit:
        """Compile whatever can be compiled once; return a callable that fits one data set."""

    def prepare_many(self, story: Story) -> RefitMany:
        """Like `prepare`, for up to `at_once` data sets a call.

        What a fit gives depends on its own data and seed alone. One that fails is returned as a
        failed one, and leaves the others as they are.
        """
        refit = self.prepare(story)
        return lambda data, seeds: [refit(*each) for each in zip(data, seeds, strict=True)]

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


def whole(fitter: Fitter, story: Story, fit: Any) -> Fit:
    """The fit with just its parameters as floats, or a failed one if anything about it is wrong.

    Draws that are missing, of another shape, no real numbers, of three digits (float16), masked or
    not finite are a failure; so are statistics that are no numbers, or not one for each draw, and
    an error that is no text.
    """
    if not isinstance(fit, Fit):
        return failed(f"the fitter returned {type(fit).__name__}; expected a Fit")
    seconds = fit.seconds if is_number(fit.seconds) else math.nan
    if fit.error is not None:
        if isinstance(fit.error, BaseException):
            return failed(reason(fit.error), seconds)
        if not isinstance(fit.error, str):
            return failed(f"error is {shown(fit.error)}; expected a text, or None", seconds)
        return dataclasses.replace(fit, seconds=seconds)
    if wrong := _wrong(fitter, story, fit):
        return failed(wrong, seconds)
    names = fitter.parameters(story)
    draws = {name: _as_floats(np.asarray(fit.draws[name])) for name in names}
    stats = {name: np.asarray(values) for name, values in fit.stats.items()}
    return Fit(draws, stats, float(seconds))


def _wrong(fitter: Fitter, story: Story, fit: Fit) -> str:
    """What is wrong with the draws or statistics of a fit; nothing if all is right."""
    names = fitter.parameters(story)
    for what, held in (("draws", fit.draws), ("stats", fit.stats)):
        if not isinstance(held, Mapping):
            return f"{what} are {shown(held)}; expected arrays by name"
    if lacking := [name for name in names if name not in fit.draws]:
        got = ", ".join(map(str, fit.draws)) or "nothing"
        return f"no draws of {', '.join(lacking)}; the fit holds {got}"
    for name in names:
        values, given = np.asarray(fit.draws[name]), fit.draws[name]
        expected = (*fitter.shape, *(len(story.coords[dim]) for dim in story.dims[name]))
        if values.dtype.kind not in "biuf" or values.dtype == np.float16:
            return f"draws of {name} are {values.dtype}; expected float64 or float32"
        if values.shape != expected:
            return f"draws of {name} have shape {values.shape}, expected {expected}"
        if masked := int(np.ma.getmaskarray(given).sum()) if np.ma.isMaskedArray(given) else 0:
            return f"{masked} draws of {name} are masked; expected a number for each"
        if n := int((~np.isfinite(_as_floats(values))).sum()):
            return f"{n} draws of {name} are not finite"
    for name in (name for name in STATISTICS if name in fit.stats):
        values = np.asarray(fit.stats[name])
        if values.dtype.kind not in "biuf":
            return f"statistic {name} is of type {values.dtype}; expected numbers"
        if values.shape != fitter.shape:
            return f"statistic {name} has shape {values.shape}, expected {fitter.shape}"
        if name != "energy" and not np.isfinite(values).all():
            return f"statistic {name} is not finite in some draws"
    return ""


def _as_floats(values: np.ndarray) -> np.ndarray:
    """Draws in double precision; what is beyond it is infinite. Whole numbers stay as they are."""
    if values.dtype.kind != "f":
        return values
    with np.errstate(over="ignore"):
        return values.astype(np.float64, copy=False)


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
    """Raise a ValueError unless `value` is a whole number of at least `least`, and of use."""
    if not is_whole(value) or value < least:
        raise ValueError(
            f"{owner}: {field} is {shown(value)}; give a whole number of at least {least}"
        )
    if value > MOST:
        lots = cost(float(value)) if value < MOST**3 else "it is beyond all bounds"
        raise ValueError(f"{owner}: {field} is {shown(value)}; give at most {MOST:,}: {lots}")


def check_size(fitter: Fitter, story: Story) -> None:
    """Raise a ValueError unless a memory holds the draws of the fits that are made at once."""
    try:
        chains, draws = fitter.shape
    except (TypeError, ValueError) as error:
        if isinstance(error, ValueError) and fitter.name in str(error):
            raise  # says itself what to do
        raise ValueError(f"{fitter.name}: shape is no pair (chains, draws): {error}") from None
    at_least(fitter.name, "the number of chains", chains, 1)
    at_least(fitter.name, "the number of draws", draws, 1)
    at_least(fitter.name, "the number of fits at once", fitter.at_once, 1)
    numbers = sum(
        math.prod(len(story.coords[dim]) for dim in story.dims[name])
        for name in fitter.parameters(fitter.assumed(story))
    )
    fits = fitter.at_once
    if (n_bytes := 8 * fits * int(chains) * int(draws) * numbers) > MOST_BYTES:
        many, fewer = (
            ("a fit", "fewer draws")
            if fits == 1
            else (f"{fits:,} fits at once", "a smaller batch or fewer draws")
        )
        raise ValueError(
            f"{fitter.name}: {many} of {story.name} would be {chains:,} x {draws:,} draws of "
            f"{numbers:,} numbers, {gigabytes(n_bytes)} of memory; give {fewer}, of at most "
            f"{gigabytes(MOST_BYTES)}"
        )


def check_seed(owner: str, value: Any) -> None:
    """Raise a ValueError unless `value` is a whole number of at most 128 bits."""
    if not is_whole(value) or not 0 <= value < 2**128:
        raise ValueError(
            f"{owner}: seed is {shown(value)}; give a whole number of at least 0, below 2**128"
        )
