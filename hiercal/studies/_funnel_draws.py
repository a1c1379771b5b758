"""Draws kept for the funnel figure, of one simulation and of the real data."""

from __future__ import annotations

import numpy as np

from hiercal.simulators import Story
from hiercal.studies._fits import Settings, fit_data, sampler_seed, simulate
from hiercal.studies._study import Arm

REAL_DATA = "observed"
NO_DRAWS = {"scale": np.empty(0), "group": np.empty(0), "diverging": np.empty(0, bool)}


def draws_kept(arm: Arm, settings: Settings, simulations: int) -> list[str]:
    """Data sets whose draws an arm keeps for the funnel figure.

    The simulation with the smallest between-group scale among the first twenty, where the funnel
    is narrowest, and the story's real data.
    """
    reported = arm.fitter.parameters(arm.fitted)
    if arm.story.scale not in reported or arm.story.groups not in reported:
        return []
    scales = [_true_scale(arm.story, settings, i) for i in range(min(simulations, 20))]
    some = [] if np.isnan(scales).all() else [str(int(np.nanargmin(scales)))]
    real = [REAL_DATA] if arm.story.observed is not None else []
    return [*some, *real]


def _true_scale(story: Story, settings: Settings, simulation: int) -> float:
    """The between-group scale; NaN where the simulation fails, which its record says."""
    try:
        return float(simulate(story, settings, simulation).truth[story.scale])
    except Exception:
        return np.nan


def funnel_draws(arm: Arm, settings: Settings, data: str) -> dict[str, np.ndarray]:
    """Draws of the scale and of the first group, which diverged, and the truth if there is one."""
    story = arm.story
    truth: dict[str, np.ndarray] = {}
    if data == REAL_DATA:
        assert story.observed is not None
        observed, seed = story.observed, sampler_seed(arm, settings, data)
    else:
        drawn = simulate(story, settings, int(data))
        observed = drawn.data
        pair = drawn.truth[story.scale].item(), drawn.truth[story.groups].flat[0]
        truth = {"truth": np.array(pair, float)}
        seed = sampler_seed(arm, settings, int(data))
    fit = fit_data(arm, observed, seed)
    if fit.error is not None:
        return NO_DRAWS
    scale = fit.draws[story.scale].ravel()
    diverging = fit.stats.get("diverging", np.zeros(scale.shape, bool)).ravel()
    return {
        "scale": scale,
        "group": fit.draws[story.groups].reshape(scale.size, -1)[:, 0].copy(),
        "diverging": diverging.astype(bool),
        **truth,
    }
