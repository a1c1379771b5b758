"""The study of James-Stein: real data, its tables and its judges."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hiercal.exact.shrinkage_rules import (
    BOTH_KNOWN,
    COMPLETE,
    EMPIRICAL,
    NO_POOLING,
    SURE,
    bayes_name,
    rules,
    stein_name,
)
from hiercal.simulators.eight_schools import (
    RUBIN_EFFECTS,
    RUBIN_STANDARD_ERRORS,
    EightSchools,
)
from hiercal.studies._claims import NotMeasured
from hiercal.studies.james_stein import tables as rows_of
from hiercal.studies.james_stein.study import JamesStein
from tests.running import measure

SIGMA = np.array(RUBIN_STANDARD_ERRORS)
RUBIN = np.array([RUBIN_EFFECTS])
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


def records(losses):
    """Records of two arms whose posterior means of every school miss by so much."""
    rows = [
        {"arm": arm, "simulation": i, "quantity": name, "truth": 1.0, "mean": 1.0 + miss}
        for arm, misses in losses.items()
        for i, miss in enumerate(misses)
        for name in EightSchools().labels("theta")
    ]
    arms = pd.DataFrame({"arm": list(losses), "is_exact": [arm == "exact" for arm in losses]})
    arms = arms.set_index("arm", drop=False)
    every = pd.DataFrame(rows)

    def cells(*, arms, quantities):
        own = every[every["arm"].isin(arms) & every["quantity"].isin(quantities)]
        return ((*key, rows) for key, rows in own.groupby(["arm", "quantity"], sort=False))

    return SimpleNamespace(cells=cells, arms=arms, folder="here")


def test_posterior_means_by_mcmc_are_paired_with_the_exact_ones_and_failures_counted():
    result = records({"nuts": (2.0, 1.0, np.nan), "exact": (1.0, 1.0, 5.0)})
    first, second = rows_of.mcmc(result, EightSchools().labels("theta"))
    assert (first["arm"], first["n"], first["n_failed"]) == ("nuts", 2, 1)
    assert (first["risk"], second["risk"]) == (2.5, 1.0)
    assert (first["difference"], first["difference_se"]) == pytest.approx((1.5, 1.5))
    assert first["squared_distance"] == 0.5
    assert second["difference"] == second["difference_se"] == 0


@pytest.fixture(scope="module")
def tables():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_of, "mcmc", lambda *_: [{"arm": "none"}])
        study = JamesStein(**TINY)
        return study.tables({"eight_schools": None}, measure(study))


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
