"""What a worker process is sent, how it works through it, and how it says what it is at."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import pickle
import signal
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any

from hiercal.runs.batches import STAGES, Begin
from hiercal.runs.fit import prepared
from hiercal.runs.run import Arm, Recording
from hiercal.runs.user_files import Bundle, bundles_of, install

STATE = struct.Struct("dddd")
"""When a stage began, by the monotonic clock; which of `STAGES`; of which simulation, or -1; of how
many fits made at once."""
DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux."""


@lru_cache
def pickled(item: Arm | Recording) -> bytes:
    """An arm or a recording for a worker, with the user's files that its code comes from."""
    made_of = (item.story, item.fitter) if isinstance(item, Arm) else item.quantities
    return packed(item, *made_of)


def packed(item: Any, *made_of: Any) -> bytes:
    """Something for a worker, with the user's files that the classes of `made_of` come from."""
    import cloudpickle

    return pickle.dumps((bundles_of(*made_of), cloudpickle.dumps(item)))


def on_worker(function: Callable[..., Any], *args: Any, **others: Any) -> Any:
    """Call a function of an arm and more; what is bytes was `pickled`."""
    return function(*(_unpacked(arg) if isinstance(arg, bytes) else arg for arg in args), **others)


def of_arm(function: Callable[..., Any], arm: Arm, *args: Any, begin: Begin) -> Any:
    """Call a function that makes one fit of an arm."""
    prepared(arm.story, arm.fitter)
    begin("fit")
    return function(arm, *args)


def call(function: Callable[[], Any], *, begin: Begin) -> Any:
    """Call a function without arguments."""
    begin("work")
    return function()


@lru_cache(maxsize=128)
def _unpacked(item: bytes) -> Any:
    files: list[Bundle]
    files, pickled = pickle.loads(item)
    for bundle in files:
        install(bundle)
    return pickle.loads(pickled)


def serve(connection: int, state: int, parent: int) -> None:
    """Do one task after another, as they come in, until the parent has no more or is gone.

    Parameters
    ----------
    connection, state : int
        Descriptors of the socket that tasks come through, and of the file that says what is done.
    parent : int
        Process that this one belongs to.
    """
    _end_with(parent)
    for descriptor in (connection, state):
        os.set_inheritable(descriptor, False)
    tasks, shared = Connection(connection), mmap.mmap(state, STATE.size)

    def begin(stage: str, simulation: int = -1, fits: int = 1) -> None:
        STATE.pack_into(shared, 0, time.monotonic(), STAGES.index(stage), simulation, fits)

    tasks.send_bytes(b"")
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            task = tasks.recv_bytes()
            begin("compile")
            tasks.send_bytes(_answer(task, begin))


def _answer(task: bytes, begin: Begin) -> bytes:
    """What came of a task, pickled: whether it raised, and what it returned or raised."""
    try:
        function, args = pickle.loads(task)
        return pickle.dumps((False, on_worker(function, *args, begin=begin)))
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))
        try:
            answer = pickle.dumps((True, error))
            pickle.loads(answer)
        except Exception:
            # an error that cannot travel, as with one of a module that is not there
            answer = pickle.dumps((True, RuntimeError(f"{type(error).__name__}: {error}")))
        return answer


def _end_with(parent: int) -> None:
    """End when the parent does, be it in the middle of a fit."""
    if sys.platform == "linux":
        # the kernel does it even in compiled code that holds Python's lock
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
