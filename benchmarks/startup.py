"""``hiercal --help`` against ``python -c "import click"``, fastest of ten each.

uv run benchmarks/startup.py
"""

import subprocess
import sys
import time
from pathlib import Path


def fastest(command: list[str]) -> float:
    times = []
    for _ in range(10):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


if __name__ == "__main__":
    ours = fastest([str(Path(sys.executable).with_name("hiercal")), "--help"])
    floor = fastest([sys.executable, "-c", "import click"])
    print(
        f"hiercal --help takes {ours / floor:.1f} times as long as importing click (at most 3); "
        f"{ours * 1e3:.0f} and {floor * 1e3:.0f} ms"
    )
