"""One fit of real data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hiercal import catalogue
from hiercal.exact.posterior import Posterior
from hiercal.fitters import Fit
from hiercal.fitters._fitter import check_size
from hiercal.fitters._function import FunctionFitter
from hiercal.runs.fit import fit
from hiercal.runs.run import LEAST_DRAWS, arm_key
from hiercal.runs.streams import stream
from hiercal.simulators import Story
from hiercal.simulators._capabilities import ExactPosterior, FromTable, RealData
from hiercal.user_models._draws_files import csv_table
from hiercal.words import reason

MOST_GROUPS = 1000
"""Groups of which the exact posterior is computed unless more are asked for."""


@dataclass(frozen=True)
class Fitted:
    """A fit of real data, its quantities as draws (chain, draw), and the exact posterior.

    Attributes
    ----------
    no_exact : str
        Why there is no exact posterior, where the story has one: it could not be computed, or was
        not asked for.
    """

    label: str
    story: Story
    fit: Fit
    quantities: dict[str, np.ndarray]
    exact: Posterior | None
    no_exact: str = ""


def fit_real_data(
    story_name: str,
    path: Path | None,
    fitter_name: str,
    seed: int,
    options: dict[str, Any],
    defaults: dict[str, Any] | None = None,
    *,
    exact: bool = False,
) -> Fitted:
    """Fit a story to a CSV file or to its own real data.

    Parameters
    ----------
    story_name, fitter_name : str
        Names of the catalogue.
    path : Path or None
        A CSV file in the layout that the story's ``from_frame`` reads.
    seed : int
        Of the sampler.
    options : dict
        The fitter's options; a ValueError for one that it does not have.
    defaults : dict
        Values of other options, for a fitter that has them.
    exact : bool
        Compute the exact posterior of more than `MOST_GROUPS` groups too.

    Raises
    ------
    ValueError, FileNotFoundError
        If the data cannot be read, or there are none.
    """
    story, data = _told(catalogue.story_class(story_name), path)
    fitter_class = catalogue.fitter_class(fitter_name)
    # a function makes the draws that it makes
    own = fitter_class is not FunctionFitter
    valid = {f.name for f in dataclasses.fields(fitter_class) if own}
    usual = {name: value for name, value in (defaults or {}).items() if name in valid}
    fitter = catalogue.fitter(fitter_name, **(usual | options))
    fitter.check(story)
    check_size(fitter, story)
    if fitter.shape[1] < LEAST_DRAWS:
        raise ValueError(
            f"{fitter.name}: draws is {fitter.shape[1]}; effective sample sizes and R-hat need "
            f"{LEAST_DRAWS} or more"
        )
    fitted = fit(story, fitter, data, seed)
    if fitted.error is not None:
        return Fitted(f"{story.name}/{fitter.label}", story, fitted, {}, None)
    rng = stream(seed, "real data", arm_key(story, fitter))
    quantities = story.quantities(fitted.draws, data, rng)
    posterior, why = None, ""
    if isinstance(story, ExactPosterior):
        n_groups = len(story.labels(story.groups)) if story.groups else 0
        if n_groups > MOST_GROUPS and not exact:
            why = f"there are {n_groups:,} groups, which may take minutes; --exact computes it"
        else:
            try:
                posterior = story.exact(data, getattr(fitter, "model", "noncentred"))
            except Exception as error:
                # the fit is there all the same, and is shown
                why = reason(error)
    return Fitted(f"{story.name}/{fitter.label}", story, fitted, quantities, posterior, why)


def _told(cls: type[Story], path: Path | None) -> tuple[Story, Mapping[str, np.ndarray]]:
    """The story and its data: those of a file, or its own."""
    if path is not None:
        if not issubclass(cls, FromTable):
            raise ValueError(f"story {cls.name} reads no table; give it a class method from_frame")
        try:
            return cls.from_frame(csv_table(path))
        except ValueError as error:
            raise ValueError(
                str(error) if str(path) in str(error) else f"{path}: {error}"
            ) from None
    story = cls()
    observed = story.observed if isinstance(story, RealData) else None
    if observed is None:
        raise ValueError(f"story {cls.name} has no real data of its own; give --data FILE.csv")
    return story, observed
