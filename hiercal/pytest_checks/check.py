"""The object that the fixture ``calibration`` is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from hiercal import catalogue
from hiercal.errors import JournalError, RunError
from hiercal.fitters import Fitter
from hiercal.pytest_checks.message import failure, happened, rows, said, smallest
from hiercal.runs.baseline import record
from hiercal.runs.carried import CannotCarry, Continued, go_on
from hiercal.runs.engine import JOURNAL
from hiercal.runs.evidence import ArmEvidence, decide
from hiercal.runs.executors import Where
from hiercal.runs.fit import fit, sampler_seed, simulate
from hiercal.runs.full_disk import told
from hiercal.runs.journal import Journal
from hiercal.runs.manifest import remove_run
from hiercal.runs.run import Run
from hiercal.simulators._capabilities import ExactPosterior, Numbered
from hiercal.user_models._of import story_of

if TYPE_CHECKING:
    from hiercal.pytest_checks.state import State

MAX_SIMULATIONS = 300
MARKED = ("story", "max_simulations", "max_rank", "quantities", "compare_exact")
_RECORD = "calibration_record"


class Calibration:
    """Checks that a sampler is calibrated, once in a test.

    Parameters
    ----------
    item : pytest.Item
    state : State
        Of the session.
    """

    def __init__(self, item: pytest.Item, state: State) -> None:
        self._item, self._state, self._settings = item, state, state.settings
        self._called = False
        mark = item.get_closest_marker("calibration")
        if mark and mark.args:
            raise pytest.UsageError(
                f"{item.nodeid}: mark.calibration takes keywords only, as story='eight_schools'"
            )
        self._marked = dict(mark.kwargs) if mark else {}
        if unknown := [name for name in self._marked if name not in MARKED]:
            what = catalogue.unknown("keyword of mark.calibration", unknown[0], list(MARKED))
            raise pytest.UsageError(f"{item.nodeid}: {what}")

    @property
    def unused(self) -> bool:
        """Whether ``check`` was never called."""
        return not self._called

    @property
    def alpha(self) -> float:
        """Level of this test: that of the session over its calibration tests."""
        return self._settings.alpha / max(self._state.tests, 1)

    def check(
        self,
        target: str | Fitter | Callable[..., Any],
        *,
        story: Any = None,
        max_simulations: int | None = None,
        max_rank: int | None = None,
        quantities: Any = None,
        compare_exact: bool | None = None,
        **options: Any,
    ) -> ArmEvidence | None:
        """Fail the test if fits of simulated data are not calibrated.

        Data sets are fitted until the evidence decides, or `max_simulations` are. What is not said
        here is taken from ``@pytest.mark.calibration(...)``.

        Parameters
        ----------
        target : function, Fitter or str
            A function ``fit(data, seed)`` at the top level of a file, which returns draws by name;
            a fitter; or the name of one.
        story : str, Story or model
            As of `hiercal.story`, or a PyMC, NumPyro or Bambi model.
        max_simulations : int
            By default 300.
        max_rank : int
            As of `hiercal.Run`, by default 99.
        quantities
            Further quantities to rank, as of `hiercal.Run`.
        compare_exact : bool
            Compare with the exact posterior where the story has one, by default True.
        options
            The fitter's, where `target` is a name or a function.

        Returns
        -------
        ArmEvidence
            None with ``--calibration-disable``.

        Raises
        ------
        ValueError, TypeError
            If it cannot be checked as it is said.
        """
        __tracebackhide__ = True
        if self._called:
            raise ValueError(
                "calibration.check was called twice in a test, and the level is for one check; "
                "parametrise the test, or write two"
            )
        self._called = True
        said = {
            "story": story,
            "max_simulations": max_simulations,
            "max_rank": max_rank,
            "quantities": quantities,
            "compare_exact": compare_exact,
        }
        asked = self._marked | {name: value for name, value in said.items() if value is not None}
        run = self._run(target, asked, options)
        if self._settings.disable:
            _fits_one(run)
            return None
        if (before := self._state.verdicts.get(self._item.nodeid)) is not None:
            if before:
                pytest.fail(f"not run again, the first time stands.\n{before}", pytrace=False)
            return None
        try:
            return self._checked(run)
        except (RunError, JournalError, CannotCarry) as error:
            why = str(error)
        except (OSError, sqlite3.Error) as error:
            if not (why := told(error, "a folder of this test") or ""):
                raise
        pytest.fail(why, pytrace=False)  # not while an error is handled, which would be shown too

    def _run(self, target: Any, asked: dict[str, Any], options: dict[str, Any]) -> Run:
        __tracebackhide__ = True
        if "story" not in asked:
            raise ValueError(
                "calibration.check was told no story; give "
                "@pytest.mark.calibration(story='eight_schools'), or check(..., story=...)"
            )
        given = asked["story"]
        story = catalogue.story(given) if isinstance(given, str) else story_of(given)
        simulations = asked.get("max_simulations", MAX_SIMULATIONS)
        if isinstance(story, Numbered):
            simulations = min(simulations, story.n_simulations)
        return Run(
            stories=[story],  # ty: ignore[invalid-argument-type]
            fitters=[_fitter(target, options)],  # ty: ignore[invalid-argument-type]
            simulations=simulations,
            seed=self._settings.seed,
            name="calibration",
            max_rank=asked.get("max_rank", 99),
            quantities=asked.get("quantities", ()),
            compare_exact=bool(asked.get("compare_exact", True))
            and isinstance(story, ExactPosterior),
        )

    def _checked(self, run: Run) -> ArmEvidence:
        __tracebackhide__ = True
        with tempfile.TemporaryDirectory(prefix="hiercal-") as scratch:
            kept = self._settings.report
            folder = kept / "unfinished" / self._name if kept else Path(scratch)
            try:
                found = self._decided(run, folder, fresh=False)
            except JournalError:
                # the code was changed since a session was killed
                found = self._decided(run, folder, fresh=True)
            fits = []
            # an earlier session may have decided
            if found.path:
                with Journal(folder / JOURNAL) as journal:
                    for part in journal.fits(0, len(found.path)):
                        fits += part
            if kept:
                # what a finished check fitted is never taken for a later one's
                with suppress(OSError):  # or is, where it cannot be removed: it is the same
                    _removed(folder)
        return self._judged(run, found, fits)

    def _decided(self, run: Run, folder: Path, *, fresh: bool) -> ArmEvidence:
        if self._settings.carry:
            return go_on(
                run,
                folder,
                self._settings.storage,
                alpha=self.alpha,
                test=self._item.nodeid,
                fresh=fresh,
            )
        where = Where(workers=0)
        (found,) = decide(run, folder, alpha=self.alpha, where=where, progress=False, fresh=fresh)
        return found

    def _judged(self, run: Run, found: ArmEvidence, fits: list[Any]) -> ArmEvidence:
        """Tell the reports what was found, and fail if it is not calibrated."""
        __tracebackhide__ = True
        known = {
            "verdict": found.verdict,
            "arm": found.label,
            "simulations": found.simulations,
            "failed": found.failed,
            "log10_e": f"{happened(found) / 2.302585092994046:.3g}",
            "alpha": repr(self.alpha),
            "seed": run.seed,
            "command": self.command,
        }
        table, text, figure = rows(found), "", None
        if found.verdict == "no evidence":
            known["smallest_error"] = smallest(found, self.alpha)
        else:
            if self._settings.report and found.rejected:
                figure = self._drawn(found, table, self._settings.report / "figures")
                known["figure"] = str(figure or "")
            known["error"] = said(found, table)
            text = failure(
                found,
                table,
                alpha=self.alpha,
                most=run.simulations,
                command=self.command,
                figure=figure,
                blocks=self._state.blocks,
            )
        if self._settings.records:
            kept = record(run, found, fits, self.alpha) if fits else None
            known[_RECORD.removeprefix("calibration_")] = json.dumps({"kept": kept, "rows": table})
        self._item.user_properties += [(f"calibration_{k}", v) for k, v in known.items()]
        self._state.verdicts[self._item.nodeid] = text
        if text:
            pytest.fail(text, pytrace=False)
        if isinstance(found, Continued) and not found.path:
            pytest.skip(
                f"seed {run.seed} is part of the carried evidence; give another, such as "
                "--calibration-seed=random"
            )
        return found

    def _drawn(self, found: ArmEvidence, table: list[Any], folder: Path) -> Path | None:
        """The figure; None, said in a warning, where it cannot be written."""
        from hiercal.pytest_checks.session import draw

        try:
            return draw(found, table, folder, self._name)
        except OSError as error:
            if (message := told(error, folder)) is None:
                raise
            self._item.warn(pytest.PytestWarning(message))
            return None

    @property
    def command(self) -> str:
        """What repeats the verdict: this test alone, at its level."""
        config, settings = self._item.config, self._settings
        path, sep, rest = self._item.nodeid.partition("::")
        parts = [
            "pytest",
            f"{os.path.relpath(config.rootpath / path, config.invocation_params.dir)}{sep}{rest}",
            f"--calibration-seed={settings.seed}",
            f"--calibration-alpha={self.alpha!r}",
        ]
        if settings.carry:
            parts += ["--calibration-carry", f"--calibration-storage={settings.storage}"]
        return shlex.join(parts)

    @property
    def _name(self) -> str:
        """The test as the name of a file."""
        plain = re.sub(r"[^\w.-]+", "_", self._item.nodeid)[-80:]
        return f"{plain}-{hashlib.sha256(self._item.nodeid.encode()).hexdigest()[:8]}"


def _fitter(target: Any, options: dict[str, Any]) -> Fitter:
    __tracebackhide__ = True
    if isinstance(target, Fitter):
        if options:
            raise ValueError(
                f"{target.label} is a fitter already; give it its options when it is made, and not "
                f"{', '.join(options)} here"
            )
        return target
    if isinstance(target, type) and issubclass(target, Fitter):
        return target(**options)
    if isinstance(target, str):
        return catalogue.fitter(target, **options)
    if not callable(target):
        raise TypeError(
            f"got {target!r} to check; give a function fit(data, seed), a hiercal.Fitter, or the "
            "name of a fitter"
        )
    if not isinstance(target, FunctionType) or target.__name__ == "<lambda>":
        raise ValueError(f"got {target!r} to check; {_INSTEAD}")
    if held := target.__code__.co_freevars:
        raise ValueError(
            f"{target.__name__} uses {', '.join(held)} of the test around it; {_INSTEAD}"
        )
    return catalogue.fitter(target, **options)


_INSTEAD = """what a test can repeat, resume and compare is told by its source. Give

    def fit(data, seed): ...                   at the top level of the file, or

    @dataclass(frozen=True, kw_only=True)
    class Mine(hiercal.Fitter):                where it has options: they are fields,
        step: float = 0.1                      and calibration.check(Mine(step=0.2))
        shape = (1, 1000)                      chains and draws
        def prepare(self, story):
            return lambda data, seed: hiercal.Fit(draws, {}, 0.0)"""


def _fits_one(run: Run) -> None:
    __tracebackhide__ = True
    (arm,) = run.arms
    data = simulate(run.seed, arm.story, 0).data
    fitted = fit(arm.story, arm.fitter, data, sampler_seed(run.seed, arm.story, arm.fitter, 0))
    if fitted.error:
        pytest.fail(f"{arm.label}: {fitted.error}", pytrace=False)


def _removed(folder: Path) -> None:
    """Remove a run's folder, with what it wrote and nothing else."""
    if not folder.exists():
        return
    remove_run(folder)
    for path in folder.glob(f"{JOURNAL}*"):
        path.unlink()
    for each in (folder, folder.parent):
        if not any(each.iterdir()):
            each.rmdir()
