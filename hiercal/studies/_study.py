"""A study: which stories meet which fitters, how often, and from which seed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiercal.fitters import Fitter
from hiercal.fitters._fitter import at_least
from hiercal.simulators import Story
from hiercal.simulators._story import changed_fields

if TYPE_CHECKING:
    from hiercal.studies._result import Result


OPTIONAL_STOPPING = (
    "This extends a run whose verdicts may have been looked at. Looking again after each extension "
    "raises more false alarms than the stated 5 %: with looks at 200, 400, ..., 1000 simulations a "
    "calibrated quantity is rejected at one of them in 12 % of runs, at a single look in 4 %. Take "
    "the verdict of a number of simulations that was settled beforehand."
)
"""What looking at verdicts and extending a run does; measured by tests/sbc/test_uniformity.py."""
GROUPS = ("each", "summary")
"""What the records may keep of the group effects."""


LEAST_DRAWS = 4
"""Draws a chain that `hiercal.sbc.efficiency.diagnostics` needs."""


@dataclass(frozen=True)
class Arm:
    """One story met by one fitter.

    Attributes
    ----------
    label : str
        ``story/fitter`` or ``story/fitter-model``; options are added where two arms would clash.
    """

    story: Story
    fitter: Fitter
    label: str

    @cached_property
    def fitted(self) -> Story:
        """The story as the fitter's model takes it."""
        return self.fitter.assumed(self.story)

    @cached_property
    def key(self) -> str:
        """What the arm's random numbers depend on."""
        return f"{story_key(self.story)}/{_identity(self.fitter)}"


@dataclass(frozen=True, kw_only=True)
class Study:
    """Stories x fitters x simulations x seed.

    Parameters
    ----------
    stories : sequence of Story
        Each is simulated `simulations` times.
    fitters : sequence of Fitter
        Each meets the same data sets.
    simulations : int
        Number of simulated data sets for each story; a finished study can be extended.
    seed : int
        Every random number of the study follows from it.
    name : str
        Name of the study and of its folder in ``results/``.
    max_rank : int
        Draws L that a rank is taken among, after thinning; ranks are 0..L.
    level : float
        Level of the intervals in the records.
    below : mapping of str to float
        Bounds of quantities: whether each lies below its bound is a quantity too, whose mean in the
        records is the posterior probability that it does: ``{"tau": 1.0}`` adds ``tau < 1``.
    groups : {"each", "summary"}
        Rank every group effect on its own, or their mean, least and largest, with the ranks of
        all groups pooled: records of a story with thousands of groups then stay small.

    Raises
    ------
    ValueError, TypeError
        If a value is out of range, two arms are the same, or a fitter cannot fit a story.

    Examples
    --------
    >>> from hiercal import Study, fitter, story
    >>> study = Study(stories=[story("eight_schools")], fitters=[fitter("exact")], seed=1)
    >>> [arm.label for arm in study.arms]
    ['eight_schools/exact']
    """

    stories: tuple[Story, ...]
    fitters: tuple[Fitter, ...]
    simulations: int = 200
    seed: int = 0
    name: str = "study"
    max_rank: int = 99
    level: float = 0.89
    groups: str = "each"
    below: Mapping[str, float] | tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for field, kind in (("stories", Story), ("fitters", Fitter)):
            values = tuple(getattr(self, field))
            object.__setattr__(self, field, values)
            if not values:
                raise ValueError(f"study: {field} is empty; give at least one")
            for value in values:
                if not isinstance(value, kind):
                    raise TypeError(
                        f"study: {field} holds {value!r}; give a {kind.__name__}, "
                        f"as hiercal.{kind.__name__.lower()}(name) makes"
                    )
        below = tuple((str(name), float(bound)) for name, bound in dict(self.below).items())
        object.__setattr__(self, "below", below)
        at_least("study", "simulations", self.simulations, 1)
        at_least("study", "seed", self.seed, 0)
        at_least("study", "max_rank", self.max_rank, 9)
        if not 0 < self.level < 1:
            raise ValueError(f"study: level is {self.level!r}; give a number inside (0, 1)")
        if self.groups not in GROUPS:
            allowed = " or ".join(map(repr, GROUPS))
            raise ValueError(f"study: groups is {self.groups!r}; give {allowed}")
        if not self.name or Path(self.name).name != self.name:
            raise ValueError(f"study: name is {self.name!r}; give a plain folder name")
        keys = Counter(arm.key for arm in self.arms)
        if twice := [key for key, n in keys.items() if n > 1]:
            raise ValueError(f"study: {twice[0]} appears twice; drop one or change its options")
        for arm in self.arms:
            arm.fitter.check(arm.story)
            chains, draws = arm.fitter.shape
            if draws < LEAST_DRAWS:
                raise ValueError(
                    f"study: {arm.label} keeps {draws} draws a chain; effective sample sizes and "
                    f"R-hat need {LEAST_DRAWS} or more: raise draws"
                )
            if chains * draws < self.max_rank:
                raise ValueError(
                    f"study: {arm.label} keeps {chains} x {draws} draws, fewer than max_rank = "
                    f"{self.max_rank}; raise draws or lower max_rank"
                )

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Every story with every fitter, stories first."""
        fitters = _distinct([fitter.label for fitter in self.fitters], self.fitters)
        return tuple(
            Arm(story, fitter, f"{story_label}/{fitter_label}")
            for story, story_label in zip(self.stories, self.story_labels, strict=True)
            for fitter, fitter_label in zip(self.fitters, fitters, strict=True)
        )

    @property
    def story_labels(self) -> list[str]:
        """What the labels of each story's arms begin with."""
        return _distinct([story.name for story in self.stories], self.stories)

    def describe(self) -> dict[str, Any]:
        """All that the records depend on but their number, as plain data.

        Options, and under ``code`` and ``packages`` what computes: a hash of each source file,
        comments and docstrings aside, and the version of each package that they import.
        """
        from hiercal.studies import _identity

        return {
            "seed": self.seed,
            "max_rank": self.max_rank,
            "level": self.level,
            **({} if self.groups == "each" else {"groups": self.groups}),
            **({"below": dict(self.below)} if self.below else {}),
            "stories": [_described(story) for story in self.stories],
            "fitters": [_described(fitter) for fitter in self.fitters],
            **_identity.of_study(self.stories, self.fitters),
        }

    @property
    def digest(self) -> str:
        """Hash of `describe`: two studies with the same digest have the same records."""
        return hashlib.sha256(_canonical(self.describe()).encode()).hexdigest()

    def run(
        self,
        out: str | os.PathLike[str] | None = None,
        *,
        workers: int | None = None,
        scheduler: str | None = None,
        scheduler_file: str | os.PathLike[str] | None = None,
        progress: bool = True,
        export: bool = True,
        fresh: bool = False,
        given: str | os.PathLike[str] | None = None,
    ) -> Result:
        """Run what is still to be run and return the result; safe to interrupt and repeat.

        A run made by other code or by other versions of its packages is refused, so that a result
        is never that of code that is not there any more.

        More simulations extend a run. Looking at the verdict again after each extension raises
        more false alarms than the stated 5 %: with looks at 200, 400, ..., 1000 simulations a
        calibrated quantity is rejected at one of them in 12.1 % of runs (standard error 0.5), at
        a single look in 3.9 % (0.3). Settle the number beforehand.

        Parameters
        ----------
        out : path
            Folder of the run, ``results/<name>`` by default. What it already holds of this study
            is kept; another study's folder is refused.
        workers : int
            Worker processes on this machine, by default one a core; 0 fits in this process.
        scheduler, scheduler_file
            Address or file of a running Dask scheduler, used instead of local workers;
            ``DASK_SCHEDULER_ADDRESS`` is used where neither is given.
        progress : bool
            Report on standard error: bars on a terminal, lines elsewhere.
        export : bool
            Write tables and figures at the end, not only the journal and records.
        fresh : bool
            Start over: remove what an earlier run wrote in the folder, and nothing else.
        given : path
            The file that the study was read from, for the manifest.

        Returns
        -------
        Result

        Raises
        ------
        JournalError
            If the folder holds another study, or a run made by other code or versions; the message
            lists what changed.
        """
        from hiercal.studies._engine import run

        return run(
            self,
            Path(out) if out is not None else Path("results") / self.name,
            workers=workers,
            scheduler=scheduler,
            scheduler_file=scheduler_file,
            progress=progress,
            export=export,
            fresh=fresh,
            given=given,
        )


def story_key(story: Story) -> str:
    """What a story's random numbers depend on: its name and the options that were changed."""
    return _identity(story)


def _identity(item: Story | Fitter) -> str:
    return f"{item.name}{_canonical(changed_fields(item))}"


def _described(item: Story | Fitter) -> dict[str, Any]:
    options = dataclasses.asdict(item)
    for field in ("given", "assume"):
        if pairs := options.pop(field, ()):
            options[field] = dict(pairs)
    return {"name": item.name, **options}


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=list)


def _distinct(labels: list[str], items: tuple[Any, ...]) -> list[str]:
    """Labels with what is given or assumed, and the options in which items of one label differ."""
    distinct = []
    for label, item in zip(labels, items, strict=True):
        twins = [_flat(other) for other, same in zip(items, labels, strict=True) if same == label]
        unusual = {*dict(getattr(item, "given", ())), *dict(getattr(item, "assume", ()))}
        named = [
            f"{key}={value}"
            for key, value in _flat(item).items()
            if key in unusual or any(twin.get(key) != value for twin in twins)
        ]
        distinct.append(f"{label}[{','.join(named)}]" if named else label)
    return distinct


def _flat(item: Story | Fitter) -> dict[str, Any]:
    """Options of a story or fitter, with those given or assumed among them."""
    options = dict(vars(item))
    for field in ("given", "assume"):
        options |= dict(options.pop(field, ()))
    return options
