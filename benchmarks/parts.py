"""The driver's processor time for a fit, with parts against without; and a large run in parts.

uv run benchmarks/parts.py
uv run benchmarks/parts.py --fits 1000000 --out /tmp/million

The large run is of a story and a fitter whose ranks are known, which do no sampling.
"""

import argparse
import pickle
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

import hiercal
from hiercal import Run, Where, fitter, story
from hiercal.runs.batches import Fitted, fit_batch
from hiercal.runs.journal import Journal
from hiercal.runs.record import ranked

BATCHES, BATCH, REPEATS = 8, 500, 5
MOCKS = Path(__file__).parents[1] / "tests/mocks.py"


def taken_in(in_parts: bool, folder: Path) -> float:
    """Microseconds of processor time a fit, of unpickling batches and of the journal: the least."""
    run = Run(stories=[story("eight_schools")], fitters=[fitter("exact")])
    (arm,) = run.arms
    sent: list[bytes] = []
    seconds = []
    for repeat in range(REPEATS):
        with Journal(folder / f"{in_parts}-{repeat}.sqlite") as journal:
            journal.claim(run.digest, run.describe(), ranked(run.arms, run.recording))
            journal.parts.open()
            place = journal.parts.place(run.digest, 0) if in_parts else None
            if not sent:
                for some in np.arange(BATCHES * BATCH).reshape(BATCHES, BATCH).tolist():
                    sent.append(pickle.dumps(fit_batch(arm, run.recording, some, place)))
            start = time.process_time()
            for batch in sent:
                fitted: Fitted = pickle.loads(batch)
                journal.add(0, fitted.records, arm.story_label, fitted.kept, fitted.parts)
            seconds.append(time.process_time() - start)
    return 1e6 * min(seconds) / (BATCHES * BATCH)


def large(fits: int, out: str) -> None:
    """A run of many fits in parts, and what it takes of this process until all are in and after."""
    mocks = {"stories": [story(f"{MOCKS}:Flat")], "fitters": [fitter(f"{MOCKS}:Known", draws=99)]}
    run = Run(**mocks, simulations=fits, name="parts")
    begun = time.perf_counter()
    before = time.process_time()
    hiercal.run(run, out, where=Where(2, parts=True))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{fits:,} fits: {time.perf_counter() - begun:,.0f} s, of them "
        f"{time.process_time() - before:,.0f} s of the driver's processor; {memory:,.0f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, help="fit so many, in parts")
    parser.add_argument("--out", help="folder of that run")
    given = parser.parse_args()
    if given.fits:
        with tempfile.TemporaryDirectory() as folder:
            large(given.fits, given.out or folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        whole, in_parts = (taken_in(each, Path(folder)) for each in (False, True))
    print(
        f"driver, microseconds of processor time a fit: {whole:.1f} without parts, "
        f"{in_parts:.2f} with; ratio {in_parts / whole:.3f}"
    )


if __name__ == "__main__":
    main()
