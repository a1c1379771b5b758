"""The study of new groups: exact cases, a tiny run, its judges on hand-made tables."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest

from hiercal.exact.normal_normal_sets import NormalNormalSets
from hiercal.sbc.coverage import central_coverage
from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.private_schools import PrivateSchools
from hiercal.simulators.slopes import Slopes
from hiercal.simulators.survey import Survey
from hiercal.studies import _claims
from hiercal.studies.new_group.predictions import (
    END,
    LEVEL,
    MAX_RANK,
    covered,
    on_textbook,
    plug_in,
    rubin,
)
from hiercal.studies.new_group.private_schools import fitted
from hiercal.studies.new_group.study import NewGroup
from tests.running import measure, run


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
        found = central_coverage(ranks, MAX_RANK, k=[END])
        assert found.nominal[0] == pytest.approx(LEVEL)
        assert covered(pd.Series(ranks)).sum() == found.covered[0]

    def test_plug_in_of_log_rates_and_of_a_private_school(self):
        draws = {"mu_log": np.array([0.5]), "sigma_log": np.array([0.6])}
        lower, upper = plug_in(Hospitals(), draws)
        assert np.log([lower[0], upper[0]]).mean() == pytest.approx(0.5)
        draws = {"mu": np.array([8.0]), "beta": np.array([5.0]), "tau": np.array([0.0])}
        assert plug_in(PrivateSchools(), draws)[0].tolist() == [13.0]

    def test_plug_in_of_a_story_that_it_does_not_know(self):
        with pytest.raises(ValueError, match="no plug-in prediction for story survey"):
            plug_in(Survey(), {})

    def test_plug_in_is_narrower_than_the_exact_predictive(self):
        story = EightSchools()
        exact = story.exact(story.observed)
        draws = {name: np.array([exact.mean(name)]) for name in ("mu", "tau")}
        lower, upper = plug_in(story, draws)
        assert upper[0] - lower[0] < 0.8 * rubin()[0]["width"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    study = NewGroup(
        simulations=8,
        private_simulations=2000,
        slope_simulations=8,
        draws=200,
        betas=(5.0, 40.0),
        contaminations=(0.0, 0.3, 3.0),
        noises=(0.1, 1.0),
    )
    folder = tmp_path_factory.mktemp("new_group")
    results = {name: run(each, folder / name) for name, each in study.runs().items()}
    return study, study.tables(results, measure(study))


class TestRun:
    def test_every_design_and_model_has_a_row(self, made):
        tables = made[1]
        rows = {name: len(table) for name, table in tables.items()}
        assert rows == {
            "unseen": 3, "rubin": 9, "unseen_private": 4, "private_schools": 4, "slopes": 12,
            "textbook": 5,
        }  # fmt: skip
        for name in ("unseen", "slopes"):
            assert set(tables[name]["n"]) == {8}
            assert set(tables[name]["n_failed"]) == {0}
        for name in ("unseen_private", "private_schools"):
            assert set(tables[name]["n"]) == {2000}

    def test_far_away_private_schools_are_missed_without_the_covariate(self, made):
        new = made[1]["unseen_private"].set_index(["beta", "model"])["coverage"]
        assert new[40.0, "exchangeable"] < new[5.0, "exchangeable"]
        seen = made[1]["private_schools"].set_index(["beta", "model"])
        assert seen.loc[(40.0, "exchangeable"), "excess_mse"] > 0
        assert (seen.xs("covariate", level="model")["excess_mse"] == 0).all()
        assert seen.xs("exchangeable", level="model")["beta_mean"].isna().all()

    def test_squared_error_of_the_textbooks_private_schools(self, made):
        # 40,000 other data sets: excess -2.8 (.15) points squared, coverage .894 (.001)
        row = made[1]["private_schools"].set_index(["beta", "model"]).loc[(5.0, "exchangeable")]
        assert abs(row["excess_mse"] + 2.8) < 4 * row["excess_mse_se"]
        assert abs(row["coverage"] - 0.894) < 4 * row["coverage_se"]

    def test_contamination_moves_the_unpooled_slope_by_its_leverage(self, made):
        slopes = made[1]["slopes"].set_index(["noise", "contamination", "model"])
        x = np.array(Slopes().x[-1])
        moved = 3.0 * x[2:].sum() / np.square(x).sum()
        bias = slopes.loc[(0.1, 3.0, "no_pooling")]
        assert abs(bias["bias"] - moved) < 4 * bias["bias_se"] + 0.01
        assert slopes.loc[(1.0, 3.0, "hierarchical"), "error"] < 0.5 < bias["error"]

    def test_every_claim_has_a_verdict_and_figures_are_drawn(self, made):
        study, tables = made
        assert list(study.judged(tables)["claim"]) == ["C21", "C22", "C31"]
        assert set(study.figures(tables)) == {
            "unseen_private_school", "private_schools", "contaminated_slope", "contaminated_map",
        }  # fmt: skip


def judge(claim, tables):
    return _claims.judge(next(each for each in NewGroup.claims if each.id == claim), tables)


def textbook(beta: float) -> pd.DataFrame:
    new = "theta_new / theta[E]"
    return pd.DataFrame([
        {"quantity": new, "statistic": "width ratio", "printed": 1.5, "exact": 1.2},
        {"quantity": "beta", "statistic": "mean", "printed": 5.89, "exact": beta},
    ])  # fmt: skip


def private_rows(beta, beta_mean, excess, coverage):
    return [
        {
            "beta": beta, "model": model, "beta_mean": beta_mean, "beta_mean_se": 0.1,
            "beta_positive": 0.1, "mse": 40.0, "excess_mse": excess, "excess_mse_se": 1.0,
            "coverage": coverage, "coverage_se": 0.01,
        }
        for model in ("covariate", "exchangeable")
    ]  # fmt: skip


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
            "textbook": textbook(1.98),
        }
        assert judge("C21", tables).verdict == verdict

    @pytest.mark.parametrize(
        ("beta_mean", "excess", "coverage", "verdict"),
        [
            (4.0, 10.0, 0.7, "holds"),
            (1.0, 10.0, 0.7, "fails"),
            (4.0, -10.0, 0.7, "fails"),
            (4.0, 10.0, 0.95, "fails"),
            (2.6, 10.0, 0.7, "undecided"),
        ],
    )
    def test_private(self, beta_mean, excess, coverage, verdict):
        rows = private_rows(5.0, beta_mean, excess, coverage)
        found = judge("C22", {"private_schools": pd.DataFrame(rows), "textbook": textbook(4.0)})
        assert found.verdict == verdict

    def test_private_by_beta_and_on_the_textbooks_own_data(self):
        rows = [
            *private_rows(0.0, 0.0, -10.0, 0.95),
            *private_rows(5.0, 3.0, -3.0, 0.89),
            *private_rows(20.0, 12.0, 90.0, 0.6),
        ]
        found = judge("C22", {"private_schools": pd.DataFrame(rows), "textbook": textbook(1.98)})
        assert found.verdict == "holds in a regime"
        assert (found.effect, found.se, found.bound) == (1.98, 0.0, 2.5)
        assert found.remark.startswith("Holds at beta = 20. Fails at beta = 5.")
        assert "beta = 0" not in found.remark

    def test_private_fails_by_the_textbooks_own_data_alone(self):
        tables = {"private_schools": pd.DataFrame(private_rows(5.0, 4.0, 10.0, 0.7))}
        assert judge("C22", tables | {"textbook": textbook(4.0)}).verdict == "holds"
        assert judge("C22", tables | {"textbook": textbook(1.98)}).verdict == "fails"

    def test_private_without_the_textbooks_beta(self):
        rows = private_rows(7.0, 3.0, 1.0, 0.8)
        found = judge("C22", {"private_schools": pd.DataFrame(rows), "textbook": textbook(4.0)})
        assert found.verdict == "undecided"
        assert found.remark == "Not measured: 0 rows have beta = 5.0."

    @pytest.mark.parametrize(
        ("unpooled", "hierarchical", "verdict"),
        [
            (0.9, 0.1, "holds"),
            (0.9, 0.8, "fails"),
            (0.3, 0.1, "fails"),
        ],
    )
    def test_contaminated_over_all_of_the_map(self, unpooled, hierarchical, verdict):
        rows = [
            row for noise in (0.1, 1.0) for row in slope_rows(unpooled, hierarchical, noise=noise)
        ]
        found = judge("C31", {"slopes": pd.DataFrame(rows)})
        assert found.verdict == verdict
        assert "Facts missing" not in found.remark

    @pytest.mark.parametrize("hierarchical", [0.8, 0.19])
    def test_contaminated_in_a_part_of_the_map(self, hierarchical):
        rows = [*slope_rows(0.9, hierarchical), *slope_rows(2.0, 0.1, noise=1.0)]
        found = judge("C31", {"slopes": pd.DataFrame(rows)})
        assert found.verdict == "undecided"
        assert found.remark.startswith("Facts missing: the article does not give its data")
        assert "Holds at noise 1 with contamination 1." in found.remark
        assert "contamination 0" not in found.remark
        assert np.isnan(found.times_the_data)  # more data sets of ours would not help

    def test_contaminated_without_contamination(self):
        rows = [row for row in slope_rows(0.9, 0.1) if row["contamination"] == 0]
        found = judge("C31", {"slopes": pd.DataFrame(rows)})
        assert found.remark == "Not measured: no data set of table slopes is contaminated."


class TestRegression:
    def test_is_the_storys_exact_posterior(self):
        story = PrivateSchools(given={"mu": 8.0, "tau": 4.0, "beta": 20.0})
        drawn = [story.simulate(np.random.default_rng(i)) for i in range(3)]
        y = np.stack([each.data["y"] for each in drawn])
        theta = np.stack([each.truth["theta"] for each in drawn])
        found = fitted(story, y, "covariate")
        below, zero = found.theta_cdf(theta), found.coefficient_cdf(1, np.full(3, 20.0))
        new = found.new_cdf(np.array([1.0, 1.0]), np.full(3, 15.0))
        for k, each in enumerate(drawn):
            exact = story.exact(each.data)
            for p, name in enumerate(("mu", "beta")):
                assert found.coefficient_mean[k, p] == pytest.approx(exact.mean(name), abs=1e-7)
                assert found.coefficient_sd[k, p] == pytest.approx(exact.sd(name), abs=1e-7)
            assert zero[k] == pytest.approx(exact.cdf("beta", 20.0), abs=1e-8)
            assert new[k] == pytest.approx(exact.cdf("theta_new", 15.0), abs=1e-8)
            for i, name in ((0, "theta[A]"), (11, "theta[L]")):
                assert found.theta_mean[k, i] == pytest.approx(exact.mean(name), abs=1e-7)
                assert below[k, i] == pytest.approx(exact.cdf(name, theta[k, i]), abs=1e-8)

    def test_without_the_covariate_it_is_the_hierarchy(self):
        story = PrivateSchools()
        y = np.random.default_rng(4).normal(8, 14, (5, 12))
        found, other = fitted(story, y, "exchangeable"), NormalNormalSets(y, np.array(story.sigma))
        np.testing.assert_allclose(found.theta_mean, other.theta_mean, atol=1e-9)
        np.testing.assert_allclose(found.theta_cdf(y), other.theta_cdf(y), atol=1e-9)

    def test_intervals_are_calibrated_under_the_prior(self):
        rng = np.random.default_rng(5)
        n, story = 4000, PrivateSchools()
        mu, beta = 20 * rng.standard_normal((n, 1)), 10 * rng.standard_normal((n, 1))
        tau = np.abs(10 * rng.standard_normal((n, 1)))
        theta = mu + beta * np.array(story.x) + tau * rng.standard_normal((n, 12))
        y = theta + np.array(story.sigma) * rng.standard_normal((n, 12))
        found = fitted(story, y, "covariate")
        for below in (found.theta_cdf(theta)[:, 0], found.coefficient_cdf(1, beta[:, 0])):
            # 2 comparisons at a false-alarm rate of 1 in 1000
            assert kstest(below, "uniform").pvalue > 5e-4
        wrong = found.theta_cdf(theta + 2.0)[:, 0]
        assert kstest(wrong, "uniform").pvalue < 5e-4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"simulations": 1}, "simulations is 1"),
        ({"private_simulations": 1}, "private_simulations is 1"),
        ({"slope_simulations": 1}, "slope_simulations is 1"),
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
