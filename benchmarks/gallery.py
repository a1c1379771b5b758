"""Every model of examples/gallery, as it is written, in every parameterisation.

    uv run benchmarks/gallery.py [--simulations 200] [--workers 2] [NAME ...]

Writes results/gallery/gallery.csv: a row for each parameterisation, or for what was refused. The
runs themselves go to a folder that is not kept, and a run that was made already is used again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

import hiercal
from hiercal import catalogue
from hiercal.errors import ModelRefused, RunError

HERE = Path(__file__).parents[1]
GALLERY, OUT = HERE / "examples" / "gallery", HERE / "results" / "gallery"


def rows_of(path: Path, simulations: int, runs: Path, workers: int) -> list[dict[str, Any]]:
    """What became of one model."""
    start = time.perf_counter()
    row: dict[str, Any] = {"model": path.stem}
    try:
        story = catalogue.story(f"{path}:model")
    except ModelRefused as error:
        return [row | {"verdict": "refused", "why": _first_line(error)}]
    except ModuleNotFoundError as error:
        return [row | {"verdict": "not installed", "why": str(error)}]
    except Exception as error:
        # what hiercal does not know how to refuse is a row of its own, and a fault to mend
        return [row | {"verdict": "error", "why": f"{type(error).__name__}: {error}"[:300]}]
    run = hiercal.Run(
        stories=(story,),
        fitters=tuple(catalogue.usual_fitters(story)),
        simulations=simulations,
        name=story.name,
    )
    ready = time.perf_counter() - start
    try:
        where = hiercal.Where(workers=workers)
        result = hiercal.run(run, runs / path.stem, where=where, progress=False)
    except RunError as error:
        return [row | {"verdict": "cannot be prepared", "why": str(error).splitlines()[1].strip()}]
    verdicts = hiercal.tables.verdicts(result)
    mixing = hiercal.tables.mixing(result).set_index("arm")
    rows = []
    for arm in result.arms.itertuples():
        own = verdicts[verdicts["arm"] == arm.arm]
        fits = result.fits[result.fits["arm"] == arm.arm]
        counts = own["verdict"].value_counts()
        worst = next(v for v in ("miscalibrated", "inconclusive", "calibrated") if v in counts)
        at = own.loc[own["p_holm"].idxmin()] if own["p_holm"].notna().any() else own.iloc[0]
        rows.append(
            row
            | {
                "parameterisation": f"{arm.fitter_name}-{arm.model}",
                "quantities": len(own),
                "verdict": worst,
                "failing": int(counts.get("miscalibrated", 0)),
                "worst": at["quantity"],
                "p_holm": at["p_holm"],
                "failed": int(fits["error"].notna().sum()),
                "unmixed": mixing.loc[arm.arm, "unmixed"],
                "diverged": mixing.loc[arm.arm, "diverged"],
                "ms_per_fit": round(1000 * fits["seconds"].median(), 1),
                "s_to_ready": round(ready, 1),
                "notes": "; ".join(story.notes),
            }
        )
    return rows


def _first_line(error: ModelRefused) -> str:
    """The message without the model's name, and without the lines of another library's error."""
    return (str(error).partition(": ")[2] or str(error)).splitlines()[0]


def main() -> None:
    """Run all, or those that are named."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=OUT / "runs")
    given = parser.parse_args()
    paths = [GALLERY / f"{name}.py" for name in given.names] or sorted(GALLERY.glob("*.py"))
    os.chdir(HERE)
    OUT.mkdir(parents=True, exist_ok=True)
    table = OUT / "gallery.csv"
    kept = pd.read_csv(table) if table.exists() else pd.DataFrame({"model": []})
    for path in paths:
        start = time.perf_counter()
        rows = pd.DataFrame(rows_of(path, given.simulations, given.runs, given.workers))
        kept = pd.concat([kept[kept["model"] != path.stem], rows]).sort_values("model")
        kept.to_csv(table, index=False)
        told = ", ".join(f"{r.get('parameterisation', '')} {r['verdict']}".strip()
                         for r in rows.to_dict("records"))  # fmt: skip
        print(f"{path.stem}: {told} ({time.perf_counter() - start:.0f} s)", flush=True)
    sys.exit(0)


if __name__ == "__main__":
    main()
