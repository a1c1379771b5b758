"""How near 1, 2, 4 and 8 workers come to 200 fits a second each, with fits that sleep for 5 ms.

    uv run benchmarks/scaling.py

Sleeping needs no core, so that two cores serve eight workers. Workers are those of this machine,
``Where(workers=8)``, or a Dask cluster of single-threaded ones. They are started beforehand, and
fits are counted from the first task to the last fit in the journal.

Beside them, in the same run: as many plain processes, each of which simulates, fits and records its
share in a loop and hands nothing over (the ceiling); and ``client.map`` of dask.distributed, a task
for each sleep, which is neither recorded nor kept. Efficiency is fits a second over workers / 5 ms.
Writes results/benchmarks/scaling.csv.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from hiercal import Run, Where, fitter, story
from hiercal.runs.batches import fit_batch
from hiercal.runs.engine import outcomes
from hiercal.runs.executors import Executor
from hiercal.runs.journal import Journal
from hiercal.runs.plan import Plan
from hiercal.runs.record import ranked

HERE = Path(__file__).parent
OUT = HERE.parent / "results" / "benchmarks" / "scaling.csv"
SECONDS = 0.005
ASKED = 0.9


def design(fits: int) -> Run:
    stories = [story(f"{HERE / 'sleepers.py'}:Noise")]
    fitters = [fitter(f"{HERE / 'sleepers.py'}:Sleeper", seconds=SECONDS)]
    return Run(stories=stories, fitters=fitters, simulations=fits, name="scaling")


def journalled(executor: Executor, fits: int) -> float:
    """Fits a second of a run."""
    run = design(fits)
    with (
        tempfile.TemporaryDirectory() as folder,
        Journal(Path(folder) / "journal.sqlite") as journal,
    ):
        journal.claim(run.digest, run.describe(), ranked(run.arms, run.recording))
        start = time.perf_counter()
        for outcome in outcomes(run, Plan([list(range(fits))]), executor):
            journal.add(0, outcome.fitted.records, run.arms[0].story_label, outcome.fitted.kept)
        return fits / (time.perf_counter() - start)


def on_workers(where: Where, workers: int, seconds: float) -> float:
    """Fits a second of workers that have all fitted before."""
    with where.executor(print) as executor:
        journalled(executor, 400 * workers)
        return journalled(executor, round(seconds * workers / SECONDS))


def on_dask(workers: int, seconds: float) -> tuple[float, float]:
    """Fits a second on a Dask cluster, and sleeps a second by ``client.map`` there."""
    from distributed import Client, LocalCluster, wait

    options = {"threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(n_workers=workers, **options) as cluster, Client(cluster) as client:
        fits = on_workers(Where(scheduler=cluster.scheduler_address), workers, seconds)
        sleeps = [SECONDS] * round(seconds * workers / SECONDS)
        start = time.perf_counter()
        wait(client.map(time.sleep, sleeps, pure=False))
        return fits, len(sleeps) / (time.perf_counter() - start)


def plain(workers: int, seconds: float) -> float:
    """Fits a second of processes without an engine."""
    command = [sys.executable, __file__, "--plain", str(round(seconds / SECONDS))]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    each = [subprocess.Popen(command, **pipes) for _ in range(workers)]
    for process in each:
        process.stdout.readline()
    for process in each:
        process.stdin.write("\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in each)


def loop(fits: int) -> None:
    """One plain process: tell when it is ready, wait for the word, print fits a second."""
    run = design(fits)
    (arm,) = run.arms
    fit_batch(arm, run.recording, range(400))
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    fit_batch(arm, run.recording, range(fits))
    print(fits / (time.perf_counter() - start))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of sleep for each worker")
    parser.add_argument("--plain", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.plain:
        loop(given.plain)
        return
    rows = []

    def note(how: str, workers: int, rate: float) -> None:
        rows.append((how, workers, round(rate * SECONDS / workers, 3)))
        print(f"{how}, {workers} workers: {100 * rows[-1][2]:.0f} %", flush=True)

    measures: dict[str, Callable[[int], float]] = {
        "plain processes": lambda n: plain(n, given.seconds),
        "local workers": lambda n: on_workers(Where(n), n, given.seconds),
    }
    for n in (1, 2, 4, 8):
        for how, measure in measures.items():
            note(how, n, measure(n))
        fits, sleeps = on_dask(n, given.seconds)
        note("Dask cluster", n, fits)
        note("client.map", n, sleeps)
    print(f"asked for: {100 * ASKED:.0f} % with 8 workers")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=["how", "workers", "efficiency"]).to_csv(OUT, index=False)


if __name__ == "__main__":
    main()
