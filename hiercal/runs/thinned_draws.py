"""What ``keep_draws`` keeps of a fit: the draws its truth is ranked among, truth and data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hiercal.fitters import Fit
from hiercal.sbc.ranks import thin
from hiercal.simulators import Simulation


@dataclass(frozen=True)
class Kept:
    """What is kept of one simulation and its fit, as bytes of `to_bytes`.

    Attributes
    ----------
    simulation : int
    truth, data : bytes
    draws : bytes or None
        Of each parameter, shape (max_rank, *dims); None of a failed fit.
    """

    simulation: int
    truth: bytes
    data: bytes
    draws: bytes | None


def kept(simulation: int, drawn: Simulation | Fit, fit: Fit, max_rank: int) -> Kept | None:
    """What is kept of a fit; nothing where the simulation failed."""
    if not isinstance(drawn, Simulation):
        return None
    draws = None
    if fit.error is None:
        flat = {name: values.reshape(-1, *values.shape[2:]) for name, values in fit.draws.items()}
        draws = to_bytes({name: v[thin(len(v), max_rank)] for name, v in flat.items()})
    return Kept(simulation, to_bytes(drawn.truth), to_bytes(drawn.data), draws)


def to_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays by name as bytes: a line that says what they are, and their numbers one by one."""
    each = {name: np.asarray(values) for name, values in arrays.items()}
    for name, values in each.items():
        if values.dtype.hasobject:
            raise ValueError(
                f"{name} holds Python objects, which cannot be kept; with keep_draws a simulation "
                "holds arrays of numbers or text"
            )
    header = [[name, values.dtype.str, values.shape] for name, values in each.items()]
    return b"\n".join([json.dumps(header).encode(), b"".join(v.tobytes() for v in each.values())])


def from_bytes(kept: bytes) -> dict[str, np.ndarray]:
    """The arrays, which cannot be written to.

    Examples
    --------
    >>> from_bytes(to_bytes({"tau": np.array(2.0), "y": np.array(["a", "b"])}))
    {'tau': array(2.), 'y': array(['a', 'b'], dtype='<U1')}
    """
    header, _, numbers = kept.partition(b"\n")
    arrays, start = {}, 0
    for name, dtype, shape in json.loads(header):
        count = math.prod(shape)
        arrays[name] = np.frombuffer(numbers, dtype, count, start).reshape(shape)
        start += count * arrays[name].itemsize
    return arrays
