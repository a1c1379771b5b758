"""Peak memory of the driver at 20,000 simulations against that at 1,000, arm ``exact``.

uv run benchmarks/memory.py
"""

import resource
import subprocess
import sys
import tempfile

import hiercal
from hiercal import Run, Where, fitter, story


def peak(simulations: int) -> float:
    """Peak resident memory in MiB of a process that fits and exports a run."""
    command = [sys.executable, __file__, str(simulations)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run(simulations: int) -> float:
    design = Run(
        stories=(story("eight_schools"),), fitters=(fitter("exact"),), simulations=simulations
    )
    with tempfile.TemporaryDirectory() as out:
        hiercal.run(design, out, where=Where(2), progress=False)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(run(int(sys.argv[1])))
    else:
        small, large = peak(1_000), peak(20_000)
        print(
            f"driver's peak memory at 20,000 simulations over that at 1,000: {large / small:.2f} "
            f"(at most 1.3); {large:.0f} and {small:.0f} MiB"
        )
