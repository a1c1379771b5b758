"""The study of interval widths: exact cases, a tiny run, its judges on hand-made tables."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import ndtr

from hiercal.sbc.widths import (
    AS_THEY_COME,
    FACTORS,
    Comparison,
    Intervals,
    compare,
    matching_factor,
    measured,
    resamples,
    shrinkage,
)
from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.survey import Survey
from hiercal.studies._claims import judge as judged
from hiercal.studies.chapter.examples import hospital_counts, observed, survey_counts
from hiercal.studies.interval_width.designs import (
    SurveyOfNation,
    designs,
    group_data,
    on_textbook,
    proportions_given,
    rates_given,
)
from hiercal.studies.interval_width.study import IntervalWidth, negligible_from, of_size
from tests.running import measure

Z = 1.5981931399228169  # normal quantile at 0.945


def normal_intervals(centre, sd, scale=1.0):
    """89 % intervals about normal estimates of 0, `scale` times as wide, and what they hold."""
    half = FACTORS * Z * sd * scale
    held = ndtr(centre[:, None] + half) - ndtr(centre[:, None] - half)
    return Intervals(np.full(len(centre), 2 * Z * sd * scale), held)


class TestMachinery:
    def test_one_of_the_factors_is_one(self):
        assert pytest.approx(1.0, abs=1e-15) == FACTORS[AS_THEY_COME]

    def test_matching_factor_covers_exactly_the_level(self):
        held = 1 - np.exp(-FACTORS)
        assert matching_factor(held, 0.89) == pytest.approx(-np.log(0.11), rel=1e-4)
        assert np.isnan(matching_factor(held * 0.5, 0.89))

    def test_what_an_interval_holds_is_the_share_of_truths_within(self):
        rng = np.random.default_rng(1)
        draws, truths = rng.normal(size=(2000, 2)), rng.normal(size=(50_000, 2))
        width, held = measured(draws, truths, 0.89)
        lower, upper = np.quantile(draws, [0.055, 0.945], axis=0)
        assert width == pytest.approx(upper - lower)
        inside = ((truths >= lower) & (truths <= upper)).mean(axis=0)
        assert held[:, AS_THEY_COME] == pytest.approx(inside, abs=1e-12)
        narrowest, _ = measured(rng.exponential(size=(2000, 1)), truths[:, :1], 0.89, "hdi")
        assert narrowest[0] == pytest.approx(-np.log(0.11), rel=0.1)

    def test_interval_without_width_holds_its_point_alone(self):
        _, held = measured(np.ones((5, 2)), [[1.0, 2.0]], 0.8)
        assert held[:, -1].tolist() == [1.0, 0.0]

    def test_scaled_to_the_same_coverage_shrunk_intervals_save_nothing(self):
        centre = np.random.default_rng(2).normal(size=300)
        own, narrow = (normal_intervals(centre, 1.0, scale) for scale in (1.0, 0.5))
        found = compare(narrow, own, 0.89, resamples(300, np.random.default_rng(1), 50))
        assert found.estimates["mean_ratio"] == pytest.approx(0.5)
        assert found.estimates["median_ratio"] == pytest.approx(0.5)
        assert found.estimates["coverage"] < 0.7
        assert found.pair("reduction") == pytest.approx((0.0, 0.0), abs=2e-3)

    def test_error_of_the_reduction_is_that_of_repeated_studies(self):
        """200 studies: their sd is known to 5 %, and the bound is 5 of those."""
        rng = np.random.default_rng(3)
        found = []
        for _ in range(200):
            pair = [normal_intervals(rng.normal(size=60), 1.0, scale) for scale in (1.0, 2.0)]
            found.append(compare(*pair, 0.89, resamples(60, rng, 60)).pair("reduction"))
        estimates, errors = np.array(found).T
        assert estimates.std() > 0.01
        assert estimates.mean() == pytest.approx(0.0, abs=4 * estimates.std() / np.sqrt(200))
        assert np.sqrt(np.mean(errors**2)) == pytest.approx(estimates.std(), rel=0.25)

    def test_groups_of_a_size_are_averaged(self):
        held = np.broadcast_to(np.minimum(FACTORS, 1), (2, 3, len(FACTORS)))
        arm = np.array([[1.0, 5.0, 3.0], [2.0, 5.0, 4.0]]), held
        assert of_size(arm, (10, 20, 10), 10).width.tolist() == [2.0, 3.0]

    def test_shrinkage_at_known_hyperparameters_is_alpha_over_n_plus_alpha(self):
        rng = np.random.default_rng(4)
        n, alpha = np.array([10, 500]), 8.0
        pi0 = rng.dirichlet(np.ones(4), size=30)
        counts = np.array([[rng.multinomial(m, p) for m in n] for p in pi0])
        pooled = (counts + alpha * pi0[:, None]) / (n + alpha)[:, None]
        found = shrinkage(counts / n[:, None], pooled, pi0, resamples(30, rng, 20))
        assert found.weights == pytest.approx(alpha / (n + alpha))
        assert found.times(0, 1) == pytest.approx(((8 / 18) / (8 / 508), 0.0), abs=1e-9)

    def test_errors_say_what_to_give(self):
        with pytest.raises(ValueError, match="n_simulations"):
            Intervals(np.zeros(1), np.zeros((1, 3)))
        with pytest.raises(ValueError, match="leave failures out"):
            Intervals(np.array([np.nan]), np.zeros((1, len(FACTORS))))

    def test_negligible_from_the_smallest_size_on_which_all_are(self):
        def found(reduction, se=0.005):
            resampled = {"reduction": np.array([-se, se]) / np.sqrt(2) + reduction}
            return Comparison({"reduction": reduction}, resampled)

        sizes = {1: found(0.01), 2: found(0.1), 3: found(0.03), 4: found(0.01), 5: found(-0.2)}
        assert negligible_from(sizes) == 3
        assert np.isnan(negligible_from(sizes | {5: found(0.045)}))


class TestDesigns:
    def test_survey_of_nation_is_the_survey_at_known_proportions(self):
        story = SurveyOfNation(given={"alpha": 8.0})
        drawn = story.simulate(np.random.default_rng(1))
        assert drawn.truth["pi0"].tolist() == [0.25, 0.35, 0.25, 0.15]
        assert drawn.data["counts"].sum(axis=1).tolist() == list(story.n)
        shares = [
            story.simulate(np.random.default_rng(i)).truth["pi"].mean(axis=0) for i in range(300)
        ]
        error = np.std(shares, axis=0) / np.sqrt(300)
        assert np.all(np.abs(np.mean(shares, axis=0) - story.nation) < 4 * error)

    @pytest.mark.parametrize("nation", [(0.5, 0.5), (0.5, 0.5, 0.5, -0.5), (0.1, 0.1, 0.1, 0.1)])
    def test_nation_adds_up_to_one(self, nation):
        with pytest.raises(ValueError, match="adding up to 1"):
            SurveyOfNation(nation=nation)

    def test_five_designs_at_their_priors_and_three_of_the_textbook(self):
        made = designs(8.0, 0.5, 0.6, (10, 500))
        assert sum(design.prior for design in made.values()) == 5
        assert all(design.prior == (not design.story.given) for design in made.values())
        assert made["hospitals_textbook"].sizes == Hospitals().exposure
        assert made["slopes"].sizes == made["instructors"].sizes

    @pytest.mark.parametrize("name", ["hospitals_textbook", "survey_textbook"])
    def test_law_of_the_truths_given_the_data_is_right(self, name):
        """Ranks of 600 truths among 99 draws: P(chi-square of 10 bins > 30) is 4e-4 a group."""
        design, ranks = designs(8.0, 0.5, 0.6, (10, 500))[name], []
        for i in range(600):
            rng = np.random.default_rng([i, 5])
            drawn = design.story.simulate(rng)
            truth = drawn.truth[design.story.groups].reshape(len(design.sizes), -1)
            ranks.append((design.law(drawn.data, 99, rng) < truth).sum(axis=0)[:, 0])
        for own in np.array(ranks).T:
            counts = np.bincount(own // 10, minlength=10)
            assert ((counts - 60) ** 2 / 60).sum() < 30

    def test_rates_given_an_exact_case(self):
        """With next to no exposure the rate is log-normal as drawn."""
        data = {"y": np.array([0, 3])}
        drawn = rates_given(0.5, 0.6, (1e-9, 5.0), data, 40_000, np.random.default_rng(1))
        assert drawn.shape == (40_000, 2, 1)
        assert np.log(drawn[:, 0]).mean() == pytest.approx(0.5, abs=4 * 0.6 / 200)
        assert np.log(drawn[:, 0]).std() == pytest.approx(0.6, rel=0.02)

    def test_proportions_given_an_exact_case(self):
        data = {"counts": np.array([[5, 1, 0, 0]])}
        nation = (0.25, 0.35, 0.25, 0.15)
        drawn = proportions_given(8.0, nation, data, 40_000, np.random.default_rng(1))
        assert drawn[:, 0].mean(axis=0) == pytest.approx(np.array([7, 3.8, 2, 1.2]) / 14, abs=0.003)

    def test_story_without_sizes(self):
        with pytest.raises(ValueError, match="how much data"):
            group_data(EightSchools())

    def test_printed_survey_widths_are_not_those_of_the_stated_model(self):
        counts = {"printed": observed(Survey()), "drawn": {"counts": survey_counts()}}
        rows = pd.DataFrame(on_textbook(Survey(), counts, "central"))
        small = rows[(rows["size"] == 35) & (rows["counts"] == "printed")]
        assert small["printed"].mean() == pytest.approx(0.20, abs=0.01)
        assert small["reduction"].between(0.02, 0.05).all()
        # without pooling the posterior of a proportion is Beta(1 + y, 3 + n - y)
        lower, upper = stats.beta(1 + 9, 3 + 35 - 9).ppf([0.055, 0.945])
        assert small["no_pooling_width"].iloc[0] == pytest.approx(upper - lower, rel=1e-6)
        assert small["no_pooling_width"].round(3).tolist() == [0.220, 0.233, 0.220, 0.193]

    def test_hospital_widths_on_printed_and_drawn_counts(self):
        """0.442 and -0.13 of 40,000 exact draws; the narrowest interval of a gamma is exact."""
        counts = {"printed": observed(Hospitals()), "drawn": {"y": hospital_counts()}}
        rows = pd.DataFrame(on_textbook(Hospitals(), counts, "hdi"))
        small = rows[rows["size"] == 0.7].set_index("counts")
        assert small.loc["printed", "reduction"] == pytest.approx(0.442, abs=0.01)
        assert small.loc["drawn", "reduction"] == pytest.approx(-0.13, abs=0.01)
        law = stats.gamma(2, scale=1 / 1.2)
        p = np.linspace(1e-6, 0.11 - 1e-6, 20_001)
        narrowest = (law.ppf(p + 0.89) - law.ppf(p)).min()
        assert small.loc["printed", "no_pooling_width"] == pytest.approx(narrowest, rel=1e-5)


@pytest.fixture(scope="module")
def tables():
    study = IntervalWidth(simulations=10, draws=100, resamples=100)
    return study, study.tables({}, measure(study))


@pytest.mark.slow
class TestRun:
    def test_tables_have_a_row_for_each_size(self, tables):
        study, made = tables
        sizes = {name: set(design.sizes) for name, design in study.designs.items()}
        widths = made["widths"]
        assert {n: set(g["size"]) for n, g in widths.groupby("design")} == sizes
        assert widths.groupby("design")["n"].first()["slopes"] == 50
        assert widths["coverage"].between(0.3, 1).all()
        assert np.allclose(widths["reduction"], 1 - widths["matched_mean_ratio"])
        assert (widths["reduction_se"] > 0).all()

    def test_small_region_is_shrunk_more(self, tables):
        own = tables[1]["shrinkage"].query("design == 'survey_unequal'").set_index("size")
        assert own.loc[10, "weight"] > 5 * own.loc[500, "weight"]

    def test_every_claim_has_a_verdict_and_figures_are_drawn(self, tables):
        study, made = tables
        assert list(study.judged(made)["claim"]) == ["C01", "C16", "C18"]
        assert set(study.figures(made)) == {
            "reduction", "reduction_textbook", "coverage", "shrinkage"
        }  # fmt: skip

    def test_the_same_tables_again(self, tables):
        study, made = tables
        again = study.tables({}, measure(study))
        for name, table in made.items():
            pd.testing.assert_frame_equal(table, again[name])


def judge(claim, tables):
    return next(each for each in IntervalWidth.claims if each.id == claim).judge(tables)


def trend(design, at_smallest, at_largest, se=0.005, covers=0.89):
    row = {
        "design": design, "title": design, "prior": True, "smallest": 0.7, "largest": 8.2,
        "at_smallest": at_smallest, "at_smallest_se": se, "at_largest": at_largest,
        "at_largest_se": se, "fall": at_smallest - at_largest, "fall_se": se,
        "median_fall": at_largest - at_smallest, "median_fall_se": se,
        "negligible_from": 8.2 if at_largest < 0.03 else np.nan,
    }  # fmt: skip
    widths = [
        {
            "design": design, "size": size, "other_coverage": covers, "reduction": reduction,
            "reduction_se": se, "median_ratio": 1 - reduction, "median_ratio_se": se,
            "mean_ratio": 1 - reduction, "mean_ratio_se": se,
        }
        for size, reduction in ((0.7, at_smallest), (8.2, at_largest))
    ]  # fmt: skip
    return row, widths


def made(*designs, textbook=()):
    rows, widths = zip(*designs, strict=True)
    return {
        "trend": pd.DataFrame(rows),
        "widths": pd.DataFrame([row for two in widths for row in two]),
        "textbook": pd.DataFrame(textbook),
    }


class TestSparseAndAbundant:
    @pytest.mark.parametrize(
        ("small", "large", "se", "verdict"),
        [
            (0.3, 0.01, 0.005, "holds"),
            (0.01, 0.005, 0.005, "holds in a regime"),
            (0.3, 0.15, 0.005, "holds in a regime"),
            (0.3, 0.02, 0.05, "undecided"),
        ],
    )
    def test_one_story_holds_and_the_other_does_as_planted(self, small, large, se, verdict):
        found = judge("C01", made(trend("a", 0.3, 0.01), trend("b", small, large, se)))
        assert found.verdict == verdict
        assert "a: 30% at 0.7, 1.0% at 8.2, below 5 % from 8.2 on." in found.remark

    def test_all_fail(self):
        assert judge("C01", made(trend("a", 0.01, 0.06))).verdict == "fails"

    def test_no_pooling_that_covers_too_seldom_is_no_comparator(self):
        found = judge("C01", made(trend("a", 0.3, 0.01), trend("b", 0.5, 0.4, covers=0.43)))
        assert found.verdict == "holds"
        assert "No comparator, as no pooling covers far from 89 %: b (43% to 43%)" in found.remark
        alone = next(each for each in IntervalWidth.claims if each.id == "C01")
        assert judged(alone, made(trend("b", 0.5, 0.4, covers=0.43))).verdict == "undecided"


class TestSurvey:
    @pytest.mark.parametrize(
        ("exact", "reduction", "se", "verdict"),
        [
            (0.2, 0.2, 0.01, "holds"),
            (0.04, 0.01, 0.01, "fails"),
            (0.2, 0.01, 0.01, "holds in a regime"),
            (0.2, 0.2, 0.03, "undecided"),
        ],
    )
    def test_verdicts(self, exact, reduction, se, verdict):
        row = {
            "design": "survey_textbook", "size": 35.0, "reduction": reduction, "reduction_se": se,
            "mean_ratio": 1 - reduction, "mean_ratio_se": se, "other_coverage": 0.89,
        }  # fmt: skip
        prior = row | {"design": "survey", "other_coverage": 0.43}
        textbook = [
            {"story": "survey", "counts": counts, "size": 35.0, "reduction": exact, "printed": 0.2}
            for counts in ("printed", "drawn")
        ]
        tables = {"widths": pd.DataFrame([row, prior]), "textbook": pd.DataFrame(textbook)}
        found = judge("C16", tables)
        assert found.verdict == verdict
        assert f"he printed counts {exact:.1%}; the counts drawn" in found.remark
        assert "covers 43% to 43% and is no comparator" in found.remark


class TestHospitals:
    @pytest.mark.parametrize(
        ("printed", "small", "large", "se", "verdict"),
        [
            (0.3, 0.3, 0.0, 0.005, "holds"),
            (0.44, 0.0, 0.0, 0.005, "fails"),
            (0.3, 0.0, 0.02, 0.005, "holds in a regime"),
            (0.3, 0.3, 0.0, 0.05, "undecided"),
        ],
    )
    def test_verdicts(self, printed, small, large, se, verdict):
        textbook = [
            {"story": "hospitals", "counts": counts, "kind": "hdi", "size": size,
             "reduction": reduction}
            for counts in ("printed", "drawn")
            for size, reduction in ((0.7, printed), (8.2, 0.0))
        ]  # fmt: skip
        found = judge("C18", made(trend("hospitals_textbook", small, large, se), textbook=textbook))
        assert found.verdict == verdict
        assert "About 30 % at the smallest exposure" in found.remark


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"simulations": 5}, "simulations is 5"),
        ({"draws": 10}, "draws is 10"),
        ({"resamples": 1}, "resamples is 1"),
        ({"alpha": 0.0}, "alpha is 0.0"),
        ({"sigma_log": -1.0}, "sigma_log is -1.0"),
        ({"unequal": (20, 20)}, "a small region and a large one"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        IntervalWidth(**options)
