"""Prior sensitivity: exact values, the tables of a small run, the judges."""

import numpy as np
import pandas as pd
import pytest

from hiercal.runs.run import Run
from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS, EightSchools
from hiercal.studies._claims import judge
from hiercal.studies.prior_sensitivity.power_scaling import power_scaling
from hiercal.studies.prior_sensitivity.study import PriorSensitivity
from hiercal.studies.prior_sensitivity.tau_priors import (
    Prior,
    contraction,
    doubled,
    rubin,
)
from tests.running import measure, run

CLAIMS = {claim.id: claim for claim in PriorSensitivity.claims}
HN = tuple(Prior("half_normal", scale) for scale in (1.0, 2.5, 5.0, 10.0, 20.0, 50.0))


def test_tau_of_rubins_data_under_half_normal_priors():
    """Check values of quadrature, to the digits they were written down with."""
    found = [rubin(prior)["tau"] for prior in HN]
    np.testing.assert_allclose(found, [0.791, 1.890, 3.297, 4.806, 5.822, 6.334], atol=6e-4)


def test_power_scaling_of_the_prior_of_tau():
    table = pd.DataFrame(power_scaling(10.0, seed=1)).set_index(["component", "power"])
    np.testing.assert_allclose(
        table.loc["prior", "exact_mean"].to_numpy(), [5.0126, 4.5850], atol=6e-5
    )
    z = (table["estimate"] - table["exact_mean"]) / table["estimate_se"]
    assert z.abs().max() < 6  # t with 9 degrees of freedom, 4 values: P about 1e-3
    # the prior of tau matters, the likelihood's strength hardly: Kallioinen's 0.05 lies between
    assert table.loc["prior", "sensitivity"].min() > 0.05
    assert table.loc["likelihood", "sensitivity"].max() < 0.05


def test_priors_are_ordered_by_their_upper_quantile():
    cauchy = Prior("half_cauchy", 25.0)
    assert cauchy.upper > Prior("half_normal", 50.0).upper
    assert cauchy.upper == pytest.approx(25 * np.tan(np.pi / 2 * 0.945))
    assert (str(cauchy), cauchy.short) == ("HalfCauchy(25)", "HC 25")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small study and its tables; every sampler is left out but NumPyro's."""
    study = PriorSensitivity(
        half_normal=(1.0, 10.0), half_cauchy=(250.0,), groups=(3, 8), simulations=40, sampled=4,
        contraction_simulations=2000, sampled_groups=(8,), libraries=("numpyro",), draws=100,
        tune=100, chains=1,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("runs")
    results = {name: run(each, folder / name) for name, each in study.runs().items()}
    return study, study.tables(results, measure(study))


def test_all_arms_meet_the_same_data(made):
    study, _ = made
    runs = study.runs()
    assert all(isinstance(each, Run) for each in runs.values())
    assert runs["samplers"].stories[0] == runs["priors"].stories[1]
    assert len({arm.fitter.assume for arm in runs["priors"].arms}) == len(study.priors)


def test_the_right_prior_is_calibrated_and_the_others_are_not(made):
    """40 data sets; z-values of a right fit, 6 of them, beyond 4: P about 4e-4."""
    _, tables = made
    priors = tables["priors"]
    assert len(priors) == 2 * 3
    assert (priors["n"] == 40).all()
    assert (priors["n_failed"] == 0).all()
    right = priors[priors["right"]]
    assert (right["from_right"] == 0).all()
    assert (right["mse_ratio"] == 1).all()
    z = np.concatenate(
        [
            right["from_truth"] / right["from_truth_se"],
            (right["coverage"] - 0.89) / right["coverage_se"],
            (right["slope"] - 1) / right["slope_se"],
        ]
    )
    assert np.abs(z).max() < 4
    near_zero = priors[priors["prior"] == "HalfNormal(1)"]
    assert (near_zero["shrinkage"].to_numpy() > right["shrinkage"].to_numpy()).all()
    assert (near_zero["from_right"] < 0).all()


def test_contraction_grows_with_groups_and_with_precision(made):
    _, tables = made
    wide = tables["contraction"].pivot(index="J", columns="times", values="contraction")
    assert list(wide.index) == [2, 3, 8]
    assert (wide.loc[8] > wide.loc[3]).all()
    assert (wide.loc[3] > wide.loc[2]).all()
    assert (wide.diff(axis=1).iloc[:, 1:] < 0).all(axis=None)


def test_contraction_is_that_of_exact_fits_one_by_one():
    """Against 300 exact posteriors on data of their own, at 4 joint standard errors."""
    story = EightSchools().resized(4)
    found, se = contraction(story, 1.0, 4000, np.random.default_rng(1))
    rng = np.random.default_rng(2)
    variances = [story.exact(story.simulate(rng).data).sd("tau") ** 2 for _ in range(300)]
    prior = 100 * (1 - 2 / np.pi)
    slow, slow_se = 1 - np.mean(variances) / prior, np.std(variances) / np.sqrt(300) / prior
    assert abs(found - slow) < 4 * np.hypot(se, slow_se)
    # and with the law of total variance: nothing is learnt from estimates without information
    blunt, blunt_se = contraction(story, 1000.0, 4000, np.random.default_rng(3))
    assert abs(blunt) < 4 * blunt_se + 1e-3


def test_doubling_the_scale_has_the_check_values():
    data = np.array([RUBIN_EFFECTS])
    found = [doubled(prior, RUBIN_STANDARD_ERRORS, data)[0] for prior in HN[2:4]]
    np.testing.assert_allclose(np.exp(found), [4.806 / 3.297, 5.822 / 4.806], rtol=3e-4)


def test_the_growth_under_the_right_prior_is_what_others_are_compared_with(made):
    _, tables = made
    doubling = tables["doubling"]
    assert (doubling[doubling["right"]]["from_right"] == 0).all()
    # a prior of scale 1 is all that three schools of error 10 have to say on tau
    narrow = doubling[(doubling["prior"] == "HalfNormal(1)") & (doubling["J"] == 3)]
    assert narrow["more"].item() == pytest.approx(1.0, abs=0.1)


def test_samplers_are_paired_with_the_right_prior_and_the_exact_fit(made):
    _, tables = made
    samplers = tables["samplers"]
    assert len(samplers) == 2 * 2
    assert set(samplers["prior"]) == {"HalfNormal(10)", "HalfCauchy(250)"}
    right = samplers[samplers["right"]]
    assert (right["ess_ratio"] == 1).all()
    assert (right["divergences_more"] == 0).all()
    assert samplers["bias"].notna().all()


def test_every_claim_is_judged_and_without_a_diffuse_prior_the_last_is_not(made):
    study, tables = made
    found = study.judged(tables).set_index("claim")
    assert list(found.index) == ["C23", "C24a", "C24b"]
    assert found.loc["C23", "verdict"] == "holds in a regime"
    assert found.loc["C24b", "parts"] == 2 * 2 + 2
    samplers = tables["samplers"]
    found = judge(CLAIMS["C24b"], {**tables, "samplers": samplers[samplers["right"]]})
    assert found.remark == "Not measured: no prior of tau is more diffuse than the right one."


def test_figures_have_their_panels_and_priors_on_the_axis(made):
    study, tables = made
    figures = study.figures(tables)
    assert {name: len(figure.axes) for name, figure in figures.items()} == {
        "tau": 1, "coverage": 2, "contraction": 1, "doubling": 1, "sampling": 2,
    }  # fmt: skip
    labels = [tick.get_text() for tick in figures["sampling"].axes[0].get_xticklabels()]
    assert labels == ["HN 10", "HC 250"]


def removed(*values, se=0.01):
    """A table of the contraction from (times, J, value)."""
    names = {1.0: "Rubin's", 0.1: "a tenth of Rubin's"}
    return pd.DataFrame(
        [
            {"noise": names[times], "times": times, "J": n, "contraction": value,
             "contraction_se": se}
            for times, n, value in values
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tenth", "whole", "verdict"),
    [
        (0.4, 0.1, "holds"),
        (0.6, 0.1, "holds in a regime"),
        (0.6, 0.7, "fails"),
        (0.49, 0.1, "undecided"),
        # 3 standard errors are not enough for one of two
        (0.531, 0.1, "undecided"),
    ],
)
def test_few_groups_are_judged_at_every_size_of_the_standard_errors(tenth, whole, verdict):
    table = removed((1.0, 3, whole), (0.1, 3, tenth), (0.1, 8, 0.9))
    found = CLAIMS["C23"].judge({"contraction": table})
    assert found.verdict == verdict
    assert found.parts == 2
    where = (
        "from 0.1 times" if whole < 0.5 < tenth else "from 1 times" if whole > 0.5 else "at none"
    )
    assert f"J = 3: more than half {where}" in found.remark
    if verdict == "holds in a regime":
        assert "Holds at J = 3, Rubin's standard errors. Fails at J = 3, a tenth" in found.remark


def test_without_few_groups_the_claim_is_undecided():
    table = removed((1.0, 8, 0.1))
    assert judge(CLAIMS["C23"], {"contraction": table}).remark == (
        "Not measured: no J below 5 in the study."
    )


def near_zero(slope=3.0, coverage=0.6):
    """Priors with eight schools: the right one and a narrow one, as given."""
    right = {
        "J": 8, "prior": "HalfNormal(10)", "right": True, "upper": 19.0, "shrinkage": 0.7,
        "slope": 1.0, "slope_se": 0.1, "coverage": 0.89, "coverage_se": 0.01, "mse_ratio": 1.0,
    }  # fmt: skip
    wrong = {"prior": "HalfNormal(1)", "right": False, "upper": 2.0}
    return {"priors": pd.DataFrame([right, right | wrong | {"slope": slope, "coverage": coverage}])}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({}, "holds"),
        ({"slope": 0.5}, "fails"),
        ({"coverage": 0.95}, "fails"),
        ({"coverage": 0.88}, "undecided"),
    ],
)
def test_a_prior_too_near_zero_needs_slope_and_coverage(values, verdict):
    found = CLAIMS["C24a"].judge(near_zero(**values))
    assert found.verdict == verdict
    assert "estimates are shrunk by 0.70 on average" in found.remark


def test_without_a_prior_nearer_to_zero_that_claim_is_not_measured():
    tables = {"priors": near_zero()["priors"][:1]}
    assert judge(CLAIMS["C24a"], tables).remark == (
        "Not measured: no prior of tau is nearer to zero than the right one."
    )


def too_diffuse(more=-5.0, ess=0.9, growth=-0.2):
    """Tables in which one coding in three has trouble under the widest prior, as given."""
    easy = {
        "library": "numpyro", "model": "noncentred", "J": 8, "prior": "HalfCauchy(250)",
        "right": False, "upper": 2887.0, "divergences_more": -5.0, "divergences_more_se": 0.1,
        "ess_ratio": 0.9, "ess_ratio_se": 0.02,
    }  # fmt: skip
    hard = easy | {"model": "centred", "J": 3, "divergences_more": more, "ess_ratio": ess}
    # what a narrower prior does is not what the claim is about
    narrower = easy | {"prior": "HalfCauchy(25)", "upper": 289.0, "divergences_more": 99.0}
    right = easy | {"prior": "HalfNormal(10)", "upper": 19.0, "right": True, "ess_ratio": 1.0}
    wide = {"prior": "HalfCauchy(250)", "upper": 2887.0, "right": False, "more": 0.02}
    doubling = [
        wide | {"J": 3, "from_right": growth, "from_right_se": 0.01},
        wide | {"J": 8, "from_right": -0.3, "from_right_se": 0.01},
        wide | {"J": 8, "prior": "HalfNormal(10)", "upper": 19.0, "right": True, "more": 0.3},
    ]
    return {
        "samplers": pd.DataFrame([easy, hard, narrower, right]),
        "doubling": pd.DataFrame(doubling),
    }


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({}, "fails"),
        ({"more": 2.0}, "holds"),
        ({"ess": 0.3}, "holds"),
        ({"growth": 0.1}, "holds"),
        ({"more": 1.1}, "undecided"),
        ({"ess": 0.45}, "undecided"),
        # 3 standard errors are not enough for one of six
        ({"growth": 0.031}, "undecided"),
    ],
)
def test_one_kind_of_trouble_in_one_place_is_enough_for_may(values, verdict):
    found = CLAIMS["C24b"].judge(too_diffuse(**values))
    assert found.verdict == verdict
    assert found.parts == 6
    assert "NumPyro centred J = 3" in found.remark
    assert "HalfNormal(10) 30 % (J = 8)" in found.remark


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"half_normal": (1.0,)}, "put tau_scale = 10 among them"),
        ({"half_normal": (10.0,), "half_cauchy": ()}, "the only prior is"),
        ({"half_cauchy": (-1.0,)}, "finite scales above 0"),
        ({"groups": (3, 5)}, "8, which the claims are about"),
        ({"sampled_groups": (3,)}, "give 8 and perhaps more of 3, 4, 5"),
        ({"sampled_groups": (7, 8)}, "give 8 and perhaps more of 3, 4, 5"),
        ({"contraction_simulations": 1}, "at least 2"),
        ({"groups": (1, 8)}, "at least 2"),
        ({"libraries": ("stan",)}, "one or more of numpyro, pymc"),
        ({"simulations": 1}, "at least 2"),
        ({"sampled": 401}, "more than simulations"),
    ],
)
def test_errors_say_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        PriorSensitivity(**options)
