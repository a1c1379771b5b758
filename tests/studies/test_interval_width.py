"""The study of interval widths: exact cases, a tiny run, its judges on hand-made tables."""

import numpy as np
import pandas as pd
import pytest

from hiercal.simulators.eight_schools import EightSchools
from hiercal.simulators.hospitals import Hospitals
from hiercal.simulators.survey import Survey
from hiercal.studies._width_designs import (
    SurveyOfNation,
    designs,
    group_data,
    on_textbook,
)
from hiercal.studies._widths import Intervals, compare, matching_factor, resamples, shrinkage
from hiercal.studies.interval_width import IntervalWidth

Z = 1.5981931399228169  # normal quantile at 0.945


def normal_intervals(rng, n_simulations, n_items, *, sd=1.0, scale=1.0):
    """Intervals about estimates with standard error `sd`, `scale` times the calibrated width."""
    truth = rng.normal(0, 5, (n_simulations, n_items))
    centre = rng.normal(truth, sd)
    return Intervals(centre - scale * Z * sd, centre + scale * Z * sd, truth)


class TestMachinery:
    def test_matching_factor_covers_exactly_the_level(self):
        distance = np.random.default_rng(1).exponential(size=1000)
        factor = matching_factor(distance, 0.89)
        assert np.mean(distance <= factor) == pytest.approx(0.89, abs=1e-12)

    def test_interval_without_width_covers_its_point_alone(self):
        found = Intervals([[1.0, 1.0]], [[1.0, 1.0]], [[1.0, 2.0]])
        assert found.distance.tolist() == [[0.0, np.inf]]
        assert found.covers.tolist() == [[True, False]]

    def test_scaled_to_the_same_coverage_shrunk_intervals_save_nothing(self):
        rng = np.random.default_rng(2)
        own = normal_intervals(rng, 300, 3)
        middle, half = (own.lower + own.upper) / 2, own.width / 2
        narrow = Intervals(middle - 0.5 * half, middle + 0.5 * half, own.truth)
        found = compare(narrow, own, 0.89, resamples(300, rng, 50))
        assert found.estimates["mean_ratio"] == pytest.approx(0.5)
        assert found.estimates["coverage"] < 0.7
        assert found.pair("reduction") == pytest.approx((0.0, 0.0), abs=1e-12)

    def test_error_of_the_reduction_is_that_of_repeated_studies(self):
        rng = np.random.default_rng(3)
        found = []
        for _ in range(200):
            truth = rng.normal(0, 5, (150, 2))
            ends = [
                (c - Z * sd, c + Z * sd)
                for sd in (1.0, 2.0)
                if (c := rng.normal(truth, sd)) is not None
            ]
            pair = [Intervals(*end, truth) for end in ends]
            found.append(compare(*pair, 0.89, resamples(150, rng, 60)).pair("reduction"))
        estimates, errors = np.array(found).T
        assert estimates.mean() == pytest.approx(0.5, abs=4 * estimates.std() / np.sqrt(200))
        assert np.sqrt(np.mean(errors**2)) == pytest.approx(estimates.std(), rel=0.25)

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
        with pytest.raises(ValueError, match=r"n_simulations, n_items"):
            Intervals([0.0], [1.0], [0.5])
        with pytest.raises(ValueError, match="failed fits"):
            Intervals([[np.nan]], [[1.0]], [[0.5]])


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

    def test_four_stories_at_their_priors_and_three_of_the_textbook(self):
        made = designs(8.0, 0.5, 0.6, (10, 500))
        assert sum(design.prior for design in made.values()) == 4
        assert all(design.prior == (not design.story.given) for design in made.values())
        assert made["hospitals"].sizes == Hospitals().exposure

    def test_story_without_sizes(self):
        with pytest.raises(ValueError, match="how much data"):
            group_data(EightSchools())

    def test_printed_survey_widths_are_not_those_of_the_stated_model(self):
        rows = pd.DataFrame(on_textbook(Survey()))
        small = rows[rows["size"] == 35]
        assert small["printed"].mean() == pytest.approx(0.20, abs=0.01)
        assert small["reduction"].between(0.02, 0.05).all()
        # without pooling the posterior of a proportion is Beta(1 + y, 3 + n - y)
        from scipy.stats import beta

        lower, upper = beta(1 + 9, 3 + 35 - 9).ppf([0.055, 0.945])
        assert small["no_pooling_width"].iloc[0] == pytest.approx(upper - lower, rel=1e-6)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    experiment = IntervalWidth(simulations=10, draws=100, resamples=100)
    folder = tmp_path_factory.mktemp("interval_width")
    results = {
        name: study.run(folder / name, workers=0, progress=False, export=False)
        for name, study in experiment.studies().items()
    }
    made = experiment.tables(results, lambda _: None)
    return experiment, made


class TestRun:
    def test_tables_have_a_row_for_each_size(self, tables):
        experiment, made = tables
        sizes = {name: set(design.sizes) for name, design in experiment.designs.items()}
        widths = made["widths"]
        assert {n: set(g["size"]) for n, g in widths.groupby("design")} == sizes
        assert set(widths["n"]) == {10}
        assert set(widths["n_failed"]) == {0}
        assert widths["coverage"].between(0.3, 1).all()
        assert np.allclose(widths["reduction"], 1 - widths["matched_mean_ratio"])
        assert (widths["reduction_se"] > 0).all()

    def test_small_region_is_shrunk_more(self, tables):
        own = tables[1]["shrinkage"].query("design == 'survey_unequal'").set_index("size")
        assert own.loc[10, "weight"] > 5 * own.loc[500, "weight"]

    def test_every_claim_has_a_verdict_and_figures_are_drawn(self, tables):
        experiment, made = tables
        assert list(experiment.judged(made)["claim"]) == ["C01", "C16", "C17", "C18"]
        assert set(experiment.figures(made)) == {"reduction", "coverage"}


def judge(claim, tables):
    return next(each for each in IntervalWidth.claims if each.id == claim).judge(tables)


def trend(design, at_smallest, at_largest, se=0.01, prior=True):
    return {
        "design": design, "title": design, "prior": prior, "smallest": 0.7, "largest": 8.2,
        "at_smallest": at_smallest, "at_smallest_se": se, "at_largest": at_largest,
        "at_largest_se": se, "fall": at_smallest - at_largest, "fall_se": se,
    }  # fmt: skip


class TestJudges:
    @pytest.mark.parametrize(
        ("large", "se", "verdict"),
        [(0.02, 0.01, "holds"), (0.15, 0.01, "fails"), (0.02, 0.05, "undecided")],
    )
    def test_small_groups(self, large, se, verdict):
        rows = [trend("survey", 0.3, 0.01), trend("slopes", 0.3, large, se)]
        found = judge("C01", {"trend": pd.DataFrame(rows)})
        assert found.verdict == verdict
        assert "onfirmed in survey" in found.remark

    def test_a_reduction_that_grows_with_size_refutes(self):
        rows = [trend("survey", 0.01, 0.06)]
        assert judge("C01", {"trend": pd.DataFrame(rows)}).verdict == "fails"

    @pytest.mark.parametrize(
        ("reduction", "se", "verdict"),
        [(0.2, 0.01, "holds"), (0.05, 0.01, "fails"), (0.2, 0.02, "undecided")],
    )
    def test_survey(self, reduction, se, verdict):
        rows = [
            {"design": name, "size": 35.0, "reduction": reduction, "reduction_se": se,
             "mean_ratio": 0.9}
            for name in ("survey", "survey_textbook")
        ]  # fmt: skip
        textbook = pd.DataFrame(
            [{"story": "survey", "size": 35.0, "reduction": 0.04, "printed": 0.2}]
        )
        found = judge("C16", {"widths": pd.DataFrame(rows), "textbook": textbook})
        assert found.verdict == verdict
        assert "exact posterior gives 4%" in found.remark

    @pytest.mark.parametrize(
        ("times", "se", "verdict"),
        [(28.0, 2.0, "holds"), (2.0, 0.1, "fails"), (12.0, 2.0, "undecided")],
    )
    def test_far_more(self, times, se, verdict):
        rows = [
            {"design": "survey_unequal", "size": size, "weight": weight, "times_largest": ratio,
             "times_largest_se": error}
            for size, weight, ratio, error in ((10, 0.4, times, se), (500, 0.015, 1.0, 0.0))
        ]  # fmt: skip
        assert judge("C17", {"shrinkage": pd.DataFrame(rows)}).verdict == verdict

    @pytest.mark.parametrize(
        ("small", "large", "se", "verdict"),
        [
            (0.3, 0.0, 0.01, "holds"),
            (0.3, 0.12, 0.01, "fails"),
            (0.5, 0.0, 0.01, "fails"),
            (0.3, 0.0, 0.05, "undecided"),
        ],
    )
    def test_hospitals(self, small, large, se, verdict):
        rows = [
            trend("hospitals", 0.4, 0.1),
            trend("hospitals_textbook", small, large, se, prior=False),
        ]
        sizes = (0.7, 8.2)
        widths = [
            {"design": "hospitals_textbook", "size": size, "mean_ratio": 0.8} for size in sizes
        ]
        textbook = [{"story": "hospitals", "size": size, "reduction": 0.49} for size in sizes]
        tables = {"trend": rows, "widths": widths, "textbook": textbook}
        found = judge("C18", {name: pd.DataFrame(table) for name, table in tables.items()})
        assert found.verdict == verdict
        assert "as they come 20% and 20%" in found.remark


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
