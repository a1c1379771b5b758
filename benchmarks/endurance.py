"""A run of 100,000 simulations: memory, fits a second from beginning to end, and a kill.

uv run benchmarks/endurance.py
uv run benchmarks/endurance.py --simulations 20000 --case planted

`exact` is Eight Schools with 100 draws of its exact posterior, `planted` a story and a fitter whose
ranks are known, without sampling. Each is run with 1,000 and with 100,000 simulations on two
workers, fits and export, then once more with the driver killed halfway and the run resumed. Other
work on the machine makes fits slower, a processor second of them too. So they are also counted by
work: processor time over that which a fixed calculation takes at that moment. Linux only.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

import hiercal
from hiercal import Run, Where, fitter, story
from hiercal.plots import save
from hiercal.plots.sweep import sweep
from hiercal.runs import engine
from hiercal.runs.journal import Journal
from hiercal.runs.manifest import JOURNAL
from hiercal.runs.progress import Silent, Tally

ROOT = Path(__file__).parents[1]
MOCKS, FOLDER = ROOT / "tests/mocks.py", ROOT / "results/benchmarks"
CASES = {
    "exact": (story("eight_schools"), fitter("exact", draws=100)),
    "planted": (story(f"{MOCKS}:Flat"), fitter(f"{MOCKS}:Known", draws=99)),
}
FEW, EVERY, POINTS = 1_000, 0.25, 40
"""Simulations to compare with; seconds between samples; points of a curve."""
PANELS = {"speed_ratio": "Fits for the same work", "memory_ratio": "Driver's memory"}
COLUMNS = ["seconds", "fits", "processor", "fixed", "driver", "workers"]
"""Of a sample: time, fits so far, processor seconds of all processes and of `fixed`, and MiB."""


def fixed() -> float:
    """Processor seconds that a calculation takes which is always the same."""
    start = time.thread_time()
    values = np.arange(100.0)
    for _ in range(500):
        values = np.sort(values[::-1]) + 1
    return time.thread_time() - start


class Meter(Silent):
    """Samples the driver, which is this process, and its workers into a file until it ends."""

    def __init__(self, log: Path) -> None:
        self._done: dict[int, int] = {}
        self._log, self._start = log, time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def start(self, labels: Sequence[str], tallies: Sequence[Tally], total: int) -> None:
        self._done = {arm: tally.done for arm, tally in enumerate(tallies)}

    def update(self, arm: int, tally: Tally) -> None:
        self._done[arm] = tally.done

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        driver = psutil.Process()
        with self._log.open("w") as file:
            while not self._over.wait(EVERY):
                processor, of_workers = sum(driver.cpu_times()[:2]), 0
                for worker in driver.children(recursive=True):
                    try:
                        processor += sum(worker.cpu_times()[:2])
                        of_workers += worker.memory_info().rss
                    except psutil.Error:
                        continue  # it has ended
                fits, mib = sum(self._done.values()), 2**20
                row = (time.monotonic() - self._start, fits, processor, fixed())
                memory = (driver.memory_info().rss / mib, of_workers / mib)
                print(*row, *memory, sep=",", file=file, flush=True)


def measure(case: str, simulations: int, out: str, log: str) -> None:
    """Fit and export a run in this process; print its peak memory in MiB."""
    of_story, of_fitter = CASES[case]
    design = Run(stories=(of_story,), fitters=(of_fitter,), simulations=simulations, name=case)
    meter = Meter(Path(log))
    engine.reporter = lambda _: meter  # ty: ignore[invalid-assignment]
    try:
        hiercal.run(design, out, where=Where(2))
    finally:
        meter.end()
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def started(case: str, simulations: int, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--measure", case, str(simulations), str(out)]
    environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # as the command has it
    return subprocess.Popen(
        [*command, f"{out}.csv"], stdout=subprocess.PIPE, text=True, env=environment
    )


def whole(case: str, simulations: int, out: Path) -> tuple[float, pd.DataFrame]:
    """Peak memory in MiB and samples of a run."""
    process = started(case, simulations, out)
    peak, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{case} with {simulations} simulations ended with {process.returncode}")
    return float(peak), samples(out)


def samples(out: Path) -> pd.DataFrame:
    path = Path(f"{out}.csv")
    lines = path.read_text().splitlines() if path.exists() else []
    each = [[float(value) for value in line.split(",")] for line in lines]
    taken = pd.DataFrame([row for row in each if len(row) == len(COLUMNS)], columns=COLUMNS)
    processor = taken["processor"].cummax()  # the seconds of a worker are gone when it ends
    at_the_time = taken["fixed"].rolling(41, center=True, min_periods=1).mean()
    return taken.assign(processor=processor, work=(processor.diff() / at_the_time).cumsum())


def kill_halfway(case: str, simulations: int, out: Path) -> int:
    """Kill a run's driver once half of the fits are there; how many were."""
    process = started(case, simulations, out)
    while process.poll() is None:
        time.sleep(EVERY)
        fits = samples(out)["fits"].max()
        if fits >= simulations / 2:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return int(fits)
    raise SystemExit(f"{case} ended before it could be killed")


def different(a: Path, b: Path) -> list[str]:
    """Files of a run's folder that are not the same to the bit; of fits, the seconds may differ."""
    written = [path.relative_to(a) for path in sorted(a.rglob("*")) if path.is_file()]
    names = [
        name
        for name in written
        if name.suffix in (".csv", ".png")
        or name.name == "records.parquet"
        or "sbc.zarr" in name.parts
    ]
    off = [str(name) for name in names if (a / name).read_bytes() != (b / name).read_bytes()]
    fits = [pd.read_parquet(each / "fits.parquet").drop(columns="seconds") for each in (a, b)]
    return off if fits[0].equals(fits[1]) else [*off, "fits.parquet"]


def speed(taken: pd.DataFrame, simulations: int, by: str, tenth: int) -> float:
    """Fits a second in a tenth of the fits, from 1 to 10; `by` is which seconds."""
    fitting = taken.drop_duplicates("fits")
    ends = np.array([tenth - 1, tenth]) / 10 * simulations
    seconds = np.interp(ends, fitting["fits"], fitting[by])
    return simulations / 10 / float(seconds[1] - seconds[0])


def curve(taken: pd.DataFrame, case: str, simulations: int) -> pd.DataFrame:
    """A run in `POINTS` equal parts of its time: fits in each, and the most memory."""
    part = np.minimum(taken["seconds"] / taken["seconds"].max() * POINTS, POINTS - 1).astype(int)
    rows = []
    for k in sorted(set(part)):
        some = taken[(part == k).to_numpy()]
        before = taken[taken.index < some.index[0]].tail(1)
        step = pd.concat([before, some])[["seconds", "fits", "work"]].agg(np.ptp)
        fitting = step["fits"] > 0 and some["fits"].min() < simulations
        rows.append(
            {
                "case": case,
                "simulations": simulations,
                "percent_of_time": 100 * (k + 0.5) / POINTS,
                "seconds": round(some["seconds"].max(), 1),
                "fits": int(some["fits"].max()),
                "fits_per_second": step["fits"] / step["seconds"] if fitting else np.nan,
                "fits_per_work": step["fits"] / step["work"] if fitting else np.nan,
                "driver_mib": some["driver"].max(),
                "workers_mib": some["workers"].max(),
            }
        )
    return pd.DataFrame(rows).round(3)


def resumed(case: str, simulations: int, folder: Path) -> None:
    """Run a case again, with its driver killed halfway, and compare."""
    again = folder / f"{case}-again"
    done = kill_halfway(case, simulations, again)
    peak, _ = whole(case, simulations, again)
    off = ", ".join(different(folder / case, again)) or "none"
    print(f"  killed after {done:,} fits and resumed: files that differ: {off}; {peak:.0f} MiB")


def endured(case: str, simulations: int, folder: Path) -> pd.DataFrame:
    """Run a case, print what was seen; its curve."""
    small, _ = whole(case, FEW, folder / f"{case}-few")
    out = folder / case
    large, taken = whole(case, simulations, out)
    fitted = taken[taken["fits"] >= simulations]["seconds"].min()
    print(f"{case}, {simulations:,} simulations")
    print(f"  driver's peak memory over that at {FEW:,}: {large / small:.2f} (at most 1.3); "
          f"{large:.0f} and {small:.0f} MiB")  # fmt: skip
    half = taken[taken["fits"].between(0.1 * simulations, simulations - 1)]["workers"]
    print(f"  workers' memory, largest over that after a tenth: {half.max() / half.iloc[0]:.2f}")
    for by, name in (("seconds", "second"), ("work", "piece of work")):
        last, second = (speed(taken, simulations, by, tenth) for tenth in (10, 2))
        print(f"  fits a {name}, last tenth over second: {last / second:.2f}")
    start = time.process_time()
    with Journal(out / JOURNAL):
        verified = time.process_time() - start
    print(f"  verifying the journal over the fits: {verified / taken['processor'].max():.3f}")
    print(f"  time of export over that of the fits: {taken['seconds'].max() / fitted - 1:.2f}")
    table = curve(taken, case, simulations)
    usual = speed(taken, simulations, "work", 2)
    return table.assign(
        speed_ratio=(table["fits_per_work"] / usual).round(3),
        memory_ratio=(table["driver_mib"] / small).round(3),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--simulations", type=int, default=100_000)
    parser.add_argument("--case", choices=CASES, action="append", help="by default both")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        case, simulations, out, log = given.measure
        measure(case, int(simulations), out, log)
        return
    with tempfile.TemporaryDirectory() as folder:
        for case in given.case or CASES:
            kept(endured(case, given.simulations, Path(folder)))
            resumed(case, given.simulations, Path(folder))


def kept(of_case: pd.DataFrame) -> None:
    """Write the curve of a case in place of an earlier one, and draw all."""
    path = FOLDER / "endurance.csv"
    table = of_case
    if path.exists():
        before = pd.read_csv(path)
        table = pd.concat([before[~before["case"].isin(of_case["case"])], of_case])
        table = table.sort_values("case", kind="stable")
    table.to_csv(path, index=False, lineterminator="\n")
    points = pd.concat(
        table.rename(columns={name: "ratio"}).assign(panel=panel) for name, panel in PANELS.items()
    )
    figure = sweep(
        points.dropna(subset="ratio"),
        x="percent_of_time",
        y="ratio",
        series="case",
        panel="panel",
        reference=1.0,
        columns=2,
        xlabel="Share of the run's time, fits and export (%)",
        ylabel="Ratio",
        note=f"{table['simulations'].max():,} simulations. Fits for the same work are relative to "
        f"those in the second tenth of the fits. Memory is the largest in each part of the time, "
        f"relative to the peak of a run of {FEW:,} simulations.",
    )
    save(figure, FOLDER, "endurance", ("png",))


if __name__ == "__main__":
    main()
