"""Patterns of ranks: faults planted in exact ranks, without any sampler, and their estimates."""

from collections import Counter

import numpy as np
import pytest
from scipy.special import ndtr

from hiercal.sbc import pattern as p
from hiercal.sbc._power import rank_probabilities
from hiercal.sbc._rank_laws import effective_numbers, kernel, normal_law
from hiercal.sbc.pattern import pattern
from hiercal.sbc.ranks import effective_ranks
from hiercal.sbc.uniformity import uniformity_test

L = 99
FAMILY = 50


def four_errors(share, n):
    return 4 * np.sqrt(share * (1 - share) / n)


def normal(shift, scale):
    """Draws that lie `shift` of their sds too high, with an sd `scale` times the right one."""
    return lambda rng, n: rng.choice(L + 1, size=n, p=rank_probabilities(L, -shift, 1 / scale))


def missing(below, above=0.0):
    """The truth lies below or above all draws in these shares of simulations."""

    def make(rng, n):
        u = rng.random(n)
        ranks = rng.integers(0, L + 1, n)
        return np.where(u < below, 0, np.where(u > 1 - above, L, ranks))

    return make


def held(chains):
    """So many of 4 chains stay where they started, at one draw of the posterior each."""

    def make(rng, n):
        u = rng.random(n)
        moving = rng.binomial(L * (4 - chains) // 4, u)
        return np.minimum(moving + rng.binomial(chains, u) * (L // 4), L)

    return make


BOTH = {f"{a} and {b}" for a, b in [(p.SHIFTED_UP, p.TOO_NARROW), (p.TOO_NARROW, p.SHIFTED_UP)]}
# fault: its names, and of 1,000 runs the share found in a family of 50 and, of these, named right:
# with 200 simulations, and with 1,000
FAULTS = {
    "shift of 0.3 sd up": (normal(0.3, 1), {p.SHIFTED_UP}, (0.555, 0.95, 1.0, 0.994)),
    "shift of 0.3 sd down": (normal(-0.3, 1), {p.SHIFTED_DOWN}, (0.619, 0.956, 1.0, 0.992)),
    "sd 0.77 times the right one": (normal(0, 1 / 1.3), {p.TOO_NARROW}, (0.824, 0.961, 1.0, 0.986)),
    "sd 1.33 times the right one": (normal(0, 1 / 0.75), {p.TOO_WIDE}, (0.678, 0.969, 1.0, 0.985)),
    "shift of 0.4 up, sd 0.74": (normal(0.4, 1 / 1.35), BOTH, (1.0, 0.954, 1.0, 1.0)),
    "5 % below all draws": (missing(0.05), {p.MISSES_SMALL}, (0.647, 0.978, 1.0, 0.994)),
    "5 % above all draws": (missing(0, 0.05), {p.MISSES_LARGE}, (0.683, 0.978, 1.0, 0.995)),
    "4 % below and 4 % above": (missing(0.04, 0.04), {p.MISSES_BOTH}, (0.709, 0.855, 1.0, 1.0)),
    "3 of 4 chains stuck": (held(3), {p.NONE, p.MISSES_BOTH, p.TOO_NARROW}, (0.971, 1.0, 1.0, 1.0)),
}


def named(make, n, repeats, seed):
    """Share found in a family of 50, and names of those."""
    rng = np.random.default_rng(seed)
    names = Counter()
    for _ in range(repeats):
        ranks = make(rng, n)
        if uniformity_test(ranks, L).p < 0.05 / FAMILY:
            names[pattern(ranks, L).name] += 1
    return names.total() / repeats, names


def right(fault, n, repeats, seed):
    """Shares of the runs in which it is found, and of those in which it has the right name."""
    make, names, _ = FAULTS[fault]
    found, seen = named(make, n, repeats, seed)
    return found, sum(seen[name] for name in names) / max(seen.total(), 1)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_gets_its_name(fault):
    """At 1,000 simulations, where nearly all are found: 40 runs, at most 4 standard errors."""
    share = FAULTS[fault][2][3]
    found, names = right(fault, 1000, 40, 3)
    assert found == 1
    assert names >= share - four_errors(share, 40) - 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("n", [200, 1000])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_table_of_the_page(fault, n):
    """The figures of docs/explanation/patterns.md, of 1,000 runs, to 4 standard errors of both."""
    share_found, share_right = FAULTS[fault][2][:2] if n == 200 else FAULTS[fault][2][2:]
    found, names = right(fault, n, 300, n + 1)
    print(f"{fault}, {n} simulations: found {100 * found:.0f} %, right {100 * names:.0f} %")
    assert abs(found - share_found) <= four_errors(share_found, 230) + 0.01
    assert abs(names - share_right) <= four_errors(share_right, 230 * share_found) + 0.01


TRUE = [(0.0, 1.0), (0.3, 1.0), (0.0, 0.8), (0.0, 1.3), (-0.4, 0.75), (1.0, 1.0), (0.0, 0.5)]


def covered(shift, scale, n, repeats, seed):
    """Whether the intervals of shift and scale hold the truth, and whether the error is found."""
    rng = np.random.default_rng(seed)
    hits, errors_found = np.zeros((repeats, 2), dtype=bool), np.zeros(repeats, dtype=bool)
    for i in range(repeats):
        ranks = normal(shift, scale)(rng, n)
        found = pattern(ranks, L)
        hits[i, 0] = found.shift.low <= shift <= found.shift.high
        hits[i, 1] = found.scale.low <= scale <= found.scale.high
        errors_found[i] = uniformity_test(ranks, L).p < 0.05 / FAMILY
    return hits, errors_found


@pytest.mark.parametrize(("shift", "scale"), TRUE)
def test_intervals_hold_the_truth(shift, scale):
    hits, _ = covered(shift, scale, 200, 100, 1)
    assert (hits.mean(axis=0) >= 0.95 - four_errors(0.95, 100)).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "n",
    [
        pytest.param(50, marks=pytest.mark.nightly),
        200,
        pytest.param(1000, marks=pytest.mark.nightly),
    ],
)
@pytest.mark.parametrize(("shift", "scale"), TRUE)
def test_coverage_of_the_intervals(shift, scale, n):
    hits, found = covered(shift, scale, n, 500, n)
    share, of_found = hits.mean(axis=0), hits[found].mean(axis=0) if found.any() else "-"
    print(
        f"{n} simulations, shift {shift}, scale {scale}: {share}; {found.sum()} found: {of_found}"
    )
    assert (np.abs(share - 0.95) <= four_errors(0.95, 500) + 0.01).all()


def test_the_law_of_ranks_is_that_of_the_power():
    for shift, scale in TRUE:
        law, _ = normal_law(kernel(L), shift, np.log(scale))
        np.testing.assert_allclose(law, rank_probabilities(L, shift, scale), atol=1e-12)


def test_derivatives_by_differences():
    at, step = (0.4, 0.2), 1e-5
    _, found = normal_law(kernel(L, [5, 20, 99]), *at)
    for i, derivative in enumerate(found):
        move = step * np.eye(2)[i]
        high, low = (normal_law(kernel(L, [5, 20, 99]), *(at + s * move))[0] for s in (1, -1))
        np.testing.assert_allclose(derivative, (high - low) / (2 * step), atol=1e-8)


def test_effective_ranks_of_a_right_sampler_are_uniform_and_of_a_wrong_one_its_law():
    rng = np.random.default_rng(1)
    ess = rng.uniform(10, 200, 20_000)
    shift = 0.5
    truth, draws = rng.normal(-shift, 1, ess.size), rng.normal(size=(60, ess.size))
    ranks = effective_ranks(truth, draws, ess, L, rng)
    of = kernel(L, np.minimum(effective_numbers(ess, L), 60))
    law, _ = normal_law(of, -shift, 0.0)
    cells = np.arange(L + 1) // 5
    seen, expected = (np.bincount(cells, x) for x in (np.bincount(ranks, minlength=L + 1),
                                                      ess.size * law))  # fmt: skip
    assert np.sum((seen - expected) ** 2 / expected) < 44  # 19 degrees of freedom: p = .001
    np.testing.assert_allclose(normal_law(of, 0.0, 0.0)[0], 1 / (L + 1), rtol=1e-9)


@pytest.mark.parametrize("share", [0.1, 0.15])
def test_pile_ups_and_shifts_are_told_apart_by_effective_ranks(share):
    """A truth below all of 5 to 60 effective draws has its rank spread over many."""
    rng = np.random.default_rng(2)
    n_draws = rng.integers(5, 60, 1000)

    def spread(rank):
        return np.floor((L + 1) * (rank + rng.uniform(size=1000)) / (n_draws + 1)).astype(int)

    u = rng.random(1000)
    below = rng.random(1000) < share
    piled = pattern(spread(np.where(below, 0, rng.binomial(n_draws, u))), L, n_draws)
    assert piled.name == p.MISSES_SMALL
    assert abs(piled.missed_below - share) < 4 * np.sqrt(share / 1000)
    z = rng.normal(-0.5, 1, 1000)
    moved = pattern(spread(rng.binomial(n_draws, ndtr(z))), L, n_draws)
    assert moved.name == p.SHIFTED_UP
    assert moved.shift.low < 0.5 < moved.shift.high


def test_uniform_ranks_have_small_estimates_and_no_pattern():
    found = pattern(np.arange(1000) % (L + 1), L)
    assert found.name == p.NONE
    assert abs(found.shift.value) < 1e-6
    assert abs(found.scale.value - 1) < 1e-6
    assert (found.missed_below, found.missed_above) == pytest.approx((0, 0), abs=1e-3)
    assert (found.at_zero, found.at_max) == (0.01, 0.01)


def test_estimates_without_an_end_have_open_intervals():
    low = pattern(np.zeros(50, dtype=int), L)
    assert low.name == p.MISSES_SMALL
    assert low.shift.value == 6
    assert np.isinf(low.shift.high)
    assert pattern([5], L).n == 1


def test_what_is_no_rank_is_refused():
    with pytest.raises(ValueError, match="got no ranks"):
        pattern([], L)
    with pytest.raises(ValueError, match=r"expected 0\.\.99"):
        pattern([100], L)
    with pytest.raises(ValueError, match="numbers of draws"):
        pattern([3], L, [0])
