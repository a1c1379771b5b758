"""Parameterisation: data sets on a grid, the crossover, the tables of a small run, the judges."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from hiercal.simulators.eight_schools import EightSchools
from hiercal.studies import parameterisation as study
from hiercal.studies._claims import judge
from hiercal.studies._crossover import crossover
from hiercal.studies._on_grid import SchoolsOnGrid, SurveyOnGrid
from hiercal.studies.parameterisation import Parameterisation

CLAIMS = {claim.id: claim for claim in Parameterisation.claims}


def test_a_story_on_a_grid_simulates_its_values_and_has_the_same_posterior():
    story = SchoolsOnGrid(grid=(0.5, 8.0), sigma=(3.0,) * 4)
    drawn = [story.simulate(np.random.default_rng(seed)) for seed in range(40)]
    assert {float(each.truth["tau"]) for each in drawn} == {0.5, 8.0}
    plain = EightSchools(sigma=story.sigma)
    data = drawn[0].data
    assert story.exact(data).mean("tau") == plain.exact(data).mean("tau")
    survey = SurveyOnGrid(grid=(0.3,)).simulate(np.random.default_rng(1))
    assert survey.truth["alpha"] == 0.3


def test_the_mean_of_n_observations_says_all_that_they_do_of_an_effect():
    """log-likelihoods of n observations and of their mean differ by a constant."""
    rng = np.random.default_rng(1)
    y = rng.normal(3.0, study.SIGMA, size=5)
    theta = np.linspace(-10, 10, 5)
    each = -0.5 * ((y - theta[:, None]) ** 2).sum(axis=1) / study.SIGMA**2
    mean = -0.5 * (y.mean() - theta) ** 2 / (study.SIGMA**2 / 5)
    np.testing.assert_allclose(np.diff(each), np.diff(mean))


def test_crossover_of_a_line_is_found_within_its_error():
    """log ratio = -log(kappa / 2) plus noise: 2; beyond 4 standard errors P about 1e-4."""
    rng = np.random.default_rng(3)
    cells = [(k, -np.log(k / 2) + rng.normal(size=50)) for k in (0.1, 0.5, 1.0, 3.0, 9.0)]
    found = crossover(cells, np.random.default_rng(1), samples=200)
    assert found["crossed"] == 1
    assert abs(found["crossover"] - 2) < 4 * found["crossover_se"] < 2
    shuffled = crossover(cells[::-1], np.random.default_rng(1), samples=200)
    assert shuffled["crossover"] == found["crossover"]


@pytest.mark.parametrize(
    "cells",
    [[(0.1, np.ones(3)), (1.0, np.ones(3))], [(0.1, np.ones(3))], [(0.1, np.array([]))], []],
)
def test_without_a_crossing_there_is_none(cells):
    found = crossover(cells, np.random.default_rng(1), samples=20)
    assert np.isnan(found["crossover"])
    assert np.isnan(found["crossover_se"])
    assert found["crossed"] == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small experiment, and tables from its map and from an exact survey alone."""
    experiment = Parameterisation(
        observations=(1, 125), taus=(0.5, 20.0), simulations=16, surveys=8, learnt=6,
        libraries=("numpyro",), chains=1, draws=200, tune=300,
    )  # fmt: skip
    studies = experiment.studies()
    folder = tmp_path_factory.mktemp("runs")
    *_, collapsed, exact = studies["survey"].fitters
    kept = dataclasses.replace(studies["survey"], fitters=(collapsed, exact))
    results = {
        name: each.run(folder / name, workers=0, progress=False, export=False)
        for name, each in (studies | {"survey": kept}).items()
    }
    return experiment, results


@pytest.fixture(scope="module")
def tables(made):
    experiment, results = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "SURVEY_MODELS", ("collapsed",))
        patch.setattr(study, "BOOTSTRAPS", 50)
        return experiment.tables(results, lambda text: None)


def test_every_cell_has_both_models_and_all_ratios(tables):
    assert len(tables["arms"]) == 2 * 4
    assert len(tables["map"]) == 2 * 2 * 4
    assert (tables["arms"]["n_failed"] == 0).all()
    assert tables["arms"].groupby("model")["n_fits"].sum().to_list() == [32, 32]
    assert list(tables["crossover"]["n"]) == ["all", 1, 125]


def test_the_corners_of_the_map_are_what_the_geometry_says(tables):
    """Log2 ratios there are about +4 and -4 with standard errors of about a half."""
    ratios = tables["map"].set_index(["ess", "cost", "n", "tau"])["log2_ratio"]
    assert ratios["worst", "gradient", 1, 0.5] > 0
    assert ratios["worst", "gradient", 125, 20.0] < 0
    noncentred = tables["arms"].query("model == 'noncentred'")
    z = noncentred["bias"] / noncentred["bias_se"]
    assert z.abs().max() < 6  # t with few degrees of freedom


def test_the_collapsed_survey_is_not_biased(tables):
    z = tables["survey"]["bias"] / tables["survey"]["bias_se"]
    assert z.abs().max() < 8  # t with 2 degrees of freedom or so
    assert 0 < tables["survey_learnt"]["contraction"].iloc[0] < 1


def test_figures(made, tables):
    experiment, _ = made
    figures = experiment.figures(tables)
    assert {name: len(figure.axes) for name, figure in figures.items()} == {
        "map": 1, "ratio": 1, "bias": 2, "survey": 1,
    }  # fmt: skip
    texts = [text.get_text() for text in figures["map"].axes[0].texts]
    assert len(texts) == 4


def ratio_tables(few=2.0, most=-3.0, near_zero=1.0):
    values = {
        (1, 0.5): (few + near_zero) / 2,
        (1, 20.0): few,
        (99, 0.5): near_zero,
        (99, 20.0): most,
    }
    rows = [
        {
            "library": "numpyro", "ess": "worst", "cost": "gradient", "n": n, "tau": tau,
            "log2_ratio": value, "log2_ratio_se": 0.2,
        }
        for (n, tau), value in values.items()
    ]  # fmt: skip
    crossover = {"library": "numpyro", "n": "all", "crossover": 1.5, "crossover_se": 0.1}
    return {"map": pd.DataFrame(rows), "crossover": pd.DataFrame([crossover])}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({}, "holds"),
        ({"most": 2.0}, "fails"),
        ({"few": -9.0}, "fails"),
        ({"near_zero": -9.0}, "fails"),
        ({"most": -0.1}, "undecided"),
    ],
)
def test_better_where(values, verdict):
    found = CLAIMS["C12"].judge(ratio_tables(**values))
    assert found.verdict == verdict
    assert found.remark == "They are equal at sqrt(n) tau / sigma: at 1.50 (0.10) in NumPyro."


@pytest.mark.parametrize(
    ("ess", "bias", "verdict"),
    [(8.0, 0.0, "holds"), (0.5, 0.0, "fails"), (8.0, -0.9, "fails"), (2.1, 0, "undecided")],
)
def test_default_is_judged_by_its_worst_cell(ess, bias, verdict):
    cell = {
        "library": "pymc", "n": 1, "tau": 2.0, "ess_per_gradient_se": 0.1, "bias_se": 0.02,
    }  # fmt: skip
    values = [
        ("centred", 2.0, 0.3),
        ("centred", 99.0, 0.0),
        ("noncentred", ess, bias),
        ("noncentred", 50.0, 0.01),
    ]
    rows = [cell | {"model": m, "ess_per_gradient": e, "bias": b} for m, e, b in values]
    assert CLAIMS["C13"].judge({"arms": pd.DataFrame(rows)}).verdict == verdict


def test_default_without_a_finished_fit_is_not_measured():
    rows = {
        "library": "pymc", "model": ["centred", "noncentred"], "ess_per_gradient": [1.0, np.nan],
        "ess_per_gradient_se": 0.1, "bias": [0.1, np.nan], "bias_se": 0.1, "n": 1, "tau": 2.0,
    }  # fmt: skip
    found = judge(CLAIMS["C13"], {"arms": pd.DataFrame(rows)})
    assert found.verdict == "undecided"
    assert found.remark == "Not measured: no fit of PyMC noncentred was finished."


def survey_tables(contraction=0.2, small=0.5, large=0.0):
    collapsed = {"model": "collapsed", "alpha": [0.3, 8.0], "exact": [0.4, 4.5]}
    centred = {
        "model": "centred", "alpha": [0.3, 8.0], "bias": [small, large], "bias_se": 0.03,
        "divergent_fits": [0.5, 0.0],
    }  # fmt: skip
    learnt = {"contraction": [contraction], "contraction_se": [0.02]}
    return {
        "survey": pd.concat([pd.DataFrame(collapsed), pd.DataFrame(centred)]),
        "survey_learnt": pd.DataFrame(learnt),
    }


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({}, "holds"),
        ({"contraction": 0.7}, "fails"),
        ({"contraction": 0.51}, "undecided"),
        ({"small": 0.0}, "fails"),
        ({"large": -0.9}, "fails"),
        ({"small": 0.15}, "undecided"),
    ],
)
def test_alpha_is_hard_to_learn_and_small_alpha_breaks(values, verdict):
    assert CLAIMS["C33"].judge(survey_tables(**values)).verdict == verdict


def test_the_remark_gives_each_part_of_the_claim_on_alpha():
    found = CLAIMS["C33"].judge(survey_tables(contraction=0.7))
    assert found.effect == 0.7
    assert found.remark == (
        "Hard to learn: refuted, 0.7 (0.02), bound 0.5, share of the prior variance of alpha gone. "
        "Of data simulated at alpha = 8 its exact posterior mean is 4.5 on average. "
        "Breaks centred samplers: confirmed, 0.5 (0.042), bound 0, bias of centred alpha in "
        "posterior sds at alpha = 0.3 beyond that at 8. 50 % of these fits have divergences; bias "
        "+0.50, at alpha = 8 +0.00."
    )


def test_what_was_not_fitted_leaves_claims_undecided(made, tables):
    """The tables have the survey from the collapsed model alone."""
    found = made[0].judged(tables).set_index("claim")
    assert list(found.index) == ["C12", "C13", "C33"]
    assert "Breaks centred samplers: not measured" in found.loc["C33", "remark"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"observations": (5,)}, "two or more"),
        ({"taus": (0.0, 1.0)}, "above 0"),
        ({"observations": (1, 2.5)}, "whole number"),
        ({"libraries": ()}, "one or more of numpyro, pymc"),
        ({"simulations": 10}, "at least 20"),
        ({"surveys": 7}, "at least 8"),
        ({"learnt": 1}, "at least 2"),
    ],
)
def test_errors_say_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        Parameterisation(**options)
