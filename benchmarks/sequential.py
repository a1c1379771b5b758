"""False alarms and power of the tests that may stop at any time, at alpha = .001.

    uv run benchmarks/sequential.py [--runs 10000] [--parts ranks exact funnel]

1. Ranks: false alarms over runs that look after each of 5,000 simulations; for 12 errors the median
   number of simulations until they are found, beside that of an oracle which knows the error.
2. Exact posterior: false alarms of autocorrelated chains of a correct sampler, and fits until an sd
   that is .95 of the right one is found.
3. Eight Schools by NumPyro, centred: data sets until the funnel is found by the exact posterior.

Writes results/benchmarks/sequential.csv. About ten minutes on one core.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import lfilter
from scipy.special import logsumexp, ndtr
from scipy.stats import beta

from hiercal import Run, Where, fitter, story
from hiercal.runs.evidence import decide
from hiercal.sbc import sequential
from hiercal.sbc._power import rank_probabilities

OUT = Path(__file__).parents[1] / "results" / "benchmarks" / "sequential.csv"
ALPHA, L, LOOKS = 0.001, 99, 5000
NEEDED = -np.log(ALPHA)
ERRORS = [
    *((d, 1.0) for d in (0.05, 0.1, 0.2, 0.4)),
    *((0.0, s) for s in (0.8, 0.9, 0.95, 0.97, 1.03, 1.05, 1.15, 1.3)),
]


def alarms(found: int, runs: int) -> str:
    """A share with its exact 95 % interval."""
    low = beta.ppf(0.025, found, runs - found + 1) if found else 0.0
    high = beta.ppf(0.975, found + 1, runs - found)
    return f"{found} of {runs} ({100 * low:.3f} to {100 * high:.3f} %)"


def rank_alarms(runs: int) -> int:
    """Runs of uniform ranks that pass the threshold at any of the looks."""
    rng, found = np.random.default_rng(1), 0
    for _ in range(runs):
        path = sequential.rank_log_e_path(rng.integers(0, L + 1, LOOKS), L)
        found += bool(path.max() >= NEEDED)
    return found


def stops(law: np.ndarray, log_ratio: np.ndarray, log_weight: np.ndarray) -> np.ndarray:
    """Simulations until the threshold is passed, of 1,000 runs; looks ever 1 % apart at most."""
    rng, largest = np.random.default_rng(2), 60_000
    looks = np.unique(
        np.concatenate([np.arange(1, 200), np.geomspace(200, largest, 600)]).astype(int)
    )
    counts, stop, before = np.zeros((1000, L + 1)), np.full(1000, np.inf), 0
    for n in looks:
        counts += rng.multinomial(n - before, law, size=len(counts))
        before = n
        log_e = logsumexp(counts @ log_ratio + log_weight, axis=1)
        stop[(log_e >= NEEDED) & np.isinf(stop)] = n
        if np.isfinite(stop).mean() > 0.75:
            break
    return stop


def chains(rng: np.random.Generator, correlation: float, sd: float, fits: int) -> np.ndarray:
    """Places of 1,000 draws of an AR(1) chain, (1, 1000, fits), under a standard normal."""
    noise = rng.normal(size=(1, 1000, fits)) * np.sqrt(1 - correlation**2)
    start = correlation * rng.normal(size=(1, 1, fits))
    series, _ = lfilter([1], [1, -correlation], noise, axis=1, zi=start)
    return ndtr(sd * series)


def exact_stops(correlation: float, sd: float, fits: int, runs: int) -> np.ndarray:
    """Fits until the mean e-value of the four functionals passes the threshold."""
    rng, stop = np.random.default_rng(3), np.full(runs, np.inf)
    for run in range(runs):
        means, ess = sequential.exact_scores(chains(rng, correlation, sd, fits))
        path = sequential.family_log_e(sequential.difference_log_e(means, ess))
        if (path >= NEEDED).any():
            stop[run] = 1 + int(np.argmax(path >= NEEDED))
    return stop


def funnel_stops(repeats: int) -> list[int]:
    """Data sets of centred Eight Schools until it is found, by NumPyro, over seeds."""
    found = []
    for seed in range(repeats):
        run = Run(
            stories=[story("eight_schools")],
            fitters=[fitter("numpyro", model="centred")],
            simulations=100,
            seed=seed,
            compare_exact=True,
        )
        with tempfile.TemporaryDirectory() as folder:
            (arm,) = decide(run, folder, alpha=ALPHA, where=Where(0), progress=False)
        found.append(arm.simulations if arm.rejected else 101)
    return found


def noted(what: str, case: str, value: float | str, bar: str = "") -> dict[str, str]:
    """A row of the table, printed."""
    print(f"{what}, {case}: {value}" + (f" (asked for: {bar})" if bar else ""), flush=True)
    return {"what": what, "case": case, "value": str(value), "bar": bar}


def by_ranks(runs: int) -> Iterator[dict[str, str]]:
    """False alarms, growth and stops of ranks."""
    found = alarms(rank_alarms(runs), runs)
    yield noted("false alarms by ranks", f"{LOOKS} looks", found, "at most 0.1 %")
    log_ratio, log_weight = sequential._mixture(L)
    for shift, scale in ERRORS:
        law = rank_probabilities(L, shift, scale)
        own = np.log(law * (L + 1))
        growth = f"{float((law @ log_ratio).max()):.5f} of {law @ own:.5f}"
        case = f"shift {shift:g}" if shift else f"scale {scale:g}"
        oracle = np.median(stops(law, own[:, None], np.zeros(1)))
        ours = np.median(stops(law, log_ratio, log_weight))
        yield noted("growth by ranks", case, growth, "positive")
        yield noted("median stop by ranks", case, f"{ours:.0f}")
        yield noted("the same over the oracle's", case, f"{ours / oracle:.2f}", "at most 1.75")
    stop = stops(rank_probabilities(L, 0, 1 / 0.95), log_ratio, log_weight)
    case = "draws with sd 0.95 of the right one"
    yield noted("median stop by ranks", case, f"{np.median(stop):.0f}", "at most 4000")


def by_exact(runs: int) -> Iterator[dict[str, str]]:
    """False alarms and stops of differences from the exact posterior."""
    for correlation in (0.0, 0.5, 0.9):
        stop = exact_stops(correlation, 1.0, 50, runs)
        found = alarms(int(np.isfinite(stop).sum()), runs)
        case = f"AR(1) {correlation:g}, 50 fits of 1000"
        yield noted("false alarms by the exact posterior", case, found, "at most 0.1 %")
    for correlation in (0.0, 0.5):
        stop = f"{np.median(exact_stops(correlation, 0.95, 60, 500)):.0f}"
        case = f"sd 0.95, AR(1) {correlation:g}"
        yield noted("median fits by the exact posterior", case, stop, "at most 10")


def by_funnel(runs: int) -> Iterator[dict[str, str]]:
    """Stops of centred Eight Schools."""
    found = funnel_stops(20)
    value = f"median {np.median(found):.0f}, largest {max(found)}"
    yield noted("data sets until the centred funnel is found", "20 seeds", value, "at most 20")


PARTS = {"ranks": by_ranks, "exact": by_exact, "funnel": by_funnel}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    given = parser.parse_args()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    for part in given.parts:
        kept = pd.read_csv(OUT) if OUT.exists() else pd.DataFrame({"part": []})
        rows = pd.DataFrame(PARTS[part](given.runs)).assign(part=part)
        pd.concat([kept[kept["part"] != part], rows]).to_csv(OUT, index=False)


if __name__ == "__main__":
    main()
