"""One fit, from simulation to records: what runs on a worker."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from hiercal.fitters import Fit, Fitter
from hiercal.fitters._fitter import Refit, failed, whole
from hiercal.sbc import coverage, efficiency
from hiercal.sbc.ranks import effective_ranks, ranks, thin
from hiercal.simulators import Simulation, Story
from hiercal.studies._groups import DIAGNOSTICS, pooled_effects, summarised
from hiercal.studies._random import digest, stream
from hiercal.studies._study import Arm, Study, story_key

COLUMNS = (
    "truth",
    "rank",
    "rank_effective",
    "mean",
    "sd",
    "mcse_mean",
    "lower",
    "upper",
    "hdi_lower",
    "hdi_upper",
    "ess_bulk",
    "ess_tail",
    "r_hat",
)
"""Numbers recorded for each quantity of a fit."""


@dataclass(frozen=True)
class Settings:
    """What a fit needs to know of its study."""

    seed: int
    max_rank: int
    level: float
    groups: str = "each"
    below: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, study: Study) -> Settings:
        below = tuple(dict(study.below).items())
        return cls(study.seed, study.max_rank, study.level, study.groups, below)


@dataclass(frozen=True)
class FitRecord:
    """What is kept of one fit.

    Attributes
    ----------
    simulation : int
    error : str or None
        Why the fit failed, after the stage that did: ``simulate``, ``fit`` or ``summary``.
    seconds : float
        Wall-clock time of the fit without its summary.
    divergences, n_steps, max_tree_depth : int
        Divergent draws, leapfrog steps in all draws kept, and the deepest tree; 0 where not NUTS.
    e_bfmi : float
        Smallest energy Bayesian fraction of missing information over chains; NaN where not NUTS.
    values : ndarray, shape (n_quantities, len(COLUMNS))
        Of a failed fit only the truth is finite, of a failed simulation nothing is.
    ess_bulk_min, ess_tail_min, r_hat_max : float
        The worst of all quantities and all single group effects; a quantity that is the same in
        all draws has no R-hat and is left out of it. NaN of a failed fit.
    scale_at_divergences : float
        Mean over the divergent draws of the share of all draws whose between-group scale is
        smaller: 0.5 if they diverge anywhere, near 0 in the neck of a funnel. NaN without any.
    group_ranks : ndarray, shape (max_rank + 1,), or None
        How many single group effects had each rank, where they are not quantities themselves.
    group_covariance : ndarray, shape (4, 4), or None
        Covariance of their mean scores, see `hiercal.sbc.pooled.pooled_test`.
    """

    simulation: int
    error: str | None
    seconds: float
    divergences: int
    n_steps: int
    max_tree_depth: int
    e_bfmi: float
    values: np.ndarray
    ess_bulk_min: float = math.nan
    ess_tail_min: float = math.nan
    r_hat_max: float = math.nan
    scale_at_divergences: float = math.nan
    group_ranks: np.ndarray | None = None
    group_covariance: np.ndarray | None = None


TOGETHER = 16
"""Fits made one after another before they are summarised: either code runs faster when warm."""
TOGETHER_BYTES = 64 * 2**20
"""Draws held at once, unless a single fit has more."""


LARGEST = 1e100
"""What an infinite quantity, such as a log density of zero, is recorded as: means then exist."""


class PreparationError(Exception):
    """A fitter could not be compiled for a story: no data set of the arm can be fitted."""


def simulate(story: Story, settings: Settings, simulation: int) -> Simulation:
    """Simulation number `simulation`, the same for every fitter, in arrays that are read-only."""
    drawn = story.simulate(stream(settings.seed, "simulate", story_key(story), simulation))
    return Simulation(_read_only(drawn.truth), _read_only(drawn.data))


TRIED = 20
"""Simulations that are tried for the names of the quantities."""


@cache
def quantity_names(arm: Arm, settings: Settings) -> tuple[str, ...]:
    """The quantities that an arm ranks; a ValueError if no truth can be summarised."""
    errors = []
    for simulation in range(TRIED):
        try:
            drawn = simulate(arm.story, settings, simulation)
            return tuple(_true_quantities(arm, settings, simulation, drawn))
        except Exception as error:
            # one bad simulation is a failed fit; all of them are a story that cannot be run
            errors.append(_why(error))
    raise ValueError(
        f"{arm.label}: none of the first {TRIED} simulations has a truth to be ranked; the first "
        f"says {errors[0]}"
    )


def unseen(names: Mapping[str, Sequence[str]]) -> list[str]:
    """What the ranks cannot show for want of a quantity, a sentence each.

    Parameters
    ----------
    names : dict of str to sequence of str
        The quantities of each arm.
    """
    return [
        f"{label} ranks no log prior: draws whose correlation between parameters is lost would "
        "pass. Give its story a log_prior, and its fits all parameters of one of its models."
        for label, quantities in names.items()
        if "log_prior" not in quantities
    ]


def fit_batch(
    arm: Arm, settings: Settings, simulations: Sequence[int]
) -> tuple[list[FitRecord], float]:
    """Fit a batch of simulations; return their records and the seconds that they took.

    A fit that raises is recorded as failed. Compilation is not counted in the time.
    """
    refit = _refit(arm)
    start = time.perf_counter()
    records: list[FitRecord] = []
    for some in itertools.batched(simulations, _together(arm)):
        records += _fit_some(arm, settings, refit, some)
    return records, time.perf_counter() - start


def _together(arm: Arm) -> int:
    """How many fits are held before they are summarised."""
    coords = arm.story.coords
    a_draw = sum(
        math.prod(len(coords[dim]) for dim in arm.story.dims[name])
        for name in arm.fitter.parameters(arm.fitted)
    )
    of_one_fit = 8 * a_draw * math.prod(arm.fitter.shape)
    return max(1, min(TOGETHER, TOGETHER_BYTES // of_one_fit))


def _fit_some(
    arm: Arm, settings: Settings, refit: Refit, simulations: Sequence[int]
) -> list[FitRecord]:
    """Records of a few simulations; their draws are gone when it returns."""
    drawn = [_drawn(arm, settings, i) for i in simulations]
    fits = [
        each
        if isinstance(each, Fit)
        else _attempt(arm, refit, each.data, sampler_seed(arm, settings, i))
        for i, each in zip(simulations, drawn, strict=True)
    ]
    return [_record(arm, settings, *each) for each in zip(simulations, drawn, fits, strict=True)]


def _drawn(arm: Arm, settings: Settings, simulation: int) -> Simulation | Fit:
    """The simulation, or a failed fit where the story cannot be simulated."""
    try:
        return simulate(arm.story, settings, simulation)
    except Exception as error:
        # a story's own bug is a result of the study like a sampler's
        return failed(f"simulate: {_why(error)}")


def fit_data(arm: Arm, data: Mapping[str, np.ndarray], seed: int) -> Fit:
    """Fit one data set; a fit that raises comes back as a failed one."""
    return _attempt(arm, _refit(arm), _read_only(data), seed)


def failure(arm: Arm, settings: Settings, simulation: int, error: str) -> FitRecord:
    """The record of a simulation whose fit never came back."""
    drawn = _drawn(arm, settings, simulation)
    return _record(arm, settings, simulation, drawn, failed(f"fit: {error}"))


def sampler_seed(arm: Arm, settings: Settings, simulation: int | str) -> int:
    """Seed of the sampler for one data set of an arm."""
    return digest(settings.seed, "fit", arm.key, simulation) >> 193  # 63 of 256 bits


def _attempt(arm: Arm, refit: Refit, data: Mapping[str, np.ndarray], seed: int) -> Fit:
    start = time.perf_counter()
    try:
        fit = whole(arm.fitter, arm.fitted, refit(dict(data), seed))
    except Exception as error:
        # whatever a sampler raises is a result of the study, kept in the journal under the fit
        return failed(f"fit: {_why(error)}", time.perf_counter() - start)
    return fit if fit.error is None else failed(f"fit: {fit.error}", fit.seconds)


def _why(error: Exception) -> str:
    """The error's type and message in one line."""
    message = " ".join(str(error).split())
    if "read-only" in message:
        message += " (data and draws come read-only: change a copy of the array)"
    return f"{type(error).__name__}: {message}"


def _read_only(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Views that cannot be written to: fitters and stories share the arrays that are ranked."""
    views = {name: np.asarray(values).view() for name, values in arrays.items()}
    for view in views.values():
        view.flags.writeable = False
    return views


def _true_quantities(
    arm: Arm, settings: Settings, simulation: int, drawn: Simulation
) -> dict[str, np.ndarray]:
    names = arm.fitter.parameters(arm.fitted)
    if lacking := [name for name in names if name not in drawn.truth]:
        raise ValueError(f"simulate gives no {', '.join(lacking)}, which the fits report")
    reported = {name: drawn.truth[name] for name in names}
    rng = stream(settings.seed, "truth", story_key(arm.story), simulation)
    # the same functions of parameters and data as of the draws, whatever the fitter assumes
    return _quantities(arm.fitted, settings, reported, drawn.data, rng)


def _quantities(
    story: Story,
    settings: Settings,
    draws: Mapping[str, np.ndarray],
    data: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    quantities = story.quantities(draws, data, rng)
    if settings.groups == "summary":
        quantities = summarised(story, draws, quantities)
    for name, bound in settings.below:
        if name in quantities:
            quantities[f"{name} < {bound:g}"] = (quantities[name] < bound).astype(float)
    return {name: np.clip(values, -LARGEST, LARGEST) for name, values in quantities.items()}


def _record(
    arm: Arm,
    settings: Settings,
    simulation: int,
    drawn: Simulation | Fit,
    fit: Fit,
) -> FitRecord:
    names = quantity_names(arm, settings)
    values = np.full((len(names), len(COLUMNS)), np.nan)
    error = fit.error
    try:
        if isinstance(drawn, Simulation):
            truth = _true_quantities(arm, settings, simulation, drawn)
            values[:, 0] = [float(value) for value in _named(names, truth)]
            if error is None:
                return _completed(arm, settings, simulation, drawn, fit, values)
    except Exception as raised:
        # a story's own functions may raise at a truth, or at draws outside of their support
        error = error or f"summary: {_why(raised)}"
    values[:, 1:] = np.nan
    return FitRecord(simulation, error, fit.seconds, 0, 0, 0, np.nan, values)


def _named(names: Sequence[str], quantities: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The quantities in order; a ValueError if they are not those of the arm."""
    if set(quantities) != set(names):
        raise ValueError(
            f"quantities are {', '.join(quantities)}; those of the arm are {', '.join(names)}"
        )
    return [quantities[name] for name in names]


def _completed(
    arm: Arm,
    settings: Settings,
    simulation: int,
    drawn: Simulation,
    fit: Fit,
    values: np.ndarray,
) -> FitRecord:
    """The record of a fit with draws; `values` has the truth, and the rest is put beside it."""
    rng = stream(settings.seed, "summary", arm.key, simulation)
    parameters = _read_only(fit.draws)
    quantities = _quantities(arm.fitted, settings, parameters, drawn.data, rng)
    draws = np.stack(_named(quantity_names(arm, settings), quantities), axis=-1)
    values[:, 1:] = _summary(values[:, 0], draws, settings, rng)
    diagnosed = values[:, [COLUMNS.index(name) for name in DIAGNOSTICS]]
    counts = covariance = None
    if settings.groups == "summary":
        rng = stream(settings.seed, "group ranks", arm.key, simulation)
        effects = pooled_effects(arm.story, drawn.truth, parameters, settings.max_rank, rng)
        if effects.counts.any():
            counts, covariance = effects.counts, effects.covariance
        diagnosed = np.concatenate([diagnosed, effects.diagnostics])
    stats = fit.stats
    return FitRecord(
        simulation,
        None,
        fit.seconds,
        fit.divergences,
        int(stats["n_steps"].sum()) if "n_steps" in stats else 0,
        int(stats["tree_depth"].max()) if "tree_depth" in stats else 0,
        _e_bfmi(stats["energy"]) if "energy" in stats else np.nan,
        values,
        float(np.fmin.reduce(diagnosed[:, 0])),
        float(np.fmin.reduce(diagnosed[:, 1])),
        float(np.fmax.reduce(diagnosed[:, 2])),
        _scale_at_divergences(arm.story, fit),
        counts,
        covariance,
    )


def _summary(
    truth: np.ndarray, draws: np.ndarray, settings: Settings, rng: np.random.Generator
) -> np.ndarray:
    """All columns but the truth, from draws of shape (chain, draw, quantity)."""
    pooled = draws.reshape(-1, draws.shape[-1])
    thinned = pooled[thin(len(pooled), settings.max_rank)]
    found = efficiency.diagnostics(draws)
    ess = np.minimum(found["ess_bulk"], found["ess_tail"])
    sd = pooled.std(axis=0, ddof=1)
    ordered = np.sort(pooled.T, axis=1).T
    return np.column_stack(
        [
            ranks(truth, thinned, rng),
            effective_ranks(truth, pooled, ess, settings.max_rank, rng),
            pooled.mean(axis=0),
            sd,
            sd / np.sqrt(found["ess_mean"]),
            *coverage.central(ordered, settings.level),
            coverage.hdi(ordered, settings.level),
            found["ess_bulk"],
            found["ess_tail"],
            found["r_hat"],
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


_preparing = threading.Lock()


def _refit(arm: Arm) -> Refit:
    with _preparing:  # on a worker with several threads, compile once
        try:
            return _prepared(arm.fitted, arm.fitter)
        except Exception as error:
            raise PreparationError(f"{arm.label}: {type(error).__name__}: {error}") from error


@cache
def _prepared(story: Story, fitter: Fitter) -> Refit:
    return fitter.prepare(story)
