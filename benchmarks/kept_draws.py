"""What ``keep_draws`` costs: bytes of the journal and processor time of the driver for each fit.

uv run benchmarks/kept_draws.py

Eight Schools with exact draws: 10 scalar parameters and 99 kept draws, 7,920 bytes of numbers.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from hiercal import Run, fitter, story
from hiercal.runs.batches import fit_batch
from hiercal.runs.journal import Journal
from hiercal.runs.record import quantity_names

FITS, BATCH, REPEATS = 2000, 50, 5


def journalled(keep: bool, folder: Path) -> tuple[float, float]:
    """Bytes and processor seconds of a journal of FITS fits, the least of REPEATS."""
    run = Run(stories=[story("eight_schools")], fitters=[fitter("exact")], keep_draws=keep)
    (arm,) = run.arms
    ids = np.arange(FITS).reshape(-1, BATCH)
    batches = [fit_batch(arm, run.recording, [int(i) for i in some]) for some in ids]
    names = [(arm.label, quantity_names(arm, run.recording))]
    seconds = []
    for repeat in range(REPEATS):
        path = folder / f"{keep}-{repeat}.sqlite"
        with Journal(path) as journal:
            journal.claim(run.digest, run.describe(), names)
            start = time.process_time()
            for one in batches:
                journal.add(0, one.records, arm.story_label, one.kept)
            seconds.append(time.process_time() - start)
    return path.stat().st_size, min(seconds)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        (plain_size, plain), (size, kept) = (journalled(k, Path(folder)) for k in (False, True))
    print(f"journal, bytes a fit: {plain_size / FITS:,.0f} without, {size / FITS:,.0f} with draws")
    micro = 1e6 / FITS
    print(f"driver, microseconds a fit: {micro * plain:.0f} without, {micro * kept:.0f} with draws")


if __name__ == "__main__":
    main()
