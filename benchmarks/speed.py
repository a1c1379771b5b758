"""Time per fit against simuk, and against the bare compiled sampler on one core and on two.

uv run --group benchmark benchmarks/speed.py

Non-centred Eight Schools, 500 + 500 draws, one chain, target 0.9. hiercal's time per fit,
journalled and ranked, is that between the first tenth of a run on two workers and its end, so that
starting workers and compiling, done once a run, are left out; they are printed apart. All figures
are ratios within this run. Linux only.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np

from hiercal import Run, Where, fitter, simulate, story
from hiercal.runs.engine import fitted
from hiercal.runs.journal import Journal

OPTIONS = {"model": "noncentred", "draws": 500, "tune": 500, "target_accept": 0.9}
FITS, BARE, SIMUK, ROUNDS, AT_MOST = 4000, 1000, 12, 3, 0.57
NUTS = {"pymc": 200, "numpyro": 300}
"""Fitters, and how many times faster than simuk each must be."""


def harness(name: str) -> tuple[float, float]:
    """Seconds per fit on two workers, and seconds until both were under way."""
    arrivals: list[tuple[float, int]] = []
    add = Journal.add

    def timed(journal: Journal, arm: int, records: list, *others: object) -> None:
        add(journal, arm, records, *others)
        arrivals.append((time.perf_counter(), len(records)))

    design = Run(
        stories=(story("eight_schools"),), fitters=(fitter(name, **OPTIONS),), simulations=FITS
    )
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as out, mock.patch.object(Journal, "add", timed):
        fitted(design, Path(out), where=Where(2), progress=False)
    times = np.array([when for when, _ in arrivals])
    done = np.cumsum([n for _, n in arrivals])
    warm = int(np.searchsorted(done, FITS // 10))
    return (times[-1] - times[warm]) / (done[-1] - done[warm]), times[warm] - start


def bare(name: str, *cores: int) -> float:
    """Seconds per fit of the compiled sampler in plain loops, one on each core at once."""
    loops = [
        subprocess.Popen(
            [sys.executable, __file__, "bare", name, str(core)], stdout=subprocess.PIPE, text=True
        )
        for core in cores
    ]
    seconds = [float(loop.communicate()[0]) for loop in loops]
    return sum(seconds) / len(cores) ** 2


def bare_loop(name: str) -> float:
    one = story("eight_schools")
    refit = fitter(name, **OPTIONS).prepare(one)
    data = [simulate(0, one, i).data for i in range(BARE)]
    refit(data[0], 0)
    start = time.perf_counter()
    for i, each in enumerate(data):
        refit(each, i)
    return (time.perf_counter() - start) / BARE


def simuk_seconds(name: str) -> float:
    """Seconds per simulation of simuk with the same model and sampler settings."""
    import simuk

    one = story("eight_schools")
    y = np.zeros(8)
    kwargs = {"draws": 500, "tune": 500, "chains": 1, "cores": 1, "target_accept": 0.9}
    if name == "pymc":
        model = one.pymc_model({"y": y}, "noncentred")
        sbc = simuk.SBC(
            model, num_simulations=SIMUK, sample_kwargs=kwargs, seed=1, progress_bar=False
        )
    else:
        import numpyro
        from numpyro.infer import NUTS as Kernel

        numpyro.enable_x64()
        kernel = Kernel(one.numpyro_model("noncentred"), target_accept_prob=0.9)
        sbc = simuk.SBC(
            kernel,
            num_simulations=SIMUK,
            sample_kwargs={"num_warmup": 500, "num_samples": 500, "num_chains": 1},
            seed=1,
            data_dir={"y": y},
            progress_bar=False,
        )
    start = time.perf_counter()
    sbc.run_simulations()
    return (time.perf_counter() - start) / SIMUK


def main() -> None:
    one, other = sorted(os.sched_getaffinity(0))[:2]
    for name, faster in NUTS.items():
        peer, rounds = simuk_seconds(name), []
        for _ in range(ROUNDS):
            # before and after, since the machine may change its speed
            alone, side_by_side = bare(name, one), bare(name, one, other)
            ours, before = harness(name)
            alone, side_by_side = alone + bare(name, other), side_by_side + bare(name, one, other)
            rounds.append((peer / ours, 2 * ours / alone, 2 * ours / side_by_side))
            print(
                f"{name}: {peer / ours:.0f} times as fast as simuk; time per fit "
                f"{rounds[-1][1]:.2f} of the bare sampler's on one core, {rounds[-1][2]:.2f} of "
                f"that of two, one on each\n  hiercal {ours * 1e3:.1f} ms, bare "
                f"{alone / 2 * 1e3:.1f} ms, two {side_by_side / 2 * 1e3:.1f} ms, simuk "
                f"{peer * 1e3:.0f} ms; first tenth, with imports and compiling, {before:.0f} s",
                flush=True,
            )
        faster_by, of_one, of_two = np.median(rounds, axis=0)
        print(
            f"{name}, medians: {faster_by:.0f} times as fast as simuk (asked for: {faster}); "
            f"{of_one:.2f} of one bare sampler (at most {AT_MOST}, ideal 0.5), {of_two:.2f} of two",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        os.sched_setaffinity(0, {int(sys.argv[3])})
        print(bare_loop(sys.argv[2]))
    else:
        main()
