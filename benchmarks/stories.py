"""Time per fit and compile time of every model of every story, with both libraries.

uv run benchmarks/stories.py [--story hospitals] [--fitter pymc] [--jobs 2]

500 + 500 draws, one chain, target 0.9. `fit_ms` is the median of the bare compiled sampler in a
plain loop. `hiercal_over_bare` is the time of the same fits, simulated, ranked and summarised as a
study does it, over that of the bare loop: the median over pairs of blocks of up to 16 fits, one of
each kind in turn, so that drift cancels. `steps` are leapfrog steps a draw kept. `cold_s` is
preparing and the first fit with an empty cache of compiled code, `warm_s` the same in a new process
with the cache that the former left; importing the libraries is given apart.

Times are those of the processor, which on an idle machine are the wall clock's. A process is kept
to one core; one that takes over 300 s of it, or an hour, is given up and shown so, with what it had
found. All stories take about 30 minutes on one idle core.
"""

import argparse
import contextlib
import importlib
import json
import os
import queue
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hiercal import catalogue, fitter, story
from hiercal.runs.batches import AT_ONCE, fit_batch
from hiercal.runs.fit import fit, prepared, sampler_seed, simulate
from hiercal.runs.run import Arm, Recording

OPTIONS = {"draws": 500, "tune": 500, "target_accept": 0.9}
FITTERS = {"numpyro": ("jax", "numpyro"), "pymc": ("pymc", "nutpie", "numba")}
"""Fitters, and what each imports, at the latest while it compiles."""
LIMIT, HUNG, BUDGET, BLOCK, PAIRS = 300, 3600, 6, 4, (2, 8)
"""Seconds for a process, on the clock, for its pairs, for a block; fewest and most pairs."""
FOUND = ["fit_ms", "hiercal_over_bare", "steps", "fits", "failed", "import_s", "cold_s", "warm_s"]
COLUMNS = ["story", "model", "fitter", *FOUND, "status"]


def seconds() -> float:
    """Processor time so far, with that of compilers called."""
    return sum(sum(resource.getrusage(whose)[:2]) for whose in (0, resource.RUSAGE_CHILDREN))


def measure(story_name: str, model: str, fitter_name: str, cache: str) -> Iterator[dict[str, Any]]:
    """Figures as they are found; with the cache warm, those of the fits too."""
    start = seconds()
    for package in FITTERS[fitter_name]:
        importlib.import_module(package)
    yield {"import_s": seconds() - start}
    one = story(story_name)
    sampler = fitter(fitter_name, model=model, **OPTIONS)
    arm, recording = Arm(one, sampler, story_name, model), Recording(seed=0)
    data = simulate(0, one, 0).data
    start = seconds()
    refit = prepared(one, sampler)
    fit(one, sampler, data, 0)
    yield {f"{cache}_s": seconds() - start}
    if cache == "cold":
        return
    start = seconds()
    fit_batch(arm, recording, [0])  # warms ranking too
    block = int(np.clip(BLOCK / (seconds() - start), 1, AT_ONCE))
    bare, ratios, records = [], [], []
    start = seconds()
    for pair in range(PAIRS[1]):
        if pair >= PAIRS[0] and pair % 2 == 0 and seconds() - start > BUDGET:
            break
        simulations = range(pair * block, (pair + 1) * block)
        drawn = [simulate(0, one, i).data for i in simulations]
        seeds = [sampler_seed(0, one, sampler, i) for i in simulations]
        ours, each = 0.0, []
        for kind in ("bare", "hiercal") if pair % 2 else ("hiercal", "bare"):
            begun = seconds()
            if kind == "hiercal":
                records += fit_batch(arm, recording, simulations).records
                ours = seconds() - begun
                continue
            for data, seed in zip(drawn, seeds, strict=True):
                with contextlib.suppress(Exception):  # failed in the record of the same fit
                    refit(data, seed)
                each.append(seconds() - begun - sum(each))
        bare += each
        ratios.append(ours / sum(each))
        completed = [record.n_steps for record in records if record.error is None]
        yield {
            "fit_ms": 1e3 * np.median(bare),
            "hiercal_over_bare": np.median(ratios),
            "steps": np.mean(completed) / OPTIONS["draws"] if completed else "",
            "fits": len(records),
            "failed": len(records) - len(completed),
        }


def row(key: tuple[str, str, str], cores: queue.SimpleQueue[int]) -> dict[str, Any]:
    """All figures of one model, from a process with an empty cache and one with its leavings."""
    found: dict[str, Any] = dict(zip(COLUMNS, key, strict=False)) | {"status": "ok"}
    core = cores.get()
    with tempfile.TemporaryDirectory() as folder:
        # as hiercal sets it where it comes before PyMC
        own = {"HIERCAL_CACHE": folder, "PYTENSOR_FLAGS": f"base_compiledir={folder}/pytensor"}
        env = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"} | own
        for cache in ("cold", "warm"):
            command = [sys.executable, __file__, "measure", str(core), *key, cache]
            try:
                done = subprocess.run(command, capture_output=True, timeout=HUNG, env=env)
                printed = done.stdout
                if done.returncode == -signal.SIGXCPU:
                    found["status"] = f"over {LIMIT} s ({cache})"
                elif done.returncode:
                    print(*key, cache, done.stderr.decode()[-500:], file=sys.stderr)
                    found["status"] = f"failed ({cache})"
            except subprocess.TimeoutExpired as expired:
                printed = expired.stdout or b""
                found["status"] = f"hung ({cache})"
            for line in filter(lambda line: line.startswith(b"{"), printed.splitlines()):
                found |= json.loads(line)
    cores.put(core)
    return {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--story", action="append", choices=catalogue.names("stories"))
    parser.add_argument("--fitter", action="append", choices=list(FITTERS))
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/stories.csv"))
    args = parser.parse_args()
    stories = args.story or catalogue.names("stories")
    models = [(name, model) for name in stories for model in catalogue.story_class(name).models]
    keys = [(*model, name) for model in models for name in args.fitter or FITTERS]
    affinity = sorted(getattr(os, "sched_getaffinity", lambda _: {0})(0))
    cores: queue.SimpleQueue[int] = queue.SimpleQueue()
    for job in range(args.jobs):
        cores.put(affinity[job % len(affinity)])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for found in pool.map(lambda key: row(key, cores), keys):
            rows.append(found)
            pd.DataFrame(rows, columns=COLUMNS).to_csv(args.out, index=False)
            print(*(found.get(name, "") for name in COLUMNS), file=sys.stderr, flush=True)
    print(pd.DataFrame(rows, columns=COLUMNS).to_string(index=False, na_rep=""))


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {int(sys.argv[2])})
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT + 1))
        for figures in measure(*sys.argv[3:]):
            print(json.dumps(figures), flush=True)
    else:
        main()
