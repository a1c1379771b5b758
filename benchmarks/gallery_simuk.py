"""The models of examples/gallery in simuk 0.3: what runs, how long it takes, what its ranks say.

    uv run --group benchmark benchmarks/gallery_simuk.py [--simulations 3] [NAME ...]

Without names, these are the models that hiercal ran in results/gallery/gallery.csv. Both make one
chain of 1,000 tuning and 1,000 kept draws, both by nutpie for PyMC. The table is
results/gallery/simuk.csv, or with 50 simulations or more results/gallery/simuk_verdicts.csv. That
has hiercal's tests of simuk's ranks among all draws, and among 99 thinned ones, and ArviZ's test,
which simuk's documentation asks for.

A NumPyro model is given in the first of these forms that runs:

as_written   the function and its data, as simuk's documentation has it
none         the same, with None as the default of the data's argument
simulator    the same, with simuk's `simulator=`: forward draws of the model without its data

Times are processor time: of a fit, the median; of a simulation, all that the run took over their
number. simuk finds a NumPyro model's data where an observed site has the name of an argument.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import time
import traceback
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hiercal.runs import user_files
from hiercal.sbc.uniformity import uniformity_test

HERE = Path(__file__).parents[1]
GALLERY, OUT = HERE / "examples" / "gallery", HERE / "results" / "gallery"
DRAWS, THINNED, VERDICTS = 1000, 99, 50
HIGHLIGHTED = 0.01
"""ArviZ marks points of a quantity below this p: its `envelope_prob` is 0.99."""


def forms(model: Any, simulations: int) -> Iterator[tuple[str, Any]]:
    """Simuk's object of a model, in each form that its documentation allows, not yet made."""
    import simuk

    usual: dict[str, Any] = {"num_simulations": simulations, "seed": 1, "progress_bar": False}
    if not callable(model):
        kwargs = {"draws": DRAWS, "tune": DRAWS, "chains": 1, "cores": 1, "progressbar": False}
        yield "as_written", lambda: simuk.SBC(model, sample_kwargs=kwargs, **usual)
        return
    import numpyro
    from numpyro.infer import NUTS

    numpyro.enable_x64()
    function = model.func if isinstance(model, partial) else model
    data = dict(model.keywords) if isinstance(model, partial) else {}
    usual["sample_kwargs"] = {"num_warmup": DRAWS, "num_samples": DRAWS, "num_chains": 1}
    yield "as_written", lambda: simuk.SBC(NUTS(function), data_dir=data, **usual)
    sites = observed_sites(function, data)
    without = partial(function, **dict.fromkeys(sites))
    yield "none", lambda: simuk.SBC(NUTS(without), data_dir=data, **usual)
    by_site = simulator(function, data, sites)
    yield "simulator", lambda: simuk.SBC(NUTS(function), data_dir=data, simulator=by_site, **usual)


def observed_sites(function: Any, data: dict[str, Any]) -> dict[str, str]:
    """Observed site of each argument that has data."""
    from numpyro.handlers import seed, trace

    made = trace(seed(function, 0)).get_trace(**data)
    seen = {n: s["value"] for n, s in made.items() if s.get("is_observed")}
    return {
        argument: site
        for argument, value in data.items()
        for site, values in seen.items()
        if np.array_equal(values, value)
    }


def simulator(function: Any, data: dict[str, Any], sites: dict[str, str]) -> Any:
    """A `simulator` for simuk: a function of the truth and a seed."""
    import jax
    from numpyro.handlers import uncondition
    from numpyro.infer import Predictive

    def simulate(seed: int, **truth: Any) -> dict[str, Any]:
        at = {name: np.asarray(value)[None] for name, value in truth.items()}
        drawn = Predictive(uncondition(function), posterior_samples=at, num_samples=1)
        found = drawn(jax.random.key(int(seed)), **data)
        return {argument: np.asarray(found[site][0]) for argument, site in sites.items()}

    return simulate


def run(make: Any, simulations: int, spent: list[float]) -> tuple[Any, str]:
    """Simuk's object after its run, and what stopped it, which it prints and does not raise.

    Adds to `spent` the processor time of each fit.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            sbc = make()
            numpyro = "_numpyro" if sbc.engine == "numpyro" else ""
            fit = getattr(sbc, f"_get_posterior_samples{numpyro}")

            def timed(data: Any) -> Any:
                start = time.process_time()
                found = fit(data)
                spent.append(time.process_time() - start)
                return found

            setattr(sbc, f"_get_posterior_samples{numpyro}", timed)
            sbc.run_simulations()
    except Exception as error:
        # what a peer raises at a public model is the result
        where = traceback.extract_tb(error.__traceback__)[-1].name
        return None, f"{type(error).__name__}: {' '.join(str(error).split())[:150]} ({where})"
    done = sbc._simulations_complete
    if done == simulations:
        return sbc, ""
    errors = [line for line in said.getvalue().splitlines() if "Error" in line[:40]]
    return None, f"stopped after {done} of {simulations}: {(errors or ['?'])[-1][:150]}"


def ranks_of(sbc: Any, thin: int = 1) -> np.ndarray:
    """Simuk's ranks, or its formula on thinned draws, of shape (quantities, simulations)."""
    n = sbc.num_simulations
    if thin > 1:
        dim = "draw" if sbc.engine == "numpyro" else "sample"
        kept = {dim: slice(thin - 1, thin * THINNED, thin)}
        sbc.posteriors = [each.isel(kept) for each in sbc.posteriors]
        sbc.compute_rank_statistics()
    found = sbc.simulations["prior_sbc"]
    return np.concatenate([np.asarray(found[v]).reshape(n, -1).T for v in found.data_vars])


def arviz_p(sbc: Any) -> np.ndarray:
    """The p-values that `arviz.plot_ecdf_pit(sbc.simulations)` prints, by its own steps."""
    import arviz_stats  # noqa: F401  (makes the accessor)

    ranks = sbc.simulations["prior_sbc"].dataset
    pit = (ranks + 0.5) / (ranks.max() + 1)
    p, *_ = pit.azstats.uniformity_test(dim=["chain", "draw"], method="pot_c")
    return np.concatenate([np.ravel(p[v]) for v in p.data_vars])


def row_of(path: Path, simulations: int) -> dict[str, Any]:
    """What became of one model."""
    row: dict[str, Any] = {"model": path.stem, "simulations": simulations, "ran": "no"}
    model, why = user_files.load(path).model, ""
    for form, make in forms(model, simulations):
        start, spent = time.process_time(), []
        sbc, stopped = run(make, simulations, spent)
        total = time.process_time() - start
        why = why or stopped
        if sbc is not None:
            row["ran"] = form
            break
    else:
        return row | {"why": why, "why_in_last_form": stopped}
    flat = ranks_of(sbc)
    row |= {"quantities": len(flat), "s_per_fit": round(float(np.median(spent)), 2)}
    row |= {"s_per_simulation": round(total / simulations, 2), "why": why}
    if simulations >= VERDICTS:
        shown = arviz_p(sbc)
        row |= {"arviz_least_p": shown.min(), "arviz_marked": int((shown < HIGHLIGHTED).sum())}
        row |= {"family_p": family_p(flat, DRAWS)}
        row |= {"family_p_thinned": family_p(ranks_of(sbc, DRAWS // (THINNED + 1)), THINNED)}
    return row


def family_p(ranks: np.ndarray, max_rank: int) -> float:
    """Least p of hiercal's tests, times the number of quantities."""
    p = [uniformity_test(each.astype(int), max_rank).p for each in ranks]
    return min(1.0, len(p) * min(p))


def ran_in_hiercal() -> list[str]:
    """Models with a verdict."""
    table = pd.read_csv(OUT / "gallery.csv")
    return sorted(set(table.loc[table["quantities"].notna(), "model"]))


def main() -> None:
    """Run all, or those that are named."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--simulations", type=int, default=3)
    given = parser.parse_args()
    table = OUT / ("simuk_verdicts.csv" if given.simulations >= VERDICTS else "simuk.csv")
    for name in given.names or ran_in_hiercal():
        row = row_of(GALLERY / f"{name}.py", given.simulations)
        kept = pd.read_csv(table) if table.exists() else pd.DataFrame({"model": []})
        kept = pd.concat([kept[kept["model"] != name], pd.DataFrame([row])])
        kept.sort_values("model").to_csv(table, index=False)
        print(row, flush=True)


if __name__ == "__main__":
    main()
