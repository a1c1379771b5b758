"""Two results that come from one sampler agree as often as is said, and a fault is found."""

import numpy as np
import pytest

from hiercal.report.agreement import (
    ALPHA,
    POWER,
    Compared,
    judge,
    least_p,
    smallest_shift,
    symmetric_test,
)

MAX_RANK, DRAWS = 99, 400


def fits(rng, truth, data, *, shift=0.0, scale=1.0, stuck=0.0):
    """Records of fits of y ~ N(theta, 1), theta ~ N(0, 1), by draws that may be wrong.

    A share `stuck` of the fits lies too high, by as much as an exponential number.
    """
    n = len(truth)
    sd = np.sqrt(0.5)
    off = shift + rng.exponential(2, n) * (rng.uniform(size=n) < stuck)
    centre = data / 2 + sd * off
    mean = centre + sd * rng.normal(size=n) / np.sqrt(DRAWS)
    estimated = scale * sd * np.sqrt(rng.chisquare(DRAWS - 1, n) / (DRAWS - 1))
    below = rng.normal(centre, scale * sd, size=(MAX_RANK, n)) < truth
    return {"truth": truth, "mean": mean, "sd": estimated, "rank": below.sum(axis=0)}


def compare(rng, n, quantities, fault=None, **sampler):
    """Two results of one sampler on the same data; the second may have a fault."""
    found = Compared("arm", np.arange(n), 0, {}, (0, 0))
    for i in range(quantities):
        truth = rng.normal(size=n)
        data = rng.normal(truth, 1)
        now = sampler | (fault or {})
        both = fits(rng, truth, data, **sampler), fits(rng, truth, data, **now)
        judge(found, f"q{i}", *both, MAX_RANK)
    return found


def share_of_alarms(repetitions, seed, **options):
    rng = np.random.default_rng(seed)
    return np.mean([least_p([compare(rng, **options)])[0][0] < ALPHA for _ in range(repetitions)])


@pytest.mark.slow
@pytest.mark.parametrize("stuck", [0.0, 0.1])
@pytest.mark.parametrize("n", [20, 100])
def test_false_alarms_are_as_few_as_is_said(n, stuck):
    """1 % in any of 3 quantities: more than 6 of 150 in one of 1,000 suites.

    benchmarks/rerun.py has more repetitions.
    """
    assert share_of_alarms(150, seed=n, n=n, quantities=3, stuck=stuck) <= 6 / 150


def test_other_samplers_are_found():
    for fault in ({"shift": 0.1}, {"scale": 1.05}):
        assert share_of_alarms(20, seed=1, n=200, quantities=5, fault=fault) > 0.9, fault


def test_the_shift_that_is_stated_is_found_with_the_stated_power():
    rng = np.random.default_rng(2)
    stated = np.mean([smallest_shift(compare(rng, 100, 1), 3) for _ in range(10)])
    assert 0.01 < stated < 0.1
    found = share_of_alarms(100, seed=3, n=100, quantities=1, fault={"shift": stated})
    assert found == pytest.approx(POWER, abs=3 * np.sqrt(POWER * (1 - POWER) / 100))


def test_the_same_is_no_difference_and_few_differences_say_nothing():
    assert symmetric_test(np.zeros(100)) == 1.0
    assert symmetric_test(np.r_[np.zeros(96), [1.0, 1.0, 1.0, 1.0]]) == 1.0
    rng = np.random.default_rng(1)
    truth = rng.normal(size=50)
    one = fits(rng, truth, truth)
    found = Compared("arm", np.arange(50), 0, {}, (0, 0))
    judge(found, "q", one, one, MAX_RANK)
    assert {p for _, p in found.tests if np.isfinite(p)} == {1.0}
    assert found.quantities[0]["largest_difference"] == 0


def test_with_other_truths_the_errors_are_compared():
    """Two results of other simulations: neither calls the other wrong, unless one is."""

    def alarms(fault):
        hits = 0
        for seed in range(20):
            rng = np.random.default_rng([7, seed])
            found = Compared("arm", np.arange(400), 0, {}, (0, 0))
            sides = []
            for options in ({}, fault):
                truth = rng.normal(size=400)
                sides.append(fits(rng, truth, rng.normal(truth, 1), **options))
            judge(found, "q", *sides, MAX_RANK)
            hits += least_p([found])[0][0] < ALPHA
        return hits

    assert alarms({}) <= 2
    assert alarms({"shift": 0.5}) >= 18


def test_least_p_is_holms():
    one = Compared("a", np.arange(30), 0, {}, (0, 0), tests=[("x", 0.004), ("y", np.nan)])
    other = Compared("b", np.arange(30), 0, {}, (0, 0), tests=[("z", 0.03), ("w", 0.5)])
    assert least_p([one, other]) == [(pytest.approx(0.012), "x"), (pytest.approx(0.06), "z")]
    assert np.isnan(least_p([Compared("a", np.arange(3), 0, {}, (0, 0))])[0][0])
