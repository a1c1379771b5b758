"""Ctrl-C, SIGTERM and SIGHUP that are not lost, and that end a command in one line.

Python drops a KeyboardInterrupt that a signal raises inside a destructor, of which Dask runs many
in the driver's thread. So it is noted too, and looked for between batches.
"""

from __future__ import annotations

import os
import signal
import sys
import time

TWICE = 0.5
"""Seconds within which a second signal is the first one again, sent along by another process."""
AT_ONCE = (
    "hiercal: interrupted again, and ended at once; every fit so far is kept. The same command "
    "goes on from there.\n"
)

_asked = 0.0


def listen() -> None:
    """Take all three signals as a KeyboardInterrupt from now on.

    A batch system ends jobs by SIGTERM, a terminal that is closed by SIGHUP. One that is ignored,
    as under nohup, stays so. A second one ends the process at once: nothing that was journalled is
    lost by that.
    """
    global _asked
    _asked = 0.0
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def stop_if_asked() -> None:
    """Raise a KeyboardInterrupt if one was asked for."""
    if _asked:
        raise KeyboardInterrupt


def _interrupt(*_: object) -> None:
    global _asked
    if not _asked:
        _asked = time.monotonic()
        raise KeyboardInterrupt
    if time.monotonic() - _asked > TWICE:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, AT_ONCE.encode())
        os._exit(130)
