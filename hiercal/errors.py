"""What can go wrong; each message names what was got, what was expected, and what to do."""

from __future__ import annotations


class UnknownName(ValueError):
    """A name that the catalogue does not hold; the message says what is close."""


class ConfigError(ValueError):
    """A configuration that cannot be run; the message names each key that is wrong."""


class ModelRefused(ValueError):
    """A user's model that cannot be checked as it is; the message names variable and remedy."""


class DrawsRefused(ValueError):
    """Draws made elsewhere that cannot be ranked; the message says what they should be."""


class JournalError(Exception):
    """The journal of a run cannot be used; the message says why and what to do."""


class RunError(Exception):
    """A run could not be completed; what was computed is in its journal."""


class PreparationError(Exception):
    """A fitter could not be compiled for a story: no data set of the arm can be fitted."""


class WorkerDied(Exception):
    """A fit ended the process it ran in, each time it was tried."""


class TimeLimit(WorkerDied):
    """A fit was not back within its time limit, and the process it ran in was ended."""


class MemoryLimit(WorkerDied):
    """A fit held more memory than a worker may, and the process it ran in was ended."""


class NotMeasured(KeyError):
    """The tables lack what a claim is about, as with options that leave it out."""

    def __str__(self) -> str:
        return str(self.args[0])
