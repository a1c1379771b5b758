"""NumPyro, nutpie and PyMC's NUTS on every story: does the check call one of them wrong?

    uv run benchmarks/own_samplers.py [--story hospitals] [--workers 2]

Every story is checked in its non-centred model (the survey in its collapsed one, whose fits take
milliseconds instead of seconds), by ranks and, where it is known, by the exact posterior. The level
of .001 holds over all stories and samplers together. PyMC's own NUTS takes seconds a fit, so it
gets fewer simulations. Then Eight Schools in its centred model, which each of the three samplers
must be found wrong in. Writes results/benchmarks/own_samplers.csv; the same command goes on after
a kill.
"""

import argparse
from itertools import product
from pathlib import Path

import pandas as pd

from hiercal import Run, Where, catalogue, decide, fitter, story
from hiercal.simulators._capabilities import ExactPosterior

OUT = Path("results/benchmarks/own_samplers.csv")
ALPHA = 0.001
OPTIONS = {"draws": 500, "tune": 500, "target_accept": 0.95}
SAMPLERS = {
    "NumPyro": ("numpyro", {}, 40),
    "nutpie": ("pymc", {"sampler": "nutpie"}, 40),
    "PyMC": ("pymc", {"sampler": "nuts"}, 15),
}
"""Fitter of each sampler, its options, and simulations at most."""
WRONG = 60
"""Simulations at most of the model that is to be found wrong."""


def main() -> None:
    """Check, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--story", action="append", choices=catalogue.names("stories"))
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    stories = given.story or catalogue.names("stories")
    cases = [(name, "collapsed" if name == "survey" else "noncentred") for name in stories]
    if "eight_schools" in stories:
        cases.append(("eight_schools", "centred"))
    for (name, model), (sampler, how) in product(cases, SAMPLERS.items()):
        one = story(name)
        library, options, simulations = how
        simulations = WRONG if model == "centred" else simulations
        run = Run(
            stories=(one,),
            fitters=(fitter(library, model=model, **OPTIONS, **options),),
            simulations=simulations,
            seed=2026,
            compare_exact=isinstance(one, ExactPosterior),
            name=f"own-{name}-{model}-{sampler.lower()}",
        )
        level = ALPHA / len(catalogue.names("stories")) / len(SAMPLERS)
        arm = decide(run, alpha=level, where=Where(given.workers)).arms[0]
        row = {
            "story": name,
            "model": model,
            "sampler": sampler,
            "verdict": arm.verdict,
            "simulations": arm.simulations,
            "failed": arm.failed,
            "divergent": arm.divergent,
            "log_e": round(max(arm.path), 2),
        }
        print(row, flush=True)
        _keep(row)


def _keep(row: dict[str, object]) -> None:
    """Write a row, in place of an earlier one of the same story, model and sampler."""
    OUT.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame([row])
    if OUT.exists():
        table = pd.concat([pd.read_csv(OUT), table])
    table.drop_duplicates(["story", "model", "sampler"], keep="last").to_csv(OUT, index=False)


if __name__ == "__main__":
    main()
