"""Ctrl-C and SIGTERM that are not lost.

Python drops a KeyboardInterrupt that a signal raises inside a destructor, of which Dask runs many
in the driver's thread. So it is noted too, and looked for between batches.
"""

from __future__ import annotations

import signal
import threading

_asked = threading.Event()


def listen() -> None:
    """Take both signals as a KeyboardInterrupt from now on: a batch system ends jobs by SIGTERM."""
    _asked.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def stop_if_asked() -> None:
    """Raise a KeyboardInterrupt if one was asked for."""
    if _asked.is_set():
        raise KeyboardInterrupt


def _interrupt(*_: object) -> None:
    _asked.set()
    raise KeyboardInterrupt
