"""Draws made elsewhere, by Stan, R, Julia or anything, as a story."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from hiercal.errors import DrawsRefused
from hiercal.simulators import Simulation, Story
from hiercal.user_models._given_arrays import SIMULATION, Given, given_arrays
from hiercal.user_models._layout import Layout, layout

MOST_RANKED, FEWEST = 99, 9
"""Draws that a truth is ranked among by default, and draws below which no ranks are made."""


class _Title:
    def __get__(self, story: DrawsStory | None, owner: type) -> str:
        return "draws" if story is None else story.title


@dataclass(frozen=True, kw_only=True)
class DrawsStory(Story):
    """A story whose simulations and fits were made elsewhere; see `from_draws`.

    Parameters
    ----------
    title : str
        The story's name.
    digest : str
        Hash of all truths and draws.
    truths : dict of ndarray, shape (n_simulations, *dims)
    draws : dict of ndarray, shape (n_simulations, n_chains, n_draws, *dims)
    layout : Layout
        What is ranked of them.
    notes : tuple of str
        What the user should know of them, a sentence each.
    """

    title: str
    digest: str
    truths: Mapping[str, np.ndarray] = field(compare=False, repr=False)
    draws: Mapping[str, np.ndarray] = field(compare=False, repr=False)
    layout: Layout = field(compare=False, repr=False)
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False)

    name: ClassVar[Any] = _Title()

    def __post_init__(self) -> None:
        if self.given:
            raise ValueError(f"{self.title}: given is {dict(self.given)}, but its truths are made")
        super().__post_init__()

    @property
    def dims(self) -> Mapping[str, tuple[str, ...]]:
        return self.layout.dims

    @property
    def coords(self) -> Mapping[str, tuple[str, ...]]:
        return self.layout.coords

    @property
    def n_simulations(self) -> int:
        """How many simulations there are."""
        return len(next(iter(self.truths.values())))

    @property
    def draws_shape(self) -> tuple[int, int]:
        """Chains and draws a chain."""
        _, chains, draws, *_ = next(iter(self.draws.values())).shape
        return chains, draws

    def simulate(self, rng: np.random.Generator) -> Simulation:
        """One of the simulations."""
        return self.simulation(int(rng.integers(self.n_simulations)))

    def simulation(self, number: int) -> Simulation:
        """Simulation `number`; its data are this number, by which the draws are found."""
        truth = {name: values[number] for name, values in self.truths.items()}
        if lacking := [name for name, value in truth.items() if np.isnan(value).any()]:
            raise ValueError(f"the truth of {', '.join(lacking)} is NaN")
        return Simulation(truth, {SIMULATION: np.array(number)})

    def draws_of(self, number: int) -> dict[str, np.ndarray]:
        """Draws of simulation `number`, (n_chains, n_draws, *dims)."""
        return {name: values[number] for name, values in self.draws.items()}

    def quantities(
        self,
        draws: Mapping[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        """Every element that varies."""
        return self.layout.quantities(draws)


def from_draws(truths: Any, draws: Any, *, name: str = "draws") -> DrawsStory:
    """A story of draws that were made elsewhere, to be ranked like those of any run.

    Parameters
    ----------
    truths : mapping of str to array, shape (n_simulations, *dims)
        The true values. Also a Dataset of xarray with the dimension ``simulation``, or a DataTree
        with such a group ``truths``, ``truth`` or ``prior``.
    draws : mapping of str to array, (n_simulations, n_draws, *dims) or with chains before the draws
        Of the same names. All NaN for a simulation whose fit failed, which is recorded as such.
        Also a Dataset with dimensions ``simulation``, ``draw`` and perhaps ``chain``, or a DataTree
        with such a group ``draws`` or ``posterior``. Names and coordinates of other dimensions are
        kept. Draws of one simulation are in the order in which they were made.
    name : str
        What to call the story.

    Returns
    -------
    DrawsStory
        `hiercal.check` ranks it. Functions of parameters and data, such as ``log_lik``, can be
        among the truths and draws.

    Raises
    ------
    DrawsRefused
        If names or shapes do not match, or there is nothing to rank.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> mu = rng.normal(size=100)
    >>> y = rng.normal(mu, 1)
    >>> draws = rng.normal(y[:, None] / 2, 0.5**0.5, size=(100, 500))
    >>> story = from_draws({"mu": mu}, {"mu": draws})
    >>> story.n_simulations, story.draws_shape
    (100, (1, 500))
    """
    given = given_arrays(truths, draws)
    chains, each = given.shape
    if chains * each < FEWEST:
        raise DrawsRefused(
            f"there are {chains} x {each} draws of a simulation; give {FEWEST} or more"
        )
    found = _layout(given)
    notes = [f"{note} ({name})" for note in found.notes]
    if chains > each:
        notes.append(
            f"the draws are taken as {chains} chains of {each} draws each; if that is the other "
            "way round, give (n_simulations, n_chains, n_draws, ...), since R-hat is of chains"
        )
    if (ranked := usual_max_rank(chains * each)) < MOST_RANKED:
        notes.append(
            f"with {chains * each} draws of a simulation, truths are ranked among {ranked} of them "
            f"unless max_rank says otherwise, not among {MOST_RANKED}"
        )
    return DrawsStory(
        title=name,
        digest=_digest(given),
        truths=given.truths,
        draws=given.draws,
        layout=found,
        notes=tuple(notes),
    )


def usual_max_rank(n_draws: int) -> int:
    """Draws, of so many, that a truth is ranked among by default: 99, or about half if there are
    fewer than 200.

    A verdict needs as many effective draws as it ranks among in four of five fits. Of 20, 50 or 100
    independent draws in one chain, the estimated bulk ESS is below their number in 40, 49 and 54 %
    of fits, below half of it in 9, 6 and 3 %.

    Examples
    --------
    >>> usual_max_rank(50), usual_max_rank(200), usual_max_rank(4000)
    (24, 99, 99)
    """
    return min(MOST_RANKED, max(FEWEST, n_draws // 2 - 1))


def _layout(given: Given) -> Layout:
    """What varies over truths and draws: constants, and copies as in symmetric matrices, do not."""
    whole = np.ones(len(next(iter(given.truths.values()))), dtype=bool)
    for values in (*given.truths.values(), *given.draws.values()):
        whole &= np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
    if not whole.any():
        raise DrawsRefused(
            "no simulation has truths and draws that are all finite, so there is nothing to rank"
        )
    seen = [
        {name: values[i] for name, values in given.truths.items()} for i in np.flatnonzero(whole)
    ] + [
        {name: values[i, -1, at] for name, values in given.draws.items()}
        for i in np.flatnonzero(whole)
        for at in (-1, given.shape[1] // 2)
    ]
    found = layout(seen, {n: d or () for n, d in given.dims.items()}, given.coords)
    if not any(found.labels.values()):
        raise DrawsRefused("all truths and draws have one value, so there is nothing to rank")
    return found


def _digest(given: Given) -> str:
    """Hash of names, dimensions and values."""
    hashed = hashlib.sha256(repr((given.dims, given.coords)).encode())
    for arrays in (given.truths, given.draws):
        for name, values in arrays.items():
            hashed.update(repr((name, values.shape)).encode())
            # there are many bit patterns that are NaN, as R's NA is another than NumPy's
            blank = np.isnan(values)
            hashed.update(np.where(blank, math.nan, values) if blank.any() else values)
    return hashed.hexdigest()
