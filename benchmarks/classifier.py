"""A classifier as a test quantity, beside the ranks of all quantities, on the same fits.

    uv run --group benchmark benchmarks/classifier.py [--repetitions 100]

Conformal classifier two-sample test (arXiv:2507.17026). In half of the simulations a classifier
(scikit-learn, logistic, on squares and products) learns to tell the truth from a draw, given the
data. In the other half the truth's score is ranked among the scores of L draws. Truth and draws are
exchangeable if the draws are right, so this rank is uniform on 0..L, whatever was learned: the
p-value is exact. Features of a simulation are standardised over truth and draws together, which
keeps them exchangeable.

The last mutant is made for it: its shift has the sign of school A's data, so that no quantity of
parameters alone has shifted ranks. ``log_lik`` of all schools does not see the sign either.

Of each mutant: the share of repetitions of 200 simulations in which it is found at 5 %, by the
classifier and by the ranks of all quantities (Holm), and the processor seconds of each test. Writes
results/mutants/classifier.csv.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from hiercal import Fitter, fitter, simulate
from hiercal.mutants.correlation_lost import CorrelationLost
from hiercal.mutants.dropped_observation import DroppedObservation
from hiercal.mutants.narrow import Narrow
from hiercal.mutants.prior_only import PriorOnly
from hiercal.mutants.shifted import Shifted
from hiercal.sbc.uniformity import holm, uniformity_test
from hiercal.simulators.eight_schools import EightSchools

OUT = Path(__file__).parents[1] / "results" / "mutants" / "classifier.csv"
L, SIMULATIONS, ALPHA = 99, 200, 0.05
LEARNED_FROM = 10
"""Draws of a simulation that the classifier is shown beside its truth."""


class OneWayOrTheOther(Shifted):
    """Shifted up where school A's effect was measured above 0, and down elsewhere."""

    def spoil(
        self,
        draws: dict[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        story: EightSchools,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        shifted = super().spoil(draws, data, story, rng)
        sign = np.sign(data["y"][0])
        return draws | {n: draws[n] + sign * (shifted[n] - draws[n]) for n in shifted}


CASES: dict[str, Fitter] = {
    "honest": fitter("exact", draws=L),
    "shifted .1 sd": Shifted(by=0.1, draws=L),
    "shifted .2 sd": Shifted(by=0.2, draws=L),
    "sd -10 %": Narrow(factor=0.9, draws=L),
    "sd -20 %": Narrow(factor=0.8, draws=L),
    "correlation lost": CorrelationLost(draws=L),
    "observation dropped": DroppedObservation(draws=L),
    "prior": PriorOnly(draws=L),
    "shifted .2 sd, one way or the other": OneWayOrTheOther(by=0.2, draws=L),
    "shifted .4 sd, one way or the other": OneWayOrTheOther(by=0.4, draws=L),
}


def quantities(arrays: Mapping[str, np.ndarray], data: Mapping[str, np.ndarray]) -> np.ndarray:
    """Parameters and log densities at (..., *dims), a column each."""
    story = EightSchools()
    log_lik = story.log_likelihood(arrays, data)
    each = [np.asarray(v, float).reshape(*log_lik.shape[:-1], -1) for v in arrays.values()]
    log_prior = story.log_prior(arrays, "noncentred")
    return np.concatenate([*each, log_lik.sum(-1)[..., None], log_prior[..., None]], axis=-1)


def simulated(case: Fitter, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each simulation rows of the truth and L draws, (L + 1, n_quantities), and the data."""
    story = EightSchools()
    refit = case.prepare(story)
    for i in range(SIMULATIONS):
        drawn = simulate(seed, story, i)
        fit = refit(drawn.data, seed * SIMULATIONS + i)
        draws = quantities({n: v[0] for n, v in fit.draws.items()}, drawn.data)
        truth = quantities({n: drawn.truth[n] for n in fit.draws}, drawn.data)
        yield np.vstack([truth, draws]), np.asarray(drawn.data["y"], float)


def by_classifier(rows: np.ndarray, data: np.ndarray, rng: np.random.Generator) -> float:
    """The p-value of the ranks of the truths' scores, in the half that was not learned from."""
    pooled = (rows - rows.mean(axis=1, keepdims=True)) / rows.std(axis=1, keepdims=True)
    beside = np.broadcast_to(data[:, None] / 20, (*rows.shape[:2], data.shape[1]))
    features = np.concatenate([pooled, beside], axis=-1)
    half = SIMULATIONS // 2
    shown = features[:half, : 1 + LEARNED_FROM]
    is_truth = np.zeros(shown.shape[:2], bool)
    is_truth[:, 0] = True
    model = make_pipeline(
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        LogisticRegression(C=0.01, class_weight="balanced", max_iter=300),
    )
    model.fit(shown.reshape(-1, shown.shape[-1]), is_truth.ravel())
    kept = features[half:]
    scores = model.decision_function(kept.reshape(-1, kept.shape[-1])).reshape(kept.shape[:2])
    return uniformity_test(ranked(scores[:, :1], scores[:, 1:], rng), L).p


def ranked(truth: np.ndarray, draws: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Ranks of truths (n, 1) among draws (n, L), ties broken at random."""
    return (draws < truth).sum(axis=1) + rng.integers((draws == truth).sum(axis=1) + 1)


def by_ranks(rows: np.ndarray, rng: np.random.Generator) -> float:
    """The least p-value over all quantities, by Holm's first step."""
    each = [
        uniformity_test(ranked(rows[:, :1, j], rows[:, 1:, j], rng), L).p
        for j in range(rows.shape[-1])
    ]
    return float(holm(each).min())


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=100)
    given = parser.parse_args()
    table = []
    for name, case in CASES.items():
        p, seconds = [], np.zeros(2)
        for repetition in range(given.repetitions):
            rng = np.random.default_rng([repetition, 7])
            each = list(simulated(case, repetition))
            rows, data = (np.stack(part) for part in zip(*each, strict=True))
            marks = [time.process_time()]
            found = [by_classifier(rows, data, rng)]
            marks.append(time.process_time())
            found.append(by_ranks(rows, rng))
            marks.append(time.process_time())
            p.append(found)
            seconds += np.diff(marks)
        power = (np.array(p) < ALPHA).mean(axis=0)
        se = np.sqrt(power * (1 - power) / given.repetitions)
        row = {
            "mutant": name,
            "repetitions": given.repetitions,
            "classifier": round(float(power[0]), 4),
            "classifier_se": round(float(se[0]), 4),
            "ranks": round(float(power[1]), 4),
            "ranks_se": round(float(se[1]), 4),
            "cost_ratio": round(float(seconds[0] / seconds[1]), 1),
        }
        table.append(row)
        print(row, flush=True)
        OUT.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(table).to_csv(OUT, index=False)


if __name__ == "__main__":
    main()
