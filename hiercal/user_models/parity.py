"""Whether two codings are of the same model, factor by factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hiercal.errors import ModelRefused
from hiercal.user_models._model_story import ModelStory
from hiercal.user_models._of import story_of
from hiercal.user_models._parity_coding import Coding
from hiercal.user_models._parity_comparison import Comparison
from hiercal.user_models._parity_generator import LEVEL, MASS, Generator, generators

TOLERANCE = 1e-6
"""Relative difference of log densities above which they differ: PyMC keeps constants that fit in
single precision in it, which changes log densities by up to 3e-8."""


@dataclass(frozen=True)
class Parity:
    """What a comparison found.

    Attributes
    ----------
    labels : tuple of str
        Of the model, or of both.
    factors : DataFrame
        A row for each factor, in the order of the first model: ``factor``, ``in_a``, ``in_b``,
        ``difference`` (the largest relative one), ``verdict``. Empty for one model.
    generators : DataFrame
        A row for each variable of each model: ``model``, ``variable``, ``distance``, ``p``,
        ``p_holm``, ``verdict`` (``agrees``, ``disagrees``, ``not checked``), ``why``.
    sentences : tuple of str
        What was found, in words: the first factor that differs comes first.
    same : bool
        Whether all factors are equal and all draws follow their own densities.
    """

    labels: tuple[str, ...]
    factors: pd.DataFrame
    generators: pd.DataFrame
    sentences: tuple[str, ...]
    same: bool

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def parity(
    a: Any,
    b: Any = None,
    names: Mapping[str, str] | None = None,
    *,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> Parity:
    """Compare two codings of a model; of one, its forward draws with its own log densities.

    At prior draws and simulated data of both models, the log density of each variable given its
    parents is compared, and the gradient of the sum. Variables are matched by name, then by
    shape; where several have one shape, by trying. A variable that is sampled in one coding and
    computed in the other, as one that is non-centred, is compared with the Jacobian added.

    Parameters
    ----------
    a, b
        A ``pm.Model``, a ``bambi.Model``, a NumPyro model bound to its inputs with
        ``functools.partial``, or a story made of one.
    names : dict of str to str
        Of variables of `a`, their names in `b`, where they are others.
    tolerance : float
        Relative difference of log densities above which they differ.
    seed : int

    Returns
    -------
    Parity

    Raises
    ------
    ModelRefused
        If a model cannot be simulated, or variables cannot be matched, with the remedy.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> with pm.Model() as one:
    ...     mu = pm.Normal("mu", 0, 2)
    ...     y = pm.Normal("y", mu, 1, observed=np.zeros(3))
    >>> with pm.Model() as other:
    ...     mu = pm.Normal("mu", 0, 4)
    ...     y = pm.Normal("y", mu, 1, observed=np.zeros(3))
    >>> found = parity(one, other)
    >>> print(found.sentences[0])
    mu is the first factor that differs between a and b: with the square root of its sd in b, mu \
agrees with a: a variance in place of an sd?
    """
    if names and b is None:
        raise ModelRefused("names are of two models; give both")
    stories = [_story(model, name) for model, name in ((a, "a"), (b, "b")) if model is not None]
    labels = [story.title for story in stories]
    if len(set(labels)) < len(labels):
        labels = [f"{label} ({which})" for label, which in zip(labels, "ab", strict=True)]
    codings = [_coding(story, label) for story, label in zip(stories, labels, strict=True)]
    table, sentences, same = pd.DataFrame(), [], True
    if len(codings) == 2:
        comparison = Comparison(codings[0], codings[1], names or {}, tolerance, seed)
        table, sentences, same = comparison.found()
    drawn = _holm([each for coding in codings for each in generators(coding, seed)])
    said, follow = _on_generators(drawn)
    return Parity(tuple(labels), table, drawn, (*sentences, *said), same and follow)


def _story(model: Any, name: str) -> ModelStory:
    story = story_of(model, name="" if isinstance(model, ModelStory) else name)
    if not isinstance(story, ModelStory):
        raise ModelRefused(
            f"{story.name} is a story that is written by hand; give one of PyMC, NumPyro or Bambi: "
            "from_pymc(model), from_numpyro(model, ...), or the model itself"
        )
    return story


def _coding(story: ModelStory, label: str) -> Coding:
    from hiercal.user_models.pymc import PyMCStory

    if isinstance(story, PyMCStory):
        from hiercal.user_models._parity_pymc import PyMCCoding

        return PyMCCoding(story, label)
    from hiercal.user_models._parity_numpyro import NumPyroCoding
    from hiercal.user_models.numpyro import NumPyroStory

    assert isinstance(story, NumPyroStory)
    return NumPyroCoding(story, label)


def _holm(found: Sequence[Generator]) -> pd.DataFrame:
    """Verdicts on generators, p-values adjusted for all that were checked (Holm 1979)."""
    p = np.array([each.p for each in found])
    adjusted = np.full(len(p), np.nan)
    checked = np.flatnonzero(~np.isnan(p))
    order = checked[np.argsort(p[checked])]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    verdicts = np.where(
        np.isnan(p), "not checked", np.where(adjusted < LEVEL, "disagrees", "agrees")
    )
    return pd.DataFrame({
        "model": [each.model for each in found],
        "variable": [each.variable for each in found],
        "distance": [each.distance for each in found],
        "p": p,
        "p_holm": adjusted,
        "integral": [each.integral for each in found],
        "verdict": verdicts,
        "why": [each.why for each in found],
    })  # fmt: skip


def _on_generators(found: pd.DataFrame) -> tuple[list[str], bool]:
    wrong = found[found["verdict"] == "disagrees"]
    said = []
    for row in wrong.to_dict("records"):
        how = row["why"] or f"Kolmogorov-Smirnov distance {row['distance']:.2f}"
        said.append(
            f"forward draws of {row['variable']} in {row['model']} do not follow its own log "
            f"density ({how}): its random function and its log density are of two distributions"
        )
    for row in found[(found["integral"] - 1).abs() > MASS].to_dict("records"):
        said.append(
            f"the density of {row['variable']} in {row['model']} integrates to "
            f"{row['integral']:.3g}, not to 1"
        )
    skipped = found[found["verdict"] == "not checked"]
    for (model, why), rows in skipped.groupby(["model", "why"], sort=False):
        said.append(f"draws of {', '.join(rows['variable'])} in {model} were not checked: {why}")
    checked = len(found) - len(skipped)
    if not len(wrong) and checked:
        said.append(
            f"forward draws of all {checked} variables checked follow their own log densities "
            f"(false alarms {LEVEL:g}, Holm)"
        )
    return said, not len(wrong)
