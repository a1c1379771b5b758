"""The models of examples/gallery through simuk 0.3, and its time per fit beside hiercal's.

    uv run --group benchmark benchmarks/gallery_simuk.py [--simulations 4] [NAME ...]

Both make one chain of 1,000 tuning and 1,000 kept draws. Writes results/gallery/simuk.csv: what
ran, what it raised, seconds per simulation, and of --simulations 50 or more the p-values of
hiercal's tests on simuk's ranks. Times of hiercal are those of results/gallery/gallery.csv.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
import traceback
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hiercal.runs import user_files
from hiercal.sbc.uniformity import uniformity_test

HERE = Path(__file__).parents[1]
GALLERY, OUT = HERE / "examples" / "gallery", HERE / "results" / "gallery"
DRAWS = 1000


def sbc_of(model: Any, simulations: int) -> Any:
    """Simuk's run of a model, as its documentation has it."""
    import simuk

    usual: dict[str, Any] = {"num_simulations": simulations, "seed": 1}
    if not callable(model):
        kwargs = {"draws": DRAWS, "tune": DRAWS, "chains": 1, "cores": 1, "progressbar": False}
        return simuk.SBC(model, sample_kwargs=kwargs, progress_bar=False, **usual)
    from numpyro.infer import NUTS

    function = model.func if isinstance(model, partial) else model
    data = dict(model.keywords) if isinstance(model, partial) else {}
    kwargs = {"num_warmup": DRAWS, "num_samples": DRAWS, "num_chains": 1}
    return simuk.SBC(
        NUTS(function), sample_kwargs=kwargs, data_dir=data, progress_bar=False, **usual
    )


def row_of(path: Path, simulations: int) -> dict[str, Any]:
    """What became of one model."""
    row: dict[str, Any] = {"model": path.stem, "simulations": simulations}
    start = time.perf_counter()
    try:
        model = user_files.load(path).model
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            sbc = sbc_of(model, simulations)
            start = time.perf_counter()
            sbc.run_simulations()
    except Exception as error:
        # what a peer raises at a public model is the result
        where = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:120]} ({where.name})"
        return row | {"ran": False, "why": why}
    seconds = (time.perf_counter() - start) / simulations
    ranks = sbc.simulations.get("prior_sbc", {})
    columns = [np.asarray(v).reshape(simulations, -1).T for v in ranks.values()]
    flat = np.concatenate(columns) if columns else np.empty((0, simulations))
    row |= {"ran": True, "seconds": round(seconds, 2), "quantities": len(flat)}
    if simulations >= 50 and len(flat):
        p = [uniformity_test(each.astype(int), DRAWS).p for each in flat]
        row |= {"least_p": min(p), "family_p": min(1.0, min(p) * len(p))}
    return row


def main() -> None:
    """Run all, or those that are named."""
    warnings.filterwarnings("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--simulations", type=int, default=4)
    given = parser.parse_args()
    paths = [GALLERY / f"{name}.py" for name in given.names] or sorted(GALLERY.glob("*.py"))
    OUT.mkdir(parents=True, exist_ok=True)
    table = OUT / "simuk.csv"
    kept = pd.read_csv(table) if table.exists() else pd.DataFrame({"model": []})
    for path in paths:
        row = row_of(path, given.simulations)
        kept = pd.concat([kept[kept["model"] != path.stem], pd.DataFrame([row])])
        kept.sort_values("model").to_csv(table, index=False)
        print(row, flush=True)


if __name__ == "__main__":
    main()
