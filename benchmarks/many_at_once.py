"""Many data sets in a call, in turn (`lax.fori_loop`) or in lockstep (`vmap`), against one a call.

    uv run benchmarks/many_at_once.py [story ...]
    uv run benchmarks/many_at_once.py --accelerator 10000

The first prints, for each story (Eight Schools and hospitals by default), its non-centred model and
batches of 10, 100 and 1,000 data sets on one processor core: fits a second over those of a call a
data set, by processor time, the median of rounds in which the ways take turns, with the lowest and
the highest; whether a fit is the same to the bit; and how many leapfrog steps a draw takes when all
wait for the longest trajectory, over the steps that it needs. The second fits so many data sets in
lockstep on an accelerator, and measures against one after another on a core of the processor.

JAX finds an accelerator if its own wheels for it are installed (``uv pip install "jax[cuda13]"``),
which are no dependency of hiercal.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hiercal import Fit, fitter, simulate, story
from hiercal.runs.fit import fit_many

OPTIONS: dict[str, Any] = {"draws": 500, "tune": 500}
SIZES = (10, 100, 1000)
ROUNDS, AT_LEAST = 5, 40
"""Rounds, and fits that each way makes in one."""
LOCKSTEP_ROUNDS = 2
"""Rounds of lockstep, in which a batch of 1,000 takes longest."""


def data_of(name: str, n: int) -> tuple[Any, list[Any]]:
    one = story(name)
    return one, [simulate(0, one, i).data for i in range(n)]


def way(name: str, data: Sequence[Any], **options: Any) -> Callable[[int], list[Fit]]:
    """A function that fits the first so many data sets, call after call."""
    one, nuts = story(name), fitter("numpyro", **OPTIONS, **options)

    def fitted(n: int) -> list[Fit]:
        each = nuts.at_once
        calls = [range(start, min(start + each, n)) for start in range(0, n, each)]
        return [fit for ids in calls for fit in fit_many(one, nuts, [data[i] for i in ids], ids)]

    return fitted


def same(one: Fit, other: Fit) -> bool:
    return all(np.array_equal(one.draws[name], other.draws[name]) for name in one.draws)


def cpu(name: str) -> None:
    _, data = data_of(name, max(SIZES))
    singly = way(name, data)
    reference = singly(AT_LEAST)
    steps = np.stack([fit.stats["n_steps"][0] for fit in reference])
    waits = steps.max(axis=0).mean() / steps.mean()
    print(
        f"{name}: in lockstep, {AT_LEAST} fits take {waits:.1f} times the leapfrog steps that they "
        "need, tuning aside",
        flush=True,
    )
    for size in SIZES:
        for how, vmap in (("in turn", False), ("in lockstep", True)):
            many = way(name, data, batch=size, vmap=vmap)
            start = time.perf_counter()
            first = many(min(size, AT_LEAST))
            compiling = time.perf_counter() - start
            equal = sum(same(*pair) for pair in zip(first, reference, strict=False))
            ratios = []
            n = max(size, AT_LEAST) if vmap else AT_LEAST
            for _ in range(LOCKSTEP_ROUNDS if vmap else ROUNDS):
                before = time.process_time()
                singly(AT_LEAST)
                between = time.process_time()
                many(n)
                after = time.process_time()
                ratios.append((between - before) / AT_LEAST / ((after - between) / n))
            print(
                f"  {size:5d} {how}: {np.median(ratios):.2f} ({min(ratios):.2f} to "
                f"{max(ratios):.2f}) times the fits a second of a call a data set; {equal} of "
                f"{len(first)} the same to the bit; first call {compiling:.0f} s",
                flush=True,
            )


def fits_a_second(name: str, n: int, batch: int, vmap: bool) -> float:
    _, data = data_of(name, n)
    many = way(name, data, batch=batch, vmap=vmap)
    many(min(n, batch))
    start = time.perf_counter()
    many(n)
    return n / (time.perf_counter() - start)


def accelerator(names: Sequence[str], n: int) -> None:
    import jax

    if jax.default_backend() == "cpu":
        print("no accelerator: skipped")
        return
    for name in names:
        there = fits_a_second(name, n, n, vmap=True)
        command = [sys.executable, __file__, "--core", name]
        told = subprocess.run(
            command, env=os.environ | {"JAX_PLATFORMS": "cpu"}, check=True, capture_output=True
        )
        here = float(told.stdout)
        print(
            f"{name}: {n} at once on {jax.devices()[0].device_kind}: {there:.0f} fits a second, "
            f"{there / here:.1f} times those of a core of the processor ({here:.0f})",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("stories", nargs="*", default=["eight_schools", "hospitals"])
    parser.add_argument("--accelerator", type=int, metavar="N")
    parser.add_argument("--core", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.accelerator:
        accelerator(given.stories, given.accelerator)
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if given.core:
        print(fits_a_second(*given.stories, 200, 100, vmap=False))
        return
    for name in given.stories:
        cpu(name)


if __name__ == "__main__":
    main()
