"""Which mutants are found, by which test, and after how many simulations."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.errors import UnknownName
from hiercal.fitters import Fit, Fitter
from hiercal.mutants import Mutant, all_mutants, label_of
from hiercal.mutants._gates import GATES, Fitted
from hiercal.runs.columns import COLUMNS
from hiercal.runs.evidence import ArmEvidence
from hiercal.runs.fit import fit, sampler_seed, simulate
from hiercal.runs.record import quantity_names, record
from hiercal.runs.run import Run, arm_key
from hiercal.sbc.sequential import FUNCTIONALS, family_log_e
from hiercal.sbc.verdict import Hypothesis, verdicts
from hiercal.simulators import Story
from hiercal.simulators._story import changed_fields

if TYPE_CHECKING:
    import pandas as pd

FIXED = 200
"""Simulations of the verdict that is compared."""
TABLE = "mutants.csv"
GATE_RUNS = {"mutant": 10, "honest": 200}
"""Fits that a gate looks at."""
GATE_FITS = 4
"""Fits of which each of these is made, as of four chains."""
GATE_SECONDS = 10.0
"""CPU seconds after which no further fit is made for the gates."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a row depends on, besides its mutant.

    Parameters
    ----------
    alpha : float
        Probability at most that an honest fitter is called out, ever.
    max_simulations : int
        Simulations after which a mutant counts as not found.
    seconds : float
        CPU seconds after which it does.
    seed : int
    """

    alpha: float = 1e-3
    max_simulations: int = 4000
    seconds: float = 600.0
    seed: int = 0


@dataclass(frozen=True)
class Subject:
    """A fitter to be tested on a story, and whether it is a mutant or an honest one."""

    kind: str
    story: Story
    fitter: Fitter

    @property
    def label(self) -> str:
        """Name in the table."""
        name = label_of(self.fitter)
        return name if self.kind == "mutant" else f"{name} on {_told(self.story)}"

    @property
    def key(self) -> str:
        """What tells it from others."""
        return f"{self.kind}:{arm_key(self.story, self.fitter)}"


def subjects(only: Iterable[str] = ()) -> list[Subject]:
    """The mutants with these names, or all, and then their honest fitters."""
    wanted = list(only)
    mutants = all_mutants()
    known = list(dict.fromkeys(mutant.name for mutant in mutants))
    if unknown := [name for name in wanted if name not in known]:
        raise UnknownName(f"unknown mutant {unknown[0]!r}; valid: {', '.join(known)}")
    chosen = [mutant for mutant in mutants if not wanted or mutant.name in wanted]
    spoilt = [Subject("mutant", mutant.story, mutant) for mutant in chosen]
    honest = {}
    for mutant in chosen:
        one = Subject("honest", mutant.story, mutant.honest)
        honest.setdefault(one.key, one)
    return spoilt + list(honest.values())


def table(
    only: Iterable[str],
    options: Options,
    folder: Path,
    *,
    fresh: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """Test every subject; rows that are in the folder already, of the same options, are kept.

    Parameters
    ----------
    only : iterable of str
        Names of mutants; all if there are none.
    folder : Path
        Gets ``mutants.csv``, a row as each subject is done.
    fresh : bool
        Test again what is there.
    say : callable
        Is told of each row.

    Returns
    -------
    DataFrame
        The rows of these subjects; see `detection`.
    """
    import pandas as pd

    path = folder / TABLE
    kept = _read(path)
    rows = []
    for one in subjects(only):
        run = Run(stories=(one.story,), fitters=(one.fitter,), seed=options.seed)
        told = {"key": one.key, **dataclasses.asdict(options)}
        known = kept.get(one.key)
        if known and not fresh and all(known.get(name) == v for name, v in told.items()):
            if known["code"] != run.digest[:12]:
                say(f"{one.label}: its row was made by other code or versions; --fresh renews it")
            rows.append(known)
            continue
        say(f"{one.label} ...")
        row = detection(one, options)
        row |= {"code": run.digest[:12], **told}
        kept[one.key] = row
        rows.append(row)
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        pd.DataFrame(list(kept.values())).to_csv(part, index=False, float_format="%.6g")
        os.replace(part, path)  # a kill leaves the table before or after
    return pd.DataFrame(rows)


def detection(one: Subject, options: Options) -> dict[str, Any]:
    """Test one subject until it is found, or the simulations or seconds are used up.

    As `hiercal.decide` does: two e-values are averaged, one of the ranks and one of the differences
    from the exact posterior, each over all quantities; found is where their mean reaches 1 / alpha.

    Returns
    -------
    dict
        ``found``, ``by`` (the test with more evidence) and ``quantity`` (with most);
        ``simulations`` and ``cpu_seconds`` used by then; ``log_e_ranks`` and ``log_e_exact`` (NaN
        without an exact posterior); ``fixed``, hiercal's verdict after `FIXED` simulations, and
        ``fixed_quantity``; ``n_failed`` fits; for each gate the share of fits that it catches.
    """
    mutant = one.fitter if isinstance(one.fitter, Mutant) else None
    begin, trial = time.process_time(), Trial(one, options)

    def time_is_up() -> bool:
        return time.process_time() - begin > options.seconds

    while trial.n < options.max_simulations and not trial.evidence.rejected:
        trial.fit_next()
        if time_is_up():
            break
    seconds, seen = time.process_time() - begin, trial.seen()
    while trial.n < FIXED and not time_is_up():
        trial.fit_next(compare=False)
    return {
        "mutant": one.label,
        "kind": one.kind,
        "thread": mutant.thread if mutant else "",
        "story": _told(one.story),
        "emulated": bool(mutant and mutant.emulated),
        "invisible_to_marginals": bool(mutant and mutant.invisible_to_marginals),
        **seen,
        "cpu_seconds": round(seconds, 2),
        **trial.fixed(),
        "n_failed": trial.n_failed,
        **gates(one, options),
    }


class Trial:
    """A subject's fits, one after another, and the evidence that they are."""

    def __init__(self, one: Subject, options: Options) -> None:
        run = Run(stories=(one.story,), fitters=(one.fitter,), seed=options.seed)
        self._one, (self._arm,) = one, run.arms
        self._recordings = {
            exact: dataclasses.replace(run.recording, compare_exact=exact)
            for exact in (True, False)
        }
        names = quantity_names(self._arm, run.recording)
        self.evidence = ArmEvidence(one.label, names, run.max_rank, -math.log(options.alpha))
        self._values: list[np.ndarray] = []
        self.n_failed = 0

    @property
    def n(self) -> int:
        """Simulations so far."""
        return len(self._values)

    def fit_next(self, *, compare: bool = True) -> None:
        """Simulate and fit once more; it counts as evidence unless it is not to `compare`."""
        recording, i = self._recordings[compare], self.n
        story, fitter = self._one.story, self._one.fitter
        drawn = simulate(recording.seed, story, i)
        fitted = fit(story, fitter, drawn.data, sampler_seed(recording.seed, story, fitter, i))
        recorded = record(self._arm, recording, i, drawn, fitted)
        self.n_failed += recorded.error is not None
        self._values.append(recorded.values)
        if compare:
            self.evidence.add([recorded])

    def seen(self) -> dict[str, Any]:
        """What the evidence says, and which test and quantity have most of it."""
        names = self.evidence.quantities
        each = {"ranks": self.evidence.of_ranks(), "exact posterior": self.evidence.of_exact()}
        labels = {
            "ranks": names,
            "exact posterior": [f"{name}: {f}" for name in names for f in FUNCTIONALS],
        }
        if not self.evidence.compares:
            del each["exact posterior"]
        families = {test: float(family_log_e(np.ravel(log_e))) for test, log_e in each.items()}
        by = max(families, key=lambda test: families[test])
        return {
            "found": self.evidence.rejected,
            "by": by,
            "quantity": labels[by][int(np.nanargmax(each[by]))],
            "simulations": self.evidence.simulations,
            "log_e_ranks": families["ranks"],
            "log_e_exact": families.get("exact posterior", math.nan),
        }

    def fixed(self) -> dict[str, Any]:
        """hiercal's verdict after `FIXED` simulations, over all quantities."""
        names = self.evidence.quantities
        if self.n < FIXED:
            return {"fixed": "not reached", "fixed_quantity": ""}
        ranks, effective, ess = (
            np.stack([values[:, COLUMNS.index(name)] for values in self._values[:FIXED]])
            for name in ("rank", "rank_effective", "ess_bulk")
        )
        done = ~np.isnan(ranks).any(axis=1)
        judged = verdicts(
            [
                Hypothesis(
                    ranks[done, q].astype(int),
                    effective[done, q].astype(int),
                    int((~done).sum()),
                    ess[done, q],
                    self.evidence.max_rank,
                )
                for q in range(len(names))
            ]
        )
        worst = min(range(len(judged)), key=lambda q: judged[q].p_holm)
        said = {verdict.verdict for verdict in judged}
        order = ("miscalibrated", "inconclusive", "calibrated")
        return {
            "fixed": next(word for word in order if word in said),
            "fixed_quantity": names[worst],
        }


def compared(story: Story) -> tuple[str, ...]:
    """The parameters that are compared with an exact posterior; none where there is none."""
    if not hasattr(story, "exact"):
        return ()
    small: Any = story
    posterior = small.exact(simulate(0, story, 0).data, "centred")
    labels = [label for name in story.dims for label in story.labels(name)]
    return tuple(label for label in labels if label in posterior.names)


def gates(one: Subject, options: Options) -> dict[str, float]:
    """Share of fits of one data set that each gate catches; NaN without an exact posterior."""
    names = compared(one.story)
    if not names:
        return {"gate_runs": 0} | {f"gate {name}": np.nan for name in GATES}
    begin, small = time.process_time(), _any(one.story)
    # a number no run simulates, the same for a mutant and its honest fitter
    data = simulate(options.seed, one.story, 10**6).data
    posterior, caught = small.exact(data, "centred"), []
    owner = {label: name for name in one.story.dims for label in one.story.labels(name)}
    for i in range(GATE_RUNS[one.kind]):
        if i and time.process_time() - begin > min(GATE_SECONDS, options.seconds):
            break
        fits = [
            fit(one.story, one.fitter, data, sampler_seed(options.seed, one.story, one.fitter, key))
            for key in (f"gate {i} {j}" for j in range(GATE_FITS))
        ]
        done = [_flat(one.story, each, names) for each in fits if each.error is None]
        if not done:
            caught.append([True] * len(GATES))
            continue
        fitted = Fitted(np.concatenate(done), names, [owner[name] for name in names], posterior)
        caught.append([gate(fitted) for gate in GATES.values()])
    shares = np.mean(caught, axis=0)
    return {"gate_runs": len(caught)} | {
        f"gate {name}": float(share) for name, share in zip(GATES, shares, strict=True)
    }


def _flat(story: Story, fitted: Fit, names: tuple[str, ...]) -> np.ndarray:
    """Draws of these quantities, (n_chains, n_draws, n_quantities)."""
    columns = {}
    for name, values in fitted.draws.items():
        flat = values.reshape(*values.shape[:2], -1)
        columns |= dict(zip(story.labels(name), np.moveaxis(flat, -1, 0), strict=True))
    return np.stack([columns[name] for name in names], axis=-1)


def _any(story: Story) -> Any:
    return story


def _told(story: Story) -> str:
    """Name of a story with the options that are not the defaults."""
    options = [f"{name}={_short(value)}" for name, value in changed_fields(story).items()]
    return f"{story.name}({', '.join(options)})" if options else story.name


def _short(value: Any) -> str:
    """An option's value; of a tuple the entries, once where all are the same."""
    if not isinstance(value, tuple):
        return str(value)
    entries = [f"{entry:.4g}" for entry in value]
    return f"{len(entries)} x {entries[0]}" if len(set(entries)) == 1 else "/".join(entries)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """Rows of an earlier table, by key."""
    import pandas as pd

    if not path.exists():
        return {}
    rows = pd.read_csv(path, keep_default_na=False, na_values=["nan", ""])
    text = rows.select_dtypes(exclude="number").columns
    rows[text] = rows[text].fillna("")
    return {row["key"]: row for row in rows.to_dict("records")}
