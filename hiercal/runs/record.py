"""The record of a fit: its quantities ranked and summarised, or why it failed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from hiercal.fitters import Fit
from hiercal.fitters._fitter import failed
from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.fit import read_only, simulate, why
from hiercal.runs.group_effects import DIAGNOSTICS, pooled_effects, summarised
from hiercal.runs.run import Arm, Recording, story_key
from hiercal.runs.streams import stream
from hiercal.sbc import coverage, efficiency
from hiercal.sbc.ranks import effective_ranks, ranks, thin
from hiercal.simulators import Simulation, Story
from hiercal.simulators._capabilities import LogLikelihood

LARGEST = 1e100
"""What an infinite quantity, such as a log density of zero, is recorded as: means then exist."""
TRIED = 20
"""Simulations that are tried for the names of the quantities."""


@cache
def quantity_names(arm: Arm, recording: Recording) -> tuple[str, ...]:
    """The quantities that an arm ranks; a ValueError if no truth can be summarised."""
    errors = []
    for simulation in range(TRIED):
        try:
            drawn = simulate(recording.seed, arm.story, simulation)
            return tuple(_true_quantities(arm, recording, simulation, drawn))
        except Exception as error:
            # one bad simulation is a failed fit; all of them are a story that cannot be run
            errors.append(why(error))
    raise ValueError(
        f"{arm.label}: none of the first {TRIED} simulations has a truth to be ranked; the first "
        f"says {errors[0]}"
    )


def unseen(arms: Sequence[Arm], recording: Recording) -> list[str]:
    """What the ranks cannot show for want of a quantity, a sentence each."""
    sentences = []
    for arm in arms:
        names = quantity_names(arm, recording)
        if "log_prior" not in names:
            sentences.append(
                f"{arm.label} ranks no log prior: draws whose correlation between parameters is "
                "lost would pass. Give its story a log_prior, and its fits all parameters of one "
                "of its models."
            )
        if not isinstance(arm.story, LogLikelihood) and "log_lik" not in names:
            sentences.append(
                f"{arm.label} ranks no log likelihood: draws that leave part of the data unused "
                "may pass. Give its story a log_likelihood."
            )
    return sentences


def drawn(arm: Arm, recording: Recording, simulation: int) -> Simulation | Fit:
    """The simulation, or a failed fit where the story cannot be simulated."""
    try:
        return simulate(recording.seed, arm.story, simulation)
    except Exception as error:
        # a story's own bug is a result of the run like a sampler's
        return failed(f"simulate: {why(error)}")


def failure(arm: Arm, recording: Recording, simulation: int, error: str) -> FitRecord:
    """The record of a simulation whose fit never came back."""
    return record(
        arm, recording, simulation, drawn(arm, recording, simulation), failed(f"fit: {error}")
    )


def record(
    arm: Arm, recording: Recording, simulation: int, drawn: Simulation | Fit, fit: Fit
) -> FitRecord:
    """The record of a fit; whatever raises here is recorded with its stage, ``summary``.

    Parameters
    ----------
    drawn : Simulation or Fit
        What was simulated, or the failure to.
    fit : Fit
    """
    names = quantity_names(arm, recording)
    values = np.full((len(names), len(COLUMNS)), np.nan)
    error = fit.error
    try:
        if isinstance(drawn, Simulation):
            truth = _true_quantities(arm, recording, simulation, drawn)
            values[:, 0] = [float(value) for value in _named(names, truth)]
            if error is None:
                return _completed(arm, recording, simulation, drawn, fit, values)
    except Exception as raised:
        # a story's own functions may raise at a truth, or at draws outside of their support
        error = error or f"summary: {why(raised)}"
    values[:, 1:] = np.nan
    return FitRecord(simulation, error, fit.seconds, values=values)


def _true_quantities(
    arm: Arm, recording: Recording, simulation: int, drawn: Simulation
) -> dict[str, np.ndarray]:
    if lacking := [name for name in arm.parameters if name not in drawn.truth]:
        raise ValueError(f"simulate gives no {', '.join(lacking)}, which the fits report")
    reported = {name: drawn.truth[name] for name in arm.parameters}
    rng = stream(recording.seed, "truth", story_key(arm.story), simulation)
    # the same functions of parameters and data as of the draws, whatever the fitter assumes
    return _quantities(arm.assumed, recording, reported, drawn.data, rng)


def _quantities(
    story: Story,
    recording: Recording,
    draws: Mapping[str, np.ndarray],
    data: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    quantities = story.quantities(draws, data, rng)
    if recording.groups == "summary":
        quantities = summarised(story, draws, quantities)
    for name, bound in recording.below:
        if name in quantities:
            quantities[f"{name} < {bound:g}"] = (quantities[name] < bound).astype(float)
    return {name: np.clip(values, -LARGEST, LARGEST) for name, values in quantities.items()}


def _named(names: Sequence[str], quantities: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The quantities in order; a ValueError if they are not those of the arm."""
    if set(quantities) != set(names):
        raise ValueError(
            f"quantities are {', '.join(quantities)}; those of the arm are {', '.join(names)}"
        )
    return [quantities[name] for name in names]


def _completed(
    arm: Arm,
    recording: Recording,
    simulation: int,
    drawn: Simulation,
    fit: Fit,
    values: np.ndarray,
) -> FitRecord:
    """The record of a fit with draws; `values` has the truth, and the rest is put beside it."""
    rng = stream(recording.seed, "summary", arm.key, simulation)
    parameters = read_only(fit.draws)
    quantities = _quantities(arm.assumed, recording, parameters, drawn.data, rng)
    draws = np.stack(_named(quantity_names(arm, recording), quantities), axis=-1)
    values[:, 1:] = _summary(values[:, 0], draws, recording, rng)
    diagnosed = values[:, [COLUMNS.index(name) for name in DIAGNOSTICS]]
    counts = covariance = None
    if recording.groups == "summary":
        rng = stream(recording.seed, "group ranks", arm.key, simulation)
        effects = pooled_effects(arm.story, drawn.truth, parameters, recording.max_rank, rng)
        if effects.counts.any():
            counts, covariance = effects.counts, effects.covariance
        diagnosed = np.concatenate([diagnosed, effects.diagnostics])
    stats = fit.stats
    return FitRecord(
        simulation,
        None,
        fit.seconds,
        divergences=fit.divergences,
        n_steps=int(stats["n_steps"].sum()) if "n_steps" in stats else 0,
        max_tree_depth=int(stats["tree_depth"].max()) if "tree_depth" in stats else 0,
        e_bfmi=_e_bfmi(stats["energy"]) if "energy" in stats else math.nan,
        values=values,
        ess_bulk_min=float(np.fmin.reduce(diagnosed[:, 0])),
        ess_tail_min=float(np.fmin.reduce(diagnosed[:, 1])),
        r_hat_max=float(np.fmax.reduce(diagnosed[:, 2])),
        scale_at_divergences=_scale_at_divergences(arm.story, fit),
        group_ranks=counts,
        group_covariance=covariance,
    )


def _summary(
    truth: np.ndarray, draws: np.ndarray, recording: Recording, rng: np.random.Generator
) -> np.ndarray:
    """All columns but the truth, from draws of shape (chain, draw, quantity)."""
    pooled = draws.reshape(-1, draws.shape[-1])
    thinned = pooled[thin(len(pooled), recording.max_rank)]
    diagnostics = efficiency.diagnostics(draws)
    ess = np.minimum(diagnostics["ess_bulk"], diagnostics["ess_tail"])
    sd = pooled.std(axis=0, ddof=1)
    ordered = np.sort(pooled.T, axis=1).T
    return np.column_stack(
        [
            ranks(truth, thinned, rng),
            effective_ranks(truth, pooled, ess, recording.max_rank, rng),
            pooled.mean(axis=0),
            sd,
            sd / np.sqrt(diagnostics["ess_mean"]),
            *coverage.central(ordered, recording.level),
            coverage.hdi(ordered, recording.level),
            diagnostics["ess_bulk"],
            diagnostics["ess_tail"],
            diagnostics["r_hat"],
        ]
    )


def _e_bfmi(energy: np.ndarray) -> float:
    """Energy Bayesian fraction of missing information, worst chain (Betancourt 2016)."""
    variance = energy.var(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((np.square(np.diff(energy, axis=1)).mean(axis=1) / variance).min())


def _scale_at_divergences(story: Story, fit: Fit) -> float:
    if fit.divergences == 0 or story.scale not in fit.draws:
        return math.nan
    scale = fit.draws[story.scale]
    order = np.sort(scale, axis=None)
    at = scale[fit.stats["diverging"].astype(bool)]
    places = np.searchsorted(order, at, "left") + np.searchsorted(order, at, "right")
    return float(places.mean() / 2 / order.size)
