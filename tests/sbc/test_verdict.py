import dataclasses

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import ndtr

from hiercal.sbc._power import detectable, rank_probabilities
from hiercal.sbc.efficiency import diagnostics
from hiercal.sbc.ranks import effective_ranks, thin
from hiercal.sbc.ranks import ranks as rank
from hiercal.sbc.uniformity import holm, uniformity_test
from hiercal.sbc.verdict import Hypothesis, _best_fills, anticipate, verdicts

L = 99


def hypothesis(ranks, n_failed=0, ess=500.0):
    return Hypothesis(ranks, ranks, n_failed, np.full(len(ranks), ess), L)


def uniform(rng, n=200):
    return rng.integers(0, L + 1, n)


def correlated(rng, n, n_quantities, n_arms, shifts=0.0):
    """Uniform ranks, correlated over quantities and, by a shared truth, over arms."""
    common = rng.normal(size=(n, 1, 1))
    per_quantity = rng.normal(size=(n, n_quantities, 1))
    own = rng.normal(size=(n, n_quantities, n_arms))
    z = np.sqrt(0.4) * common + np.sqrt(0.4) * per_quantity + np.sqrt(0.2) * own
    ranks = np.floor(ndtr(z + shifts) * (L + 1)).astype(int)
    return [hypothesis(ranks[:, q, a]) for a in range(n_arms) for q in range(n_quantities)]


def autocorrelated(rng, n, n_quantities, spoil=None, rho=0.9, n_draws=600):
    """Correct AR(1) chains of N(0, 1), or spoilt ones, and N(0, 1) truths."""
    noise = rng.normal(size=(n_draws, n * n_quantities)) * np.sqrt(1 - rho**2)
    noise[0] /= np.sqrt(1 - rho**2)
    draws = lfilter([1], [1, -rho], noise, axis=0)
    if spoil:
        draws = spoil(draws)
    truth = rng.normal(size=n * n_quantities)
    found = diagnostics(draws[None])
    bulk = found["ess_bulk"]
    effective = effective_ranks(truth, draws, np.minimum(bulk, found["ess_tail"]), L, rng)
    ranks = rank(truth, draws[thin(n_draws, L)], rng)
    return [
        Hypothesis(ranks[q::n_quantities], effective[q::n_quantities], 0, bulk[q::n_quantities], L)
        for q in range(n_quantities)
    ]


def test_calibrated_family():
    rng = np.random.default_rng(1)
    family = [hypothesis(uniform(rng)) for _ in range(10)]
    found = verdicts(family)
    assert {one.verdict for one in found} == {"calibrated"}
    np.testing.assert_allclose([one.p_holm for one in found], holm([one.p for one in found]))
    for one, given in zip(found, family, strict=True):
        assert (
            one.p == uniformity_test(given.ranks, L).p == min(1, 2 * min(one.p_ecdf, one.p_smooth))
        )
        assert one.p_holm == one.p_holm_worst == one.p_holm_best
        assert (one.n, one.n_failed, one.low_ess) == (200, 0, 0)
        assert 0.3 < one.detectable_shift < 0.45


def test_the_culprit_is_named():
    shifts = np.zeros((1, 10, 3))
    shifts[0, 4, 1] = 0.8
    found = verdicts(correlated(np.random.default_rng(1), 200, 10, 3, shifts))
    assert [i for i, one in enumerate(found) if one.verdict == "miscalibrated"] == [14]
    assert {one.verdict for one in found} == {"calibrated", "miscalibrated"}


@pytest.mark.slow
def test_family_wise_false_alarms():
    repeats, alpha = 150, 0.05
    rng = np.random.default_rng(1)
    alarms = sum(
        any(one.verdict == "miscalibrated" for one in verdicts(correlated(rng, 100, 10, 3)))
        for _ in range(repeats)
    )
    # Holm and the combination of two tests are conservative; 4 standard errors above the level.
    assert alarms / repeats <= alpha + 4 * np.sqrt(alpha * (1 - alpha) / repeats)


def test_verdict_that_turns_on_failed_fits():
    [found] = verdicts([hypothesis(uniform(np.random.default_rng(1)), n_failed=60)])
    assert found.verdict == "inconclusive"
    assert found.reason == "the verdict turns on 60 failed fits"
    assert found.p_holm_worst < 0.05 < found.p_holm <= found.p_holm_best


def test_rejection_that_failed_fits_could_undo():
    rng = np.random.default_rng(2)
    # The lowest ranks are missing; had the failed fits had them, all would be well.
    ranks = uniform(rng, 400)
    kept = ranks[ranks >= 10]
    [found] = verdicts([hypothesis(kept, n_failed=400 - kept.size)])
    assert found.p_holm < 0.05 < found.p_holm_best
    assert found.verdict == "inconclusive"


def test_one_failed_fit_does_not_turn_a_clear_case():
    rng = np.random.default_rng(1)
    [good] = verdicts([hypothesis(uniform(rng), n_failed=1)])
    [bad] = verdicts([hypothesis(uniform(rng) // 2, n_failed=1)])
    assert (good.verdict, bad.verdict) == ("calibrated", "miscalibrated")


def test_failed_fits_of_others_count_through_the_family():
    rng = np.random.default_rng(3)
    # Rejected at Holm's second step only if the other hypothesis is rejected first.
    for _ in range(2000):
        ranks = rng.integers(0, L + 1, 200)
        if 0.026 < uniformity_test(ranks, L).p < 0.049:
            break
    family = [hypothesis(uniform(np.random.default_rng(1)), n_failed=60), hypothesis(ranks)]
    found = verdicts(family)
    assert [one.verdict for one in found] == ["inconclusive"] * 2
    assert found[1].reason == "the verdict turns on failed fits of others in the family"


def test_no_completed_fit():
    rng = np.random.default_rng(1)
    none = np.array([], dtype=int)
    empty = Hypothesis(none, none, 7, np.array([]), L)
    found = verdicts([empty, hypothesis(uniform(rng))])
    assert (found[0].verdict, found[0].reason) == ("inconclusive", "no completed fit of 7")
    assert np.isnan([found[0].p, found[0].p_holm, found[0].low_ess]).all()
    # The other is judged as a family of its own.
    assert found[1].p_holm == found[1].p
    assert verdicts([]) == []


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "least"), [(0.9, 0), (0.97, 15)])
def test_autocorrelated_but_correct_chains_are_not_called_miscalibrated(rho, least):
    rng = np.random.default_rng(1)
    families = [verdicts(autocorrelated(rng, 400, 5, rho=rho)) for _ in range(20)]
    assert min(one.low_ess for family in families for one in family) > 0.9
    # Uniformity of the plain ranks alone would call most of the slower ones wrong.
    assert sum(any(one.p_holm < 0.05 for one in family) for family in families) >= least
    # At most 5 % of families: 5 or more of 20 has probability .003.
    wrong = sum(any(one.verdict == "miscalibrated" for one in family) for family in families)
    assert wrong < 5
    assert {one.verdict for family in families for one in family} <= {
        "inconclusive",
        "miscalibrated",
    }


@pytest.mark.parametrize(
    "spoil",
    [lambda draws: draws + 0.5, lambda draws: draws * 0.6, lambda draws: np.maximum(draws, -1.2)],
    ids=["shifted", "too narrow", "never in the lowest 12 %"],
)
def test_autocorrelated_and_wrong_chains_are(spoil):
    """The last is a funnel's neck that the chain cannot enter: its mean rank is hardly off."""
    found = verdicts(autocorrelated(np.random.default_rng(1), 1000, 2, spoil))
    assert {one.verdict for one in found} == {"miscalibrated"}
    assert "effective draws" in found[0].reason


def test_too_short_chains_do_not_pass_either():
    ranks = uniform(np.random.default_rng(1))
    ess = np.full(200, 500.0)
    ess[:41] = [np.nan] * 20 + [98.0] * 21
    [found] = verdicts([Hypothesis(ranks, ranks, 0, ess, L)])
    assert found.low_ess == pytest.approx(41 / 200)
    assert (found.verdict, found.reason) == ("inconclusive", "ESS below L in 20 % of fits")
    [tolerated] = verdicts([Hypothesis(ranks, ranks, 0, ess, L)], max_low_ess=0.25)
    assert tolerated.verdict == "calibrated"


@pytest.mark.parametrize("n_failed", [1, 5, 99, 100, 1000])
@pytest.mark.parametrize("n", [1, 30, 500])
def test_best_fills_place_every_failed_fit_and_level(n, n_failed):
    ranks = np.random.default_rng(n).integers(0, L + 1, n)
    levelled, following = _best_fills(ranks, L, n_failed)
    for fill in (levelled, following):
        assert fill.shape == (n_failed,)
        assert fill.min() >= 0
        assert fill.max() <= L
    before = np.bincount(ranks, minlength=L + 1)
    after = before + np.bincount(levelled, minlength=L + 1)
    # A cell that was added to is nowhere more than one above the emptiest.
    assert after[after > before].max() <= after.min() + 1


def test_arguments_are_checked():
    ranks = uniform(np.random.default_rng(1))
    with pytest.raises(ValueError, match="one effective rank and one effective"):
        verdicts([Hypothesis(ranks, ranks, 0, np.full(3, 500.0), L)])
    with pytest.raises(ValueError, match="n_failed=-1"):
        verdicts([hypothesis(ranks, n_failed=-1)])
    with pytest.raises(ValueError, match=r"alpha=1\.5"):
        verdicts([hypothesis(ranks)], alpha=1.5)


def test_errors_in_common_are_found_sooner():
    rng = np.random.default_rng(1)
    family = [
        Hypothesis(r, r, 0, np.full(200, 500.0), L, arm)
        for arm, size in (("a", 11), ("b", 1))
        for r in rng.integers(0, L + 1, (size, 200))
    ]
    found = verdicts(family)
    assert found[0].shared_shift < 0.6 * found[0].detectable_shift
    assert 1 < found[0].shared_scale < found[0].detectable_scale
    # the only quantity of its arm shares its errors with none
    alone = found[-1]
    assert (alone.shared_shift, alone.shared_scale) == pytest.approx(
        (alone.detectable_shift, alone.detectable_scale), abs=1e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shift", "too narrow", "too wide"])
def test_errors_in_common_are_found_as_often_as_promised(kind):
    n, m, n_arms, repeats, power = 200, 11, 2, 60, 0.9
    rng = np.random.default_rng(2)
    smallest = detectable(n, L, 0.05 / (m * n_arms), 1 - (1 - power) ** (1 / m))
    shift, scale = {
        "shift": (smallest.shift, 1.0),
        "too narrow": (0.0, smallest.scale),
        "too wide": (0.0, 1 / smallest.scale),
    }[kind]
    found = 0
    for _ in range(repeats):
        wrong = rng.choice(L + 1, size=(m, n), p=rank_probabilities(L, shift, scale))
        right = rng.integers(0, L + 1, (m, n))
        p = holm([uniformity_test(ranks, L).p for ranks in (*wrong, *right)])
        found += bool((p[:m] < 0.05).any())
    assert found / repeats > power - 3 * np.sqrt(power * (1 - power) / repeats)


def test_what_was_anticipated_is_not_worked_out_again():
    rng = np.random.default_rng(8)
    family = [hypothesis(uniform(rng, 30)) for _ in range(5)]
    arms = ["a", "a", "a", "b", "b"]
    family = [dataclasses.replace(one, arm=arm) for one, arm in zip(family, arms, strict=True)]
    detectable.cache_clear()
    anticipate(30, L, [3, 2])
    before = detectable.cache_info().misses
    verdicts(family)
    assert before == detectable.cache_info().misses == 3  # alone, and each of the two arms'
