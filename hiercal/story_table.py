"""What each story has, found out by trying it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hiercal import catalogue
from hiercal.runs.result import Result
from hiercal.simulators import Story
from hiercal.simulators._capabilities import ExactPosterior
from hiercal.simulators._parity import TOLERANCE, disagreement

CALIBRATED = ("numpyro-noncentred", "pymc-noncentred", "exact")
"""Arms whose calibration is shown."""
ENOUGH = 300
"""Simulations that a shown verdict rests on, at least."""


@dataclass
class Row:
    """A story: whether it simulates, which codings agree, where it is exact, what is calibrated.

    Attributes
    ----------
    models : dict of str to dict of str to float
        By model and library, the largest relative difference of the log density from NumPy's.
    exact : dict of str to bool
        By model, whether it has an exact posterior.
    verdicts : dict of str to str
        By arm, ``calibrated``, ``miscalibrated``, ``inconclusive`` or ``not run``.
    """

    story: str
    simulates: bool = False
    models: dict[str, dict[str, float]] = field(default_factory=dict)
    exact: dict[str, bool] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)

    def agrees(self, model: str, library: str) -> bool:
        """Whether a library's coding of a model has the density of the NumPy one."""
        return self.models[model][library] < TOLERANCE


def rows(names: list[str], results: Path, progress: Callable[[str], None]) -> list[Row]:
    """Try every story; verdicts are read from the run in `results`."""
    return [_row(name, results, progress) for name in names]


def _row(name: str, results: Path, progress: Callable[[str], None]) -> Row:
    story = catalogue.story(name)
    drawn = story.simulate(np.random.default_rng(0))
    row = Row(name, simulates=set(drawn.truth) == set(story.dims))
    for model in story.models:
        progress(f"{name}: {model}")
        row.models[model] = disagreement(story, model)
        row.exact[model] = _is_exact(story, drawn.data, model)
    row.verdicts = _verdicts(name, results)
    return row


def _is_exact(story: Story, data: dict[str, np.ndarray], model: str) -> bool:
    if not isinstance(story, ExactPosterior):
        return False
    reference = story.exact(data, model)
    if reference is None:
        return False
    draws = reference.draws(10, np.random.default_rng(0))
    return set(draws) == set(story.models[model])


def _verdicts(name: str, results: Path) -> dict[str, str]:
    import pandas as pd

    path = results / "verdicts.csv"
    if not path.exists() or Result(results).manifest["simulations"] < ENOUGH:
        return dict.fromkeys(CALIBRATED, "not run")
    verdicts = pd.read_csv(path)
    by_arm = {}
    for arm in CALIBRATED:
        own = set(verdicts.loc[verdicts["arm"] == f"{name}/{arm}", "verdict"])
        worst = [v for v in ("miscalibrated", "inconclusive", "calibrated") if v in own]
        by_arm[arm] = worst[0] if worst else "not run"
    return by_arm
