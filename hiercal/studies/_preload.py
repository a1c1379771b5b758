"""What a local worker does before its first task; Dask imports this by name."""

import signal


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C to the driver, which stops the workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
