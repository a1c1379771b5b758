"""What a local worker does before its first task; Dask imports this by name."""

import os
import signal

from distributed import Worker


def dask_setup(worker: Worker) -> None:
    """Leave Ctrl-C to the driver, which stops the workers itself; keep to one core if told to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.environ.get("HIERCAL_ONE_CORE_EACH") and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.name) % len(cores)]})
