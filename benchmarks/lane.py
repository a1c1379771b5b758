"""The pull-request lane of docs/how_to/ci.md: NumPyro on three stories, on two cores.

    uv run benchmarks/lane.py

Runs ``tests/test_stories.py`` of the page with ``pytest -n 2`` in a temporary folder, first with an
empty cache of compiled code, then with the one that this has left. Prints seconds on the clock, and
processor seconds over two cores, which is the clock of an idle machine at best. The lane is to take
at most 90 seconds with a warm cache.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "how_to" / "ci.md").read_text()
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
CORES, LIMIT = 2, 90


def processor() -> float:
    """Processor seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_stories.py").write_text(FILES["tests/test_stories.py"])
        env = os.environ | {"HIERCAL_CACHE": str(folder / "cache")}
        command = [sys.executable, "-m", "pytest", "-q", "-n", str(CORES), "--calibration-only",
                   "test_stories.py"]  # fmt: skip
        for cache in ("cold", "warm"):
            start, used = time.perf_counter(), processor()
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            took, busy = time.perf_counter() - start, (processor() - used) / CORES
            print(
                f"{cache}: exit {done.returncode}, {took:.0f} s on the clock, {busy:.0f} s of "
                f"processor a core, {busy / LIMIT:.2f} of {LIMIT} s",
                flush=True,
            )
            if done.returncode:
                print(done.stdout)


if __name__ == "__main__":
    main()
