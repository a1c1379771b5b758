"""The record of a fit: its quantities ranked and summarised, or why it failed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from hiercal.fitters import Fit
from hiercal.fitters._fitter import failed
from hiercal.fitters._function import FunctionFitter
from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.compared import compared
from hiercal.runs.fit import read_only, simulate, why
from hiercal.runs.group_effects import DIAGNOSTICS, pooled_effects, summarised
from hiercal.runs.quantities import (
    asked,
    bounded,
    check_bounds,
    check_products,
    tie_breaker,
    tried,
)
from hiercal.runs.run import Arm, Recording, story_key
from hiercal.runs.streams import stream
from hiercal.runs.thinned_draws import to_bytes
from hiercal.sbc import efficiency, intervals
from hiercal.sbc.ranks import effective_ranks, ranks, thin
from hiercal.simulators import Simulation, Story
from hiercal.simulators._capabilities import BringsDraws, LogLikelihood, Numbered

TRIED = 20
"""Simulations that are tried for the names of the quantities."""

Values = dict[str, np.ndarray]


def quantity_names(arm: Arm, recording: Recording) -> tuple[str, ...]:
    """The quantities that an arm ranks; a ValueError if no truth can be summarised."""
    of_story, own = _names(arm, recording)
    return of_story + own


def ranked(arms: Sequence[Arm], recording: Recording) -> list[tuple[str, tuple[str, ...]]]:
    """Label of each arm and the quantities that it ranks; an error if a product is of none."""
    names = [(arm.label, quantity_names(arm, recording)) for arm in arms]
    every = [name for _, of_arm in names for name in of_arm]
    check_products(recording.products, every)
    check_bounds(recording.below, every)
    return names


@cache
def _names(arm: Arm, recording: Recording) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The story's quantities that an arm ranks, and those that the user adds."""
    errors = []
    for simulation in range(TRIED):
        try:
            drawn = simulate(recording.seed, arm.story, simulation)
            of_story, own = _true_quantities(arm, recording, simulation, drawn)
            tried(recording.quantities, _reported(arm, drawn), drawn.data)
            if recording.keep_draws:
                to_bytes({**drawn.truth, **drawn.data})
            return tuple(of_story), tuple(own)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
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
        sentences += _unseeded(arm, recording)
        if isinstance(arm.story, BringsDraws):
            if lacking := [name for name in ("log_prior", "log_lik") if name not in names]:
                sentences.append(
                    f"{arm.label} ranks no {' and no '.join(lacking)}: draws that lost the "
                    "correlation between parameters, or left part of the data unused, may pass. "
                    "Put them among the truths and the draws, under these names."
                )
            continue
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


def _unseeded(arm: Arm, recording: Recording) -> list[str]:
    """What does not change with its random numbers, a sentence each."""
    sentences = []
    if isinstance(arm.fitter, FunctionFitter) and arm.fitter.ignores_seed:
        sentences.append(
            f"{arm.label} has the same draws with two seeds: if it samples, it ignores its seed, "
            "and all its fits share one set of random numbers. Make its random numbers of the seed."
        )
    if not isinstance(arm.story, Numbered):
        one, other = (drawn(arm, recording, i) for i in range(2))
        if isinstance(one, Simulation) and isinstance(other, Simulation) and _same(one, other):
            sentences.append(
                f"{arm.label}: simulations 0 and 1 are the same, truth and data: simulate ignores "
                "its rng, and a run of it is one simulation many times. Draw from the rng."
            )
    return sentences


def _same(one: Simulation, other: Simulation) -> bool:
    """Whether two simulations agree in every number."""
    pairs = [(one.truth, other.truth), (one.data, other.data)]
    return all(
        a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in pairs
    )


def drawn(arm: Arm, recording: Recording, simulation: int) -> Simulation | Fit:
    """The simulation, or a failed fit where the story cannot be simulated."""
    try:
        return simulate(recording.seed, arm.story, simulation)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # a story's own bug, or its sys.exit, is a result of the run like a sampler's
        return failed(f"simulate: {why(error)}")


def failure(
    arm: Arm, recording: Recording, simulation: int, stage: str, error: str, seconds: float
) -> FitRecord:
    """The record of a simulation that never came back, after `seconds` of a stage."""
    lost = failed(f"{stage}: {error}", seconds)
    # what ended a worker in another stage is not tried in this process
    one = drawn(arm, recording, simulation) if stage == "fit" else lost
    return record(arm, recording, simulation, one, lost)


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
            of_story, own = _true_quantities(arm, recording, simulation, drawn)
            values[:, 0] = [float(value) for value in _named(names, of_story | own)]
            if error is None:
                return _completed(arm, recording, simulation, drawn, fit, values)
    except KeyboardInterrupt:
        raise
    except BaseException as raised:
        # a story's own functions may raise at a truth, or at draws outside of their support
        error = error or f"summary: {why(raised)}"
    values[:, 1:] = np.nan
    return FitRecord(simulation, error, fit.seconds, values=values)


def _true_quantities(
    arm: Arm, recording: Recording, simulation: int, drawn: Simulation
) -> tuple[Values, Values]:
    rng = stream(recording.seed, "truth", story_key(arm.story), simulation)
    # the same functions of parameters and data as of the draws, whatever the fitter assumes
    return _quantities(arm.assumed, recording, _reported(arm, drawn), drawn.data, rng)


def _reported(arm: Arm, drawn: Simulation) -> Values:
    """The truth of what the fits report."""
    if lacking := [name for name in arm.parameters if name not in drawn.truth]:
        raise ValueError(f"simulate gives no {', '.join(lacking)}, which the fits report")
    truth = {name: drawn.truth[name] for name in arm.parameters}
    if undefined := [name for name, values in truth.items() if np.isnan(values).any()]:
        raise ValueError(f"the truth of {', '.join(undefined)} is not a number; it has no rank")
    return truth


def _as_floats(draws: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> Values:
    """Draws as floats; a ValueError for whole numbers where the truth is none."""
    for name, values in draws.items():
        if values.dtype.kind != "f" and np.any(truth[name] != np.floor(truth[name])):
            raise ValueError(
                f"draws of {name} are {values.dtype}, whole numbers, and the truth is "
                f"{np.ravel(truth[name])[0]:g}: return floats"
            )
    return {name: values.astype(float, copy=False) for name, values in draws.items()}


def _quantities(
    story: Story,
    recording: Recording,
    draws: Mapping[str, np.ndarray],
    data: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> tuple[Values, Values]:
    """The story's quantities, and those that the user adds."""
    quantities = story.quantities(draws, data, rng)
    if recording.groups == "summary":
        quantities = summarised(story, draws, quantities)
    quantities |= _bounded(recording, quantities)
    of_story = {name: bounded(values) for name, values in quantities.items()}
    if not recording.quantities and not recording.products:
        return of_story, {}
    labels = {name: story.labels(name) for name in draws}
    own = asked(recording.quantities, recording.products, draws, data, of_story, labels)
    return of_story, own | _bounded(recording, own)


def _bounded(recording: Recording, quantities: Mapping[str, np.ndarray]) -> Values:
    """Whether each quantity that has a bound lies below it."""
    return {
        f"{name} < {bound:g}": (quantities[name] < bound).astype(float)
        for name, bound in recording.below
        if name in quantities
    }


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
    parameters = read_only(_as_floats(fit.draws, drawn.truth))
    of_story, own = _quantities(arm.assumed, recording, parameters, drawn.data, rng)
    names = quantity_names(arm, recording)
    draws = np.stack(_named(names, of_story | own), axis=-1)
    values[:, 1:] = summary(
        values[:, 0],
        draws.reshape(-1, draws.shape[-1]),
        efficiency.diagnostics(draws),
        recording,
        [(len(of_story), rng)]
        + [(1, tie_breaker(recording.seed, arm.key, simulation, name)) for name in own],
    )
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
        exact_scores=compared(arm, names, draws, drawn.data) if recording.compare_exact else None,
    )


def summary(
    truth: np.ndarray,
    pooled: np.ndarray,
    diagnostics: Mapping[str, np.ndarray],
    recording: Recording,
    tie_breakers: Sequence[tuple[int, np.random.Generator]],
) -> np.ndarray:
    """All columns but the truth.

    Parameters
    ----------
    truth, pooled : ndarray, shapes (n_quantities,) and (n_draws, n_quantities)
    diagnostics : dict of ndarray, shape (n_quantities,)
        As `hiercal.sbc.efficiency.diagnostics` returns them.
    tie_breakers : sequence of (int, Generator)
        What breaks the ties of the first so many quantities, of the next, and so on.
    """
    thinned = pooled[thin(len(pooled), recording.max_rank)]
    ess = np.minimum(diagnostics["ess_bulk"], diagnostics["ess_tail"])
    sd = pooled.std(axis=0, ddof=1)
    ordered = np.sort(pooled.T, axis=1).T
    plain, effective, start = [], [], 0
    for n, rng in tie_breakers:
        part = slice(start, start + n)
        plain.append(ranks(truth[part], thinned[:, part], rng))
        effective.append(
            effective_ranks(truth[part], pooled[:, part], ess[part], recording.max_rank, rng)
        )
        start += n
    return np.column_stack(
        [
            np.concatenate(plain),
            np.concatenate(effective),
            pooled.mean(axis=0),
            sd,
            sd / np.sqrt(diagnostics["ess_mean"]),
            *intervals.central(ordered, recording.level),
            intervals.hdi(ordered, recording.level),
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
