"""What the textbook prints: its worked examples, their data, and every number compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.private_schools import PrivateSchools
from hiercal.simulators.survey import Survey

if TYPE_CHECKING:
    from hiercal.simulators._catalogue_story import Tractable


@dataclass(frozen=True)
class Example:
    """A worked example: its data, the model it fits, and what is printed.

    Attributes
    ----------
    name, title : str
    story : Tractable
    data : dict of ndarray
        The data that the printed numbers are said to come from.
    model : str
        The coding that the chapter fits.
    printed : tuple of (quantity, statistic, value, decimals)
        Statistics are those of `statistic`.
    again : bool
        Whether the same numbers are compared with data printed for them in another example.
    """

    name: str
    title: str
    story: Tractable
    data: Mapping[str, np.ndarray]
    model: str
    printed: tuple[tuple[str, str, float, int], ...]
    again: bool = False


def _summary(
    quantity: str, mean: float, sd: float, low: float, high: float
) -> tuple[tuple[str, str, float, int], ...]:
    """A row of a printed ArviZ summary."""
    names = ("mean", "sd", "hdi lower", "hdi upper")
    return tuple(
        (quantity, name, value, 2) for name, value in zip(names, (mean, sd, low, high), strict=True)
    )


def _central_interval(quantity: str, low: float, high: float) -> tuple[tuple[Any, ...], ...]:
    return ((quantity, "5.5 %", low, 1), (quantity, "94.5 %", high, 1))


SURVEY_SUMMARY = (
    *_summary("alpha", 10.32, 5.78, 2.93, 19.44),
    *_summary("pi0[SA]", 0.24, 0.04, 0.17, 0.30),
    *_summary("pi0[A]", 0.37, 0.04, 0.30, 0.43),
    *_summary("pi0[D]", 0.22, 0.04, 0.16, 0.28),
    *_summary("pi0[SD]", 0.17, 0.03, 0.11, 0.22),
    *(
        (f"pi[E,{category}]", "width", width, 3)
        for category, width in (("SA", 0.193), ("A", 0.218), ("D", 0.199), ("SD", 0.162))
    ),
)
HOSPITAL_WIDTHS = (("lambda[E]", "hdi saved", 0.30, 1), ("lambda[D]", "hdi saved", 0.0, 1))


def survey_counts(seed: int = 2025) -> np.ndarray:
    """Counts that the chapter's code draws: regional proportions at alpha 8, then answers."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in Survey().n:
        proportions = rng.dirichlet(8.0 * np.array([0.25, 0.35, 0.25, 0.15]))
        rows.append(rng.multinomial(n, proportions))
    return np.array(rows)


def hospital_counts(seed: int = 42) -> np.ndarray:
    """Counts that the chapter's code draws: log-normal rates, then events."""
    rng = np.random.default_rng(seed)
    exposure = np.array(Hospitals().exposure)
    return rng.poisson(rng.lognormal(0.5, 0.6, size=len(exposure)) * exposure)


def observed(story: Tractable) -> dict[str, np.ndarray]:
    assert story.observed is not None
    return story.observed


def examples() -> tuple[Example, ...]:
    """All worked examples that print numbers."""
    eight, survey = EightSchools(), Survey()
    hospitals, private = Hospitals(), PrivateSchools()
    return (
        Example(
            "eight_schools",
            "Eight Schools",
            eight,
            observed(eight),
            "noncentred",
            (
                *_summary("mu", 7.87, 5.18, -0.54, 15.93),
                *_summary("tau", 6.41, 5.22, 0.16, 14.34),
                *_summary("theta[A]", 11.24, 8.41, -2.51, 24.90),
                *_summary("theta[B]", 7.78, 6.18, -2.68, 17.38),
                *_summary("theta[C]", 5.96, 7.61, -7.70, 17.71),
                *_summary("theta[D]", 7.49, 6.50, -3.55, 17.56),
                *_summary("theta[E]", 5.14, 6.20, -5.89, 14.44),
                *_summary("theta[F]", 6.13, 6.58, -5.32, 16.22),
                *_summary("theta[G]", 10.57, 6.78, -0.14, 21.23),
                *_summary("theta[H]", 8.50, 7.61, -4.18, 20.35),
                ("theta_new", "mean", 7.9, 1),
                ("theta_new", "sd", 9.2, 1),
                *_central_interval("theta_new", -7.6, 23.4),
                *_central_interval("theta[E]", -5.9, 14.4),
            ),
        ),
        Example(
            "survey",
            "Survey, counts as printed",
            survey,
            observed(survey),
            "centred",
            SURVEY_SUMMARY,
        ),
        Example(
            "survey_seed",
            "Survey, counts that seed 2025 gives",
            survey,
            {"counts": survey_counts()},
            "centred",
            SURVEY_SUMMARY,
            again=True,
        ),
        Example(
            "hospitals",
            "Hospitals, counts as printed",
            hospitals,
            observed(hospitals),
            "noncentred",
            HOSPITAL_WIDTHS,
        ),
        Example(
            "hospitals_seed",
            "Hospitals, counts that seed 42 gives",
            hospitals,
            {"y": hospital_counts()},
            "noncentred",
            HOSPITAL_WIDTHS,
            again=True,
        ),
        Example(
            "private_schools",
            "Private schools, data that seed 42 gives",
            private,
            observed(private),
            "noncentred",
            (
                *_summary("mu", 7.52, 3.14, 2.41, 12.54),
                *_summary("beta", 5.89, 4.27, -1.05, 12.39),
                *_summary("tau", 3.81, 2.98, 0.12, 8.22),
            ),
        ),
    )
