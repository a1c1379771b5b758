"""Designs, data and tables of each story: what is read, what is refused and in which words."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hiercal import catalogue, story
from hiercal.simulators.batting import SEASON_AVERAGES

NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("instructors", {"sizes": (10, 0)}, r"sizes\[1\] is 0; give a whole number of at least 1"),
        ("instructors", {"sizes": (10,)}, r"sizes has 1 value\(s\); a hierarchy needs two"),
        ("instructors", {"sizes": (10, 5), "instructors": ("A",)}, "1 names in instructors for 2"),
        ("instructors", {"sigma_scale": 0.0}, "sigma_scale is 0.0"),
        ("instructors", {"mu_mean": NAN}, "mu_mean is nan"),
        ("hospitals", {"exposure": (1.0, 0.0)}, r"exposure\[1\] is 0.0; give a finite number"),
        ("hospitals", {"exposure": (1.0, -2.0)}, r"exposure\[1\] is -2.0"),
        ("hospitals", {"exposure": (1.0, NAN)}, r"exposure\[1\] is nan"),
        ("hospitals", {"rate": -1.0}, "rate is -1.0"),
        ("private_schools", {"sigma": (1.0, 2.0), "x": (1.0,)}, r"x has shape \(1,\); sigma asks"),
        ("private_schools", {"sigma": (1.0, 0.0), "x": (1.0, 0.0)}, r"sigma\[1\] is 0.0"),
        ("private_schools", {"sigma": (1.0, 2.0), "x": (1.0, NAN)}, r"x\[1\] not finite"),
        ("private_schools", {"x_new": NAN}, "x_new"),
        ("slopes", {"x": ((1.0,), ())}, r"x\[1\] is empty; give each group a point or more"),
        ("slopes", {"x": ((1.0,), (NAN,))}, r"x\[1\]\[0\] not finite"),
        ("slopes", {"noise_rate": 0.0}, "noise_rate is 0.0"),
        ("slopes", {"contamination": NAN}, "contamination is nan"),
        ("batting", {"at_bats": (45, 0)}, r"at_bats\[1\] is 0"),
        ("batting", {"tau_scale": -1.0}, "tau_scale is -1.0"),
        ("batting", {"mu_mean": NAN}, "mu_mean is nan"),
        ("funnel", {"n": 1}, "n is 1; give a whole number of at least 2"),
        ("funnel", {"v_scale": 0.0}, "v_scale is 0.0"),
    ],
)
def test_designs_that_cannot_be_are_refused(name, options, message):
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        story(name, **options)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("instructors", {"y": [1.0] * 74}, r"y has shape \(74,\); sizes asks for \(75,\)"),
        ("instructors", {"y": [NAN] * 75}, r"y\[0\], y\[1\]"),
        ("instructors", {"scores": [1.0]}, "data are \\['scores'\\]; give y"),
        ("hospitals", {"y": [1] * 7}, r"y has shape \(7,\); exposure asks for \(8,\)"),
        ("hospitals", {"y": [1, 2, 3, 4, 5, 6, 7, -8]}, r"y\[7\] is -8; give a whole number"),
        ("hospitals", {"y": [1.5] + [1] * 7}, r"y\[0\] is 1.5; give a whole number"),
        ("hospitals", {"y": [NAN] + [1] * 7}, r"y\[0\] not finite"),
        ("private_schools", {"y": [1.0]}, r"y has shape \(1,\); sigma asks for \(12,\)"),
        ("slopes", {"y": [1.0]}, r"y has shape \(1,\); x asks for \(144,\)"),
        ("batting", {"hits": [46] + [1] * 17}, r"hits\[0\] is 46; at_bats\[0\] allows at most 45"),
        ("batting", {"hits": [1] * 17}, r"hits has shape \(17,\)"),
        ("funnel", {"y": [1.0]}, "as it has none"),
    ],
)
def test_data_that_do_not_fit_the_design_are_refused_before_any_sampling(name, data, message):
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        story(name).exact(data)


TABLES = {
    "instructors": {"instructor": ["B", "A", "B"], "y": [70, 60, 80]},
    "hospitals": {"hospital": ["X", "Y"], "y": [3, 0], "exposure": [1.5, 2.0]},
    "private_schools": {"y": [1, 2], "sigma": [3, 4], "x": [0, 1], "school": ["P", "Q"]},
    "slopes": {"group": ["b", "a", "b"], "x": [1, 2, 3], "y": [10, 20, 30]},
    "batting": {"player": ["P", "Q"], "hits": [3, 4], "at_bats": [10, 12]},
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read(name):
    cls, frame = catalogue.story_class(name), pd.DataFrame(TABLES[name])
    design, data = cls.from_frame(frame)
    assert len(design.labels(design.groups)) == 2
    design.check(data)
    for column in frame:
        if column not in ("hospital", "school", "player"):
            with pytest.raises(ValueError, match=f"{name}: no column {column} among"):
                cls.from_frame(frame.drop(columns=column))


def test_observations_follow_their_groups():
    design, data = catalogue.story_class("instructors").from_frame(
        pd.DataFrame(TABLES["instructors"])
    )
    assert design.coords["instructor"] == ("A", "B")
    assert design.sizes == (1, 2)
    assert data["y"].tolist() == [60, 70, 80]
    design, data = catalogue.story_class("slopes").from_frame(pd.DataFrame(TABLES["slopes"]))
    assert design.x == ((2.0,), (1.0, 3.0))
    assert data["y"].tolist() == [20, 10, 30]


@pytest.mark.parametrize(("name", "column"), [("slopes", "group"), ("instructors", "instructor")])
def test_rows_without_a_group_are_refused(name, column):
    frame = pd.DataFrame(TABLES[name])
    frame.loc[1, column] = None
    with pytest.raises(ValueError, match=f"{name}: column {column} is empty in row 2 below"):
        catalogue.story_class(name).from_frame(frame)


def test_the_funnel_has_no_table():
    with pytest.raises(ValueError, match="no data"):
        catalogue.story_class("funnel").from_frame(pd.DataFrame())


def test_private_schools_are_the_recipe_with_its_seed():
    rng = np.random.default_rng(42)
    x = np.repeat([0.0, 1.0], [8, 4])
    theta = 8 + 5 * x + rng.normal(0, 4, 12)
    sigma = rng.uniform(8, 16, 12)
    y = rng.normal(theta, sigma)
    design = story("private_schools")
    np.testing.assert_allclose(design.sigma, sigma, atol=5.1e-5)
    np.testing.assert_allclose(design.observed["y"], y, atol=5.1e-5)


def test_schools_taken_as_exchangeable_have_no_covariate_in_the_models():
    design = story("private_schools", exchangeable=True)
    draws = design.exact(design.observed).draws(50, np.random.default_rng(0))
    assert not draws["beta"].any()
    truth = design.simulate(np.random.default_rng(1)).truth
    assert truth["beta"] != 0


def test_contamination_reaches_the_smallest_group_only():
    clean, dirty = story("slopes"), story("slopes", contamination=5.0)
    a, b = (one.simulate(np.random.default_rng(3)) for one in (clean, dirty))
    np.testing.assert_array_equal(a.truth["slope"], b.truth["slope"])
    moved = b.data["y"] - a.data["y"]
    assert moved[:-2].tolist() == [0.0] * 142
    np.testing.assert_allclose(moved[-2:], 5.0)
    np.testing.assert_allclose(
        clean.log_joint(a.truth, b.data, "centred"), dirty.log_joint(a.truth, b.data, "centred")
    )


def test_no_pooling_of_hospitals_is_conjugate():
    design = story("hospitals")
    exact = design.exact(design.observed, "no_pooling")
    assert exact.mean("lambda[E]") == pytest.approx((1 + 1) / (0.5 + 0.7))
    ends = stats.gamma(2, scale=1 / 1.2).ppf([0.055, 0.945])
    np.testing.assert_allclose(exact.quantile("lambda[E]", [0.055, 0.945]), ends)


def test_no_pooling_of_batting_is_conjugate():
    design = story("batting")
    exact = design.exact(design.observed, "no_pooling")
    p = stats.beta(19, 28).ppf(0.3)
    assert float(exact.cdf("theta[Clemente]", np.log(p / (1 - p)))) == pytest.approx(0.3)
    assert len(SEASON_AVERAGES) == len(design.coords["player"]) == 18


def test_the_funnel_is_its_own_posterior():
    exact = story("funnel").exact({})
    assert exact.sd("v") == pytest.approx(3)
    assert exact.mean("sigma") == pytest.approx(np.exp(9 / 8))
    assert exact.sd("x[1]") == pytest.approx(np.exp(9 / 4))
    np.testing.assert_allclose(
        exact.cdf("sigma", [0, np.exp(1.5)]), [0, stats.norm.cdf(1)], atol=1e-6
    )
