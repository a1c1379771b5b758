import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom, norm

from hiercal.sbc._power import detectable, rank_probabilities
from hiercal.sbc.uniformity import uniformity_test


@pytest.mark.parametrize(
    ("max_rank", "shift", "scale"),
    [(99, 0.3, 1.3), (99, 0.0, 5.0), (19, 1.0, 0.3), (999, 0.1, 1.1)],
)
def test_rank_probabilities_by_quadrature(max_rank, shift, scale):
    found = rank_probabilities(max_rank, shift, scale)
    assert found.sum() == pytest.approx(1)
    for r in (0, max_rank // 2, max_rank):
        expected, _ = quad(
            lambda z, r=r: binom.pmf(r, max_rank, norm.cdf(shift + scale * z)) * norm.pdf(z),
            -9,
            9,
            limit=1000,
            epsabs=1e-13,
        )
        assert found[r] == pytest.approx(expected, rel=1e-8, abs=1e-12)


def test_right_posterior_has_uniform_ranks():
    np.testing.assert_allclose(rank_probabilities(99, 0.0, 1.0), 0.01, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.05, 0.05 / 60])
def test_detectable_errors_are_detected_as_often_as_promised(level):
    n, repeats, power = 200, 500, 0.9
    smallest = detectable(n, 99, level, power)
    rng = np.random.default_rng(1)
    rates = []
    for shift, scale in [(smallest.shift, 1), (0, smallest.scale), (0, 1 / smallest.scale)]:
        p = rank_probabilities(99, shift, scale)
        data = rng.choice(100, size=(repeats, n), p=p)
        rates.append(np.mean([uniformity_test(ranks, 99).p < level for ranks in data]))
    # At least the power, but for 4 standard errors; the union bound gives away a little.
    error = 4 * np.sqrt(power * (1 - power) / repeats)
    assert min(rates) > power - error
    assert rates[0] < power + 0.04 + error
    assert min(rates[1:]) < power + 0.04 + error


def test_more_simulations_detect_less():
    found = [detectable(n, 99, 0.001) for n in (20, 50, 200, 1000, 10_000)]
    assert (np.diff([one.shift for one in found]) < 0).all()
    assert (np.diff([one.scale for one in found]) < 0).all()
    # Both shrink with the square root of n.
    assert found[-2].shift / found[-1].shift == pytest.approx(np.sqrt(10), rel=0.05)


def test_smaller_levels_and_larger_powers_need_larger_errors():
    plain = detectable(200, 99, 0.05)
    assert detectable(200, 99, 0.001).shift > plain.shift
    assert detectable(200, 99, 0.05, 0.99).scale > plain.scale


def test_what_cannot_be_reached_is_infinite():
    assert detectable(0, 99, 0.05) == (np.inf, np.inf)
    assert detectable(2, 99, 1e-4).scale == np.inf


@pytest.mark.parametrize(
    "arguments", [(-1, 99, 0.05), (10, 3, 0.05), (10, 99, 0), (10, 99, 0.5, 1)]
)
def test_arguments_are_checked(arguments):
    with pytest.raises(ValueError, match="expected n >= 0"):
        detectable(*arguments)
