"""What runs on a Dask worker: its set-up, and arms that travel with their user's files."""

from __future__ import annotations

import atexit
import os
import pickle
import signal
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hiercal.runs.run import Arm, Recording
from hiercal.runs.user_files import Bundle, bundles_of, install

if TYPE_CHECKING:
    from distributed import Worker


def dask_setup(worker: Worker) -> None:
    """Leave Ctrl-C to the driver, which stops the workers itself; keep to one core if told to.

    Dask calls it by name in a worker that preloads this module.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit.register(os._exit, 0)  # taking JAX and PyTensor apart takes a second or more
    if os.environ.get("HIERCAL_ONE_CORE_EACH") and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.name) % len(cores)]})


@lru_cache
def pickled(item: Arm | Recording) -> bytes:
    """An arm or a recording for a worker, with the user's files that its code comes from."""
    made_of = (item.story, item.fitter) if isinstance(item, Arm) else item.quantities
    return packed(item, *made_of)


def packed(item: Any, *made_of: Any) -> bytes:
    """Something for a worker, with the user's files that the classes of `made_of` come from."""
    import cloudpickle

    return pickle.dumps((bundles_of(*made_of), cloudpickle.dumps(item)))


def on_worker(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of an arm and more; what is bytes was `pickled`."""
    return function(*(_unpacked(arg) if isinstance(arg, bytes) else arg for arg in args))


def call(function: bytes) -> Any:
    """Call a function without arguments."""
    return _unpacked(function)()


@lru_cache(maxsize=128)
def _unpacked(item: bytes) -> Any:
    files: list[Bundle]
    files, pickled = pickle.loads(item)
    for bundle in files:
        install(bundle)
    return pickle.loads(pickled)
