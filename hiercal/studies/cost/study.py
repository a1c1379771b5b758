"""Operations and time of a leapfrog step against size, and how long trajectories are."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from hiercal import words
from hiercal.fitters import Fitter
from hiercal.fitters._fitter import at_least
from hiercal.fitters.exact import Exact
from hiercal.fitters.numpyro import NumPyro
from hiercal.fitters.pymc import PyMC
from hiercal.runs.measurements import Measurement, Rows
from hiercal.runs.run import Run
from hiercal.simulators._catalogue_story import CatalogueStory
from hiercal.simulators.batting import Batting
from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.funnel import Funnel
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.instructors import Instructors
from hiercal.simulators.private_schools import PrivateSchools
from hiercal.simulators.slopes import Slopes
from hiercal.simulators.survey import Survey
from hiercal.studies._study import Study, Tables
from hiercal.studies.cost.claims import CLAIMS
from hiercal.studies.cost.design import LEAST, MOST, REFERENCE, by_series
from hiercal.studies.cost.operations import COUNTS
from hiercal.tables.estimates import fits_of, mean_se, named, share_se

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.result import Result

LIBRARIES = {"numpyro": NumPyro, "pymc": PyMC}
FITTERS = words.LIBRARIES | {"exact": "exact"}
TEXTBOOK = {
    "eight_schools": ("centred", "noncentred"),
    "hospitals": ("noncentred",),
    "private_schools": ("noncentred",),
    "survey": ("centred",),
}
"""The textbook's hierarchical models (L114, L139, L286, L586, L697)."""
SERIES: dict[str, Callable[[int], CatalogueStory]] = {
    "eight_schools: groups": lambda n: EightSchools().resized(n),
    "hospitals: groups": lambda n: Hospitals().resized(n),
    "instructors: groups of 16": lambda n: Instructors(sizes=(16,) * n),
    "instructors: size of 8 groups": lambda n: Instructors(sizes=(n,) * 8),
}
COUNTED: dict[str, tuple[Callable[[int], CatalogueStory], str]] = {
    **{name: (made, "noncentred") for name, made in SERIES.items()},
    "private_schools: groups": (lambda n: PrivateSchools().resized(n), "noncentred"),
    "survey: regions": (lambda n: Survey().resized(n), "centred"),
}
"""What grows where operations are counted, and the model."""
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
class Cost(Study):
    """Operations of a gradient are counted, and leapfrog steps timed and counted.

    Times are those of the machine; all else is reproducible. Processor time of one process, sizes
    in turn, so that drift cancels. Trajectories are cut at 7 steps where time is measured, so that
    a fit has a known number.

    Parameters
    ----------
    simulations : int
        Data sets of each of the textbook's stories but the survey whose trajectories are counted.
    others : int
        Data sets of the survey, whose fits are slow, and of each of the other stories.
    sizes : tuple of int
        Numbers of groups, or of observations in each of 8 groups.
    series : tuple of str
        What grows where time is measured.
    rounds : int
        Fits timed for each size, at most.
    libraries : tuple of {"numpyro", "pymc"}
    target_accept : float
        Where trajectories are counted.
    """

    simulations: int = 100
    others: int = 30
    sizes: tuple[int, ...] = (8, 32, 128, 512, 2048)
    series: tuple[str, ...] = tuple(SERIES)
    rounds: int = 8
    libraries: tuple[Literal["numpyro", "pymc"], ...] = ("numpyro", "pymc")
    target_accept: float = 0.9

    name: ClassVar = "cost"
    quick: ClassVar = {
        "simulations": 4,
        "others": 2,
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
        at_least(self.name, "others", self.others, 2)
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

    def runs(self) -> dict[str, Run]:
        fitters: dict[str, tuple[Fitter, ...]] = {
            model: tuple(
                LIBRARIES[library](model=model, target_accept=self.target_accept)
                for library in self.libraries
            )
            for model in ("centred", "noncentred")
        }
        both = (*fitters["centred"], *fitters["noncentred"])
        designs: dict[str, tuple[tuple[CatalogueStory, ...], tuple[Fitter, ...], int]] = {
            "eight_schools": ((EightSchools(),), both, self.simulations),
            "textbook": ((Hospitals(), PrivateSchools()), fitters["noncentred"], self.simulations),
            "survey": ((Survey(),), both, self.others),
            "others": (
                (Batting(), Funnel(), Instructors(), Slopes()), fitters["noncentred"], self.others
            ),
        }  # fmt: skip
        return {
            name: Run(stories=stories, fitters=fits, simulations=simulations, seed=self.seed)
            for name, (stories, fits, simulations) in designs.items()
        }

    def measurements(self) -> dict[str, Measurement]:
        counted = {
            f"operations, {series}, {library}": Measurement(
                partial(self._operations, series, library)
            )
            for series, library in itertools.product(COUNTED, self.libraries)
        }
        fitters: dict[str, Fitter] = {name: LIBRARIES[name](**NUTS) for name in self.libraries}
        fitters["exact"] = Exact(draws=EXACT)
        timed = {
            f"time, {series}, {name}": Measurement(
                partial(_times, series, fitter, self.sizes, self.rounds, self.seed), alone=True
            )
            for series, (name, fitter) in itertools.product(self.series, fitters.items())
        }
        return counted | timed

    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        import pandas as pd

        return {
            "operations": pd.DataFrame(measured["operations"]),
            "scaling": _scaling(pd.DataFrame(measured["times"])),
            "trajectories": self._trajectories(results),
        }

    def _operations(self, series: str, library: str) -> dict[str, Rows]:
        """Operations of a log density and its gradient, of data drawn at each size.

        A row per size from `REFERENCE` up: ``operations``, those ``each`` group or observation, and
        ``power``: that of the size with which operations grow from the size before, NaN at the
        first.
        """
        made, model = COUNTED[series]
        sizes = [size for size in self.sizes if size >= REFERENCE]
        counts = []
        for size in sizes:
            story = made(size)
            data = story.simulate(np.random.default_rng([self.seed, size])).data
            counts.append(COUNTS[library](story, model, data))
        power = np.diff(np.log(counts)) / np.diff(np.log(sizes))
        rows = [
            {
                "series": series,
                "model": model,
                "library": library,
                "size": size,
                "operations": count,
                "each": count / size,
                "power": grown,
            }
            for size, count, grown in zip(sizes, counts, [np.nan, *power], strict=True)
        ]
        return {"operations": rows}

    def _trajectories(self, results: Mapping[str, Result]) -> pd.DataFrame:
        """Leapfrog steps a draw, each fit's mean over its draws.

        Returns
        -------
        DataFrame
            A row per story, library and model: mean over data sets ``steps``, ``least`` and
            ``most``, the share of fits ``inside`` the textbook's range, and whether the coding is
            one of the ``textbook``.
        """
        import pandas as pd

        rows = []
        for result in results.values():
            for arm in result.arms.to_dict("records"):
                fits = fits_of(result, arm["arm"])
                done = fits[fits["error"].isna()]
                steps = done["n_steps"] / arm["draws"]
                rows.append(
                    {
                        "story": arm["story_name"],
                        "library": arm["fitter_name"],
                        "model": arm["model"],
                        "textbook": arm["model"] in TEXTBOOK.get(arm["story_name"], ()),
                        "n": len(done),
                        "n_failed": len(fits) - len(done),
                        **named(
                            steps=mean_se(steps),
                            inside=share_se((steps >= LEAST) & (steps <= MOST)),
                        ),
                        "least": steps.min(),
                        "most": steps.max(),
                    }
                )
        return pd.DataFrame(rows)

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.plots import sweep

        trajectories = tables["trajectories"]
        stories = list(dict.fromkeys(trajectories["story"]))
        coded = [
            words.coding(library, model)
            for library, model in zip(trajectories["library"], trajectories["model"], strict=True)
        ]
        operations = tables["operations"]
        return {
            "operations": sweep(
                operations.assign(library=operations["library"].map(FITTERS)),
                x="size",
                y="each",
                series="library",
                panel="series",
                xlabel="number of groups, or of observations in each",
                ylabel="operations of a gradient\nfor each of them",
                xscale="log",
                yscale="log",
                columns=3,
                note="Flat: a gradient costs in proportion to the size. NumPyro: floating-point "
                "operations that XLA counts in what JAX hands it. PyMC: elements that the nodes of "
                "PyTensor's graph compute.",
            ),
            "scaling": sweep(
                tables["scaling"].assign(fitter=tables["scaling"]["fitter"].map(FITTERS)),
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
                    coded=coded,
                ),
                x="place",
                y="steps",
                se="steps_se",
                series="coded",
                xlabel="story",
                ylabel="leapfrog steps a draw",
                xscale="category",
                yscale="log",
                categories=[story.replace("_", "\n") for story in stories],
                reference=float(MOST),
                reference_label=f"{MOST} steps",
            ),
        }


def _times(
    series: str, fitter: Fitter, sizes: tuple[int, ...], rounds: int, seed: int
) -> dict[str, Rows]:
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
    return {"times": rows}


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
