"""The study of new groups: exact cases, a tiny run, its judges on hand-made tables."""

import numpy as np
import pandas as pd
import pytest

from hiercal.sbc.coverage import central_coverage
from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.private_schools import PrivateSchools
from hiercal.simulators.slopes import Slopes
from hiercal.studies import _claims
from hiercal.studies._predictions import (
    LEVEL,
    MAX_RANK,
    K,
    covered,
    on_textbook,
    plug_in,
    rubin,
)
from hiercal.studies.new_group import NewGroup


class TestExact:
    def test_ninth_school_on_rubins_data(self):
        rows = pd.DataFrame(rubin()).set_index("quantity")
        new = rows.loc["theta_new"]
        assert new["mean"] == pytest.approx(7.453, abs=5e-4)
        assert new["sd"] == pytest.approx(7.578, abs=5e-4)
        assert (new["lower"], new["upper"]) == pytest.approx((-3.891, 18.87), abs=5e-3)
        assert rows.loc["theta[E]", "times_wider"] == pytest.approx(22.76 / 18.18, abs=2e-3)
        assert (rows.drop("theta_new")["times_wider"] > 1).all()

    def test_beta_of_the_textbooks_data(self):
        rows = pd.DataFrame(on_textbook()).set_index(["quantity", "statistic"])
        assert rows.loc[("beta", "mean"), "exact"] == pytest.approx(1.98, abs=5e-3)
        assert rows.loc[("beta", "sd"), "exact"] == pytest.approx(6.54, abs=5e-3)
        assert rows.loc[("beta", "mean"), "printed"] == 5.89

    def test_interval_of_ranks_has_exactly_the_level(self):
        ranks = np.arange(MAX_RANK + 1)
        found = central_coverage(ranks, MAX_RANK, k=[K])
        assert found.nominal[0] == pytest.approx(LEVEL)
        assert covered(pd.Series(ranks)).sum() == found.covered[0]

    def test_plug_in_of_log_rates_and_of_a_private_school(self):
        draws = {"mu_log": np.array([0.5]), "sigma_log": np.array([0.6])}
        lower, upper = plug_in(Hospitals(), draws)
        assert np.log([lower[0], upper[0]]).mean() == pytest.approx(0.5)
        draws = {"mu": np.array([8.0]), "beta": np.array([5.0]), "tau": np.array([0.0])}
        assert plug_in(PrivateSchools(), draws)[0].tolist() == [13.0]

    def test_plug_in_of_a_story_that_it_does_not_know(self):
        with pytest.raises(ValueError, match="no plug-in prediction for story slopes"):
            plug_in(Slopes(), {})

    def test_plug_in_is_narrower_than_the_exact_predictive(self):
        story = EightSchools()
        exact = story.exact(story.observed)
        draws = {name: np.array([exact.mean(name)]) for name in ("mu", "tau")}
        lower, upper = plug_in(story, draws)
        assert upper[0] - lower[0] < 0.8 * rubin()[0]["width"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    experiment = NewGroup(
        simulations=8, draws=200, betas=(5.0, 40.0), contaminations=(0.0, 3.0), noises=(0.1, 1.0)
    )
    folder = tmp_path_factory.mktemp("new_group")
    results = {
        name: study.run(folder / name, workers=0, progress=False, export=False)
        for name, study in experiment.studies().items()
    }
    return experiment, experiment.tables(results, lambda _: None)


class TestRun:
    def test_every_design_and_model_has_a_row(self, made):
        tables = made[1]
        rows = {name: len(table) for name, table in tables.items()}
        assert rows == {
            "unseen": 3, "rubin": 9, "unseen_private": 4, "private_schools": 4, "slopes": 8,
            "textbook": 5,
        }  # fmt: skip
        for name in ("unseen", "unseen_private", "private_schools", "slopes"):
            assert set(tables[name]["n"]) == {8}
            assert set(tables[name]["n_failed"]) == {0}

    def test_far_away_private_schools_are_missed_without_the_covariate(self, made):
        new = made[1]["unseen_private"].set_index(["beta", "model"])["coverage"]
        assert new[40.0, "exchangeable"] < new[5.0, "exchangeable"]
        seen = made[1]["private_schools"].set_index(["beta", "model"])
        assert seen.loc[(40.0, "exchangeable"), "excess_mse"] > 0
        assert (seen.xs("covariate", level="model")["excess_mse"] == 0).all()
        assert (seen.xs("exchangeable", level="model")["beta_mean"] == 0).all()

    def test_contamination_moves_the_unpooled_slope_by_its_leverage(self, made):
        slopes = made[1]["slopes"].set_index(["noise", "contamination", "model"])
        x = np.array(Slopes().x[-1])
        moved = 3.0 * x[2:].sum() / np.square(x).sum()
        bias = slopes.loc[(0.1, 3.0, "no_pooling")]
        assert abs(bias["bias"] - moved) < 4 * bias["bias_se"] + 0.01
        assert slopes.loc[(1.0, 3.0, "hierarchical"), "error"] < 0.5 < bias["error"]

    def test_every_claim_has_a_verdict_and_figures_are_drawn(self, made):
        experiment, tables = made
        assert list(experiment.judged(tables)["claim"]) == ["C21", "C22", "C31"]
        assert set(experiment.figures(tables)) == {
            "unseen_private_school", "private_schools", "contaminated_slope",
        }  # fmt: skip


def judge(claim, tables):
    return _claims.judge(next(each for each in NewGroup.claims if each.id == claim), tables)


TEXTBOOK = pd.DataFrame([
    {"quantity": "theta_new / theta[E]", "statistic": "width ratio", "printed": 1.5, "exact": 1.2},
    {"quantity": "beta", "statistic": "mean", "printed": 5.89, "exact": 1.98},
])  # fmt: skip


def slope_rows(unpooled, hierarchical, noise=0.1, se=0.01):
    return [
        {"noise": noise, "contamination": c, "model": model, "error": error, "error_se": se}
        for c, errors in ((0.0, (0.9, 0.01)), (1.0, (unpooled, hierarchical)))
        for model, error in zip(("no_pooling", "hierarchical"), errors, strict=True)
    ]


class TestJudges:
    @pytest.mark.parametrize(
        ("ratio", "share", "se", "verdict"),
        [
            (1.05, 0.97, 0.01, "holds"),
            (0.99, 0.97, 0.01, "fails"),
            (1.05, 0.8, 0.01, "fails"),
            (1.05, 0.92, 0.01, "undecided"),
        ],
    )
    def test_wider(self, ratio, share, se, verdict):
        tables = {
            "rubin": pd.DataFrame(
                {"quantity": ["theta_new", "theta[A]"], "times_wider": [1.0, ratio]}
            ),
            "unseen": pd.DataFrame([{"story": "eight_schools", "wider": share, "wider_se": se}]),
            "textbook": TEXTBOOK,
        }
        assert judge("C21", tables).verdict == verdict

    @pytest.mark.parametrize(
        ("beta_mean", "excess", "coverage", "verdict"),
        [
            (4.0, 10.0, 0.7, "holds"),
            (1.0, 10.0, 0.7, "fails"),
            (4.0, -10.0, 0.7, "fails"),
            (4.0, 10.0, 0.89, "fails"),
            (2.6, 10.0, 0.7, "undecided"),
        ],
    )
    def test_private(self, beta_mean, excess, coverage, verdict):
        rows = [
            {"beta": 5.0, "model": model, "beta_mean": beta_mean, "beta_mean_se": 0.1,
             "excess_mse": excess, "excess_mse_se": 1.0, "coverage": coverage,
             "coverage_se": 0.01}
            for model in ("covariate", "exchangeable")
        ]  # fmt: skip
        found = judge("C22", {"private_schools": pd.DataFrame(rows), "textbook": TEXTBOOK})
        assert found.verdict == verdict
        assert ("larger at beta = 5" in found.remark) == (excess > 0)

    def test_private_without_the_textbooks_beta(self):
        rows = [{"beta": 7.0, "model": model} for model in ("covariate", "exchangeable")]
        found = judge("C22", {"private_schools": pd.DataFrame(rows), "textbook": TEXTBOOK})
        assert found.verdict == "undecided"
        assert found.remark.startswith("Not measured: beta 5")

    @pytest.mark.parametrize(
        ("unpooled", "hierarchical", "verdict"),
        [
            (0.9, 0.1, "holds"),
            (0.9, 0.8, "fails"),
            (0.9, 0.19, "undecided"),
        ],
    )
    def test_contaminated(self, unpooled, hierarchical, verdict):
        rows = [*slope_rows(unpooled, hierarchical), *slope_rows(2.0, 0.1, noise=1.0)]
        found = judge("C31", {"slopes": pd.DataFrame(rows)})
        assert found.verdict == verdict
        assert "noise 1 with contamination 1" in found.remark
        assert "contamination 0" not in found.remark

    def test_contaminated_too_little(self):
        found = judge("C31", {"slopes": pd.DataFrame(slope_rows(0.3, 0.1))})
        assert found.verdict == "undecided"
        assert found.remark.startswith("Not measured: no contamination")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"simulations": 1}, "simulations is 1"),
        ({"draws": 100}, "draws is 100"),
        ({"betas": (5.0,)}, "betas is"),
        ({"contaminations": ()}, "contaminations is"),
        ({"noises": ()}, "noises is"),
        ({"noises": (0.0,)}, "noises is 0.0"),
        ({"tau": -1.0}, "tau is -1.0"),
        ({"sigma_slope": 0.0}, "sigma_slope is 0.0"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        NewGroup(**options)
