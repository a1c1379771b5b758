"""Cost: time per leapfrog step against groups and observations, and how long trajectories are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from hiercal.fitters import Fitter
from hiercal.fitters._fitter import at_least
from hiercal.fitters.exact import Exact
from hiercal.fitters.numpyro import NumPyro
from hiercal.fitters.pymc import PyMC
from hiercal.simulators import Story
from hiercal.simulators.batting import Batting
from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.funnel import Funnel
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.instructors import Instructors
from hiercal.simulators.private_schools import PrivateSchools
from hiercal.simulators.slopes import Slopes
from hiercal.simulators.survey import Survey
from hiercal.studies._cost_claims import CLAIMS, REFERENCE, by_series
from hiercal.studies._experiment import Experiment, Say, Tables
from hiercal.studies._study import Study
from hiercal.studies._summaries import fits_of, mean_se, named

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.studies._result import Result

LIBRARIES = {"numpyro": NumPyro, "pymc": PyMC}
NAMES = {"numpyro": "NumPyro", "pymc": "PyMC", "exact": "exact"}
STORIES = (
    Batting(), EightSchools(), Funnel(), Hospitals(), Instructors(), PrivateSchools(), Slopes(),
    Survey(),
)  # fmt: skip
SERIES: dict[str, Callable[[int], Story]] = {
    "eight_schools: groups": lambda n: EightSchools().resized(n),
    "hospitals: groups": lambda n: Hospitals().resized(n),
    "instructors: groups of 16": lambda n: Instructors(sizes=(16,) * n),
    "instructors: size of 8 groups": lambda n: Instructors(sizes=(n,) * 8),
}
DRAWS, TUNE, EXACT = 450, 50, 1000
NUTS: dict[str, Any] = {
    "draws": DRAWS,
    "tune": TUNE,
    "target_accept": 0.99,
    "max_treedepth": 3,
}
BUDGET = 20
"""Seconds of a series after which two rounds are enough."""


@dataclass(frozen=True, kw_only=True)
class Cost(Experiment):
    """Trajectories are cut at 7 steps where time is measured, so that a fit has a known number.

    Times are those of the machine; all else is reproducible. Processor time of one process, sizes
    in turn, so that drift cancels.

    Parameters
    ----------
    simulations : int
        Data sets of each story whose trajectories are counted.
    sizes : tuple of int
        Numbers of groups, or of observations in each of 8 groups.
    series : tuple of str
        What grows.
    rounds : int
        Fits timed for each size, at most.
    libraries : tuple of {"numpyro", "pymc"}
    target_accept : float
        Where trajectories are counted.
    """

    simulations: int = 30
    sizes: tuple[int, ...] = (8, 32, 128, 512, 2048)
    series: tuple[str, ...] = tuple(SERIES)
    rounds: int = 8
    libraries: tuple[Literal["numpyro", "pymc"], ...] = ("numpyro", "pymc")
    target_accept: float = 0.9

    name: ClassVar = "cost"
    quick: ClassVar = {
        "simulations": 2,
        "sizes": (128, 512, 2048),
        "series": ("eight_schools: groups",),
        "rounds": 3,
        "libraries": ("numpyro",),
    }
    claims: ClassVar = CLAIMS

    def __post_init__(self) -> None:
        super().__post_init__()
        for field in ("sizes", "series", "libraries"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
            if not getattr(self, field):
                raise ValueError(f"{self.name}: {field} is empty; give at least one")
        at_least(self.name, "simulations", self.simulations, 2)
        at_least(self.name, "rounds", self.rounds, 2)
        if unknown := set(self.series) - set(SERIES):
            raise ValueError(
                f"{self.name}: series holds {sorted(unknown)}; give some of {', '.join(SERIES)}"
            )
        if sum(size >= REFERENCE for size in self.sizes) < 2:
            raise ValueError(
                f"{self.name}: sizes are {self.sizes}; give two or more of at least {REFERENCE}, "
                "as the slope is taken from there"
            )

    def studies(self) -> dict[str, Study]:
        fitters: tuple[Fitter, ...] = tuple(
            LIBRARIES[library](target_accept=self.target_accept) for library in self.libraries
        )
        return {
            "trajectories": Study(
                stories=STORIES, fitters=fitters, simulations=self.simulations, seed=self.seed
            )
        }

    def tables(self, results: Mapping[str, Result], say: Say) -> dict[str, pd.DataFrame]:
        import pandas as pd

        fitters: dict[str, Fitter] = {name: LIBRARIES[name](**NUTS) for name in self.libraries}
        fitters["exact"] = Exact(draws=EXACT)
        rows = []
        for series in self.series:
            for fitter in fitters.values():
                say(f"{self.name}: {series}, {fitter.name}")
                rows += _times(series, fitter, self.sizes, self.rounds, self.seed)
        return {
            "scaling": _scaling(pd.DataFrame(rows)),
            "trajectories": self._trajectories(results["trajectories"]),
        }

    def _trajectories(self, result: Result) -> pd.DataFrame:
        import pandas as pd

        rows = []
        for arm in self.studies()["trajectories"].arms:
            fits = fits_of(result, arm.label)
            done = fits[fits["error"].isna()]
            steps = done["n_steps"] / arm.fitter.shape[1]
            rows.append(
                {
                    "story": arm.story.name,
                    "library": arm.fitter.name,
                    "n": len(done),
                    "n_failed": len(fits) - len(done),
                    **named(steps=mean_se(steps)),
                    "least": steps.min(),
                    "most": steps.max(),
                }
            )
        return pd.DataFrame(rows)

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.plots.sweep import sweep

        trajectories = tables["trajectories"]
        stories = list(dict.fromkeys(trajectories["story"]))
        return {
            "scaling": sweep(
                tables["scaling"].assign(fitter=tables["scaling"]["fitter"].map(NAMES)),
                x="size",
                y="microseconds",
                series="fitter",
                panel="series",
                xlabel="number of groups, or of observations in each",
                ylabel="time per leapfrog step\nor exact draw (µs)",
                xscale="log",
                yscale="log",
                columns=2,
                share_y=False,
                note=f"Medians, processor time on one core. NumPyro and PyMC (nutpie): a fit of "
                f"{TUNE} + {DRAWS} draws of the non-centred model over its leapfrog steps. Exact: "
                f"{EXACT} independent draws, with setting up, over {EXACT}.",
            ),
            "trajectories": sweep(
                trajectories.assign(
                    place=trajectories["story"].map(stories.index),
                    library=trajectories["library"].map(NAMES),
                ),
                x="place",
                y="steps",
                se="steps_se",
                series="library",
                xlabel="story",
                ylabel="leapfrog steps a draw",
                xscale="category",
                yscale="log",
                categories=[story.replace("_", "\n") for story in stories],
            ),
        }


def _times(
    series: str, fitter: Fitter, sizes: tuple[int, ...], rounds: int, seed: int
) -> list[dict[str, Any]]:
    """Microseconds per step or exact draw, a row per size and round."""
    exact = isinstance(fitter, Exact)
    stories = {size: SERIES[series](size) for size in sizes}
    refits = {size: fitter.prepare(story) for size, story in stories.items()}
    rows = []
    begun = time.process_time()
    for turn in range(0 if exact else -1, rounds):  # the one before 0 compiles
        if turn >= 2 and time.process_time() - begun > BUDGET:
            break
        for size, story in stories.items():
            data = story.simulate(np.random.default_rng([seed, size, turn + 1])).data
            start = time.process_time()
            fit = refits[size](data, turn + 1)
            spent = time.process_time() - start
            if turn < 0:
                continue
            steps = EXACT if exact else fit.stats["n_steps"].sum() * (DRAWS + TUNE) / DRAWS
            rows.append(
                {
                    "series": series,
                    "fitter": fitter.name,
                    "size": size,
                    "microseconds": 1e6 * spent / steps,
                    "whole": 1.0 if exact else float((fit.stats["n_steps"] == 7).mean()),
                }
            )
    return rows


def _scaling(rows: pd.DataFrame) -> pd.DataFrame:
    """Median cost by size, and the slope of its logarithm against that of the size.

    Fits in which over a tenth of the draws took fewer than 7 steps are left out; ``kept`` is the
    share of the others.
    """
    import pandas as pd
    from scipy.stats import linregress

    parts = []
    for timed in by_series(rows):
        some = timed[timed["whole"] > 0.9]
        cost = some.groupby("size")["microseconds"].median()
        upper = some[some["size"] >= REFERENCE]
        line = linregress(np.log(upper["size"]), np.log(upper["microseconds"]))
        part = {
            "series": timed["series"].iloc[0],
            "fitter": timed["fitter"].iloc[0],
            "size": cost.index,
            "microseconds": cost.to_numpy(),
            "slope": line.slope,
            "slope_se": line.stderr,
            "fits": timed.groupby("size").size().loc[cost.index].to_numpy(),
            "kept": timed.groupby("size")["whole"].agg(lambda w: (w > 0.9).mean())[cost.index],
        }
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)
