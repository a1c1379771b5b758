"""New quantities of fits already made: ranks among the draws that a run kept, without a fit."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.fit import read_only, why
from hiercal.runs.folder import check_place
from hiercal.runs.full_disk import storing
from hiercal.runs.identity import of_quantities
from hiercal.runs.journal import Journal
from hiercal.runs.manifest import (
    JOURNAL,
    MANIFEST,
    begun,
    commit,
    file_name,
    read_manifest,
    remove_run,
    versions,
    write_sealed,
)
from hiercal.runs.parquet import write_records
from hiercal.runs.quantities import (
    Arrays,
    Products,
    Quantity,
    asked,
    bounded,
    check_products,
    named,
    pairs,
    tie_breaker,
    tried,
)
from hiercal.runs.record import TRIED, summary
from hiercal.runs.result import Result
from hiercal.runs.run import Recording, described_questions
from hiercal.runs.user_files import given_files
from hiercal.words import count

ASKED_OF = "asked_of"
"""Key of a manifest under which it says whose draws were kept."""


def answered(
    folder: Path, quantities: Any = (), products: Any = (), out: Path | None = None
) -> tuple[Result, Result]:
    """Rank quantities among the draws that a run kept; write the records and a manifest.

    Returns
    -------
    of_run, of_quantities : Result
        The run, and the records of the new quantities; arms that have none of them are left out.

    Raises
    ------
    ValueError, FileNotFoundError
        As of `hiercal.requantify`.
    """
    wanted, multiplied = named(quantities), pairs(products)
    if not wanted and not multiplied:
        raise ValueError("no quantity is asked for; give functions, a file of them, or products")
    result = Result(folder)
    _check(result)
    name = _stem(wanted)
    out = folder / file_name(f"requantified-{name}") if out is None else out
    if begun(out) and ASKED_OF not in read_manifest(out):
        raise ValueError(f"{out} is the folder of a run; give another --out")
    check_place(out)
    with storing(out), Journal(folder / JOURNAL) as journal:
        answers = _Answers(result, journal, wanted, multiplied)
        out.mkdir(parents=True, exist_ok=True)
        remove_run(out)
        manifest = _manifest(result, name, wanted, multiplied) | {"arms": answers.rows}
        write_sealed(out / MANIFEST, manifest)
        write_records(out, answers, result.n_simulations)
    finished = manifest | {"complete": True, "made_of": {"records": result.n_simulations}}
    write_sealed(out / MANIFEST, finished)
    return result, Result(out)


def _check(result: Result) -> None:
    """Raise an error for a run whose draws were not kept, or not all."""
    folder, manifest = result.folder, result.manifest
    if ASKED_OF in manifest:
        raise ValueError(
            f"{folder} holds answers about the run in {manifest[ASKED_OF]['folder']}; give that one"
        )
    if not manifest["run"].get("keep_draws"):
        raise ValueError(
            f"{folder} kept no draws; run it with keep_draws = true in its file, or "
            "hiercal.Run(keep_draws=True), into another folder or with --fresh"
        )
    if not manifest["complete"]:
        raise ValueError(f"{folder}: the run has not ended; run the same command again to go on")
    if not (folder / JOURNAL).exists():
        raise FileNotFoundError(f"{folder / JOURNAL}, which holds the draws, is not there")


def _stem(quantities: tuple[Quantity, ...]) -> str:
    """What the answers are called: the file that asks, or what it asks for."""
    files = dict.fromkeys(Path(path).stem for path in given_files(*quantities))
    return "-".join(files or [one.name for one in quantities]) or "products"


class _Answers:
    """The records of new quantities, read as those of a journal are."""

    def __init__(
        self, result: Result, journal: Journal, quantities: tuple[Quantity, ...], products: Products
    ) -> None:
        labels = result.manifest["labels"]
        run = result.manifest["run"]
        self._journal = journal
        every = [
            _Arm(
                number,
                row,
                {name: labels[row["story"]][name] for name in row["parameters"]},
                Recording(
                    run["seed"],
                    run["max_rank"],
                    run["level"],
                    quantities=quantities,
                    products=products,
                ),
                journal,
            )
            for number, row in enumerate(result.manifest["arms"])
        ]
        check_products(
            products,
            [name for arm in every for name in arm.names],
            [label for arm in every for own in arm.labels.values() for label in own],
        )
        self._arms = [arm for arm in every if arm.names]
        if not self._arms:
            raise ValueError(f"{result.folder}: no arm has two scalar parameters to be multiplied")

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What each arm is."""
        return [arm.row for arm in self._arms]

    def arms(self) -> list[tuple[str, list[str]]]:
        """Label and quantities of each arm."""
        return [(arm.row["arm"], arm.names) for arm in self._arms]

    def draws(self, arm: int) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        """None for figures."""
        return iter(())

    def fits(self, arm: int, simulations: int) -> Iterator[list[FitRecord]]:
        """An arm's first simulations in order, in pieces."""
        for records in self._journal.fits(self._arms[arm].number, simulations):
            yield [self._arms[arm].record(of_run) for of_run in records]


@dataclass(frozen=True)
class _Arm:
    """One arm of the run, asked.

    Attributes
    ----------
    number : int
        Of the arm in the journal.
    row : dict
        What it is, as in the table of arms.
    labels : dict of list of str
        Names of the scalars of each parameter that its fits report.
    recording : Recording
        The run's, with the new quantities.
    """

    number: int
    row: dict[str, Any]
    labels: dict[str, list[str]]
    recording: Recording
    journal: Journal

    @cached_property
    def names(self) -> list[str]:
        """What the arm is asked; a ValueError if no truth has an answer."""
        errors = []
        for simulation in range(TRIED):
            try:
                truth, data = self._simulated(simulation)
                names = list(self._asked(truth, data, ()))
                tried(self.recording.quantities, truth, data)
                return names
            except Exception as error:
                # as in a run: one bad simulation is a failure, all of them a wrong question
                errors.append(why(error))
        raise ValueError(
            f"{self.row['arm']}: none of the first {TRIED} simulations has an answer; the first "
            f"says {errors[0]}"
        )

    def record(self, of_run: FitRecord) -> FitRecord:
        """The record of a fit with the new quantities in place of the run's."""
        values = np.full((len(self.names), len(COLUMNS)), np.nan)
        draws = self.journal.thinned(self.number, of_run.simulation)
        error = of_run.error if draws is None else None
        try:
            truth, data = self._simulated(of_run.simulation)
            true = self._asked(truth, data, ())
            values[:, 0] = [true[name] for name in self.names]
            if draws is not None:
                values[:, 1:] = self._summary(of_run, values[:, 0], draws, data)
        except Exception as raised:
            # as in a run: a function may raise at a truth or at draws
            values[:, 1:] = np.nan
            error = error or f"summary: {why(raised)}"
        return dataclasses.replace(
            of_run, error=error, values=values, group_ranks=None, group_covariance=None
        )

    def _simulated(self, simulation: int) -> tuple[Arrays, Arrays]:
        """Truth of what the fits report, and data; a ValueError where there are none."""
        found = self.journal.simulated(self.row["story"], simulation)
        if found is None:
            raise ValueError(f"no truth of simulation {simulation} was kept")
        truth, data = found
        return {name: truth[name] for name in self.labels}, data

    def _asked(self, draws: Arrays, data: Arrays, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
        """The quantities, from draws of shape (*shape, *dims)."""
        scalars: dict[str, np.ndarray] = {}
        for name, labels in self.labels.items():
            flat = draws[name].reshape(*shape, len(labels)).astype(float)
            flat = bounded(flat)
            scalars |= dict(zip(labels, np.moveaxis(flat, -1, 0), strict=True))
        quantities, products = self.recording.quantities, self.recording.products
        return asked(quantities, products, draws, data, scalars, self.labels)

    def _summary(
        self, of_run: FitRecord, truth: np.ndarray, draws: Arrays, data: Arrays
    ) -> np.ndarray:
        """All columns but the truth; R-hat and Monte Carlo errors are NaN."""
        n, seed, max_rank = len(self.names), self.recording.seed, self.recording.max_rank
        by_chain = read_only({name: kept[None] for name, kept in draws.items()})
        found = self._asked(by_chain, data, (1, max_rank))
        # thinned draws tell little of how correlated they were; the fit's own quantities do
        ess = {"ess_bulk": of_run.ess_bulk_min, "ess_tail": of_run.ess_tail_min}
        known = ess | {"ess_mean": np.nan, "r_hat": np.nan}
        columns = summary(
            truth,
            np.column_stack([found[name][0] for name in self.names]),
            {name: np.full(n, value) for name, value in known.items()},
            self.recording,
            [
                (1, tie_breaker(seed, self.row["key"], of_run.simulation, name))
                for name in self.names
            ],
        )
        capped = [COLUMNS.index(name) - 1 for name in ess]
        columns[:, capped] = np.minimum(columns[:, capped], max_rank)
        return columns


def _manifest(
    result: Result, name: str, quantities: tuple[Quantity, ...], products: Products
) -> dict[str, Any]:
    """What was asked of which run; it is complete when the records are written."""
    of_run, run = result.manifest, result.manifest["run"]
    n, max_rank = result.n_simulations, run["max_rank"]
    return {
        "name": f"{of_run['name']}, {name}",
        "seed": of_run["seed"],
        "simulations": n,
        "complete": False,
        ASKED_OF: {
            "folder": os.fspath(result.folder),
            **{key: of_run[key] for key in ("digest", "versions", "commit")},
        },
        "unseen": [],
        "notes": [
            f"Ranks among the {max_rank} thinned draws of each fit that {result.folder} kept, "
            f"{count(n, 'simulation')}, 0 new fits. Means, sds and intervals are of these draws. "
            "ESS is the least of the fit's own quantities, at most "
            f"{max_rank}; R-hat and Monte Carlo errors are left empty.",
            "The family is these quantities alone. If you ask after you have seen the run's "
            "verdicts, false alarms of this family come on top of the run's 5 %.",
        ],
        "run": {
            **{key: run[key] for key in ("seed", "max_rank", "level")},
            **described_questions(quantities, products),
            **of_quantities(quantities),
        },
        "versions": versions(),
        "commit": commit(),
        "given": given_files(*quantities),
        "made_of": {"records": None},
        "files": [],
    }
