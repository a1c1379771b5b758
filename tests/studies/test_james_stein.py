"""James-Stein: exact risks against printed values and simulation, rules, tables, judges."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hiercal.simulators.eight_schools import (
    RUBIN_EFFECTS,
    RUBIN_STANDARD_ERRORS,
    EightSchools,
)
from hiercal.studies import _james_stein_rows as rows_of
from hiercal.studies._claims import NotMeasured
from hiercal.studies._exact_risks import (
    Truth,
    bock_constant,
    james_stein_bayes_risk,
    james_stein_risk,
    linear_risk,
    spectrum,
    stein_constant,
    worst_risk,
)
from hiercal.studies._shrinkage import (
    BOTH_KNOWN,
    COMPLETE,
    EMPIRICAL,
    NO_POOLING,
    SURE,
    TAU_KNOWN,
    bayes_name,
    empirical_bayes,
    james_stein,
    pooled_mean,
    posterior_means,
    rules,
    stein_name,
    sure,
)
from hiercal.studies.james_stein import JamesStein

SIGMA = np.array(RUBIN_STANDARD_ERRORS)
RUBIN = np.array([RUBIN_EFFECTS])
FAR = np.array([0.0] * 7 + [108.0])
TARGETS = list(itertools.product(("zero", "mean"), (False, True)))
TINY = {
    "simulations": 200,
    "n_groups": (2, 3, 8),
    "tau_ratios": (0.0, 1.0),
    "taus": (0.0, 10.0),
    "distances": (0.0, 6.0),
    "separations": (0.0, 20.0),
    "mixture_groups": (8,),
    "spreads": (10.0,),
}


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
        truth = Truth(np.ones(8), effects(lam, towards))
        risk = james_stein_risk(truth, towards=towards, positive=positive)
        assert 8 * risk.mean == pytest.approx(value, abs=5e-5)
        averaged = james_stein_bayes_risk(truth, towards=towards, positive=positive)
        assert averaged == pytest.approx(risk.mean, rel=1e-12)


def test_exact_bayes_risks_have_the_check_values():
    truth = Truth(np.full(8, 3.0), np.zeros(8), 3.0)
    by_name = {rule.name: rule.risk(truth) / 9 for rule in rules()}
    assert by_name[BOTH_KNOWN] == pytest.approx(0.5)
    assert by_name[stein_name("zero", False)] == pytest.approx(0.625)
    assert by_name[stein_name("mean", False)] == pytest.approx(0.6875)
    assert by_name[COMPLETE] == pytest.approx(1 / 8 + 7 / 8)


def test_exact_risks_of_eight_schools_have_the_check_values():
    far = james_stein_risk(Truth(SIGMA, FAR), towards="zero", positive=False)
    assert far.mean / np.mean(SIGMA**2) == pytest.approx(1.031, abs=5e-4)
    oracle = {0: 16.58, 5: 35.61, 10: 69.95, 20: 117.6, 30: 139.2}
    for tau, value in oracle.items():
        truth = Truth(SIGMA, np.full(8, 8.0), float(tau))
        (rule,) = (rule for rule in rules() if rule.name == TAU_KNOWN)
        assert rule.risk(truth) == pytest.approx(value, rel=5e-4)


@pytest.mark.parametrize(
    "truth",
    [
        Truth(np.ones(8), np.arange(8.0) / 2),
        Truth(SIGMA, FAR),
        Truth(SIGMA, np.linspace(-20, 30, 8)),
        Truth(np.full(8, 10.0), np.full(8, 8.0), 7.0),
        Truth(np.full(6, 10.0), np.arange(6.0), 20.0),
        Truth(SIGMA, np.full(8, 8.0), 10.0),
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
    truth = Truth(SIGMA, np.linspace(-10, 40, 8))
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
        truth = Truth(sigma, np.array([3.0, 0.0]) * sigma)
        risk = james_stein_risk(truth, towards=towards, positive=positive)
        assert risk.mean == pytest.approx(np.mean(sigma**2), rel=1e-12)


def test_with_two_groups_any_shrinking_loses_somewhere_and_without_positive_part_everywhere():
    near, far = (Truth(np.ones(2), np.array([d, 0.0])) for d in (0.0, 6.0))
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
        james_stein_risk(Truth(SIGMA, FAR, 1.0), towards="zero", positive=True)
    with pytest.raises(ValueError, match="give equal standard errors"):
        james_stein_bayes_risk(Truth(SIGMA, FAR, 1.0), towards="zero", positive=True)
    with pytest.raises(ValueError, match="leave 1 dimension"):
        james_stein_risk(
            Truth(np.ones(2), np.zeros(2)), towards="mean", positive=True, constant=1.0
        )


@pytest.mark.parametrize(
    ("sigma", "tau_scale"),
    [(RUBIN_STANDARD_ERRORS, 10.0), (RUBIN_STANDARD_ERRORS, 30.0), ((10.0,) * 50, 10.0)],
)
def test_posterior_means_are_those_of_the_storys_exact_posterior(sigma, tau_scale):
    story = EightSchools(sigma=sigma, tau_scale=tau_scale)
    rng = np.random.default_rng(5)
    y = np.array([0.0, 8.0, 100.0])[:, None] + rng.normal(0, 12, (3, len(sigma)))
    y[0, -1] += 108.0
    posterior = posterior_means(y, np.array(sigma), tau_scale=tau_scale)
    for own, theta, mu in zip(y, posterior.theta, posterior.mu, strict=True):
        exact = story.exact({"y": own})
        for i in (0, len(sigma) - 1):
            name = story.labels("theta")[i]
            assert theta[i] == pytest.approx(exact.mean(name), abs=1e-7)
        assert mu == pytest.approx(exact.mean("mu"), abs=1e-7)


def test_sure_minimises_its_estimate_of_the_risk():
    rng = np.random.default_rng(8)
    y = rng.normal(8, 1, (40, 8)) * rng.uniform(1, 30, (40, 1))
    shrunken, a = sure(y, SIGMA), SIGMA**2
    centre = y.mean(axis=1, keepdims=True)

    def estimate(lam):
        kept = a / (a + lam)
        return (kept**2 * (y - centre) ** 2 + a * (1 - 2 * kept + 2 * kept / 8)).mean(axis=1)

    lams = np.append(0.0, np.geomspace(0.01, 1e7, 400))
    least = np.min([estimate(lam) for lam in lams], axis=0)
    own = (y[:, 0] - shrunken[:, 0]) / (y[:, 0] - centre[:, 0])
    found = np.array([estimate(lam)[i] for i, lam in enumerate(a[0] * (1 / own - 1))])
    assert (found <= least + 1e-4).all()


def test_empirical_bayes_pools_completely_where_reml_is_zero():
    assert empirical_bayes(RUBIN, SIGMA) == pytest.approx(
        np.broadcast_to(pooled_mean(RUBIN, SIGMA), (1, 8))
    )


def test_batting_has_the_published_errors():
    table = pd.DataFrame(rows_of.batting()).set_index(["scale", "rule"])
    errors = table["total_squared_error"]
    shrunken = stein_name("mean", True)
    assert errors["arcsine", NO_POOLING] == pytest.approx(17.571, abs=5e-4)
    assert errors["arcsine", shrunken] == pytest.approx(4.999, abs=5e-4)
    assert errors["average", NO_POOLING] == pytest.approx(0.0753, abs=5e-5)
    assert errors["average", shrunken] == pytest.approx(0.0213, abs=5e-5)


def test_weights_on_the_real_data_have_the_check_values_and_are_in_order():
    schools, (order,) = rows_of.weights_of(EightSchools(), RUBIN, "Rubin's data")
    weight = {row["school"]: row["weight"] for row in schools}
    exact = EightSchools().exact({"y": RUBIN[0]})
    tau = exact.draws(200_000, np.random.default_rng(2))["tau"]
    for school, sigma in (("A", 15.0), ("E", 9.0)):
        share = sigma**2 / (sigma**2 + tau**2)
        error = share.std() / np.sqrt(len(share))
        # 2 comparisons each at 4 standard errors
        assert abs(weight[school] - share.mean()) < 4 * error
    assert weight["D"] == weight["F"] < weight["A"] < weight["C"] < weight["H"]
    assert (order["in_order"], order["n"]) == (1.0, 1)
    assert order["least_difference"] == pytest.approx(weight["C"] - weight["A"], rel=1e-9)


def test_a_weight_out_of_order_in_one_data_set_is_seen():
    weight = np.tile(SIGMA**2 / (SIGMA**2 + 25.0), (3, 1))
    assert (rows_of.differences(weight, SIGMA) > 0).all()
    assert rows_of.differences(weight, SIGMA).shape == (3, 26)
    weight[1, 7] = weight[1, 4]
    assert (rows_of.differences(weight, SIGMA) > 0).all(axis=1).tolist() == [True, False, True]


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
            risks.append(james_stein_risk(Truth(SIGMA, effects), **options).mean)
        assert max(risks) <= worst * (1 + 1e-12)
        if towards == "zero":
            far = Truth(SIGMA, distance * SIGMA * (SIGMA.max() == SIGMA))
            near = Truth(SIGMA, distance * SIGMA * (SIGMA.min() == SIGMA))
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
    risk = linear_risk(Truth(SIGMA, FAR), np.eye(8))
    assert (risk.bias == 0).all()
    assert (risk.variance == SIGMA**2).all()


def records(losses):
    """Records of two arms whose posterior means of every school miss by so much."""
    rows = [
        {"arm": arm, "simulation": i, "quantity": name, "truth": 1.0, "mean": 1.0 + miss}
        for arm, misses in losses.items()
        for i, miss in enumerate(misses)
        for name in EightSchools().labels("theta")
    ]
    return SimpleNamespace(records=pd.DataFrame(rows), folder="here")


def test_posterior_means_by_mcmc_are_paired_with_the_exact_ones_and_failures_counted():
    study = JamesStein(mcmc_simulations=3).studies()["eight_schools"]
    nuts, exact = (arm.label for arm in study.arms)
    result = records({nuts: (2.0, 1.0, np.nan), exact: (1.0, 1.0, 5.0)})
    first, second = rows_of.mcmc(result, study)
    assert (first["arm"], first["n"], first["n_failed"]) == (nuts, 2, 1)
    assert (first["risk"], second["risk"]) == (2.5, 1.0)
    assert (first["difference"], first["difference_se"]) == pytest.approx((1.5, 1.5))
    assert first["squared_distance"] == 0.5
    assert second["difference"] == second["difference_se"] == 0


@pytest.fixture(scope="module")
def tables():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_of, "mcmc", lambda *_: [{"arm": "none"}])
        return JamesStein(**TINY).tables({"eight_schools": None}, lambda _: None)


def test_tables_have_a_row_for_each_rule_and_point(tables):
    n_rules = len(rules(tau_scales=(10.0, 30.0)))
    assert len(tables["population"]) == 2 * 3 * 2 * n_rules
    assert len(tables["schools"]) == 2 * n_rules
    assert len(tables["far_out"]) == len(tables["mixture"]) == 2 * 2 * n_rules
    assert len(tables["groups"]) == 8 * len(tables["tradeoff"]) == 8 * 5
    assert len(tables["estimates"]) == 8 * (n_rules - 2)
    for name in ("population", "schools", "far_out", "mixture"):
        # 1 in 370 each beyond 3, in several dozen that share their data
        assert tables[name]["z"].abs().max() < 4


def test_risks_are_relative_to_no_pooling_and_the_oracle_is_best(tables):
    mixture = tables["mixture"]
    none = mixture[mixture["rule"] == NO_POOLING]
    assert none["ratio"].to_numpy() == pytest.approx(np.ones(len(none)))
    assert (none["ratio_se"] < 1e-9).all()
    schools = tables["schools"].set_index(["tau", "rule"])["risk"]
    assert schools[10.0, BOTH_KNOWN] < schools[10.0, bayes_name(10.0)] < schools[10.0, NO_POOLING]
    assert schools[0.0, COMPLETE] < schools[0.0, EMPIRICAL] < schools[0.0, SURE]


def test_the_tables_can_be_drawn_and_judged(tables):
    assert set(JamesStein(**TINY).figures(tables)) == {
        "schools", "mixture", "dominance", "groups", "weights",
    }  # fmt: skip
    judged = JamesStein(**TINY).judged(tables).set_index("claim")
    assert judged.loc["C06", "verdict"] == "holds"
    assert "0.885 (A), 0.896 (C), 0.913 (H), at most 0.823" in judged.loc["C06", "remark"]
    assert judged.loc["C26", "verdict"] == "holds in a regime"
    assert judged.loc["C26", "effect"] == pytest.approx(1.0305, abs=5e-5)
    assert "Fails at J - 2 to 0, Eight Schools’ errors" in judged.loc["C26", "remark"]


def judge(claim, **frames):
    (found,) = (own for own in JamesStein.claims if own.id == claim)
    return found.judge({name: pd.DataFrame(rows) for name, rows in frames.items()})


@pytest.mark.parametrize(
    ("variance", "squared_bias", "verdict"),
    [(50.0, 20.0, "holds"), (99.0, 20.0, "undecided"), (110.0, 20.0, "fails"),
     (50.0, 45.0, "fails")],
)  # fmt: skip
def test_between_no_and_complete_pooling(variance, squared_bias, verdict):
    values = {NO_POOLING: (100.0, 0.0), COMPLETE: (20.0, 40.0)}
    values[bayes_name(10.0)] = (variance, squared_bias)
    groups = [
        {"rule": rule, "spread": 5.0, "school": "A", "variance": v, "variance_se": 1.0,
         "exact_variance": v}
        for rule, (v, _) in values.items()
    ]  # fmt: skip
    tradeoff = [
        {"rule": rule, "spread": 5.0, "squared_bias": b, "squared_bias_se": 1.0,
         "exact_squared_bias": b}
        for rule, (_, b) in values.items()
    ]  # fmt: skip
    assert judge("C02", groups=groups, tradeoff=tradeoff).verdict == verdict


@pytest.mark.parametrize(
    ("least", "verdict"), [(0.01, "holds"), (0.0, "undecided"), (-0.001, "fails")]
)
def test_weights_in_order_in_every_data_set(least, verdict):
    order = [
        {"data": data, "n": n, "least_difference": difference}
        for data, n, difference in (("Rubin's data", 1, 0.05), ("tau = 5", 100, least))
    ]
    sigma = dict(zip("ABCDEFGH", SIGMA, strict=True))
    weights = [
        {"data": "Rubin's data", "school": school, "sigma": s, "weight": s / 20}
        for school, s in sigma.items()
    ]
    estimates = [
        {"rule": bayes_name(10.0), "school": school, "y": y, "estimate": 8.0}
        for school, y in zip(sigma, RUBIN_EFFECTS, strict=True)
    ]
    finding = judge("C06", order=order, weights=weights, estimates=estimates)
    assert finding.verdict == verdict
    assert "B is 0.750 (A), 0.800 (C), 0.900 (H), at most 0.550 of the others" in finding.remark
    assert "A 20.0, B 0.0, C 11.0" in finding.remark
    assert finding.effect == least


def dominance(*, equal=0.8, usual=1.03, bock=0.9, three=1.02):
    """Worst ratios by design and constant; with J = 3 nothing is left to shrink to the mean."""
    kinds = {"usual": usual, "Bock": bock}
    rows = [
        {"design": design, "n_groups": j, "towards": towards, "kind": kind, "distance": 6.0,
         "constant": j - 2.0 - (towards == "mean"),
         "ratio": equal if design == "equal" else ratio}
        for design in ("equal", "eight_schools")
        for j in (3, 8)
        for towards in ("zero", "mean")
        for kind, ratio in kinds.items()
    ]  # fmt: skip
    one = {"kind": "one", "towards": "mean", "constant": 1.0, "n_groups": 3, "ratio": three}
    return [*rows, rows[0] | one]


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ({}, "holds in a regime"),
        ({"usual": 0.95, "three": 0.99}, "holds"),
        ({"equal": 1.01, "bock": 1.02}, "fails"),
        ({"usual": 0.95, "three": 1.0}, "undecided"),
    ],
)
def test_where_james_stein_dominates(ratios, verdict):
    finding = judge("C26", dominance=dominance(**ratios))
    assert finding.verdict == verdict
    assert finding.parts == 7
    if not ratios:
        assert finding.effect == 1.03
        assert "Fails at J - 2 to 0, Eight Schools’ errors, J - 3 to the mean" in finding.remark
        assert "J = 3 to the mean (constant 1) +2 % (J = 3)" in finding.remark
        assert finding.where == "dominance.csv and figures/dominance.png"


def mixture(near, far, *, se=0.01):
    return [
        {"design": design, "n_groups": 8, "separation": separation, "rule": rule,
         "ratio": 0.2 if separation < 4 else near if separation < 20 else far, "ratio_se": se}
        for design in ("equal", "eight_schools")
        for separation in (0.0, 4.0, 20.0)
        for rule in (bayes_name(10.0), EMPIRICAL)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("near", "far", "verdict"),
    [
        (1.1, 1.2, "holds"),
        (0.9, 0.95, "fails"),
        (0.9, 1.2, "holds in a regime"),
        (1.02, 1.2, "undecided"),
        (0.99, 1.01, "undecided"),
    ],
)
def test_pooling_two_populations(near, far, verdict):
    finding = judge("C30", mixture=mixture(near, far))
    assert finding.verdict == verdict
    assert finding.parts == 4
    assert EMPIRICAL in finding.remark


def test_from_where_on_two_populations_are_worse_off():
    remark = judge("C30", mixture=mixture(0.9, 1.2)).remark
    assert "Holds at equal errors, J = 8, 20 apart, Eight Schools’ errors, J = 8, 20" in remark
    assert "from 20 apart at J = 8, equal errors" in remark
    assert "nowhere at J = 8, equal errors" in judge("C30", mixture=mixture(0.9, 0.9)).remark


@pytest.mark.parametrize("claim", JamesStein.claims, ids=lambda claim: claim.id)
def test_tables_without_what_a_claim_is_about_leave_it_undecided(tables, claim):
    with pytest.raises(NotMeasured):
        claim.judge({name: table.iloc[:0] for name, table in tables.items()})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"simulations": 9}, "simulations is 9"),
        ({"mcmc_simulations": 1}, "mcmc_simulations is 1"),
        ({"tau_ratios": (1.0,)}, "tau_ratios is .*give 2 or more"),
        ({"distances": (-1.0, 2.0)}, "none below 0"),
        ({"taus": (0.0, np.inf)}, "taus is .*finite"),
        ({"n_groups": (2,)}, "at least 3"),
        ({"n_groups": (1, 8)}, "1 to 8 numbers of at least 2"),
        ({"n_groups": tuple(range(2, 11))}, "1 to 8 numbers"),
        ({"mixture_groups": ()}, "mixture_groups is"),
        ({"separations": (0.0, 3.0)}, "4 or more apart"),
        ({"sigma": 0.0}, "sigma is 0.0"),
        ({"spreads": (0.0,)}, "above 0"),
        ({"tau_scales": (10.0, 10.0)}, "two different"),
        ({"tau_scales": (10.0, 10.0000001)}, "two different"),
        ({"tau_scales": (1.0, 2.0, 3.0)}, "one or two"),
    ],
)
def test_designs_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        JamesStein(**options)
