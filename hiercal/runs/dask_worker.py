"""What a thread of a Dask worker does with a task: the fits are in a process that it watches."""

from __future__ import annotations

import math
import pickle
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from hiercal.errors import PreparationError, RunError, WorkerDied
from hiercal.runs import identity
from hiercal.runs.supervisor import SentBack, Worker, take, taken
from hiercal.words import reason

REMEDY = "install there what is here, and start it again"


class Refused(SentBack):
    """A worker that must not be used, and why."""

    def __init__(self, worker: str, why: str) -> None:
        super().__init__(worker, why)
        self.worker, self.why = worker, why


def admitted(
    made_by: bytes, run: str, function: Callable[..., Any], *args: Any, **others: Any
) -> Any:
    """Call a function of `hiercal.runs.supervisor`, if what computes here is what the driver has.

    Parameters
    ----------
    made_by : bytes
        The pickled `identity.Identity` of what is installed where the driver is.
    run : str
        Another for each run, so that each looks anew.

    Raises
    ------
    Refused
        If code or packages here are others, or no process for fits can be started.
    RunError
        If the function raises what it should not.
    """
    from distributed import get_worker

    worker = get_worker().address
    if lines := _differences(made_by, run):
        raise Refused(worker, f"{', '.join(lines)}; {REMEDY}")
    _take_worker()
    try:
        return function(*args, **others)
    except (PreparationError, SentBack, WorkerDied):
        raise
    except RunError as error:
        raise Refused(worker, str(error)) from None
    except Exception as error:
        raise RunError(f"the Dask worker {worker} raised {reason(error)}") from error


_seen: dict[str, str] = {}
_edition = 0
_looking = threading.Lock()


@lru_cache(maxsize=128)
def _differences(made_by: bytes, run: str) -> list[str]:
    """What is other here than where the driver is."""
    global _edition
    there = pickle.loads(made_by)
    with _looking:
        here = identity.installed_here(there)
        found = here["code"] | here["packages"]
        # what has been upgraded since an earlier run is not what the processes of that run hold
        _edition += any(_seen.get(name, is_now) != is_now for name, is_now in found.items())
        _seen.update(found)
    return identity.differing(there, here)


def _take_worker() -> None:
    """Give the thread a process of its own, a new one if what computes has changed since."""
    mine = taken()
    if isinstance(mine, _Own) and mine.edition == _edition:
        return
    if mine is not None:
        mine.end()
    take(_Own(_edition))


class _Own(Worker):
    """The worker of a thread, and the edition of code and packages that it has imported."""

    def __init__(self, edition: int) -> None:
        super().__init__(memory=_memory(), wanted=_wanted)
        self.edition = edition


def _memory() -> float:
    """Bytes that the fits of a thread may hold: a share of the Dask worker's `--memory-limit`.

    Dask looks at its own process alone, in which no fit is.
    """
    from distributed import get_worker

    worker = get_worker()
    return (worker.memory_manager.memory_limit or math.inf) / worker.state.nthreads


def _wanted() -> bool:
    """Whether the task of this thread is still waited for: not if its run was cancelled."""
    from distributed import get_worker

    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    return task is not None and task.state != "cancelled"
