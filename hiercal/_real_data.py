"""One fit of real data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hiercal import catalogue
from hiercal.fitters import Fit
from hiercal.simulators import Reference, Story
from hiercal.studies._fits import fit_data
from hiercal.studies._random import stream
from hiercal.studies._study import Arm


@dataclass(frozen=True)
class Fitted:
    """A fit of real data, its quantities as draws (chain, draw), and the exact posterior."""

    label: str
    story: Story
    fit: Fit
    quantities: dict[str, np.ndarray]
    exact: Reference | None


def fit_real_data(
    story_name: str, path: Path | None, fitter_name: str, options: dict[str, Any]
) -> Fitted:
    """Fit a story to a CSV file or to its own real data.

    Parameters
    ----------
    story_name, fitter_name : str
        Names of the catalogue.
    path : Path or None
        A CSV file in the layout that the story's ``from_frame`` reads.
    options : dict
        ``seed``, and the fitter's options; those left None or unknown to it are not passed on.

    Raises
    ------
    ValueError, FileNotFoundError
        If the data cannot be read, or there are none.
    """
    cls = catalogue.story_class(story_name)
    if path is None:
        story = cls()
        if story.observed is None:
            raise ValueError(
                f"story {story_name} has no real data of its own; give --data FILE.csv"
            )
        data = story.observed
    else:
        story, data = cls.from_frame(_read(path))
    seed = options["seed"]
    valid = {f.name for f in dataclasses.fields(catalogue.fitter_class(fitter_name))}
    if options["model"] is not None and "model" not in valid:
        raise ValueError(f"fitter {fitter_name} takes no model; leave --model out")
    given = {k: v for k, v in options.items() if k in valid and v is not None}
    fitter = catalogue.fitter(fitter_name, **given)
    fitter.check(story)
    arm = Arm(story, fitter, f"{story.name}/{fitter.label}")
    fit = fit_data(arm, data, seed)
    rng = stream(seed, "real data", arm.key)
    quantities = story.quantities(fit.draws, data, rng) if fit.error is None else {}
    exact = story.exact(data, getattr(fitter, "model", "noncentred"))
    return Fitted(arm.label, story, fit, quantities, exact)


def _read(path: Path) -> Any:
    import pandas as pd

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        return pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a CSV table: {error}") from None
