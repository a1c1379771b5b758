"""One simulation and one fit, as anyone may ask for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from hiercal.errors import PreparationError
from hiercal.fitters import Fit, Fitter
from hiercal.fitters._fitter import RefitMany, failed, whole
from hiercal.runs.run import arm_key, story_key
from hiercal.runs.streams import digest, stream
from hiercal.simulators import Simulation, Story
from hiercal.simulators._capabilities import Numbered
from hiercal.simulators._story import simulated
from hiercal.words import reason


def simulate(seed: int, story: Story, simulation: int) -> Simulation:
    """Simulation number `simulation` of a run with this seed, the same for every fitter.

    Parameters
    ----------
    seed : int
    story : Story
    simulation : int
        From 0.

    Returns
    -------
    Simulation
        Its arrays are read-only.

    Examples
    --------
    >>> from hiercal import simulate, story
    >>> sorted(simulate(1, story("eight_schools"), 0).truth)
    ['mu', 'tau', 'theta']
    """
    drawn = (
        story.simulation(simulation)
        if isinstance(story, Numbered)
        else story.simulate(stream(seed, "simulate", story_key(story), simulation))
    )
    for name, value in simulated(story, drawn).truth.items():
        if (dtype := np.asarray(value).dtype).kind not in "biuf":
            raise TypeError(f"{story.name}: the truth of {name} is {dtype}; expected real numbers")
    for name, value in dict(story.given).items():
        if drawn.truth[name] != value:
            raise ValueError(
                f"{story.name}: {name} is given as {value}, and simulate draws it all the same; "
                f"let it take self.given_or({name!r}, ...)"
            )
    return Simulation(read_only(drawn.truth), read_only(drawn.data))


def fit(story: Story, fitter: Fitter, data: Mapping[str, np.ndarray], seed: int) -> Fit:
    """Fit one data set.

    Parameters
    ----------
    story : Story
    fitter : Fitter
        Compiled once in a process.
    data : dict of ndarray
        As ``story.check`` returns them; the fitter gets them read-only.
    seed : int
        Of the sampler.

    Returns
    -------
    Fit
        A failed one, with the reason, if the fitter raises.

    Raises
    ------
    PreparationError
        If the fitter cannot be compiled for the story.
    """
    return fit_many(story, fitter, [data], [seed])[0]


def fit_many(
    story: Story, fitter: Fitter, data: Sequence[Mapping[str, np.ndarray]], seeds: Sequence[int]
) -> list[Fit]:
    """Fit data sets in one call, at most as many as the fitter does at once; as `fit` else."""
    refit, assumed = prepared(story, fitter), fitter.assumed(story)
    start = time.perf_counter()
    try:
        made = refit([read_only(each) for each in data], seeds)
        fits = [whole(fitter, assumed, each) for each, _ in zip(made, data, strict=True)]
    except KeyboardInterrupt:
        raise
    except PreparationError as error:
        raise PreparationError(f"{story.name}/{fitter.label}: {error}") from error
    except BaseException as error:
        # whatever a sampler raises, or a sys.exit, is kept in the journal under the fit
        seconds = (time.perf_counter() - start) / len(data)
        fits = [failed(why(error), seconds) for _ in data]
    return [
        each if each.error is None else failed(f"fit: {each.error}", each.seconds) for each in fits
    ]


def sampler_seed(seed: int, story: Story, fitter: Fitter, data: int | str) -> int:
    """Seed of the sampler for one data set, a simulation's number or a name, of a run's arm."""
    return digest(seed, "fit", arm_key(story, fitter), data) >> 193  # 63 of 256 bits


def why(error: BaseException) -> str:
    """The error's type and message in one line."""
    message = reason(error)
    if "read-only" in message:
        message += " (data and draws come read-only: change a copy of the array)"
    return message


def read_only(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Views that cannot be written to: fitters and stories share the arrays that are ranked."""
    views = {name: np.asarray(values).view() for name, values in arrays.items()}
    for view in views.values():
        view.flags.writeable = False
    return views


_preparing = threading.Lock()


def prepared(story: Story, fitter: Fitter) -> RefitMany:
    """The fitter compiled for a story, once in a process."""
    with _preparing:  # on a worker with several threads, compile once
        try:
            return _prepared(fitter.assumed(story), fitter)
        except (Exception, SystemExit) as error:
            raise PreparationError(f"{story.name}/{fitter.label}: {reason(error)}") from error


@cache
def _prepared(story: Story, fitter: Fitter) -> RefitMany:
    return fitter.prepare_many(story)
