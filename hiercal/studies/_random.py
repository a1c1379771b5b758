"""Random streams that depend only on what they are for."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *key: str | int) -> np.random.Generator:
    """A generator that is a pure function of the study's seed and of what it is used for.

    Batches, workers, restarts and the number of simulations do not enter, so they cannot change
    a result.

    Parameters
    ----------
    seed : int
        The study's seed.
    key : str or int
        What the numbers are for, such as ``"simulate", story, 12``.
    """
    digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest, dtype="<u4").tolist()])
