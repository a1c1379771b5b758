"""Where the data of the study of interval widths come from, and what the textbook prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hiercal.simulators import Simulation, Story
from hiercal.simulators._dirichlet import dirichlet
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.instructors import Instructors
from hiercal.simulators.slopes import Slopes
from hiercal.simulators.survey import Survey

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
        pi = dirichlet(np.broadcast_to(alpha * pi0, (len(self.n), len(pi0))), rng)
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
    prior : bool
        Whether all truths are drawn from the models' own priors.
    """

    title: str
    story: Story
    prior: bool

    @property
    def sizes(self) -> tuple[float, ...]:
        """How much data each group has: respondents, exposure, students, points."""
        return group_data(self.story)


def designs(
    alpha: float, mu_log: float, sigma_log: float, unequal: tuple[int, ...]
) -> dict[str, Design]:
    """Designs by name: four stories at their priors, two as the textbook simulates them.

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
    return {
        "survey": Design("survey", Survey(), prior=True),
        "hospitals": Design("hospitals", Hospitals(), prior=True),
        "instructors": Design("instructors", Instructors(), prior=True),
        "slopes": Design("slopes", Slopes(), prior=True),
        "survey_textbook": Design("textbook's survey", SurveyOfNation(given=known), prior=False),
        "survey_unequal": Design(
            "textbook's unequal survey", SurveyOfNation(n=unequal, given=known), prior=False
        ),
        "hospitals_textbook": Design("textbook's hospitals", Hospitals(given=rates), prior=False),
    }


def group_data(story: Story) -> tuple[float, ...]:
    """How much data each group has.

    Examples
    --------
    >>> group_data(Instructors(sizes=(3, 5)))
    (3.0, 5.0)
    """
    match story:
        case Survey():
            return tuple(map(float, story.n))
        case Hospitals():
            return story.exposure
        case Instructors():
            return tuple(map(float, story.sizes))
        case Slopes():
            return tuple(float(len(row)) for row in story.x)
    raise ValueError(
        f"story {story.name} says nowhere how much data a group has; give a survey, hospitals, "
        "instructors or slopes"
    )


def on_textbook(story: Story) -> list[dict[str, Any]]:
    """Exact widths on the textbook's own counts, beside the printed ones."""
    data = story.observed
    assert data is not None
    arms = [story.exact(data, model) for model in ("noncentred", "no_pooling")]
    labels = np.reshape(story.labels(story.groups), (len(group_data(story)), -1))
    rows = []
    for size, items in zip(group_data(story), labels.tolist(), strict=True):
        for item in items:
            ends = [arm.quantile(item, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) for arm in arms if arm]
            widths = [float(upper - lower) for lower, upper in ends]
            printed = PRINTED.get(item, (np.nan, np.nan))
            rows.append(
                {
                    "story": story.name,
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
