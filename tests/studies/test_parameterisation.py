"""Parameterisation: data sets on a grid, the crossover, the tables of a small run, the judges."""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest

from hiercal.simulators.eight_schools import EightSchools
from hiercal.studies._claims import judge
from hiercal.studies.parameterisation import study as design
from hiercal.studies.parameterisation.crossover import crossover
from hiercal.studies.parameterisation.on_grid import SchoolsOnGrid, SurveyOnGrid
from hiercal.studies.parameterisation.study import Parameterisation
from hiercal.tables.estimates import worst_parameter
from tests.running import run

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
    y = rng.normal(3.0, design.SIGMA, size=5)
    theta = np.linspace(-10, 10, 5)
    each = -0.5 * ((y - theta[:, None]) ** 2).sum(axis=1) / design.SIGMA**2
    mean = -0.5 * (y.mean() - theta) ** 2 / (design.SIGMA**2 / 5)
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
    """A small study, and results of its map and of a survey with one coding."""
    study = Parameterisation(
        observations=(1, 125), taus=(0.5, 20.0), simulations=16, surveys=8, learnt=6,
        libraries=("numpyro",), chains=1, draws=200, tune=300,
    )  # fmt: skip
    runs = study.runs()
    folder = tmp_path_factory.mktemp("runs")
    *_, collapsed, exact = runs["survey"].fitters
    kept = dataclasses.replace(runs["survey"], fitters=(collapsed, exact))
    results = {name: run(each, folder / name) for name, each in (runs | {"survey": kept}).items()}
    return study, results


@pytest.fixture(scope="module")
def tables(made):
    study, results = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(design, "SURVEY_MODELS", ("collapsed",))
        patch.setattr(design, "BOOTSTRAPS", 50)
        return study.tables(results, {})


def test_every_cell_has_both_models_and_all_ratios(tables):
    assert len(tables["arms"]) == 2 * 4
    assert len(tables["map"]) == 2 * 2 * 4
    assert (tables["arms"]["n_failed"] == 0).all()
    assert tables["arms"].groupby("model")["n_fits"].sum().to_list() == [32, 32]
    assert list(tables["crossover"]["n"]) == [1, 125]
    worst = tables["worst"]
    assert len(worst) == 2 * 2 * 2
    naive = worst["naive"] - worst["value"]
    assert (naive > -3 * worst["value_se"]).all()


def test_the_worst_ess_is_that_of_a_parameter(made):
    """The records hold a new group's effect and log densities as well."""
    study, results = made
    result = results["map"]
    arm = study.runs()["map"].arms[0]
    worst = worst_parameter(result, arm.label, arm.story)
    records = result.records[result.records["arm"] == arm.label]
    names = ["mu", "tau", *(f"theta[{school}]" for school in "ABCDEFGH")]
    assert {"theta_new", "log_lik"} <= set(records["quantity"])
    by_hand = records[records["quantity"].isin(names)].groupby("simulation")["ess_bulk"].min()
    np.testing.assert_array_equal(worst, by_hand)
    spoilt = copy.copy(result)
    changed = result.records.copy()
    changed.loc[~changed["quantity"].isin(names).to_numpy(), "ess_bulk"] = 1.0
    spoilt.__dict__["records"] = changed
    np.testing.assert_array_equal(worst_parameter(spoilt, arm.label, arm.story), by_hand)


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
    study, _ = made
    figures = study.figures(tables)
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
    crossover = [
        {"library": "numpyro", "n": 1, "crossover": np.nan, "crossover_se": np.nan},
        {"library": "numpyro", "n": 99, "crossover": 1.5, "crossover_se": 0.1},
    ]
    return {"map": pd.DataFrame(rows), "crossover": pd.DataFrame(crossover)}


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
    assert found.remark == (
        "They are equal at sqrt(n) tau / sigma: 1.50 (0.10) for n = 99 in NumPyro."
    )


def worst_rows(bias=-0.1, few=-3.0, all_n=-1.0):
    """Non-centred less centred, in the worst case; centred at 0.2 sd and 9 doublings."""
    rows = []
    for loss, n, difference, level in (
        ("bias", 1, bias, 0.2),
        ("bias", 99, bias, 0.2),
        ("gradients", 1, few, 9.0),
        ("gradients", 99, all_n, 9.0),
    ):
        for model, value in (("centred", level), ("noncentred", level + difference)):
            rows.append(
                {"library": "numpyro", "loss": loss, "up_to": n, "model": model, "value": value,
                 "value_se": 0.02 if loss == "bias" else 0.1, "chosen": f"n = {n}, tau = 0.5"}
            )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("average", "worst", "verdict"),
    [
        ({"most": 1.0}, {}, "holds"),
        ({"most": -9.0, "near_zero": -9.0, "few": -9.0}, {"bias": 0.1, "few": 3, "all_n": 3},
         "fails"),
        ({}, {}, "holds in a regime"),
        ({"most": 1.0}, {"all_n": 1.0}, "holds in a regime"),
        ({"most": 1.0}, {"all_n": 0.1}, "undecided"),
    ],
)  # fmt: skip
def test_default_is_judged_by_three_losses(average, worst, verdict):
    tables = ratio_tables(**average) | {"worst": worst_rows(**worst)}
    found = judge(CLAIMS["C13"], tables)
    assert found.verdict == verdict
    assert "512 (35) in NumPyro centred (n = 99, tau = 0.5)" in found.remark
    if verdict == "holds in a regime":
        assert found.where == "map.csv, worst.csv and figures/map.png"
        assert "(n = 99)" in found.remark or "(n up to 99)" in found.remark


def test_default_without_a_finished_fit_is_not_measured():
    rows = worst_rows()
    rows.loc[rows["model"] == "noncentred", ["value", "value_se"]] = np.nan
    found = judge(CLAIMS["C13"], ratio_tables() | {"worst": rows})
    assert found.verdict == "undecided"
    assert found.remark == "Not measured: no fit of NumPyro noncentred was finished."


def test_the_study_judges_what_it_claims(made, tables):
    found = made[0].judged(tables).set_index("claim")
    assert list(found.index) == ["C12", "C13"]


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
