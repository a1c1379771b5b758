"""Right samplers checked on 1,827 days, seeded from the date: how often is one called wrong?

    uv run benchmarks/date_seeds.py [number of days]

Story: theta_j ~ N(mu, 1), mu ~ N(0, 1), y_j ~ N(theta_j, 1) for four groups. Samplers:
independent draws from the exact posterior, and a Gibbs sampler that alternates between mu and
theta. Each day has 300 simulations, five quantities, and the sequential check that
``calibration.check`` makes; 20 of the fits are compared with the exact posterior too. Beside it,
what is often done instead: a z-test of each quantity's mean rank at 5 %, without correction for
the number of quantities.
"""

import datetime as dt
import sys

import numpy as np
from scipy.special import ndtr
from scipy.stats import binomtest

from hiercal.sbc.sequential import difference_log_e, exact_scores, family_log_e, rank_log_e_path

FIRST, DAYS = dt.date(2020, 1, 1), 1827
SIMULATIONS, COMPARED, GROUPS, L, THIN, WARM_UP = 300, 20, 4, 99, 5, 50
ALPHAS = (0.05, 0.01, 0.001)
# given y, the precision of (mu, theta) is the same in each simulation
PRECISION = np.diag([1.0 + GROUPS] + [2.0] * GROUPS)
PRECISION[0, 1:] = PRECISION[1:, 0] = -1
COVARIANCE = np.linalg.inv(PRECISION)


def simulated(rng):
    """Truths (n, 1 + groups) and posterior means."""
    mu = rng.normal(size=(SIMULATIONS, 1))
    theta = mu + rng.normal(size=(SIMULATIONS, GROUPS))
    y = theta + rng.normal(size=theta.shape)
    return np.hstack([mu, theta]), np.hstack([np.zeros_like(mu), y]) @ COVARIANCE


def exact(rng, mean):
    """Independent draws, (L, n, quantities)."""
    root = np.linalg.cholesky(COVARIANCE)
    return mean + rng.normal(size=(L, *mean.shape)) @ root.T


def gibbs(rng, mean):
    """Every fifth state of a Gibbs sampler, (L, n, quantities), begun far from the posterior."""
    y = (mean @ PRECISION)[:, 1:]
    theta, kept = y + 3, []
    for i in range(WARM_UP + L * THIN):
        noise = rng.normal(size=(len(y), 1 + GROUPS))
        mu = theta.sum(1, keepdims=True) / (1 + GROUPS) + noise[:, :1] / np.sqrt(1 + GROUPS)
        theta = (mu + y) / 2 + noise[:, 1:] / np.sqrt(2)
        if i >= WARM_UP and i % THIN == 0:
            kept.append(np.hstack([mu, theta]))
    return np.stack(kept)


def day(seed, sampler):
    """Largest log e-value of the day, and whether the z-tests reject."""
    rng = np.random.default_rng(seed)
    truth, mean = simulated(rng)
    draws = sampler(rng, mean)
    ranks = (draws < truth).sum(axis=0)
    places = ndtr((draws - mean) / np.sqrt(np.diag(COVARIANCE)))
    scores = [exact_scores(places[None, :, i]) for i in range(COMPARED)]
    of_exact = family_log_e(
        difference_log_e(*map(np.stack, zip(*scores, strict=True))), axis=(-2, -1)
    )
    of_ranks = family_log_e(rank_log_e_path(ranks, L))
    # fits beyond the compared ones add nothing to the exact evidence
    both = np.append(of_exact, np.full(SIMULATIONS - COMPARED, of_exact[-1]))
    path = family_log_e(np.column_stack([of_ranks, both]))
    z = (ranks.mean(axis=0) - L / 2) / np.sqrt(((L + 1) ** 2 - 1) / 12 / SIMULATIONS)
    return path.max(), np.abs(z).max() > 1.96


def interval(k, n):
    """Share with its exact binomial 95 % interval."""
    low, high = binomtest(k, n).proportion_ci(0.95)
    return f"{k:4d} of {n}: {100 * k / n:6.2f} %  ({100 * low:.2f} to {100 * high:.2f})"


def main():
    days = int(sys.argv[1]) if len(sys.argv) > 1 else DAYS
    seeds = [int(f"{FIRST + dt.timedelta(i):%Y%m%d}") for i in range(days)]
    for sampler in (exact, gibbs):
        found = [day(seed, sampler) for seed in seeds]
        largest, rejected = map(np.array, zip(*found, strict=True))
        print(f"{sampler.__name__}, days on which a right sampler is called wrong")
        for alpha in ALPHAS:
            k = int((largest >= -np.log(alpha)).sum())
            print(f"  sequential, alpha {alpha:<6g} {interval(k, days)}")
        print(f"  z-tests at 5 %           {interval(int(rejected.sum()), days)}", flush=True)


if __name__ == "__main__":
    main()
