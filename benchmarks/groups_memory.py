"""Peak memory with 5,000 groups, ``groups = "each"`` against ``"summary"``, and that of a few.

uv run benchmarks/groups_memory.py

Twenty simulations of Eight Schools with 5,000 schools, one worker; a fit's draws are 40 MB. The
worker's peak is also given in fits' draws, less what it takes with 8 schools. Linux only.
"""

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil

import hiercal
from hiercal import Fitter, Run, Where, fitter, story

N_GROUPS, SIMULATIONS, DRAWS = 5_000, 20, 1_000
FITTERS: dict[str, Fitter] = {
    "exact": fitter("exact", draws=DRAWS),
    # short trajectories: how well they sample does not matter here, and the memory is the same
    "numpyro-noncentred": fitter("numpyro", draws=DRAWS, tune=100, max_treedepth=3),
}


def peak(process: int) -> float:
    """Peak resident memory of a process in MiB, since its program began."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


class Workers(threading.Thread):
    """Watches the worker processes of this one."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            for child in psutil.Process().children(recursive=True):
                try:
                    if "serve(" in " ".join(child.cmdline()):
                        self.peak = max(self.peak, peak(child.pid))
                except (psutil.Error, OSError, StopIteration):
                    continue  # it has ended


def measure(name: str, groups: str, n_groups: int) -> None:
    """Run and export a study; print the peaks of this process and of the worker, and the size."""
    design = Run(
        stories=(story("eight_schools", sigma=(10.0,) * n_groups),),
        fitters=(FITTERS[name],),
        simulations=SIMULATIONS,
        groups=groups,
    )
    workers = Workers()
    with tempfile.TemporaryDirectory() as out:
        workers.start()
        hiercal.run(design, out, where=Where(1), progress=False)
        workers.over.set()
        workers.join()
        size = sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file())
    print(peak(os.getpid()), workers.peak, size / 2**20)


def measured(name: str, groups: str, n_groups: int) -> list[float]:
    command = [sys.executable, __file__, name, groups, str(n_groups)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(value) for value in done.stdout.split()]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        a_fit = 8 * DRAWS * N_GROUPS / 2**20
        for name in FITTERS:
            few = measured(name, "summary", 8)
            each, summary = (measured(name, groups, N_GROUPS) for groups in ("each", "summary"))
            print(name)
            for what, *values in zip(
                ("driver", "worker", "folder"), few, each, summary, strict=True
            ):
                small, large, kept = values
                print(
                    f'  {what}: "each" over "summary" {large / kept:.2f}, "summary" over 8 schools '
                    f"{kept / small:.2f}; {large:.0f}, {kept:.0f} and {small:.0f} MiB"
                )
            print(
                "  worker less that of 8 schools, in fits' draws: "
                f'"each" {(each[1] - few[1]) / a_fit:.1f}, "summary" '
                f"{(summary[1] - few[1]) / a_fit:.1f}"
            )
