"""What is done with the results of all calibration tests: saved, compared, reported."""

from __future__ import annotations

import csv
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiercal import words
from hiercal.runs import baseline
from hiercal.runs.comparison import TOLERANCES, compare, limits_of
from hiercal.runs.evidence import ArmEvidence
from hiercal.runs.full_disk import trouble
from hiercal.runs.manifest import replace

if TYPE_CHECKING:
    from hiercal.pytest_checks.state import State

MOST_PANELS = 4
"""Quantities in the figure of a failed test."""


@dataclass
class Checked:
    """What came of a session.

    Attributes
    ----------
    lines : list of str
        To be printed.
    worse : bool
        Whether a comparison is beyond its tolerance, or something could not be written.
    compared : list of (test, Comparison)
    """

    lines: list[str] = field(default_factory=list)
    worse: bool = False
    compared: list[tuple[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, state: State, root: Path) -> Checked:
        """Compare, then save, so that the last saved run is an earlier one; then report."""
        settings, done = state.settings, cls()
        kept = {test: one["kept"] for test, one in state.records.items() if one["kept"]}
        if settings.compare:
            done._compare(kept, settings.storage, settings.compare, settings.compare_fail)
        if settings.save or settings.autosave:
            name = settings.save or baseline.version_name(root)
            about = {"seed": settings.seed, "alpha": settings.alpha}
            with done._told("saved", settings.storage):
                path = baseline.save(settings.storage, name, kept, about)
                done.lines.append(f"saved {path}")
        if settings.report:
            with done._told("reported", settings.report):
                done._report(state, settings.report)
        return done

    @contextmanager
    def _told(self, what: str, folder: Path) -> Generator[None]:
        """Tell what hinders writing, and fail the session: its verdicts stand."""
        try:
            yield
        except OSError as error:
            if (known := trouble(error)) is None:
                raise
            self.worse = True
            self.lines.append(f"not {what}: {folder} cannot be written: {known[0]} ({error}); "
                              f"{known[1]}, and run the tests again")  # fmt: skip

    def _compare(
        self, kept: Mapping[str, Any], storage: Path, which: str, fail: tuple[str, ...]
    ) -> None:
        limits = limits_of(fail)
        try:
            path, saved = baseline.load(storage, which)
        except (OSError, ValueError) as error:
            self.lines.append(f"not compared: {error}")
            self.worse = bool(limits)
            return
        self.lines.append(f"compared with {path}, saved {saved['saved']}")
        for test, now in kept.items():
            before = saved["tests"].get(test)
            if before is None:
                self.lines.append(f"  {test}: not in there")
                continue
            for one in compare(now, before, {**TOLERANCES, **limits}):
                fails = one.verdict == "worse" and one.metric in limits
                self.worse |= fails
                self.compared.append((test, one))
                mark = "FAIL " if fails else ""
                self.lines.append(f"  {mark}{test}: {one.metric} {one.verdict}: {one.said}")

    def _report(self, state: State, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        names = [
            "quantity", "log10_e_ranks", "log10_e_exact", "differs_in", "named", "shift",
            "shift_se", "scale", "scale_se", "pattern", "source",
        ]  # fmt: skip
        part = folder / "evidence.csv.part"
        with part.open("w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, ["test", "arm", *names], extrasaction="ignore")
            rows.writeheader()
            for test, one in state.records.items():
                arm = state.found[test]["calibration_arm"]
                rows.writerows({"test": test, "arm": arm, **row} for row in one["rows"])
        os.replace(part, folder / "evidence.csv")
        replace(folder / "summary.md", self._markdown(state))
        self.lines.append(f"report in {folder}")

    def _markdown(self, state: State) -> str:
        settings = state.settings
        n = state.tests or len(state.found)
        lines = [
            "## Calibration",
            "",
            f"Seed {settings.seed}; level {settings.alpha:g} over all calibration tests, {n}.",
            "",
            "| test | arm | verdict | simulations | failed fits | log10 e-value | found |",
            "|---|---|---|---|---|---|---|",
        ]
        for test, found in state.found.items():
            told = {name.removeprefix("calibration_"): value for name, value in found.items()}
            text = told.get("error") or f"smallest error found: {told.get('smallest_error', '-')}"
            cells = [test, told["arm"], told["verdict"], told["simulations"], told["failed"]]
            lines.append(_row([*cells, told["log10_e"], text]))
        commands = [
            found["calibration_command"]
            for found in state.found.values()
            if found["calibration_verdict"] != "no evidence"
        ]
        if commands:
            lines += ["", "Again:", "", *(f"    {command}" for command in commands)]
        if self.compared:
            lines += ["", "| test | metric | against the saved run | |", "|---|---|---|---|"]
            lines += [_row([test, c.metric, c.verdict, c.said]) for test, c in self.compared]
        return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(words.markdown(cell) for cell in cells)} |"


def draw(found: ArmEvidence, table: list[dict[str, Any]], folder: Path, name: str) -> Path:
    """Draw the rank histograms of what is wrong, and the evidence; the path of what shows it."""
    import numpy as np
    import pandas as pd

    from hiercal.plots import rank_histogram, save
    from hiercal.plots.evidence import evidence
    from hiercal.pytest_checks.message import by_exact, wrong

    shown = wrong(table)[:MOST_PANELS]
    parts = []
    for row in shown:
        ranks = np.repeat(np.arange(found.max_rank + 1), row["counts"])
        of_row = {"simulation": range(len(ranks)), "rank": ranks, "quantity": row["quantity"]}
        parts.append(pd.DataFrame(of_row))
    records = pd.concat(parts).assign(arm=found.label, status="ok", max_rank=found.max_rank)
    figure = rank_histogram(records, [row["quantity"] for row in shown])
    *_, path = save(figure, folder, f"{name}-ranks")
    if not found.path:
        return path
    drawn = evidence({found.label: found.path}, found.threshold)
    *_, of_evidence = save(drawn, folder, f"{name}-evidence")
    # few simulations decide by the exact posterior, and their ranks show nothing
    return of_evidence if all(map(by_exact, shown)) else path
