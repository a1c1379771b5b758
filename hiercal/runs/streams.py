"""Random streams that depend only on what they are for."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *key: str | int) -> np.random.Generator:
    """A generator that is a pure function of the run's seed and of what it is used for.

    Batches, workers, restarts and the number of simulations do not enter, so they cannot change
    a result.

    Parameters
    ----------
    seed : int
        The run's seed.
    key : str or int
        What the numbers are for, such as ``"simulate", story, 12``.
    """
    return np.random.default_rng(digest(seed, *key))


def digest(seed: int, *key: str | int) -> int:
    """A number of 256 bits that is a pure function of the seed and the key."""
    text = "\x1f".join(map(str, (seed, *key)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest())
