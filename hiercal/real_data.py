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
from hiercal.fitters._function import FunctionFitter
from hiercal.runs.fit import fit
from hiercal.runs.run import arm_key
from hiercal.runs.streams import stream
from hiercal.simulators import Story
from hiercal.simulators._capabilities import ExactPosterior, FromTable, RealData


@dataclass(frozen=True)
class Fitted:
    """A fit of real data, its quantities as draws (chain, draw), and the exact posterior."""

    label: str
    story: Story
    fit: Fit
    quantities: dict[str, np.ndarray]
    exact: Posterior | None


def fit_real_data(
    story_name: str,
    path: Path | None,
    fitter_name: str,
    seed: int,
    options: dict[str, Any],
    defaults: dict[str, Any] | None = None,
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
    fitted = fit(story, fitter, data, seed)
    rng = stream(seed, "real data", arm_key(story, fitter))
    quantities = story.quantities(fitted.draws, data, rng) if fitted.error is None else {}
    model = getattr(fitter, "model", "noncentred")
    exact = story.exact(data, model) if isinstance(story, ExactPosterior) else None
    return Fitted(f"{story.name}/{fitter.label}", story, fitted, quantities, exact)


def _told(cls: type[Story], path: Path | None) -> tuple[Story, Mapping[str, np.ndarray]]:
    """The story and its data: those of a file, or its own."""
    if path is not None:
        if not issubclass(cls, FromTable):
            raise ValueError(f"story {cls.name} reads no table; give it a class method from_frame")
        return cls.from_frame(_read(path))
    story = cls()
    observed = story.observed if isinstance(story, RealData) else None
    if observed is None:
        raise ValueError(f"story {cls.name} has no real data of its own; give --data FILE.csv")
    return story, observed


def _read(path: Path) -> Any:
    import pandas as pd

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        return pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a CSV table: {error}") from None
