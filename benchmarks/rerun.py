"""How often `hiercal rerun` calls a rerun by the same sampler a disagreement, and what it finds.

    uv run benchmarks/rerun.py [--repetitions 1000] [--simulations 400]

NumPyro fits Eight Schools twice with other random numbers: the second fitter has a target
acceptance that is larger by 1e-6, which changes its seeds and nothing that could be seen. The
centred model's chains do not mix, so that its estimates have heavy tails. One repetition takes some
of the simulations and exchanges the two fits of each by the toss of a coin: a rerun by the same
sampler. Posterior means are then shifted, or sds multiplied, in one of its quantities, to see what
is found.

Writes results/benchmarks/rerun.csv: a row for each model, number of simulations and fault, with the
share of repetitions that are called a disagreement, and its standard error.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from hiercal import Run, Where, fitter, run, story
from hiercal.report.agreement import ALPHA, Compared, judge, least_p

OUT = Path(__file__).parents[1] / "results" / "benchmarks" / "rerun.csv"
MODELS = ("centred", "noncentred")
SIZES = (20, 100, 400)
FAULTS = [("none", 0.0), ("shift", 0.05), ("shift", 0.1), ("shift", 0.2), ("scale", 1.05),
          ("scale", 1.1), ("scale", 1.2)]  # fmt: skip
COLUMNS, MAX_RANK = ("truth", "rank", "mean", "sd"), 99
Pair = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
"""Columns of one quantity by each of two fitters."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--simulations", type=int, default=400)
    asked = parser.parse_args()
    rng, rows = np.random.default_rng(1), []
    with tempfile.TemporaryDirectory() as folder:
        for model in MODELS:
            twice = pairs(Path(folder) / model, model, asked.simulations)
            for size in SIZES:
                for fault, by in FAULTS:
                    n = asked.repetitions if fault == "none" else asked.repetitions // 10
                    share = np.mean([alarm(rng, twice, size, fault, by) for _ in range(n)])
                    error = np.sqrt(share * (1 - share) / n)
                    rows.append({"model": model, "simulations": size, "fault": fault, "by": by,
                                 "share": share, "se": error, "repetitions": n})  # fmt: skip
                    print(rows[-1], flush=True)
    pd.DataFrame(rows).to_csv(OUT, index=False, float_format="%.4g")


def pairs(folder: Path, model: str, simulations: int) -> list[Pair]:
    """Records of each quantity by two fitters that differ in their random numbers alone."""
    fitters = [
        fitter("numpyro", model=model, target_accept=0.9 + extra, draws=500, tune=500)
        for extra in (0.0, 1e-6)
    ]
    design = Run(stories=[story("eight_schools")], fitters=fitters, simulations=simulations)
    result = run(design, folder, where=Where(), progress=False)
    each = [
        [
            {name: rows[name].to_numpy(dtype=float) for name in COLUMNS}
            for _, _, rows in result.cells(*COLUMNS, arms=[arm])
        ]
        for arm in result.arms["arm"]
    ]
    return list(zip(*each, strict=True))


def alarm(
    rng: np.random.Generator,
    twice: list[Pair],
    size: int,
    fault: str,
    by: float,
) -> bool:
    """Whether a rerun of some simulations is called a disagreement."""
    n = len(twice[0][0]["rank"])
    chosen = rng.choice(n, size, replace=False)
    exchanged = rng.integers(0, 2, size).astype(bool)
    found = Compared("arm", chosen, 0, {}, (0, 0))
    for i, pair in enumerate(twice):
        one, other = ({name: rows[name][chosen] for name in COLUMNS} for rows in pair)
        first = {name: np.where(exchanged, other[name], one[name]) for name in COLUMNS}
        second = {name: np.where(exchanged, one[name], other[name]) for name in COLUMNS}
        if i == 0 and fault == "shift":
            second["mean"] = second["mean"] + by * second["sd"]
        if i == 0 and fault == "scale":
            second["sd"] = second["sd"] * by
        judge(found, str(i), first, second, MAX_RANK)
    return least_p([found])[0][0] < ALPHA


if __name__ == "__main__":
    main()
