"""A run from a TOML file of stories and fitters, or a study from one that names it."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationError,
    model_validator,
)

from hiercal import catalogue
from hiercal.errors import ConfigError, DrawsRefused, ModelRefused, UnknownName
from hiercal.fitters import Fitter
from hiercal.posterior_draws import around
from hiercal.runs import user_files
from hiercal.runs.run import Run
from hiercal.simulators import Story
from hiercal.simulators._capabilities import BringsDraws, Numbered
from hiercal.studies import Study
from hiercal.user_models._of import LIBRARIES
from hiercal.user_models.draws import usual_max_rank
from hiercal.words import shown


class Item(BaseModel):
    """A story or a fitter: its name, and its options beside it."""

    model_config = ConfigDict(extra="allow")

    name: str


class StoryItem(BaseModel):
    """A story by its name, or by the model in a file that it is made of."""

    model_config = ConfigDict(extra="allow")

    name: str = ""
    pymc: str = ""
    numpyro: str = ""
    bambi: str = ""
    around: Any = False

    @model_validator(mode="after")
    def _one(self) -> StoryItem:
        given = [key for key in ("name", *LIBRARIES) if getattr(self, key)]
        if len(given) != 1:
            raise ValueError(
                f"a story has {', '.join(given) or 'no name'}; give one of name, "
                f"{', '.join(LIBRARIES)}"
            )
        return self


class RunConfig(BaseModel):
    """What a run's file may say; see `hiercal.Run` for the meaning."""

    model_config = ConfigDict(extra="forbid")

    stories: list[StoryItem]
    fitters: list[Item] | None = None
    name: str | None = None
    simulations: StrictInt = 200
    seed: StrictInt = 0
    max_rank: StrictInt = 99
    level: StrictFloat = 0.89
    groups: str = "each"
    below: dict[str, StrictFloat] = {}
    quantities: Any = []
    products: Any = False
    keep_draws: StrictBool = False
    around: Any = False


def read(path: str | os.PathLike[str], *, quick: bool = False, **overrides: Any) -> Run | Study:
    """Read a run or a study.

    Parameters
    ----------
    path : path
        A TOML file. With a key ``study``, the other keys are options of the study of that name in
        the catalogue; without, they are those of a `hiercal.Run`, named after the file unless it
        says ``name``. A ``file.py:Class`` in it is looked for from the TOML file's folder. Or a
        name in the catalogue itself, or ``file.py:Class``.
    quick : bool
        Take the options of a named study from ``--quick`` where the file has none.
    overrides
        Values that replace the file's, such as ``simulations=50``; None leaves the file's.

    Raises
    ------
    ConfigError
        If the file is missing, is not TOML, or says something that cannot be run.
    """
    changes = {key: value for key, value in overrides.items() if value is not None}
    if str(path) in catalogue.names("studies"):
        return _study_of(str(path), str(path), quick, changes)
    if ".py:" in str(path):
        return _of_file(str(path), quick, changes)
    path = Path(path)
    if not path.suffix and not path.exists():
        names = catalogue.names("studies")
        raise ConfigError(f"{catalogue.unknown('study', str(path), names)}; or give a TOML file")
    content = _content(path) | changes
    if not isinstance(content.get("study", ""), str):
        raise ConfigError(f'{path}: study is {shown(content["study"])}; give a name, as "funnel"')
    if "study" in content:
        name = _from(path.parent, content.pop("study"))
        return _study_of(str(path), name, quick, content)
    if quick:
        raise ConfigError(f"{path}: --quick is of named studies; give --simulations instead")
    try:
        return _run(RunConfig.model_validate(content), path)
    except ValidationError as error:
        lines = [_problem(e) for e in error.errors()]
        raise ConfigError(f"{path}: " + f"\n{path}: ".join(lines)) from None
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{path}: {_told(error)}") from None


def usual_run(story: Story, fitters: Iterable[Fitter] = (), **options: Any) -> Run:
    """A run of one story, by its usual fitters where none are given.

    Parameters
    ----------
    options
        Of `hiercal.Run`; those that are None are left to it. Of a story with simulations of its
        own, all of them are taken, and of one that brings few draws fewer ranks than 99.
    """
    usual: dict[str, Any] = {"name": story.name}
    if isinstance(story, Numbered):
        usual["simulations"] = story.n_simulations
    if isinstance(story, BringsDraws):
        usual["max_rank"] = usual_max_rank(math.prod(story.draws_shape))
    given = {key: value for key, value in options.items() if value is not None}
    each = tuple(fitters) or tuple(catalogue.usual_fitters(story))
    return Run(stories=(story,), fitters=each, **usual | given)


def _of_file(reference: str, quick: bool, options: dict[str, Any]) -> Run | Study:
    """A study of the user's own, or a run of their model."""
    try:
        if catalogue.is_study(reference):
            return _study_of(reference, reference, quick, options)
        if quick:
            raise ConfigError(f"{reference}: --quick is of named studies; give --simulations")
        around, size = options.pop("around", False), RunConfig.model_fields["simulations"].default
        story = catalogue.story(reference)
        if around is not False:
            story = _around(story, around, {"simulations": size, **options})
        return usual_run(story, **options)
    except (Exception, SystemExit) as error:
        raise ConfigError(_told(error)) from None


def _study_of(where: str, name: str, quick: bool, options: dict[str, Any]) -> Study:
    try:
        return catalogue.study(name, quick=quick, **options)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{where}: {_told(error)}") from None


def _content(path: Path) -> dict[str, Any]:
    """What a TOML file says, whatever the locale."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path} is not TOML: line {line} is not UTF-8; save it so") from None
    except RecursionError:
        raise ConfigError(f"{path} is not TOML that can be read: it is nested too deep") from None
    except ValueError as error:
        if path.suffix == ".py":
            raise ConfigError(f"{path} is Python; say what in it: {path}:model") from None
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _told(error: BaseException) -> str:
    """An error as a sentence, of a user's own code with its line; what is neither is raised."""
    if isinstance(error, UnknownName | ConfigError | ModelRefused | DrawsRefused):
        where = user_files.place(error.__cause__) if error.__cause__ else ""
        return str(error) if not where or where in str(error) else f"{error} ({where})"
    if where := user_files.told(error):
        return where
    if isinstance(error, ValueError | TypeError | ModuleNotFoundError):
        return str(error)
    raise error


def _run(config: RunConfig, path: Path) -> Run:
    def made[T](make: Callable[..., T], items: list[Item]) -> list[T]:
        return [make(_from(path.parent, item.name), **(item.model_extra or {})) for item in items]

    sizes = {"simulations": config.simulations, "seed": config.seed}
    stories = [
        _around(_story(item, path.parent), data, sizes, path.parent if item.around else Path())
        if (data := item.around or config.around) is not False
        else _story(item, path.parent)
        for item in config.stories
    ]
    fitters = _usual(stories) if config.fitters is None else made(catalogue.fitter, config.fitters)
    files = config.quantities if isinstance(config.quantities, list) else [config.quantities]
    return Run(
        stories=tuple(stories),
        fitters=tuple(fitters),
        simulations=config.simulations,
        seed=config.seed,
        name=(config.name or path.stem) + ("_around" if config.around else ""),
        max_rank=config.max_rank,
        level=config.level,
        groups=config.groups,
        below=config.below,
        quantities=[path.parent / file if isinstance(file, str) else file for file in files],
        products=config.products,
        keep_draws=config.keep_draws,
    )


def _story(item: StoryItem, folder: Path) -> Story:
    """The story of an item, made of a model where it names one."""
    options = item.model_extra or {}
    for library in LIBRARIES:
        if reference := getattr(item, library):
            if options:
                raise ValueError(f"{reference} is a model, which has no options; got "
                                 f"{', '.join(options)}")  # fmt: skip
            return catalogue.model(_from(folder, reference), library)
    return catalogue.story(_from(folder, item.name), **options)


def _around(story: Story, data: Any, options: dict[str, Any], folder: Path = Path()) -> Story:
    """The story around its own data, or around those of a file."""
    if not isinstance(data, bool | str | os.PathLike):
        raise ValueError(f"around is {shown(data)}; give true, or the name of a CSV file")
    return around(story, data if data is True else folder / data, **options)


def _usual(stories: list[Story]) -> list[Fitter]:
    """The usual fitters of all stories; a ValueError where they are not the same."""
    each = [catalogue.usual_fitters(story) for story in stories]
    if any(fitters != each[0] for fitters in each):
        raise ValueError(
            "fitters is missing, and the stories have different usual ones; give fitters, or a "
            "file for each story"
        )
    return each[0]


def _from(folder: Path, name: Any) -> Any:
    """A name as it stands, a file's as seen from a folder."""
    return str(folder / name) if ":" in str(name) else name


def _problem(error: Any) -> str:
    at = error["loc"][-1]
    if error["type"] == "extra_forbidden":
        return catalogue.unknown("key", str(at), list(RunConfig.model_fields))
    if error["type"] == "missing":
        where = ".".join(map(str, error["loc"]))
        return f"{where} is missing; give it, as examples/eight_schools.toml does"
    return catalogue.problem(error, "run")
