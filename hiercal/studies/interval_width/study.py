"""How much narrower partial pooling makes the intervals of groups of each size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hiercal.fitters._fitter import at_least
from hiercal.runs.measurements import Measurement, Rows
from hiercal.runs.streams import stream
from hiercal.sbc.widths import (
    FACTORS,
    Comparison,
    Intervals,
    compare,
    measured,
    resamples,
    shrinkage,
)
from hiercal.simulators._fields import group_sizes, positive
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.survey import Survey
from hiercal.studies._claims import errors_of
from hiercal.studies._study import Study, Tables
from hiercal.studies.chapter.examples import hospital_counts, observed, survey_counts
from hiercal.studies.interval_width.claims import CLAIMS
from hiercal.studies.interval_width.designs import (
    LEVEL,
    NEGLIGIBLE,
    UNEQUAL,
    Design,
    designs,
    on_textbook,
)
from hiercal.tables.estimates import named

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.result import Result


@dataclass(frozen=True, kw_only=True)
class IntervalWidth(Study):
    """Hierarchical 89 % intervals beside those without pooling, on the same data.

    Both are the exact posterior's. As they come they need not cover equally often, so they are
    also scaled until they do. Nothing is fitted by sampling: how probably an interval covers is
    averaged over the law of the truths given the data, not counted.

    Parameters
    ----------
    simulations : int
        Data sets of each survey; twice as many of hospitals, whose widths vary much, and five
        times as many of instructors and slopes, which cost little.
    draws : int
        Number of draws from each exact posterior for the intervals, and of truths given the data.
    resamples : int
        Number of bootstrap samples that the standard errors come from.
    alpha : float
        Concentration of the textbook's regions.
    mu_log, sigma_log : float
        Mean and standard deviation of the log rates of its hospitals.
    unequal : tuple of int
        Respondents of the regions in the survey of very unequal regions.
    """

    simulations: int = 200
    draws: int = 300
    resamples: int = 1000
    alpha: float = 8.0
    mu_log: float = 0.5
    sigma_log: float = 0.6
    unequal: tuple[int, ...] = UNEQUAL

    name: ClassVar = "interval_width"
    quick: ClassVar = {"simulations": 10, "draws": 200, "resamples": 300}
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
        """Designs by name."""
        return designs(self.alpha, self.mu_log, self.sigma_log, self.unequal)

    def measurements(self) -> dict[str, Measurement]:
        return {name: Measurement(partial(self._of_design, name)) for name in self.designs} | {
            "the textbook's own counts": Measurement(_of_textbook)
        }

    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        """Tidy tables by name.

        ``widths``: a row per design and group size with the estimates of `Comparison`, each with
        ``_se``, its standard error over data sets. ``trend``: a row per design, the reduction in
        its smallest and largest groups and their difference, and ``negligible_from``, the smallest
        size from which on the reduction is below 5 % by three standard errors (NaN: none).
        ``shrinkage``: how far regions' proportions move to those of the whole country.
        ``textbook``: exact widths on the textbook's own counts, see `on_textbook`.
        """
        import pandas as pd

        return {name: pd.DataFrame(rows) for name, rows in measured.items()}

    def _of_design(self, name: str) -> dict[str, Rows]:
        """Rows of the tables for one design."""
        design = self.designs[name]
        n = self.simulations * design.times
        arms, moved = self._measured(name, design)
        rows = resamples(n, stream(self.seed, "bootstrap", self.name, name), self.resamples)
        of_sizes = {
            size: compare(*(of_size(arm, design.sizes, size) for arm in arms), LEVEL, rows)
            for size in sorted(set(design.sizes))
        }
        small, large = min(of_sizes), max(of_sizes)
        key = {"design": name, "title": design.title, "prior": design.prior, "n": n}
        widths: Rows = []
        for size, comparison in of_sizes.items():
            estimates = named(**{e: comparison.pair(e) for e in comparison.estimates})
            widths.append(key | {"size": size, "relative_size": size / large} | estimates)
        ends = {
            "smallest": small,
            "largest": large,
            "negligible_from": negligible_from(of_sizes),
        }
        trend = named(
            at_smallest=of_sizes[small].pair("reduction"),
            at_largest=of_sizes[large].pair("reduction"),
            fall=_difference(of_sizes[small], of_sizes[large], "reduction"),
            median_fall=_difference(of_sizes[small], of_sizes[large], "median_ratio"),
        )
        weights: Rows = []
        if isinstance(design.story, Survey):
            shrunk = shrinkage(*moved, rows)
            largest = int(np.argmax(design.story.n))
            weights = [
                key
                | {"size": design.story.n[g]}
                | named(weight=shrunk.pair(g), times_largest=shrunk.times(g, largest))
                for g in np.argsort(design.story.n)
            ]
        return {"widths": widths, "trend": [key | ends | trend], "shrinkage": weights}

    def _measured(self, name: str, design: Design) -> tuple[list[Arms], list[np.ndarray]]:
        """Both arms by data set and group; raw and pooled estimates and centres of a survey."""
        story, n = design.story, self.simulations * design.times
        groups = len(design.sizes)
        arms = [
            (np.zeros((n, groups)), np.zeros((n, groups, len(FACTORS)), np.float32))
            for _ in range(2)
        ]
        moved: list[list[np.ndarray]] = [[], [], []]
        for i in range(n):
            data = story.simulate(stream(self.seed, "simulate", self.name, name, i)).data
            rng = stream(self.seed, "draws", self.name, name, i)
            pooled, separate = (story.exact(data, m) for m in ("noncentred", "no_pooling"))
            assert pooled is not None
            assert separate is not None
            drawn = pooled.draws(self.draws * (1 + design.prior), rng)
            own = drawn[story.groups].reshape(-1, groups, _items(story))
            alone = separate.draws(self.draws, rng)[story.groups].reshape(own[: self.draws].shape)
            truths = own[self.draws :] if design.law is None else design.law(data, self.draws, rng)
            for (width, held), each in zip(arms, (own[: self.draws], alone), strict=True):
                measures = measured(
                    each.reshape(self.draws, -1),
                    truths.reshape(self.draws, -1),
                    LEVEL,
                    design.kind,
                )
                width[i] = measures[0].reshape(groups, -1).mean(axis=1)
                held[i] = measures[1].reshape(groups, -1, len(FACTORS)).mean(axis=1)
            if isinstance(story, Survey):
                estimates = (
                    data["counts"] / np.array(story.n)[:, None],
                    own.mean(axis=0),
                    drawn["pi0"].mean(axis=0),
                )
                for kept, value in zip(moved, estimates, strict=True):
                    kept.append(value)
        return arms, [np.array(values) for values in moved]

    def figures(self, tables: Tables) -> dict[str, Figure]:
        from hiercal.plots import interval_width, sweep

        widths = tables["widths"]
        widths = widths.assign(raw=1 - widths["mean_ratio"], raw_se=widths["mean_ratio_se"])

        look: dict[str, Any] = {
            "panel": "title",
            "xscale": "log",
            "columns": 3,
            "xlabel": "students, points, exposure or respondents of the group",
        }
        saved: dict[str, Any] = {
            "y": ["reduction", "raw"],
            "labels": ["at matched coverage", "as they come"],
            "ylabel": "part of the width that pooling saves",
            "reference": NEGLIGIBLE,
            "reference_label": "5 %",
        }
        prior = widths["prior"].to_numpy(bool)
        weights = tables["shrinkage"]
        return {
            "reduction": interval_width(
                widths[prior], note="Truths are drawn from the priors.", **saved, **look
            ),
            "reduction_textbook": interval_width(
                widths[~prior], note="Truths are drawn as the textbook does.", **saved, **look
            ),
            "coverage": interval_width(
                widths,
                y=["coverage", "other_coverage"],
                labels=["hierarchical", "no pooling"],
                ylabel="coverage of the 89 % intervals",
                reference=LEVEL,
                reference_label="89 %",
                note="Truths are drawn from the priors, or as the textbook does.",
                **look,
            ),
            "shrinkage": sweep(
                weights,
                x="size",
                y="weight",
                se="weight_se",
                series="title",
                xscale="log",
                yscale="log",
                xlabel="respondents of the region",
                ylabel="part of the way to the whole\ncountry's proportions",
            ),
        }


def _of_textbook() -> dict[str, Rows]:
    """Exact widths on the textbook's own counts."""
    survey, hospitals = Survey(), Hospitals()
    answers = {"printed": observed(survey), "drawn": {"counts": survey_counts()}}
    events = {"printed": observed(hospitals), "drawn": {"y": hospital_counts()}}
    return {
        "textbook": [
            *on_textbook(survey, answers, "central"),
            *on_textbook(hospitals, events, "central"),
            *on_textbook(hospitals, events, "hdi"),
        ]
    }


Arms = tuple[np.ndarray, np.ndarray]
"""Widths (n, n_groups) and probabilities of covering (n, n_groups, n_factors)."""


def of_size(arm: Arms, sizes: tuple[float, ...], size: float) -> Intervals:
    """The intervals of the groups of one size."""
    own = np.equal(sizes, size)
    width, held = (values[:, own].mean(axis=1, dtype=float) for values in arm)
    return Intervals(width, held)


def negligible_from(comparisons: Mapping[float, Comparison]) -> float:
    """The smallest size from which on the reduction is below 5 % by three standard errors.

    NaN if it is not in the largest groups.
    """
    least = float("nan")
    for size in sorted(comparisons, reverse=True):
        reduction, se = comparisons[size].pair("reduction")
        if not reduction + errors_of(1) * se < NEGLIGIBLE:
            break
        least = size
    return least


def _items(story: Any) -> int:
    """Scalars of each group's effect."""
    return len(story.labels(story.groups)) // len(story.coords[story.dims[story.groups][0]])


def _difference(first: Comparison, other: Comparison, name: str) -> tuple[float, float]:
    """An estimate less another of the same data sets, and its standard error."""
    resampled = first.resampled[name] - other.resampled[name]
    return first.estimates[name] - other.estimates[name], float(resampled.std(ddof=1))
