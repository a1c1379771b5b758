"""Seconds to a verdict, here and at an earlier commit, in turn; ratios of the two.

    uv run benchmarks/cold.py
    uv run benchmarks/cold.py --long

Runs Eight Schools, 20 simulations of each of five arms, with caches filled by a run before, and
prints the ratio to the earlier commit's whole command of the time until the verdict is printed and
until all files are there; the time from the last fit to the verdict, over the earlier commit's, in
which the verdict came after the figures; then the ratio for hiercal show. The earlier commit is
checked out into a temporary folder, and both use the packages of this environment. Processor time
is that of the command and all its workers; it depends less than wall-clock time on what else the
machine does.
With --long, a run of 1,000 simulations with empty caches is timed once each, which takes minutes.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
BEFORE = "22465a2"
VERDICT = "All numbers"
WHAT = {
    "verdict": "until the verdict, over the earlier commit's whole command",
    "all": "whole command",
    "after": "from the last fit to the verdict",
    "processor": "processor time",
}
SHORT = {"verdict": 0.35, "all": 0.55}
LONG = {"all": 0.75}
"""Ratios that were asked for."""
KEPT = "a batch of fits is kept"
CALL = f"""
from hiercal.runs.journal import Journal
add = Journal.add
def told(*args, **options):
    add(*args, **options)
    print({KEPT!r}, flush=True)
Journal.add = told
from hiercal.cli import main
main()
"""
"""The command, which also says when fits have come in."""
PLAIN = "from hiercal.cli import main; main()"
"""The command, with nothing else imported."""


def timed(root: Path, caches: Path, *arguments: str) -> dict[str, float]:
    """Seconds until the verdict, from the last fit to it, until the end, and of all processors."""
    environment = os.environ | {"PYTHONPATH": str(root), "HIERCAL_CACHE": str(caches)}
    call = CALL if arguments[0] == "run" else PLAIN
    command = [sys.executable, "-u", "-c", call, *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, verdict, kept = time.perf_counter(), float("nan"), float("nan")
    said = []
    with subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith(VERDICT):
                verdict = time.perf_counter() - start
            elif line.startswith(KEPT):
                kept = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{''.join(said)}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "verdict": verdict,
        "after": verdict - kept,
        "all": time.perf_counter() - start,
        "processor": used,
    }


def told(what: str, ours: list[float], theirs: list[float], most: float | None = None) -> None:
    """Print the ratio of medians, with the lowest and highest of the pairs' own ratios."""
    pairs = np.array(ours) / np.array(theirs)
    ratio = np.median(ours) / np.median(theirs)
    wanted = "" if most is None else f", at most {most:g} wanted"
    print(
        f"{what}: {ratio:.2f} ({pairs.min():.2f} to {pairs.max():.2f}{wanted}); "
        f"{np.median(ours):.1f} and {np.median(theirs):.1f} s",
        flush=True,
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--before", default=BEFORE, help="the earlier commit")
    options.add_argument("--times", type=int, default=5, help="runs of each (default 5)")
    options.add_argument("--long", action="store_true", help="also 1,000 simulations, cold")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        earlier = folder / "before"
        subprocess.run(["git", "clone", "-q", "--shared", ROOT, earlier], check=True)
        subprocess.run(["git", "-C", earlier, "checkout", "-q", given.before], check=True)
        roots = {"ours": ROOT, "theirs": earlier}
        results = {key: str(folder / f"results-{key}") for key in roots}

        def run(key: str, caches: str, simulations: int) -> dict[str, float]:
            example = ["run", "examples/eight_schools.toml", "--simulations", str(simulations)]
            out = ["--out", results[key], "--fresh"]
            return timed(roots[key], folder / caches, *example, *out)

        if given.long:
            cold = {key: run(key, f"cold-{key}", 1000) for key in roots}
            for part in WHAT:
                over = "all" if part == "verdict" else part
                ours, theirs = [cold["ours"][part]], [cold["theirs"][over]]
                told(f"1,000 simulations, cold, {WHAT[part]}", ours, theirs, LONG.get(part))
        for key in roots:
            run(key, "warm", 20)
        times = [{key: run(key, "warm", 20) for key in roots} for _ in range(given.times)]
        for part in WHAT:
            over = "all" if part == "verdict" else part
            ours, theirs = [t["ours"][part] for t in times], [t["theirs"][over] for t in times]
            told(f"20 simulations, warm, {WHAT[part]}", ours, theirs, SHORT.get(part))
        shown = [
            {key: timed(roots[key], folder / "warm", "show", results[key]) for key in roots}
            for _ in range(given.times)
        ]
        for part in ("all", "processor"):
            ours, theirs = [t["ours"][part] for t in shown], [t["theirs"][part] for t in shown]
            told(f"hiercal show, {WHAT[part]}", ours, theirs, 0.5)


if __name__ == "__main__":
    main()
