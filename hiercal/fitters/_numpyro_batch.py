"""Many data sets in one compiled call of NumPyro's NUTS: one after another, or in lockstep."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hiercal.errors import PreparationError
from hiercal.words import reason

Sampled = tuple[dict[str, Any], dict[str, Any]]
"""Draws and statistics, by name."""
Sampler = Callable[[Any, Any], Sampled]
"""A function of a seed and data that JAX can compile."""
Data = Mapping[str, np.ndarray]
LANES = 8
"""A device has a multiple of as many fits in lockstep, so that its vector instructions cover all of
them: the fits that are left over would have other rounding errors, by their place."""


def batched(
    sample: Sampler, batch: int, vmap: bool | None
) -> Callable[[Sequence[Data], Sequence[int]], list[Sampled]]:
    """A function of up to `batch` data sets and as many seeds that samples all in one call.

    Parameters
    ----------
    sample : callable
        Samples for one data set.
    vmap : bool or None
        Whether all go in lockstep; by default they do where JAX has an accelerator.

    Raises
    ------
    PreparationError
        If data sets of a call differ in shape or type, or the model cannot be compiled for many.
    """
    in_lockstep = jax.default_backend() != "cpu" if vmap is None else vmap
    lanes = LANES * len(jax.devices())
    size = math.ceil(batch / lanes) * lanes if in_lockstep else batch
    many = jax.jit(_in_lockstep(sample) if in_lockstep else _in_turn(sample))

    @cache
    def compiled(layout: Layout) -> Callable[..., Sampled]:
        data = {
            name: jax.ShapeDtypeStruct((size, *shape), dtype) for name, (dtype, shape) in layout
        }
        try:
            return many.lower(jax.ShapeDtypeStruct((size,), np.uint64), data, size).compile()
        except Exception as error:
            # whatever JAX says of a model that can be compiled for one data set alone
            instead = "give vmap = false, or leave batch out" if in_lockstep else "leave batch out"
            raise PreparationError(
                f"batch = {batch}: the model cannot be compiled for many data sets "
                f"({reason(error)}); {instead}"
            ) from error

    def run(data: Sequence[Data], seeds: Sequence[int]) -> list[Sampled]:
        layouts = list(dict.fromkeys(map(_layout, data)))
        if len(layouts) > 1:
            one, other = (", ".join(f"{n} {dtype}{list(shape)}" for n, (dtype, shape) in each)
                          for each in layouts[:2])  # fmt: skip
            raise PreparationError(
                f"batch = {batch}: data sets that are fitted at once have one shape and type; got "
                f"{one} and {other}; leave batch out"
            )
        # a short batch is filled up with its first data set
        rows = [*range(len(data)), *[0] * (size - len(data))]
        stacked = {name: np.stack([data[i][name] for i in rows]) for name in data[0]}
        of_rows = np.array([seeds[i] for i in rows], np.uint64)
        sampled = jax.device_get(compiled(layouts[0])(of_rows, stacked, len(data)))
        return [jax.tree.map(lambda values, i=i: values[i], sampled) for i in range(len(data))]

    return run


Layout = tuple[tuple[str, tuple[str, tuple[int, ...]]], ...]


def _layout(data: Data) -> Layout:
    """Type and shape of each array."""
    return tuple((name, (str(np.asarray(v).dtype), np.shape(v))) for name, v in data.items())


def _in_lockstep(sample: Sampler) -> Callable[[Any, Any, Any], Sampled]:
    """All at once, a part on each device; there, each draw waits for the longest trajectory."""
    many = jax.vmap(sample)
    devices = jax.devices()
    if len(devices) > 1:
        mesh = jax.sharding.Mesh(devices, ("fits",))
        parts = jax.sharding.PartitionSpec("fits")
        many = jax.shard_map(many, mesh=mesh, in_specs=parts, out_specs=parts, check_vma=False)
    return lambda seeds, data, n: many(seeds, data)


def _in_turn(sample: Sampler) -> Callable[[Any, Any, Any], Sampled]:
    """The first `n` one after another; what is filled up takes no time."""

    def many(seeds: Any, data: Any, n: Any) -> Sampled:
        def one(i: Any) -> Sampled:
            return sample(seeds[i], jax.tree.map(lambda values: values[i], data))

        def place(i: Any, filled: Sampled) -> Sampled:
            return jax.tree.map(lambda whole, part: whole.at[i].set(part), filled, one(i))

        empty = jax.tree.map(
            lambda like: jnp.zeros((len(seeds), *like.shape), like.dtype), jax.eval_shape(one, 0)
        )
        return jax.lax.fori_loop(0, n, place, empty)

    return many
