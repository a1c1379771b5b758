"""A story around data: with posterior draws given them, the user's own or made here."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hiercal import catalogue
from hiercal.errors import ModelRefused
from hiercal.fitters import Fitter
from hiercal.fitters._nuts import NutsFitter
from hiercal.runs.fit import fit, sampler_seed
from hiercal.runs.streams import stream
from hiercal.sbc.efficiency import diagnostics
from hiercal.simulators import Story
from hiercal.simulators._capabilities import ExactPosterior, RealData
from hiercal.user_models._around_story import Augment, usual_model
from hiercal.user_models._draws_files import csv_table
from hiercal.user_models._of import story_of
from hiercal.user_models.around import around as from_draws
from hiercal.user_models.around import observed_in, parameters, refuse

CHAINS, TUNE = 4, 2000
TARGET_ACCEPT = 0.95
LARGEST_R_HAT = 1.01
LEAST_ESS = 400
"""Vehtari, Gelman, Simpson, Carpenter, Bürkner (2021), section 4: what draws must reach."""
DRAWS_EACH = 10
"""Effective draws that a run needs for each of its simulations."""
Draws = dict[str, np.ndarray]


def around(
    model: Any,
    data: Any = True,
    *args: Any,
    name: str = "",
    fitter: Fitter | None = None,
    draws: int = 5000,
    augment: Augment | None = None,
    simulations: int = 200,
    seed: int = 0,
    **inputs: Any,
) -> Story:
    """A story around data: for posterior SBC, calibration where the data put the model.

    A truth is a posterior draw given the data y_obs; new data y' are simulated from it, and fits
    are of y_obs and y' (Säilynoja, Schmitt, Bürkner, Vehtari 2025, arXiv:2502.03279).

    Each simulation draws its truth from among the reference draws by its own random numbers. They
    are finite in number: with 10 effective draws for each simulation, or more, their own error adds
    at most a tenth to the variance of a mean rank, and no more than that is allowed.

    Parameters
    ----------
    model
        As of `hiercal.check`.
    data : True, dict, path or InferenceData
        Where the model is looked at. True: its own observed values. A dict of arrays, or a CSV file
        with a column for each observed variable: these. An ArviZ object: its ``observed_data``, and
        its ``posterior``, where it has one, for the draws.
    args, inputs
        What a NumPyro model is called with.
    name : str
        Of the model.
    fitter : Fitter
        What makes the reference draws; by default the exact posterior where the story has one, else
        the usual sampler with 4 chains and ``target_accept`` 0.95: of the non-centred model, or of
        the others if that does not mix.
    draws : int
        Reference draws, a chain.
    augment : callable
        ``augment(y_obs, y_new)`` returns the data that are fitted, for stories whose functions take
        data of any size. By default each observed variable is there twice at the same parents, as
        two measurements of the same groups.
    simulations : int
        Of the run that it is for.
    seed : int
        Of the reference draws.

    Returns
    -------
    Story
        Called ``<name>_around``.

    Raises
    ------
    ModelRefused, ValueError
        If there are no data, if the reference draws do not mix or are too few, or if the story
        cannot draw new data; the message says what to do.

    Examples
    --------
    >>> from hiercal import around, story
    >>> here = around(story("eight_schools"), draws=1000)
    >>> here.name, sorted(here.simulate(np.random.default_rng(1)).data)
    ('eight_schools_around', ['y', 'y_again'])
    """
    story = story_of(model, *args, name=name, **inputs)
    refuse(story)
    given, posterior = _given(story, data)
    fixed = _checked(story, given)
    if posterior is not None:
        found = _Reference(_of_user(story, posterior), "of the posterior that was given")
    else:
        found = _exact(story, fixed, draws, seed) if fitter is None else None
        found = found or _sampled(
            story, fixed, [fitter] if fitter else _usual(story, draws), seed, simulations
        )
    found.must_do(story, simulations)
    flat = {n: v.reshape(-1, *v.shape[2:]) for n, v in found.draws.items()}
    said = f"its truths are {found}; its data are those given and, once more, simulated ones"
    return from_draws(story, fixed, flat, augment=augment, said=(said,))


@dataclass(frozen=True)
class _Reference:
    """Posterior draws (chain, draw, *dims), and what made them."""

    draws: Draws
    how: str

    def __str__(self) -> str:
        n_draws = math.prod(next(iter(self.draws.values())).shape[:2])
        r_hat, ess = self.mixing
        return f"{n_draws} draws {self.how}: R-hat {r_hat:.3f}, {ess:.0f} effective draws"

    @cached_property
    def mixing(self) -> tuple[float, float]:
        """Largest R-hat, and least effective sample size of bulk and tails."""
        columns = [v.reshape(*v.shape[:2], -1) for v in self.draws.values()]
        values = diagnostics(np.concatenate(columns, axis=-1))
        ess = np.nanmin([values["ess_bulk"], values["ess_tail"]])
        return float(np.nanmax(values["r_hat"])), float(ess)

    @property
    def mixes(self) -> bool:
        r_hat, ess = self.mixing
        return r_hat <= LARGEST_R_HAT and ess >= LEAST_ESS

    def must_do(self, story: Story, simulations: int) -> None:
        """Raise a `ModelRefused` if they do not mix, or are too few for a run."""
        if not self.mixes:
            raise ModelRefused(
                f"{story.name}: the truths would be {self}; they must reach R-hat {LARGEST_R_HAT} "
                f"and {LEAST_ESS} effective draws. Sample longer, hiercal.around(model, data, "
                "draws=20000), or otherwise, fitter=..., or give an ArviZ object with posterior "
                "and observed_data"
            )
        ess = self.mixing[1]
        if ess < DRAWS_EACH * simulations:
            raise ModelRefused(
                f"{story.name}: the truths would be {self}; {simulations} simulations need "
                f"{DRAWS_EACH} effective draws each. Run at most {int(ess / DRAWS_EACH)} "
                "simulations, or ask for more draws: hiercal.around(model, data, draws=20000)"
            )


def _given(story: Story, data: Any) -> tuple[Mapping[str, Any], Any]:
    """The data and, of an ArviZ object, its posterior."""
    own = observed_in(story)
    if own is None and isinstance(story, RealData):
        own = story.observed
    if data is True:
        if own is None:
            raise ValueError(
                f"story {story.name} has no data of its own; give them: around={{name: values}}, "
                "or a CSV file with a column for each observed variable"
            )
        return own, None
    if isinstance(data, str | os.PathLike):
        return _of_table(story, Path(data)), None
    if hasattr(data, "observed_data") or hasattr(data, "posterior"):
        posterior = getattr(data, "posterior", None)
        if not hasattr(data, "observed_data"):
            return _given(story, True)[0], posterior
        held = data.observed_data
        return {str(n): held[n].to_numpy() for n in held.data_vars}, posterior
    if isinstance(data, Mapping):
        return data, None
    raise ValueError(
        f"around is {data!r}; give True, a dict of arrays, a CSV file, or an ArviZ object with "
        "observed_data"
    )


def _of_table(story: Story, path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise ValueError(f"around: there is no file {path}")
    table = csv_table(path)
    own = observed_in(story)
    names = list(own if own is not None else story.simulate(np.random.default_rng(0)).data)
    if lacking := [each for each in names if each not in table]:
        raise ValueError(
            f"{path} has columns {', '.join(map(str, table))}; give one for each observed variable "
            f"of {story.name}: {', '.join(lacking)} is missing"
        )
    return {each: table[each].to_numpy() for each in names}


def _checked(story: Story, data: Mapping[str, Any]) -> Draws:
    """Data of the names, shapes and types that the story's models take."""
    arrays = {name: np.asarray(values) for name, values in data.items()}
    if check := getattr(story, "check", None):
        return check(arrays)
    own = observed_in(story)
    if own is None:
        return arrays
    if lacking := [name for name in own if name not in arrays]:
        raise ValueError(
            f"around: the data are {', '.join(arrays) or 'none'}; {story.name} observes "
            f"{', '.join(own)}: {', '.join(lacking)} is missing"
        )
    return {name: _like(values, name, arrays[name], story.name) for name, values in own.items()}


def _like(values: np.ndarray, name: str, got: np.ndarray, title: str) -> np.ndarray:
    """What was given of a variable, as those are that its model observes."""
    wanted = f"{title} observes {values.shape} finite numbers"
    if got.shape != values.shape:
        raise ValueError(f"around: {name} has shape {got.shape}; {wanted}")
    try:
        numbers = got.astype(float)
    except (ValueError, TypeError) as error:
        raise ValueError(f"around: {name} holds no numbers ({error}); {wanted}") from None
    if missing := int((~np.isfinite(numbers)).sum()):
        raise ValueError(
            f"around: {missing} of {numbers.size} values of {name} are missing or not finite; "
            f"{wanted}: fill them in"
        )
    taken = got.astype(values.dtype)
    if not np.array_equal(taken, numbers):
        raise ValueError(
            f"around: {name} has {numbers[taken != numbers].flat[0]:g} among its values; {title} "
            f"observes {'yes or no' if values.dtype.kind == 'b' else 'whole numbers'}"
        )
    return taken


def _of_user(story: Story, posterior: Any) -> Draws:
    """Draws (chain, draw, *dims) of an ArviZ posterior."""
    if lacking := [name for name in parameters(story) if name not in posterior.data_vars]:
        raise ValueError(
            f"around: the posterior has no {', '.join(lacking)}, which {story.name} samples; leave "
            "the posterior out, and draws are made"
        )
    return {
        name: posterior[name].transpose("chain", "draw", ...).to_numpy()
        for name in parameters(story)
    }


def _exact(story: Story, fixed: Draws, draws: int, seed: int) -> _Reference | None:
    """Draws of the exact posterior, where the story has one of all parameters."""
    exact = story.exact(fixed, usual_model(story)) if isinstance(story, ExactPosterior) else None
    if exact is None:
        return None
    drawn = exact.draws(CHAINS * draws, stream(seed, "around", story.name))
    names = parameters(story)
    if not set(names) <= set(drawn):
        return None
    chains = {n: np.asarray(drawn[n]).reshape(CHAINS, draws, *drawn[n].shape[1:]) for n in names}
    return _Reference(chains, "of the exact posterior")


def _sampled(
    story: Story, fixed: Draws, fitters: Sequence[Fitter], seed: int, simulations: int
) -> _Reference:
    """Draws of the first fitter whose chains mix; of the best of them if none does."""
    found = []
    for sampler in fitters:
        fitted = fit(story, sampler, fixed, sampler_seed(seed, story, sampler, "around"))
        if fitted.error is not None:
            raise ModelRefused(
                f"{story.name}: {sampler.label} could not fit the data to be around: "
                f"{fitted.error}; give an ArviZ object with posterior and observed_data"
            )
        draws = {name: np.asarray(fitted.draws[name]) for name in parameters(story)}
        how = f"of {sampler.label} ({fitted.divergences} of them divergent)"
        found.append(_Reference(draws, how))
        if found[-1].mixes and found[-1].mixing[1] >= DRAWS_EACH * simulations:
            return found[-1]
    return min(found, key=lambda each: (not each.mixes, -each.mixing[1]))


def _usual(story: Story, draws: int) -> list[Fitter]:
    """The usual samplers at length and with small steps; those of the non-centred model first."""
    usual = catalogue.usual_fitters(story)
    # one library will do
    usual = [each for each in usual if each.name == usual[0].name]
    usual.sort(key=lambda each: getattr(each, "model", "") != "noncentred")
    return [
        dataclasses.replace(
            each, draws=draws, tune=TUNE, chains=CHAINS, target_accept=TARGET_ACCEPT
        )
        if isinstance(each, NutsFitter)
        else each
        for each in usual
    ]
