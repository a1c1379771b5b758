"""How near 1, 2, 4 and 8 workers come to 200 fits a second each, with fits that sleep for 5 ms.

    uv run benchmarks/scaling.py [--sleep 0.05] [--seconds 20]

Sleeping needs no core, so that two cores serve eight workers. Workers are those of this machine,
``Where(workers=8)``, or a Dask cluster of single-threaded ones. They are started beforehand, and
fits are counted from the first task to the last fit in the journal.

Beside them, in the same run: as many plain processes, each of which simulates, fits and records its
share in a loop and hands nothing over (the ceiling); and ``client.map`` of dask.distributed, a task
for each sleep, which is neither recorded nor kept. Efficiency is fits a second over workers / 5 ms.
Simulating and recording a fit takes a core about a millisecond, which is what keeps plain processes
from 100 %, and more so where other programs run: fits of 50 ms tell how the workers are kept busy.
Writes results/benchmarks/scaling.csv.
"""

import argparse
import subprocess
import sys
import tempfile
import time
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
ASKED = 0.9


def design(fits: int, sleep: float) -> Run:
    stories = [story(f"{HERE / 'sleepers.py'}:Noise")]
    fitters = [fitter(f"{HERE / 'sleepers.py'}:Sleeper", seconds=sleep)]
    return Run(stories=stories, fitters=fitters, simulations=fits, name="scaling")


def journalled(executor: Executor, fits: int, sleep: float) -> float:
    """Fits a second of a run."""
    run = design(fits, sleep)
    with (
        tempfile.TemporaryDirectory() as folder,
        Journal(Path(folder) / "journal.sqlite") as journal,
    ):
        journal.claim(run.digest, run.describe(), ranked(run.arms, run.recording))
        start = time.perf_counter()
        for outcome in outcomes(run, Plan([list(range(fits))]), executor):
            journal.add(0, outcome.fitted.records, run.arms[0].story_label, outcome.fitted.kept)
        return fits / (time.perf_counter() - start)


def on_workers(where: Where, workers: int, fits: int, sleep: float) -> float:
    """Fits a second of workers that have all fitted before."""
    with where.executor(print) as executor:
        journalled(executor, max(round(workers / sleep), 101), sleep)
        return journalled(executor, fits, sleep)


def on_dask(workers: int, fits: int, sleep: float) -> tuple[float, float]:
    """Fits a second on a Dask cluster, and sleeps a second by ``client.map`` there."""
    from distributed import Client, LocalCluster, wait

    options = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": "CRITICAL"}
    with LocalCluster(n_workers=workers, **options) as cluster, Client(cluster) as client:
        where = Where(scheduler=cluster.scheduler_address)
        rate = on_workers(where, workers, fits, sleep)
        start = time.perf_counter()
        wait(client.map(time.sleep, [sleep] * fits, pure=False))
        return rate, fits / (time.perf_counter() - start)


def plain(workers: int, fits: int, sleep: float) -> float:
    """Fits a second of processes without an engine."""
    share = str(fits // workers)
    command = [sys.executable, __file__, "--plain", share, "--sleep", str(sleep)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    each = [subprocess.Popen(command, **pipes) for _ in range(workers)]
    for process in each:
        process.stdout.readline()
    for process in each:
        process.stdin.write("\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in each)


def loop(fits: int, sleep: float) -> None:
    """One plain process: tell when it is ready, wait for the word, print fits a second."""
    run = design(fits, sleep)
    (arm,) = run.arms
    fit_batch(arm, run.recording, range(round(1 / sleep)))
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    fit_batch(arm, run.recording, range(fits))
    print(fits / (time.perf_counter() - start))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sleep", type=float, default=0.005, help="seconds of a fit")
    parser.add_argument("--seconds", type=float, default=20.0, help="of sleep for each worker")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--plain", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    sleep = given.sleep
    if given.plain:
        loop(given.plain, sleep)
        return
    rows = []

    def note(how: str, workers: int, rate: float) -> None:
        rows.append((1000 * sleep, how, workers, round(rate * sleep / workers, 3)))
        print(f"{how}, {workers} workers: {100 * rate * sleep / workers:.0f} %", flush=True)

    for n in given.workers:
        fits = round(given.seconds * n / sleep)
        note("plain processes", n, plain(n, fits, sleep))
        note("local workers", n, on_workers(Where(n), n, fits, sleep))
        rate, sleeps = on_dask(n, fits, sleep)
        note("Dask cluster", n, rate)
        note("client.map", n, sleeps)
    print(f"asked for: {100 * ASKED:.0f} % with 8 workers")
    table = pd.DataFrame(rows, columns=["ms", "how", "workers", "efficiency"])
    kept = pd.read_csv(OUT) if OUT.exists() else table[:0]
    OUT.parent.mkdir(parents=True, exist_ok=True)
    pd.concat([kept[kept["ms"] != 1000 * sleep], table]).to_csv(OUT, index=False)


if __name__ == "__main__":
    main()
