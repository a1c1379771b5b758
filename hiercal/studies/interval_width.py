"""Interval width: how much narrower partial pooling makes the intervals of groups of each size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.fitters._fitter import at_least
from hiercal.fitters.exact import Exact
from hiercal.simulators._story import group_sizes, positive
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.survey import Survey
from hiercal.studies._experiment import Experiment, Say, Tables
from hiercal.studies._fits import Settings, simulate
from hiercal.studies._interval_width_claims import CLAIMS
from hiercal.studies._random import stream
from hiercal.studies._study import Study
from hiercal.studies._summaries import named
from hiercal.studies._width_designs import LEVEL, UNEQUAL, Design, designs, on_textbook
from hiercal.studies._widths import (
    Comparison,
    column,
    compare,
    complete,
    intervals,
    resamples,
    shrinkage,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.studies._result import Result


@dataclass(frozen=True, kw_only=True)
class IntervalWidth(Experiment):
    """Hierarchical 89 % intervals beside those without pooling, on the same data.

    Both are the exact posterior's. As they come they need not cover equally often, so they are
    also scaled until they do.

    Parameters
    ----------
    simulations : int
        Data sets of each design.
    draws : int
        From each exact posterior.
    resamples : int
        Of the bootstrap that the standard errors come from.
    alpha : float
        Concentration of the textbook's regions.
    mu_log, sigma_log : float
        Mean and standard deviation of the log rates of its hospitals.
    unequal : tuple of int
        Respondents of the regions in the survey of very unequal regions.
    """

    simulations: int = 1000
    draws: int = 500
    resamples: int = 1000
    alpha: float = 8.0
    mu_log: float = 0.5
    sigma_log: float = 0.6
    unequal: tuple[int, ...] = UNEQUAL

    name: ClassVar = "interval_width"
    quick: ClassVar = {"simulations": 16, "draws": 300, "resamples": 300}
    claims: ClassVar = CLAIMS

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self.name, "simulations", self.simulations, 10)
        at_least(self.name, "draws", self.draws, 100)
        at_least(self.name, "resamples", self.resamples, 100)
        positive(self.name, "alpha", self.alpha)
        positive(self.name, "sigma_log", self.sigma_log)
        sizes = group_sizes(self.name, "unequal", self.unequal)
        if len(set(sizes)) < 2:
            raise ValueError(
                f"{self.name}: unequal is {sizes}; give a small region and a large one to compare"
            )
        object.__setattr__(self, "unequal", sizes)

    @property
    def designs(self) -> dict[str, Design]:
        """Designs by the name of their study."""
        return designs(self.alpha, self.mu_log, self.sigma_log, self.unequal)

    def studies(self) -> dict[str, Study]:
        arms = tuple(Exact(model=m, draws=self.draws) for m in ("noncentred", "no_pooling"))
        return {
            name: Study(
                stories=(design.story,),
                fitters=arms,
                simulations=self.simulations,
                seed=self.seed,
                level=LEVEL,
            )
            for name, design in self.designs.items()
        }

    def tables(self, results: Mapping[str, Result], say: Say) -> dict[str, pd.DataFrame]:
        import pandas as pd

        widths, trends, weights = [], [], []
        for name, study in self.studies().items():
            say(f"{self.name}: bootstrap of {name}")
            design = self.designs[name]
            of_sizes, n, n_failed = self._compared(results[name], study, design, name)
            small, large = min(of_sizes), max(of_sizes)
            key = {"design": name, "title": design.title, "prior": design.prior}
            counted = {"n": n, "n_failed": n_failed}
            for size, found in sorted(of_sizes.items()):
                sized = {"size": size, "relative_size": size / large}
                estimates = named(**{e: found.pair(e) for e in found.estimates})
                widths.append(key | sized | counted | estimates)
            trends.append(
                key
                | {"smallest": small, "largest": large, **counted}
                | named(
                    at_smallest=of_sizes[small].pair("reduction"),
                    at_largest=of_sizes[large].pair("reduction"),
                    fall=_difference(of_sizes[small], of_sizes[large], "reduction"),
                )
            )
            if isinstance(design.story, Survey):
                weights += [key | row for row in self._shrunk(results[name], study, name)]
        return {
            "widths": pd.DataFrame(widths),
            "trend": pd.DataFrame(trends),
            "shrinkage": pd.DataFrame(weights),
            "textbook": pd.DataFrame([*on_textbook(Survey()), *on_textbook(Hospitals())]),
        }

    def _compared(
        self, result: Result, study: Study, design: Design, name: str
    ) -> tuple[dict[float, Comparison], int, int]:
        """Comparisons by group size, the data sets in them, and those where an arm failed."""
        whole = complete(result, study)
        rows = resamples(
            len(whole), stream(self.seed, "bootstrap", self.name, name), self.resamples
        )
        labels = np.reshape(design.story.labels(design.story.groups), (len(design.sizes), -1))
        found = {}
        for size in sorted(set(design.sizes)):
            items = labels[np.equal(design.sizes, size)].ravel().tolist()
            arms = [intervals(result, arm.label, items, whole) for arm in study.arms]
            found[size] = compare(arms[0], arms[1], LEVEL, rows)
        return found, len(whole), study.simulations - len(whole)

    def _shrunk(self, result: Result, study: Study, name: str) -> list[dict[str, float]]:
        """How far the regions' proportions move to those of the whole country, by size."""
        story = study.stories[0]
        assert isinstance(story, Survey)
        whole, arm = complete(result, study), study.arms[0].label
        answers = [simulate(story, Settings.of(study), i).data["counts"] for i in whole]
        raw = np.array(answers) / np.array(story.n)[:, None]
        pooled = column(result, arm, "mean", story.labels("pi"), whole).reshape(raw.shape)
        centre = column(result, arm, "mean", story.labels("pi0"), whole)
        rows = resamples(
            len(whole), stream(self.seed, "bootstrap", self.name, name), self.resamples
        )
        found = shrinkage(raw, pooled, centre, rows)
        largest = int(np.argmax(story.n))
        return [
            {"size": story.n[g], "n": len(whole), "n_failed": study.simulations - len(whole)}
            | named(weight=found.pair(g), times_largest=found.times(g, largest))
            for g in np.argsort(story.n)
        ]

    def figures(self, tables: Tables) -> dict[str, Figure]:
        import pandas as pd

        from hiercal.plots.sweep import sweep

        widths = tables["widths"]
        widths = widths.assign(raw=1 - widths["mean_ratio"], raw_se=widths["mean_ratio_se"])

        def drawn(**columns: str) -> pd.DataFrame:
            kept = ["title", "relative_size"]
            parts = []
            for series, estimate in columns.items():
                part = widths[[*kept, estimate, f"{estimate}_se"]].set_axis(
                    [*kept, "y", "se"], axis="columns"
                )
                parts.append(part.assign(series=series.replace("_", " ")))
            return pd.concat(parts)

        look: dict[str, Any] = {
            "x": "relative_size",
            "y": "y",
            "se": "se",
            "series": "series",
            "panel": "title",
            "xscale": "log",
            "columns": 4,
            "xlabel": "size of the group, as a share of the largest",
        }
        note = "Truths are drawn from the priors, or are those of the textbook."
        return {
            "reduction": sweep(
                drawn(at_matched_coverage="reduction", as_they_come="raw"),
                ylabel="part of the width that pooling saves",
                reference=0.0,
                note=note,
                **look,
            ),
            "coverage": sweep(
                drawn(hierarchical="coverage", no_pooling="other_coverage"),
                ylabel="coverage of the 89 % intervals",
                reference=LEVEL,
                reference_label="89 %",
                note=note,
                **look,
            ),
        }


def _difference(first: Comparison, other: Comparison, name: str) -> tuple[float, float]:
    """An estimate less another of the same data sets, and its standard error."""
    resampled = first.resampled[name] - other.resampled[name]
    return first.estimates[name] - other.estimates[name], float(resampled.std(ddof=1))
