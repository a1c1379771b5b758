"""Which variables of a model to centre, for the data at hand: found out from pilot fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.stats

from hiercal import catalogue
from hiercal.errors import ModelRefused
from hiercal.fitters._nuts import NutsFitter
from hiercal.runs.fit import fit, sampler_seed
from hiercal.runs.streams import digest
from hiercal.sbc import efficiency
from hiercal.simulators import Story
from hiercal.simulators._capabilities import ExactPosterior, RealData
from hiercal.user_models._model_story import DENSITIES, ModelStory
from hiercal.user_models._of import story_of
from hiercal.user_models.around import observed_in

if TYPE_CHECKING:
    import pandas as pd

PILOTS = 6
"""Pilot fits of each model."""
ALIKE = 0.1
"""Relative difference of efficiencies below which a model without divergences is preferred."""
UNMIXED = 1.05
"""Split R-hat over the pilot fits above which effective sample sizes say nothing."""


def advise(
    model: Any,
    *args: Any,
    data: Mapping[str, np.ndarray] | None = None,
    fits: int = PILOTS,
    draws: int = 500,
    tune: int = 500,
    seed: int = 0,
    name: str = "",
    **inputs: Any,
) -> pd.DataFrame:
    """Compare the parameterisations of a model on data: which is sampled for fewest gradients?

    Each parameterisation is fitted `fits` times by the usual sampler of its library.

    Parameters
    ----------
    model, args, inputs, name
        As of `hiercal.check`.
    data : dict of ndarray
        By default those that the model observes, or the story's own.
    fits : int
        Pilot fits of each parameterisation, 2 or more, one chain each.
    draws, tune, seed
        Of each fit.

    Returns
    -------
    DataFrame
        A row per parameterisation, the best first: ``library, model, noncentred`` (the variables
        that are), ``ess_per_gradient`` of the worst parameter, per 1,000 leapfrog steps, with a
        90 % interval ``low, high`` on the log scale over the fits, the ``worst`` parameter,
        ``divergences`` (share of draws), ``r_hat`` (largest, the fits being chains), ``failed``
        fits, ``bias`` of the worst parameter in posterior sd where the exact posterior is known,
        and ``advice``: ``take`` for one, ``as good`` for those whose interval reaches its estimate.

    Raises
    ------
    ModelRefused, ValueError
        If the model cannot be taken, or has no data.
    """
    import pandas as pd

    if fits < 2:
        raise ValueError(f"advise: fits is {fits}; give 2 or more, for an interval")
    story = story_of(model, *args, name=name, **inputs)
    observed = data if data is not None else _data_of(story)
    rows = [
        _piloted(story, fitter, observed, fits, seed) for fitter in _all_models(story, draws, tune)
    ]
    table = pd.DataFrame(rows)
    return _judged(table)


def _data_of(story: Story) -> Mapping[str, np.ndarray]:
    """The data that a model observes, or the real data of a story."""
    observed = observed_in(story)
    if observed is None and isinstance(story, RealData):
        observed = story.observed
    if observed is None:
        raise ModelRefused(f"{story.name} has no data of its own; give data=...")
    return observed


def _all_models(story: Story, draws: int, tune: int) -> list[NutsFitter]:
    """The usual samplers, of every model that differs in one variable or in all."""
    fitters = []
    for usual in catalogue.usual_fitters(story):
        if not isinstance(usual, NutsFitter):
            raise ModelRefused(f"{story.name} is not fitted by NUTS; there is nothing to advise")
        models = story.models if isinstance(story, ModelStory) else [usual.model]
        options = {"draws": draws, "tune": tune}
        fitters += [catalogue.fitter(usual.name, model=model, **options) for model in models]
    return [f for i, f in enumerate(fitters) if f not in fitters[:i]]


def _piloted(
    story: Story, fitter: NutsFitter, data: Mapping[str, np.ndarray], fits: int, seed: int
) -> dict[str, Any]:
    """What pilot fits of one model say."""
    moved = story.moved(fitter.model) if isinstance(story, ModelStory) else ()
    row: dict[str, Any] = {
        "library": fitter.name,
        "model": fitter.model,
        "noncentred": ", ".join(moved),
    }
    made = [
        fit(story, fitter, data, sampler_seed(seed, story, fitter, f"pilot {i}"))
        for i in range(fits)
    ]
    whole = [each for each in made if each.error is None]
    row["failed"] = len(made) - len(whole)
    if len(whole) < 2:
        return row | {"ess_per_gradient": 0.0, "low": 0.0, "high": 0.0, "worst": "",
                      "divergences": np.nan, "r_hat": np.inf, "bias": np.nan}  # fmt: skip
    rng = np.random.default_rng(digest(seed, "pilot", fitter.model) >> 193)
    quantities = [_parameters(story, each.draws, data, rng) for each in whole]
    names = list(quantities[0])
    stacked = np.stack([np.stack([q[n] for n in names], axis=-1)[0] for q in quantities])
    diagnostics = [efficiency.diagnostics(chain[None])["ess_bulk"] for chain in stacked]
    steps = [float(each.stats["n_steps"].sum()) for each in whole]
    per_gradient = 1000 * np.array(diagnostics) / np.array(steps)[:, None]
    worst = int(np.argmin(per_gradient.mean(axis=0)))
    together = efficiency.diagnostics(stacked)
    estimate, low, high = _interval(per_gradient[:, worst])
    return row | {
        "ess_per_gradient": estimate,
        "low": low,
        "high": high,
        "worst": names[worst],
        "divergences": float(np.mean([each.stats["diverging"].mean() for each in whole])),
        "r_hat": float(np.nanmax(together["r_hat"])),
        "bias": _bias(story, fitter.model, data, names, stacked),
    }


def _parameters(
    story: Story, draws: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray], rng: Any
) -> dict[str, np.ndarray]:
    """The scalar parameters of draws, without log densities and new groups."""
    labels = {
        label for name in story.dims if name not in DENSITIES for label in _labels(story, name)
    }
    found = story.quantities(draws, data, rng)
    return {name: values for name, values in found.items() if name in labels}


def _labels(story: Story, name: str) -> tuple[str, ...] | list[str]:
    return story.layout.labels[name] if isinstance(story, ModelStory) else story.labels(name)


def _interval(efficiencies: np.ndarray) -> tuple[float, float, float]:
    """Geometric mean over fits, and a 90 % interval of Student's t for it."""
    logs = np.log(efficiencies)
    n = len(logs)
    half = scipy.stats.t.ppf(0.95, n - 1) * logs.std(ddof=1) / np.sqrt(n)
    low, middle, high = (float(np.exp(logs.mean() + sign * half)) for sign in (-1, 0, 1))
    return middle, low, high


def _bias(
    story: Story, model: str, data: Mapping[str, np.ndarray], names: list[str], draws: np.ndarray
) -> float:
    """Largest difference of a posterior mean from the exact one, in exact posterior sd."""
    exact = story.exact(data, model) if isinstance(story, ExactPosterior) else None
    if exact is None:
        return np.nan
    known = [(i, n) for i, n in enumerate(names) if n in exact.names and np.isfinite(exact.sd(n))]
    off = [(draws[..., i].mean() - exact.mean(n)) / exact.sd(n) for i, n in known]
    return float(off[int(np.argmax(np.abs(off)))]) if off else np.nan


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    """The table sorted, with the advice."""
    mixes = table["r_hat"] < UNMIXED
    # of models that are as efficient, one that neither diverges nor gets stuck
    best = table.loc[mixes if mixes.any() else table.index, "ess_per_gradient"].max()
    near = mixes & (table["ess_per_gradient"] >= (1 - ALIKE) * best)
    order = table.assign(
        stuck=~mixes,
        far=~near,
        diverging=np.where(near, table["divergences"].round(3), 0.0),
        less=-table["ess_per_gradient"],
    ).sort_values(["stuck", "far", "diverging", "less"], kind="stable")
    ordered = table.loc[order.index].reset_index(drop=True)
    first = ordered["ess_per_gradient"].iloc[0]
    good = (ordered["high"] >= first) & (ordered["r_hat"] < UNMIXED)
    ordered["advice"] = np.where(good, "as good", "")
    ordered.loc[0, "advice"] = "take"
    if not mixes.any():
        ordered["advice"] = "none mixes: longer fits, or another model"
    return ordered
