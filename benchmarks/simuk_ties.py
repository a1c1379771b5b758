"""What ranks without tie-breaking do to a discrete quantity of an exactly right posterior.

    uv run --group benchmark benchmarks/simuk_ties.py [--repetitions 1000]

theta is Beta(2, 2), y Binomial(10, theta), and the posterior is drawn from its formula, 99
independent draws each. Three quantities are ranked: theta, a count drawn from Binomial(5, theta),
and whether theta exceeds 0.8. Prints the share of false alarms at 5 % in 100 simulations, with its
Monte Carlo standard error, of

    the exact test of hiercal's ECDF band: simuk's ranks, and hiercal's
    ArviZ's default test of simuk's ranks, by the steps of `arviz.plot_ecdf_pit`

and, of a small PyMC model run by simuk itself, whether its ranks are this script's formula.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import warnings

import numpy as np

from hiercal.sbc.bands import ecdf_band, ecdf_counts
from hiercal.sbc.ranks import ranks as ranks_with_ties

DRAWS, SIMULATIONS, LEVEL = 99, 100, 0.05
QUANTITIES = ("theta", "count", "theta > 0.8")


def simulated(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Truths of shape (simulations, 3), and draws of shape (simulations, draws, 3)."""
    theta = rng.beta(2, 2, (SIMULATIONS, 1))
    y = rng.binomial(10, theta)
    drawn = rng.beta(2 + y, 12 - y, (SIMULATIONS, DRAWS))
    both = np.hstack([theta, drawn])
    quantities = np.stack([both, rng.binomial(5, both), both > 0.8], axis=-1)
    return quantities[:, 0], quantities[:, 1:]


def ranks_without_ties(truth: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """What simuk counts: the draws below the truth."""
    return (draws < truth).sum(axis=0)


def arviz_p(ranks: np.ndarray) -> float:
    """The p-value of `arviz.plot_ecdf_pit`, of (r + 0.5) / (observed maximum + 1)."""
    from arviz_stats.base import array_stats

    p, *_ = array_stats.uniformity_test((ranks + 0.5) / (ranks.max() + 1), method="pot_c")
    return float(p)


def false_alarms(repetitions: int) -> None:
    """Print the shares."""
    _, low, high = ecdf_band(SIMULATIONS, DRAWS + 1, 1 - LEVEL)

    def outside(ranks: np.ndarray) -> bool:
        counts = ecdf_counts(ranks, DRAWS, DRAWS + 1)
        return bool(((counts < low) | (counts > high)).any())

    found = np.zeros((3, len(QUANTITIES), repetitions), dtype=bool)
    for k in range(repetitions):
        rng = np.random.default_rng([1, k])
        pairs = list(zip(*simulated(rng), strict=True))
        bare = np.array([ranks_without_ties(*pair) for pair in pairs])
        broken = np.array([ranks_with_ties(*pair, rng) for pair in pairs])
        for q in range(len(QUANTITIES)):
            found[0, q, k] = outside(bare[:, q])
            found[1, q, k] = outside(broken[:, q])
            found[2, q, k] = arviz_p(bare[:, q]) < LEVEL
    share = found.mean(axis=-1)
    error = np.sqrt(share * (1 - share) / repetitions)
    names = ("exact test, simuk's ranks", "exact test, hiercal's ranks", "ArviZ, simuk's ranks")
    for row, name in enumerate(names):
        cells = zip(QUANTITIES, share[row], error[row], strict=True)
        told = "; ".join(f"{q} {100 * s:.1f} % ({100 * e:.1f})" for q, s, e in cells)
        print(f"{name}: {told}", flush=True)


def simuk_itself(simulations: int) -> None:
    """Run simuk on such a model, with a discrete quantity by its `transform=`."""
    import pymc as pm
    import simuk

    with pm.Model() as model:
        theta = pm.Beta("theta", 2, 2)
        pm.Binomial("y", 10, theta, observed=np.int64(7))

    kwargs = {"draws": DRAWS, "tune": 200, "chains": 1, "cores": 1, "progressbar": False}
    usual = {"num_simulations": simulations, "seed": 1, "sample_kwargs": kwargs}
    sbc = simuk.SBC(model, **usual, transform=lambda _, value: value > 0.8, progress_bar=False)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        sbc.run_simulations()
    stored = np.ravel(sbc.simulations["prior_sbc"]["theta"])
    truths = np.asarray(sbc.ref_params["theta"]) > 0.8
    draws = [np.asarray(each["theta"]) > 0.8 for each in sbc.posteriors]
    ours = [ranks_without_ties(t, d) for t, d in zip(truths, draws, strict=True)]
    print(
        f"simuk's own run of {simulations}: the stored ranks "
        f"{'are' if np.array_equal(stored, ours) else 'are not'} this formula; of theta > 0.8, "
        f"{int((stored == 0).sum())} are 0"
    )


def main() -> None:
    """Print all."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--simulations", type=int, default=5)
    given = parser.parse_args()
    simuk_itself(given.simulations)
    false_alarms(given.repetitions)


if __name__ == "__main__":
    main()
