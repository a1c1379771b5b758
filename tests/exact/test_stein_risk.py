"""Exact risks of James-Stein against printed values and simulation, and where it dominates."""

import itertools

import numpy as np
import pytest

from hiercal.exact.shrinkage_rules import (
    BOTH_KNOWN,
    COMPLETE,
    SURE,
    TAU_KNOWN,
    james_stein,
    rules,
    stein_name,
)
from hiercal.exact.stein_risk import (
    TrueEffects,
    bock_constant,
    james_stein_bayes_risk,
    james_stein_risk,
    linear_risk,
    spectrum,
    stein_constant,
    worst_risk,
)
from hiercal.simulators.eight_schools import RUBIN_STANDARD_ERRORS

SIGMA = np.array(RUBIN_STANDARD_ERRORS)
FAR = np.array([0.0] * 7 + [108.0])
TARGETS = list(itertools.product(("zero", "mean"), (False, True)))


def effects(lam, towards):
    """Eight effects of noncentrality `lam`, about 0 or about their mean."""
    if towards == "zero":
        return np.array([np.sqrt(lam), *[0.0] * 7])
    return np.sqrt(lam / 8) * np.array([1.0, -1.0] * 4) + 5.0


@pytest.mark.parametrize(
    ("towards", "positive", "values"),
    [
        ("zero", False, (2.0, 5.1978, 6.2422)),
        ("zero", True, (1.2945, 5.0715, 6.2297)),
        ("mean", False, (3.0, 5.8703, 6.7107)),
        ("mean", True, (2.3199, 5.7639, 6.7013)),
    ],
)
def test_exact_risks_have_the_check_values(towards, positive, values):
    for lam, value in zip((0.0, 8.0, 16.0), values, strict=True):
        truth = TrueEffects(np.ones(8), effects(lam, towards))
        risk = james_stein_risk(truth, towards=towards, positive=positive)
        assert 8 * risk.mean == pytest.approx(value, abs=5e-5)
        averaged = james_stein_bayes_risk(truth, towards=towards, positive=positive)
        assert averaged == pytest.approx(risk.mean, rel=1e-12)


def test_exact_bayes_risks_have_the_check_values():
    truth = TrueEffects(np.full(8, 3.0), np.zeros(8), 3.0)
    by_name = {rule.name: rule.risk(truth) / 9 for rule in rules()}
    assert by_name[BOTH_KNOWN] == pytest.approx(0.5)
    assert by_name[stein_name("zero", False)] == pytest.approx(0.625)
    assert by_name[stein_name("mean", False)] == pytest.approx(0.6875)
    assert by_name[COMPLETE] == pytest.approx(1 / 8 + 7 / 8)


def test_exact_risks_of_eight_schools_have_the_check_values():
    far = james_stein_risk(TrueEffects(SIGMA, FAR), towards="zero", positive=False)
    assert far.mean / np.mean(SIGMA**2) == pytest.approx(1.031, abs=5e-4)
    oracle = {0: 16.58, 5: 35.61, 10: 69.95, 20: 117.6, 30: 139.2}
    for tau, value in oracle.items():
        truth = TrueEffects(SIGMA, np.full(8, 8.0), float(tau))
        (rule,) = (rule for rule in rules() if rule.name == TAU_KNOWN)
        assert rule.risk(truth) == pytest.approx(value, rel=5e-4)


@pytest.mark.parametrize(
    "truth",
    [
        TrueEffects(np.ones(8), np.arange(8.0) / 2),
        TrueEffects(SIGMA, FAR),
        TrueEffects(SIGMA, np.linspace(-20, 30, 8)),
        TrueEffects(np.full(8, 10.0), np.full(8, 8.0), 7.0),
        TrueEffects(np.full(6, 10.0), np.arange(6.0), 20.0),
        TrueEffects(SIGMA, np.full(8, 8.0), 10.0),
    ],
)
def test_simulated_risks_are_within_three_standard_errors_of_the_exact_ones(truth):
    theta, y = truth.simulate(20_000, np.random.default_rng(11))
    compared = 0
    for rule in rules():
        exact = rule.risk(truth)
        if np.isnan(exact):
            continue
        losses = ((rule.estimate(y, truth) - theta) ** 2).mean(axis=1)
        se = losses.std(ddof=1) / np.sqrt(len(losses))
        assert abs(losses.mean() - exact) < 3 * se
        compared += 1
    assert compared >= (8 if truth.tau == 0 or np.ptp(truth.sigma) == 0 else 4)


@pytest.mark.parametrize(("towards", "positive"), TARGETS)
def test_exact_bias_and_variance_of_each_group_agree_with_simulation(towards, positive):
    truth = TrueEffects(SIGMA, np.linspace(-10, 40, 8))
    exact = james_stein_risk(truth, towards=towards, positive=positive)
    _, y = truth.simulate(40_000, np.random.default_rng(3))
    errors = james_stein(y, SIGMA, towards=towards, positive=positive) - truth.centre
    # 16 comparisons each at 3.5 standard errors: a false alarm in 0.7 %
    bias_se = errors.std(axis=0) / np.sqrt(len(errors))
    assert (abs(errors.mean(axis=0) - exact.bias) < 3.5 * bias_se).all()
    squares = (errors - errors.mean(axis=0)) ** 2
    variance_se = squares.std(axis=0) / np.sqrt(len(errors))
    assert (abs(squares.mean(axis=0) - exact.variance) < 3.5 * variance_se).all()


@pytest.mark.parametrize(("towards", "positive"), TARGETS)
def test_two_groups_are_not_dominated(towards, positive):
    assert stein_constant(2, towards) == 0
    for sigma in (np.ones(2), np.array([15.0, 10.0])):
        truth = TrueEffects(sigma, np.array([3.0, 0.0]) * sigma)
        risk = james_stein_risk(truth, towards=towards, positive=positive)
        assert risk.mean == pytest.approx(np.mean(sigma**2), rel=1e-12)


def test_with_two_groups_any_shrinking_loses_somewhere_and_without_positive_part_everywhere():
    near, far = (TrueEffects(np.ones(2), np.array([d, 0.0])) for d in (0.0, 6.0))
    options = {"towards": "zero", "constant": 1.0}
    assert james_stein_risk(near, positive=True, **options).mean < 1
    assert james_stein_risk(far, positive=True, **options).mean > 1
    assert james_stein_risk(far, positive=False, **options).mean == np.inf


def test_towards_the_mean_three_groups_are_left_alone():
    y = np.array([[3.0, -1.0, 7.0]])
    assert (james_stein(y, np.ones(3), towards="mean", positive=True) == y).all()


def test_the_variance_of_the_squared_error_is_finite_from_five_shrunken_dimensions():
    by_name = {rule.name: rule for rule in rules()}
    zero, mean = by_name[stein_name("zero", False)], by_name[stein_name("mean", False)]
    assert [zero.has_error(j) for j in (2, 3, 4, 5)] == [True, False, False, True]
    assert [mean.has_error(j) for j in (3, 4, 5, 6)] == [True, False, False, True]
    assert by_name[SURE].has_error(3)


def test_risks_that_are_not_known_are_refused():
    with pytest.raises(ValueError, match="give fixed group effects"):
        james_stein_risk(TrueEffects(SIGMA, FAR, 1.0), towards="zero", positive=True)
    with pytest.raises(ValueError, match="give equal standard errors"):
        james_stein_bayes_risk(TrueEffects(SIGMA, FAR, 1.0), towards="zero", positive=True)
    with pytest.raises(ValueError, match="leave 1 dimension"):
        james_stein_risk(
            TrueEffects(np.ones(2), np.zeros(2)), towards="mean", positive=True, constant=1.0
        )


@pytest.mark.parametrize("towards", ["zero", "mean"])
def test_no_configuration_is_worse_than_the_worst_and_one_is_as_bad(towards):
    rng = np.random.default_rng(4)
    _, directions = spectrum(SIGMA, towards)
    for positive, distance in itertools.product((False, True), (2.0, 6.0, 20.0)):
        options = {"towards": towards, "positive": positive}
        worst = worst_risk(SIGMA, distance, **options)
        risks = []
        for _ in range(50):
            along = directions @ rng.standard_normal(directions.shape[1])
            effects = 5.0 + distance * along / np.linalg.norm(along) * SIGMA
            if towards == "zero":
                effects = effects - 5.0
            risks.append(james_stein_risk(TrueEffects(SIGMA, effects), **options).mean)
        assert max(risks) <= worst * (1 + 1e-12)
        if towards == "zero":
            far = TrueEffects(SIGMA, distance * SIGMA * (SIGMA.max() == SIGMA))
            near = TrueEffects(SIGMA, distance * SIGMA * (SIGMA.min() == SIGMA))
            ends = [james_stein_risk(truth, **options).mean for truth in (far, near)]
            assert max(ends) == pytest.approx(worst, rel=1e-12)


def test_bocks_constant_has_the_check_value_and_restores_the_dominance():
    assert 2 * bock_constant(SIGMA, "zero") == pytest.approx(4.20, abs=5e-3)
    none = np.mean(SIGMA**2)
    for towards, factor in itertools.product(("zero", "mean"), (0.1, 1.0, 2.0)):
        constant = factor * bock_constant(SIGMA, towards)
        for distance in (0.0, 4.0, 6.0, 20.0, 50.0):
            worst = worst_risk(SIGMA, distance, towards=towards, positive=False, constant=constant)
            assert worst < none * (1 + 1e-12)
    # beyond twice the constant it is lost far out, the more so with the usual one
    beyond = [
        worst_risk(SIGMA, 20.0, towards="zero", positive=False, constant=constant) / none
        for constant in (2.1 * bock_constant(SIGMA, "zero"), 6.0)
    ]
    assert 1 < beyond[0] < beyond[1]


@pytest.mark.parametrize(("towards", "n_groups"), [("zero", 3), ("mean", 4), ("mean", 20)])
def test_with_equal_errors_bocks_constant_is_the_usual_one(towards, n_groups):
    sigma = np.full(n_groups, 10.0)
    usual = stein_constant(n_groups, towards)
    assert bock_constant(sigma, towards) == pytest.approx(usual, rel=1e-9)


@pytest.mark.parametrize("towards", ["zero", "mean"])
def test_bocks_constant_is_zero_with_two_groups(towards):
    assert bock_constant(np.array([15.0, 10.0]), towards) == 0


def test_no_pooling_has_no_bias():
    risk = linear_risk(TrueEffects(SIGMA, FAR), np.eye(8))
    assert (risk.bias == 0).all()
    assert (risk.variance == SIGMA**2).all()
