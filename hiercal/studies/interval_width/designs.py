"""Where the data of the study of interval widths come from, and what the textbook prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from hiercal.exact.posterior import Posterior
from hiercal.sbc.widths import Kind
from hiercal.simulators import Simulation, Story
from hiercal.simulators._catalogue_story import Tractable
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.instructors import Instructors
from hiercal.simulators.slopes import Slopes
from hiercal.simulators.survey import Survey

SAVED, NEGLIGIBLE, NOMINAL, COMPARABLE = 0.05, 0.05, 0.89, 0.05
LEVEL = 0.89
NATION = (0.25, 0.35, 0.25, 0.15)
"""National proportions that the textbook simulates its survey from."""
UNEQUAL = (45, 500, 60, 80, 10, 95)
"""The textbook's survey with its smallest region made smaller and its largest larger."""
PRINTED = {
    "pi[E,SA]": (0.193, 0.241),
    "pi[E,A]": (0.218, 0.268),
    "pi[E,D]": (0.199, 0.248),
    "pi[E,SD]": (0.162, 0.209),
}
"""Widths in the textbook, hierarchical and without pooling."""


@dataclass(frozen=True, kw_only=True)
class SurveyOfNation(Survey):
    """The survey, simulated at national proportions that no model knows of.

    Parameters
    ----------
    nation : tuple of float
        Taken by the simulator for pi0, instead of a draw from its prior.

    Examples
    --------
    >>> SurveyOfNation().simulate(np.random.default_rng(1)).truth["pi0"].tolist()
    [0.25, 0.35, 0.25, 0.15]
    """

    nation: tuple[float, ...] = NATION

    def __post_init__(self) -> None:
        super().__post_init__()
        nation = tuple(float(share) for share in self.nation)
        object.__setattr__(self, "nation", nation)
        if len(nation) != len(self.categories) or min(nation) <= 0 or abs(sum(nation) - 1) > 1e-9:
            raise ValueError(
                f"{self.name}: nation is {nation}; give a positive share of each of "
                f"{', '.join(self.categories)}, adding up to 1"
            )

    def simulate(self, rng: np.random.Generator) -> Simulation:
        alpha = self.given_or("alpha", rng.gamma(self.alpha_shape) / self.alpha_rate)
        pi0 = np.array(self.nation)
        pi = self.proportions(alpha * pi0, rng)
        truth = {"alpha": np.array(alpha), "pi0": pi0, "pi": pi}
        return Simulation(truth, {"counts": rng.multinomial(self.n, pi)})


@dataclass(frozen=True)
class Design:
    """Where data come from.

    Attributes
    ----------
    title : str
        What figures call it.
    story : Story
    law : callable or None
        Draws of the group's truths given a data set, from what the data sets are drawn from: takes
        the data, a number and a generator, returns (n, n_groups, n_items). None where all truths
        come from the model's own priors: it is the posterior then.
    kind : {"central", "hdi"}
        Which intervals are compared.
    times : int
        As many times the data sets of the study, where they cost little or vary much.
    """

    title: str
    story: Tractable
    law: Callable[[Mapping[str, np.ndarray], int, np.random.Generator], np.ndarray] | None = None
    kind: Kind = "central"
    times: int = 1

    @property
    def prior(self) -> bool:
        """Whether all truths are drawn from the model's own priors."""
        return self.law is None

    @property
    def sizes(self) -> tuple[float, ...]:
        """How much data each group has: respondents, exposure, students, points."""
        return group_data(self.story)


SIZES = (5, 10, 20, 50, 100, 200, 500)
"""Students of the sections, and points of the groups with slopes."""
RESPONDENTS = (10, 35, 100, 300, 1000, 3000)
EXPOSURES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 150.0)


def designs(
    alpha: float, mu_log: float, sigma_log: float, unequal: tuple[int, ...]
) -> dict[str, Design]:
    """Designs by name: five at their priors, with groups from sparse to abundant; three others.

    The others are simulated as the textbook does.

    Parameters
    ----------
    alpha : float
        Concentration of the textbook's regions.
    mu_log, sigma_log : float
        Mean and standard deviation of the log rates of its hospitals.
    unequal : tuple of int
        Respondents in the survey of very unequal regions.
    """
    known, rates = {"alpha": alpha}, {"mu_log": mu_log, "sigma_log": sigma_log}
    nation, hospitals = SurveyOfNation(given=known), Hospitals(given=rates)
    points = tuple(tuple((np.arange(n) + 1) / n) for n in SIZES)
    answers = partial(proportions_given, alpha, NATION)
    return {
        "instructors": Design("instructors", Instructors(sizes=SIZES), times=5),
        "slopes": Design("slopes", Slopes(x=points), times=5),
        "hospitals": Design("hospitals", Hospitals(exposure=EXPOSURES), times=2),
        "survey": Design("survey, alpha ~ Exponential(1)", Survey(n=RESPONDENTS)),
        "survey_concentrated": Design(
            "survey, alpha ~ Gamma(4, 0.5)",
            Survey(n=RESPONDENTS, alpha_shape=4.0, alpha_rate=0.5),
        ),
        "survey_textbook": Design("textbook's survey", nation, answers),
        "survey_unequal": Design(
            "textbook's unequal survey", SurveyOfNation(n=unequal, given=known), answers
        ),
        "hospitals_textbook": Design(
            "textbook's hospitals",
            hospitals,
            partial(rates_given, mu_log, sigma_log, hospitals.exposure),
            kind="hdi",
            times=2,
        ),
    }


def proportions_given(
    alpha: float,
    nation: tuple[float, ...],
    data: Mapping[str, np.ndarray],
    n: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws of regional proportions (n, n_regions, n_categories) at known alpha and pi0.

    Each region's are Dirichlet(counts + alpha pi0).
    """
    return np.stack(
        [rng.dirichlet(row + alpha * np.array(nation), size=n) for row in data["counts"]], axis=1
    )


def rates_given(
    mu_log: float,
    sigma_log: float,
    exposure: tuple[float, ...],
    data: Mapping[str, np.ndarray],
    n: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws of hospitals' rates (n, n_hospitals, 1) at known hyperparameters, by inverting a table.

    The log rate has density exp(y t - exposure e^t) N(t; mu_log, sigma_log), on 2,000 cells from
    9 standard deviations below to 9 above.
    """
    edges = mu_log + sigma_log * np.linspace(-9, 9, 2001)
    t = (edges[1:] + edges[:-1]) / 2
    expected = np.exp(t)[:, None] * np.array(exposure)
    log_density = data["y"] * t[:, None] - expected
    log_density -= 0.5 * (((t - mu_log) / sigma_log) ** 2)[:, None]
    below = np.cumsum(np.exp(log_density - log_density.max(axis=0)), axis=0)
    log_rates = [
        np.interp(rng.uniform(size=n), np.concatenate([[0.0], own / own[-1]]), edges)
        for own in below.T
    ]
    return np.exp(np.stack(log_rates, axis=1))[..., None]


def group_data(story: Story) -> tuple[float, ...]:
    """How much data each group has.

    Examples
    --------
    >>> group_data(Instructors(sizes=(3, 5)))
    (3.0, 5.0)
    """
    if story.group_sizes:
        return story.group_sizes
    raise ValueError(
        f"story {story.name} says nowhere how much data a group has; give it group_sizes"
    )


def on_textbook(
    story: Tractable, counts: Mapping[str, Mapping[str, np.ndarray]], kind: Kind
) -> list[dict[str, Any]]:
    """Exact widths on the textbook's own counts, beside those that it prints.

    Parameters
    ----------
    story : Story
    counts : mapping of str to dict of ndarray
        Data by what they are called: ``printed``, and ``drawn`` by the textbook's code.
    kind : {"central", "hdi"}
        Which 89 % intervals.

    Returns
    -------
    list of dict
        A row per data set, group and item: ``story, counts, kind, quantity, size``; ``width,
        no_pooling_width`` and ``reduction``; and what is printed, NaN but for the smallest region.
    """
    width = _hdi_width if kind == "hdi" else _central_width
    labels = np.reshape(story.labels(story.groups), (len(group_data(story)), -1))
    rows = []
    for name, data in counts.items():
        arms = [story.exact(data, model) for model in ("noncentred", "no_pooling")]
        for size, items in zip(group_data(story), labels.tolist(), strict=True):
            for item in items:
                widths = [width(arm, item) for arm in arms if arm]
                printed = PRINTED.get(item, (np.nan, np.nan))
                rows.append(
                    {
                        "story": story.name,
                        "counts": name,
                        "kind": kind,
                        "quantity": item,
                        "size": size,
                        "width": widths[0],
                        "no_pooling_width": widths[1],
                        "reduction": 1 - widths[0] / widths[1],
                        "printed_width": printed[0],
                        "printed_no_pooling_width": printed[1],
                        "printed": 1 - printed[0] / printed[1],
                    }
                )
    return rows


def _central_width(arm: Posterior, item: str) -> float:
    lower, upper = arm.quantile(item, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(upper - lower)


def _hdi_width(arm: Posterior, item: str) -> float:
    """Width of the narrowest of all intervals that hold 89 %."""

    def width(below: float) -> float:
        lower, upper = arm.quantile(item, [below, below + LEVEL])
        return float(upper - lower)

    narrowest = minimize_scalar(
        width, bounds=(1e-9, 1 - LEVEL - 1e-9), method="bounded", options={"xatol": 1e-3}
    )
    return float(narrowest.fun)
