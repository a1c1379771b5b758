"""Prior sensitivity: exact values, the tables of a small run, the judges."""

import numpy as np
import pandas as pd
import pytest

from hiercal.studies._claims import judge
from hiercal.studies._power_scaling import power_scaling
from hiercal.studies._study import Study
from hiercal.studies._tau_priors import Prior, rubin
from hiercal.studies.prior_sensitivity import PriorSensitivity

CLAIMS = {claim.id: claim for claim in PriorSensitivity.claims}
HN = tuple(Prior("half_normal", scale) for scale in (1.0, 2.5, 5.0, 10.0, 20.0, 50.0))


def test_tau_of_rubins_data_under_half_normal_priors():
    """Check values of quadrature, to the digits they were written down with."""
    found = [rubin(prior)["tau"] for prior in HN]
    np.testing.assert_allclose(found, [0.791, 1.890, 3.297, 4.806, 5.822, 6.334], atol=6e-4)


def test_power_scaling_of_the_prior_of_tau():
    table = power_scaling(10.0, seed=1).set_index(["component", "power"])
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
    """A small experiment and its tables; every sampler is left out but NumPyro's."""
    experiment = PriorSensitivity(
        half_normal=(1.0, 10.0), half_cauchy=(), groups=(3, 8), simulations=40, sampled=4,
        libraries=("numpyro",), draws=100, tune=100, chains=1,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("runs")
    results = {
        name: each.run(folder / name, workers=0, progress=False, export=False)
        for name, each in experiment.studies().items()
    }
    return experiment, experiment.tables(results, lambda text: None)


def test_all_arms_meet_the_same_data(made):
    experiment, _ = made
    studies = experiment.studies()
    assert all(isinstance(each, Study) for each in studies.values())
    assert studies["samplers"].stories[0] == studies["priors"].stories[1]
    assert len({arm.fitter.assume for arm in studies["priors"].arms}) == len(experiment.priors)


def test_the_right_prior_is_calibrated_and_the_others_are_not(made):
    """40 data sets; z-values of a right fit, 6 of them, beyond 4: P about 4e-4."""
    _, tables = made
    priors = tables["priors"]
    assert len(priors) == 2 * 2
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
    wide = tables["contraction"].pivot(index="J", columns="noise", values="contraction")
    assert (wide.loc[8] > wide.loc[3]).all()
    assert (wide["a tenth of Rubin's"] > wide["Rubin's"]).all()


def test_samplers_are_paired_with_the_right_prior_and_the_exact_fit(made):
    _, tables = made
    samplers = tables["samplers"]
    assert len(samplers) == 2 * 2
    right = samplers[samplers["right"]]
    assert (right["ess_ratio"] == 1).all()
    assert (right["divergences_more"] == 0).all()
    assert samplers["bias"].notna().all()


def test_with_the_right_prior_the_most_diffuse_that_part_is_not_measured(made):
    experiment, tables = made
    found = experiment.judged(tables).set_index("claim")
    assert list(found.index) == ["C23", "C24"]
    assert found.loc["C24", "verdict"] != "holds"
    assert found.loc["C24", "remark"].endswith(
        "Too diffuse gives trouble: not measured, no prior of tau is more diffuse than the right "
        "one."
    )


def test_figures_have_their_panels_and_priors_on_the_axis(made):
    experiment, tables = made
    figures = experiment.figures(tables)
    assert {name: len(figure.axes) for name, figure in figures.items()} == {
        "tau": 1, "coverage": 2, "contraction": 1, "sampling": 2,
    }  # fmt: skip
    labels = [tick.get_text() for tick in figures["sampling"].axes[0].get_xticklabels()]
    assert labels == ["HN 1", "HN 10"]


def contraction(*values, se=0.01):
    return pd.DataFrame(
        [
            {"noise": noise, "J": n, "contraction": value, "contraction_se": se}
            for noise, n, value in values
        ]
    )


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.4, "holds"), (0.6, "fails"), (0.49, "undecided")]
)
def test_few_groups_are_judged_at_every_noise(value, verdict):
    table = contraction(("Rubin's", 3, 0.1), ("tenth", 3, value), ("tenth", 8, 0.9))
    found = CLAIMS["C23"].judge({"contraction": table})
    assert found.verdict == verdict
    assert "at no J up to 3 at Rubin's standard errors" in found.remark


def test_without_few_groups_the_claim_is_undecided():
    table = contraction(("Rubin's", 8, 0.1))
    assert judge(CLAIMS["C23"], {"contraction": table}).remark == (
        "Not measured: no J below 5 in the study."
    )


def wrong_priors(slope=3.0, coverage=0.6, more=5.0, ess=1.0):
    """Tables in which NumPyro's non-centred model has trouble, the centred one as given."""
    right = {
        "J": 8, "prior": "HalfNormal(10)", "right": True, "upper": 19.0, "shrinkage": 0.7,
        "slope": 1.0, "slope_se": 0.1, "coverage": 0.89, "coverage_se": 0.01, "mse_ratio": 1.0,
    }  # fmt: skip
    wrong = {"prior": "HalfNormal(1)", "right": False, "upper": 2.0}
    narrow = right | wrong | {"slope": slope, "coverage": coverage}
    easy = {
        "library": "numpyro", "model": "noncentred", "prior": "HalfCauchy(25)", "right": False,
        "upper": 289.0, "divergences_more": 20.0, "divergences_more_se": 1.0, "ess_ratio": 0.5,
        "ess_ratio_se": 0.02,
    }  # fmt: skip
    hard = easy | {"model": "centred", "divergences_more": more, "ess_ratio": ess}
    narrower = easy | {"upper": 19.0, "divergences_more": -99.0, "ess_ratio": 2.0, "right": True}
    return {
        "priors": pd.DataFrame([right, narrow]),
        "samplers": pd.DataFrame([easy, hard, narrower]),
    }


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({}, "holds"),
        ({"slope": 0.5}, "fails"),
        ({"coverage": 0.88}, "undecided"),
        ({"more": 0.0, "ess": 0.5}, "holds"),
        ({"more": -5.0, "ess": 1.2}, "fails"),
        ({"more": 0.0, "ess": 0.9}, "undecided"),
    ],
)
def test_wrong_priors_need_slope_and_coverage_and_either_kind_of_trouble(values, verdict):
    found = CLAIMS["C24"].judge(wrong_priors(**values))
    assert found.verdict == verdict
    assert "NumPyro centred" in found.remark


def test_the_remark_gives_each_part():
    found = CLAIMS["C24"].judge(wrong_priors(more=-5.0, ess=1.2))
    assert found.remark.startswith(
        "Too near zero over-shrinks: confirmed, 3 (0.1), bound 1, slope of truth on estimate, "
        "HalfNormal(1). Under HalfNormal(1) estimates are shrunk by 0.70 on average "
    )
    assert (
        "Too diffuse gives trouble: refuted, -5 (1), bound 1, further divergent draws per "
        "thousand, NumPyro centred. Further divergent draws per thousand and ratio of worst ESS "
    ) in found.remark


def test_a_part_that_is_not_measured_does_not_hide_that_another_is_refuted():
    tables = wrong_priors(more=-5.0, ess=1.2)
    found = CLAIMS["C24"].judge(tables | {"priors": tables["priors"][:1]})
    assert found.verdict == "fails"
    assert "not measured, no prior of tau is nearer to zero than the right one." in found.remark


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"half_normal": (1.0,)}, "put tau_scale = 10 among them"),
        ({"half_normal": (10.0,), "half_cauchy": ()}, "the only prior is"),
        ({"half_cauchy": (-1.0,)}, "finite scales above 0"),
        ({"groups": (3, 5)}, "8, for which NUTS runs"),
        ({"groups": (1, 8)}, "at least 2"),
        ({"libraries": ("stan",)}, "one or more of numpyro, pymc"),
        ({"simulations": 1}, "at least 2"),
        ({"sampled": 401}, "more than simulations"),
    ],
)
def test_errors_say_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        PriorSensitivity(**options)
