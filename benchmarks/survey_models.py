"""When the survey's centred, noncentred and collapsed models are sampled well by NumPyro's NUTS.

uv run benchmarks/survey_models.py

Six regions, four answers with shares .25, .35, .25, .15, and counts simulated at each alpha and
number of respondents a region; alpha ~ Gamma(0.5, 0.01). A cell is the median over its data sets of
the effective sample size of log alpha for 1000 leapfrog steps, the mean of the errors of its
posterior mean (sampled less exact, in posterior standard deviations; a plain Monte Carlo error is
one over the square root of the effective sample size), the median effective sample size, and all
divergences.
"""

import argparse
import time

import numpy as np

from hiercal import fitter, story
from hiercal.exact.dirichlet import dirichlet
from hiercal.sbc.efficiency import diagnostics

ALPHAS, RESPONDENTS = (0.3, 1.5, 8.0, 100.0), (5, 45, 500)
MODELS = ("centred", "noncentred", "collapsed")
PI0 = np.array([0.25, 0.35, 0.25, 0.15])
LEVELS = (np.arange(2000) + 0.5) / 2000


def measure(one, refit, data: dict[str, np.ndarray], seed: int) -> tuple[float, ...]:
    """Effective sample size, that for 1000 steps, error of E log alpha, and divergences."""
    fit = refit(data, seed)
    log_alpha = np.log(fit.draws["alpha"])
    ess = diagnostics(log_alpha[..., None])["ess_mean"][0]
    exact = np.log(one.exact(data).quantile("alpha", LEVELS))
    error = (log_alpha.mean() - exact.mean()) / exact.std()
    return ess, 1000 * ess / fit.stats["n_steps"].sum(), error, fit.divergences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-sets", type=int, default=4, help="in each cell")
    data_sets = parser.parse_args().data_sets
    start = time.perf_counter()
    print("| n | alpha |", " | ".join(f"{model}: rate, error, ESS, div." for model in MODELS), "|")
    print("|---" * (2 + len(MODELS)) + "|")
    for n in RESPONDENTS:
        one = story("survey", n=(n,) * 6, alpha_shape=0.5, alpha_rate=0.01)
        options = {"draws": 1000, "tune": 1000, "chains": 2}
        refits = [fitter("numpyro", model=model, **options).prepare(one) for model in MODELS]
        for alpha in ALPHAS:
            cells = []
            rng = np.random.default_rng([n, int(10 * alpha)])
            pi = dirichlet(np.broadcast_to(alpha * PI0, (data_sets, 6, 4)), rng)
            counts = rng.multinomial(n, pi)
            for refit in refits:
                found = [measure(one, refit, {"counts": y}, i) for i, y in enumerate(counts)]
                ess, rate, error, divergences = np.transpose(found)
                cells.append(
                    f"{np.median(rate):.1f}, {error.mean():+.2f}, {np.median(ess):.0f}, "
                    f"{divergences.sum():.0f}"
                )
            print(f"| {n} | {alpha:g} |", " | ".join(cells), "|", flush=True)
    print(f"\n{data_sets} data sets a cell, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
