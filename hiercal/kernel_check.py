"""Whether a Markov kernel leaves posteriors invariant, by single transitions; stops at any time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from hiercal.kernels import FunctionKernel, Kernel, Walk
from hiercal.runs.run import story_key
from hiercal.runs.streams import stream
from hiercal.sbc.sequential import family_log_e, rank_log_e
from hiercal.sbc.transition import (
    OnlineRanks,
    chain_ranks,
    expectation,
    restarts,
    smallest_error,
)
from hiercal.sbc.uniformity import Detectable
from hiercal.simulators import Simulation, Story
from hiercal.simulators._capabilities import Arrays, NewGroup
from hiercal.user_models._model_story import DENSITIES, ModelStory

BLOCK = 100
"""Simulations between two looks; kernels are compiled for as many."""
PILOT, POOL, FRESH = 1000, 4000, 4
"""Draws that predictions are made from, fresh draws to begin with, and fresh draws a simulation."""
MAX_RANK = 99
TRIES = 1000
"""Draws of the joint in a row that may raise before the check gives up."""


@dataclass(frozen=True)
class KernelCheck:
    """What is known of a kernel after a number of simulations.

    Attributes
    ----------
    kernel, story : str
    alpha : float
        Probability at most of ever rejecting a right kernel, however often one looks.
    rejected : bool
        Whether the evidence has reached ``log(1 / alpha)``.
    log_e : float
        The largest evidence of any look: log of the mean e-value over the quantities.
    evidence : dict of str to float
        Log e-value of each quantity at the last look.
    simulations, transitions, gradients : int
        Spent. Gradients are evaluations of the density where the kernel takes no gradients.
    undefined : int
        States with a quantity that is not a number.
    max_rank : int
        L of the ranks.
    reversible : bool
        Whether ranks are those of truths in their own chains.
    smallest : Detectable
        The errors that half of such checks find, in sds of a quantity given a prediction from the
        data (or of the posterior, if `reversible`).
    seconds : float
    """

    kernel: str
    story: str
    alpha: float
    rejected: bool
    log_e: float
    evidence: Mapping[str, float]
    simulations: int
    transitions: int
    gradients: int
    undefined: int
    max_rank: int
    reversible: bool
    seconds: float

    @property
    def threshold(self) -> float:
        """Evidence at which one quantity is named."""
        return math.log(len(self.evidence) / self.alpha)

    @property
    def named(self) -> tuple[str, ...]:
        """Quantities whose own evidence has reached the threshold, the clearest first."""
        found = [name for name, log_e in self.evidence.items() if log_e >= self.threshold]
        return tuple(sorted(found, key=lambda name: -self.evidence[name]))

    @property
    def smallest(self) -> Detectable:
        """The errors that half of such checks find."""
        n = self.simulations
        share = 0.0 if self.reversible else n / (POOL + (FRESH + 1) * n)
        return smallest_error(
            n, self.max_rank, self.threshold, wrong_share=share, own=self.reversible
        )


def check_kernel(
    story: Story,
    kernel: Kernel | Callable[..., object],
    *,
    alpha: float = 1e-3,
    max_gradients: int = 100_000,
    max_simulations: int | None = None,
    reversible: bool = False,
    seed: int = 0,
    progress: Callable[[KernelCheck], None] | None = None,
) -> KernelCheck:
    """Check whether a kernel leaves the posteriors of a story invariant.

    Parameters
    ----------
    story : Story
    kernel : Kernel or function
        A function is ``kernel(rng, theta, data)``; see `hiercal.kernels.FunctionKernel`.
    alpha : float
        Probability at most that a right kernel is rejected, whenever one stops.
    max_gradients, max_simulations : int
        The check ends with the block in which one of them is reached, or earlier with a rejection.
    reversible : bool
        Rank truths in their own chains: valid for reversible kernels only (HMC, NUTS, MALA,
        Metropolis; no sweep over coordinates in a fixed order). The kernel needs four transitions
        or more.
    seed : int
    progress : callable
        Called after each look.

    Returns
    -------
    KernelCheck

    Raises
    ------
    ValueError, ModuleNotFoundError
        If the kernel cannot move in this story, with what to do.

    Examples
    --------
    >>> from hiercal import story
    >>> def prior(rng, theta, data):  # the funnel has no data: its prior is its posterior
    ...     v = rng.normal(0, 3)
    ...     return {"v": v, "sigma": np.exp(v / 2), "x": rng.normal(0, np.exp(v / 2), size=9)}
    >>> check_kernel(story("funnel"), prior, max_simulations=200).rejected
    False
    """
    last = None
    for last in looks(
        story,
        kernel,
        alpha=alpha,
        max_gradients=max_gradients,
        max_simulations=max_simulations,
        reversible=reversible,
        seed=seed,
    ):
        if progress is not None:
            progress(last)
    assert last is not None
    return last


def looks(
    story: Story,
    kernel: Kernel | Callable[..., object],
    *,
    alpha: float = 1e-3,
    max_gradients: int = 100_000,
    max_simulations: int | None = None,
    reversible: bool = False,
    seed: int = 0,
) -> Iterator[KernelCheck]:
    """The same as a generator of what is known after each block of simulations."""
    kernel = kernel if isinstance(kernel, Kernel) else FunctionKernel(function=kernel)
    _check(story, kernel, alpha, reversible)
    start = time.perf_counter()
    rng = stream(seed, "kernel", story_key(story), kernel.label)
    walk = _prepared(story, kernel)
    asked = _Asked(story, kernel, rng)
    ranked = _chains(asked, kernel, walk, rng) if reversible else _fresh(asked, kernel, walk, rng)
    counts: np.ndarray | None = None
    most, spent, undefined, n = -math.inf, 0, 0, 0
    while True:
        ranks, gradients, missing, max_rank = next(ranked)
        if counts is None:
            counts = np.zeros((ranks.shape[1], max_rank + 1))
        np.add.at(counts, (np.arange(ranks.shape[1])[None], ranks), 1)
        n, spent, undefined = n + len(ranks), spent + gradients, undefined + missing
        log_e, _ = rank_log_e(counts, max_rank)
        most = max(most, float(family_log_e(log_e)))
        rejected = most >= math.log(1 / alpha)
        yield KernelCheck(
            kernel=kernel.label,
            story=story.name,
            alpha=alpha,
            rejected=rejected,
            log_e=most,
            evidence=dict(zip(asked.names, map(float, log_e), strict=True)),
            simulations=n,
            transitions=n * kernel.transitions,
            gradients=spent,
            undefined=undefined,
            max_rank=max_rank,
            reversible=reversible,
            seconds=time.perf_counter() - start,
        )
        if rejected or spent >= max_gradients or n >= (max_simulations or math.inf):
            return


@cache
def _prepared(story: Story, kernel: Kernel) -> Walk:
    """The kernel compiled for a story, once in a process."""
    return kernel.prepare(story)


def _check(story: Story, kernel: Kernel, alpha: float, reversible: bool) -> None:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; give a number inside (0, 1), such as 0.001")
    if reversible and kernel.transitions < 4:
        raise ValueError(
            f"{kernel.label}: ranks among {kernel.transitions} states of a chain tell too little; "
            "give transitions=4 or more, or leave reversible out"
        )
    if story.given:
        raise ValueError(f"{story.name}: given is {dict(story.given)}, and no model knows of it")
    kernel.check(story)


class _Asked:
    """The quantities that a story asks for, of many simulations at once."""

    def __init__(self, story: Story, kernel: Kernel, rng: np.random.Generator) -> None:
        self.story, self.rng = story, rng
        self.reported = [
            name
            for name in story.models[kernel.coded(story)]
            # log densities of a user's model are known where a model of it is moved in
            if not (
                isinstance(kernel, FunctionKernel)
                and isinstance(story, ModelStory)
                and name in DENSITIES
            )
        ]
        truths, data = self.joint(5)
        # the effect of a group not seen is drawn anew for each state, and tells of none
        self._drawn_anew = story.new_group(truths, rng) if isinstance(story, NewGroup) else {}
        each = [self._one(_at(truths, i), _at(data, i)) for i in range(5)]
        self.names = list(each[0])
        self._at_once = False
        try:
            together = self._one(truths, data)
            self._at_once = all(
                np.shape(together[name]) == (5,)
                and np.allclose(together[name], [e[name] for e in each], rtol=1e-12, atol=0)
                for name in self.names
            )
        except (ValueError, IndexError, TypeError):
            pass  # written for one data set at a time

    def joint(self, n: int) -> tuple[Arrays, Arrays]:
        """Draws of truths (n, *dims) and data (n, ...)."""
        drawn = [self._drawn() for _ in range(n)]
        truths = {k: np.stack([each.truth[k] for each in drawn]) for k in self.reported}
        data = {k: np.stack([each.data[k] for each in drawn]) for k in drawn[0].data}
        return truths, data

    def _drawn(self) -> Simulation:
        for left in reversed(range(TRIES)):
            try:
                return self.story.simulate(self.rng)
            except (ValueError, ArithmeticError):
                # a draw that breaks is drawn again
                if not left:
                    raise
        raise AssertionError

    def values(self, draws: Arrays, data: Arrays) -> np.ndarray:
        """Quantities (n, ..., n_quantities) at draws (n, ..., *dims), given data (n, ...)."""
        inner = len(self._lead(draws)) - 1
        if self._at_once:
            wide = {k: np.expand_dims(v, tuple(range(1, 1 + inner))) for k, v in data.items()}
            found = self._one(draws, wide)
            return np.stack([found[name] for name in self.names], axis=-1)
        n = len(next(iter(draws.values())))
        each = [self._one(_at(draws, i), _at(data, i)) for i in range(n)]
        return np.stack([np.stack([e[k] for k in self.names], axis=-1) for e in each])

    def _lead(self, draws: Arrays) -> tuple[int, ...]:
        """The axes of draws before those of a parameter."""
        name, values = next(iter(draws.items()))
        return values.shape[: values.ndim - len(self.story.dims[name])]

    def _one(self, draws: Arrays, data: Arrays) -> dict[str, np.ndarray]:
        with np.errstate(all="ignore"):
            try:
                found = self.story.quantities(draws, data, self.rng)
            except ValueError:
                if not any(np.isnan(v).any() for v in draws.values()):
                    raise
                return dict.fromkeys(self.names, np.full(self._lead(draws), -np.inf))
        return {
            name: np.asarray(v, float) for name, v in found.items() if name not in self._drawn_anew
        }


Block = tuple[np.ndarray, int, int, int]
"""Ranks (n, n_quantities), gradients spent, states that are not defined, and L."""


def _fresh(asked: _Asked, kernel: Kernel, walk: Walk, rng: np.random.Generator) -> Iterator[Block]:
    """Ranks of moved truths among fresh ones."""
    truths, data = asked.joint(PILOT)
    predict = expectation(_columns(data, PILOT), asked.values(truths, data))

    def apart(draws: Arrays, data: Arrays) -> np.ndarray:
        n = len(next(iter(draws.values())))
        return asked.values(draws, data) - predict(_columns(data, n))

    online = OnlineRanks(apart(*asked.joint(POOL)), MAX_RANK)
    never = np.full(BLOCK, kernel.transitions)
    while True:
        truths, data = asked.joint(BLOCK)
        walked = walk(truths, data, never, int(rng.integers(2**31)))
        values = apart({name: states[:, -1] for name, states in walked.states.items()}, data)
        ranks = online(values, apart(*asked.joint(FRESH * BLOCK)), rng)
        yield ranks, walked.gradients, int((~np.isfinite(values)).any(axis=1).sum()), MAX_RANK


def _chains(asked: _Asked, kernel: Kernel, walk: Walk, rng: np.random.Generator) -> Iterator[Block]:
    """Ranks of truths in their own chains."""
    steps = kernel.transitions
    while True:
        truths, data = asked.joint(BLOCK)
        walked = walk(truths, data, restarts(BLOCK, steps, rng), int(rng.integers(2**31)))
        values = asked.values(dict(walked.states), data)
        missing = int((~np.isfinite(values)).any(axis=-1).sum())
        yield chain_ranks(values, rng), walked.gradients, missing, steps


def _columns(data: Arrays, n: int) -> np.ndarray:
    """All data of each simulation in a row."""
    flat = [np.reshape(values, (n, -1)) for values in data.values()]
    return np.concatenate(flat, axis=1) if flat else np.zeros((n, 0))


def _at(arrays: Arrays, i: int) -> Arrays:
    return {name: values[i] for name, values in arrays.items()}
