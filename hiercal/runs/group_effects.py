"""Group effects by the thousand: summaries over groups, and the ranks of all groups pooled."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hiercal.sbc import efficiency
from hiercal.sbc.pooled import ORDER, exchanged_scores
from hiercal.sbc.ranks import ranks, thin
from hiercal.simulators import Story

CHUNK = 64
"""Effects diagnosed at once: the work space is then small beside a fit's draws, and no slower."""
SUMMARIES = {"mean": np.mean, "min": np.min, "max": np.max}
DIAGNOSTICS = ("ess_bulk", "ess_tail", "r_hat")


@dataclass(frozen=True)
class Effects:
    """What is kept of all single group effects of a fit.

    Attributes
    ----------
    counts : int32 ndarray, shape (max_rank + 1,)
        How many effects had each rank.
    covariance : ndarray, shape (4, 4)
        Of their mean scores, for `hiercal.sbc.pooled.pooled_test`.
    diagnostics : ndarray, shape (n_effects, len(DIAGNOSTICS))
    """

    counts: np.ndarray
    covariance: np.ndarray
    diagnostics: np.ndarray


def summarised(
    story: Story, draws: Mapping[str, np.ndarray], quantities: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The quantities, with the mean, least and largest over groups in place of single effects."""
    place_of = {label: name for name in _by_group(story, draws) for label in story.labels(name)}
    summaries = {name: _summaries(story, name, draws[name]) for name in _by_group(story, draws)}
    kept: dict[str, np.ndarray] = {}
    for label, values in quantities.items():
        if label in place_of:
            kept |= summaries.pop(place_of[label], {})
        else:
            kept[label] = values
    return kept


def pooled_effects(
    story: Story,
    truth: Mapping[str, np.ndarray],
    draws: Mapping[str, np.ndarray],
    max_rank: int,
    rng: np.random.Generator,
) -> Effects:
    """Rank and diagnose every single group effect, a few at a time.

    Parameters
    ----------
    truth, draws : dict of ndarray, shapes (*dims) and (n_chains, n_draws, *dims)
    max_rank : int
        Thinned draws that each effect is ranked among.
    rng : numpy Generator
        Breaks ties.
    """
    counts = np.zeros(max_rank + 1, dtype=np.int64)
    scores = np.zeros((max_rank + 1, ORDER))
    diagnosed = [np.empty((0, len(DIAGNOSTICS)))]
    for true, some in _chunks(story, truth, draws):
        pooled = some.reshape(-1, some.shape[-1])
        thinned = pooled[thin(len(pooled), max_rank)]
        counts += np.bincount(ranks(true, thinned, rng), minlength=max_rank + 1)
        scores += exchanged_scores(true, thinned)
        diagnostics = efficiency.diagnostics(some)
        diagnosed.append(np.column_stack([diagnostics[name] for name in DIAGNOSTICS]))
    scores /= max(counts.sum(), 1)
    covariance = scores.T @ scores / len(scores)
    return Effects(counts.astype(np.int32), covariance, np.concatenate(diagnosed))


def _chunks(
    story: Story, truth: Mapping[str, np.ndarray], draws: Mapping[str, np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """True effects (n,) and their draws (n_chains, n_draws, n), n at most CHUNK."""
    for name in _by_group(story, draws):
        true = truth[name].ravel()
        effects = draws[name].reshape(*draws[name].shape[:2], -1)
        for start in range(0, true.size, CHUNK):
            some = slice(start, start + CHUNK)
            yield true[some], effects[..., some]


def _by_group(story: Story, draws: Mapping[str, np.ndarray]) -> list[str]:
    """The parameters among `draws` that have a value, or several, for each group."""
    if not story.groups:
        return []
    of_groups = story.dims[story.groups][0]
    return [name for name, dims in story.dims.items() if name in draws and of_groups in dims[:1]]


def _summaries(story: Story, name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """``theta[mean]``, ...; with further dimensions ``pi[mean,SA]``, ..."""
    _, *further = story.dims[name]
    places = list(itertools.product(*(story.coords[dim] for dim in further)))
    kept = {}
    for summary, function in SUMMARIES.items():
        over = function(values, axis=values.ndim - len(further) - 1)
        flat = over.reshape(*over.shape[: over.ndim - len(further)], -1)
        for i, place in enumerate(places):
            kept[f"{name}[{','.join((summary, *place))}]"] = flat[..., i]
    return kept
