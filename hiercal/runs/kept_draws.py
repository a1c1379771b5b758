"""Draws kept for the funnel figure, of one simulation and of the real data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from hiercal.runs.fit import fit, sampler_seed, simulate
from hiercal.runs.run import Arm
from hiercal.simulators import Story
from hiercal.simulators._capabilities import RealData

REAL_DATA = "observed"
NO_DRAWS = {"scale": np.empty(0), "group": np.empty(0), "diverging": np.empty(0, bool)}
LOOKED_AT = 20
"""Simulations among which the narrowest is looked for."""


def draws_kept(arm: Arm, seed: int, simulations: int) -> list[str]:
    """Data sets whose draws an arm keeps for the funnel figure.

    The simulation with the smallest between-group scale among the first twenty, where the funnel
    is narrowest, and the story's real data.
    """
    if arm.story.scale not in arm.parameters or arm.story.groups not in arm.parameters:
        return []
    real = [REAL_DATA] if _real(arm.story) is not None else []
    return [*_narrowest(arm.story, seed, min(simulations, LOOKED_AT)), *real]


def _real(story: Story) -> Mapping[str, np.ndarray] | None:
    """The story's real data, where it has any."""
    return story.observed if isinstance(story, RealData) else None


@cache
def _narrowest(story: Story, seed: int, simulations: int) -> tuple[str, ...]:
    """The simulation with the smallest scale, the same for every arm; none where all fail."""
    scales = [_true_scale(story, seed, i) for i in range(simulations)]
    return () if np.isnan(scales).all() else (str(int(np.nanargmin(scales))),)


def _true_scale(story: Story, seed: int, simulation: int) -> float:
    """The between-group scale; NaN where the simulation fails, which its record says."""
    try:
        return float(simulate(seed, story, simulation).truth[story.scale])
    except Exception:
        return np.nan


def funnel_draws(arm: Arm, seed: int, data: str) -> dict[str, np.ndarray]:
    """Draws of the scale and of the first group, which diverged, and the truth if there is one."""
    story = arm.story
    truth: dict[str, np.ndarray] = {}
    number: int | str = data
    if data == REAL_DATA:
        observed = _real(story)
        assert observed is not None
    else:
        number = int(data)
        drawn = simulate(seed, story, number)
        observed = drawn.data
        pair = drawn.truth[story.scale].item(), drawn.truth[story.groups].flat[0]
        truth = {"truth": np.array(pair, float)}
    fitted = fit(story, arm.fitter, observed, sampler_seed(seed, story, arm.fitter, number))
    if fitted.error is not None:
        return NO_DRAWS
    scale = fitted.draws[story.scale].ravel()
    diverging = fitted.stats.get("diverging", np.zeros(scale.shape, bool)).ravel()
    return {
        "scale": scale,
        "group": fitted.draws[story.groups].reshape(scale.size, -1)[:, 0].copy(),
        "diverging": diverging.astype(bool),
        **truth,
    }
