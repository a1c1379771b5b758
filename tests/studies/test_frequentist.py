"""Estimators of tau without a prior against exact cases; the study's tables and its judges."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from hiercal.simulators.eight_schools import (
    RUBIN_EFFECTS,
    RUBIN_STANDARD_ERRORS,
    EightSchools,
)
from hiercal.simulators.instructors import Instructors
from hiercal.studies import _claims, _mixed_models
from hiercal.studies import _meta_analysis as meta
from hiercal.studies._loo import Hierarchy
from hiercal.studies._mixed_models import mixed_models
from hiercal.studies._random import stream
from hiercal.studies.frequentist import Frequentist, _held

RUBIN = np.array([RUBIN_EFFECTS])
SIGMA = np.array(RUBIN_STANDARD_ERRORS)
TINY = {
    "simulations": 40,
    "plug_in_simulations": 5000,
    "zero_simulations": 200,
    "raw_simulations": 0,
    "taus": (0.0, 20.0),
    "n_groups": (3, 20),
}


def quietly(_: str) -> None:
    pass


# methods.md, section 8


@pytest.mark.parametrize("estimate", [meta.reml, meta.der_simonian_laird, meta.paule_mandel])
def test_every_estimate_is_zero_on_rubins_data(estimate):
    assert estimate(RUBIN, SIGMA).tolist() == [0.0]


def test_estimates_where_school_a_stands_out():
    y = np.array([[60.0, *RUBIN_EFFECTS[1:]]])
    found = [f(y, SIGMA)[0] for f in (meta.der_simonian_laird, meta.paule_mandel, meta.reml)]
    np.testing.assert_allclose(found, [149.64, 208.00, 152.72], atol=0.005)


def test_score_of_rubins_data_at_zero():
    assert meta.restricted_score(RUBIN, SIGMA, np.zeros(1))[0] == pytest.approx(-0.00808, abs=5e-6)


@pytest.mark.parametrize(
    ("tau", "moments", "score"),
    [
        (0, 0.5711, 0.5823),
        (5, 0.4505, 0.4562),
        (10, 0.2279, 0.2319),
        (15, 0.0886, 0.0931),
        (20, 0.0321, 0.0353),
    ],
)
def test_exact_probabilities_of_zero(tau, moments, score):
    assert meta.probability_of_zero(SIGMA, tau) == pytest.approx(moments, abs=6e-5)
    assert meta.probability_of_falling_score(SIGMA, tau) == pytest.approx(score, abs=6e-5)


@pytest.mark.parametrize(
    ("n_groups", "tau"),
    [(2, 0.0), (2, 2.0), (3, 1.0), (8, 0.5), (8, 2.0), (100, 0.0), (100, 1.0), (300, 0.1)],
)
def test_equal_variances_have_a_chi_square(n_groups, tau):
    sigma = np.ones(n_groups)
    expected = chi2.cdf((n_groups - 1) / (1 + tau**2), n_groups - 1)
    assert meta.probability_of_zero(sigma, tau) == pytest.approx(expected, abs=1e-12)
    assert meta.probability_of_falling_score(sigma, tau) == pytest.approx(expected, abs=1e-12)


# the largest maximum of the restricted likelihood


def test_reml_is_the_sample_variance_less_sigma_where_variances_are_equal():
    y = np.random.default_rng(1).normal(0, 2, (50, 6))
    expected = np.maximum(0, y.var(axis=1, ddof=1) - 1)
    np.testing.assert_allclose(meta.reml(y, np.ones(6)), expected, atol=1e-12)


def test_reml_finds_the_larger_of_two_maxima():
    y = np.array([[0.1, -0.9, 25.9, -0.9, -8.9, 16.0, 11.5, 1.8]])
    sigma = np.array([1.0, 1.0, 8, 8, 8, 8, 8, 8])
    (found,) = meta.reml(y, sigma)
    assert meta.restricted_score(y, sigma, np.zeros(1))[0] < 0  # 0 is a maximum as well
    assert found == pytest.approx(57.157, abs=1e-3)
    values = np.array([0.0, found])
    at_zero, there = meta.restricted_log_likelihood(y, sigma, values)[0]
    assert there > at_zero


def test_reml_is_nowhere_below_a_fine_grid():
    rng = np.random.default_rng(2)
    sigma = np.array([1.0, 1, 8, 8, 8, 15, 3])
    y = rng.normal(0, np.sqrt(sigma**2 + 25), (300, 7))
    found = meta.reml(y, sigma)
    grid = np.append(np.linspace(0, 2000, 8001), found)
    values = meta.restricted_log_likelihood(y, sigma, grid)
    own = values[np.arange(300), 8001 + np.arange(300)]
    assert (own >= values.max(axis=1) - 1e-9).all()


def test_reml_is_the_mode_of_tau_under_flat_priors():
    y = np.random.default_rng(3).normal(5, 25, (20, 8))
    flat = Hierarchy(y, SIGMA, mu_scale=1e6, tau_scale=1e5)
    tau = np.linspace(0, 80, 16001)
    density = flat._log_density(tau, *flat._terms(tau))
    np.testing.assert_allclose(tau[density.argmax(axis=1)], np.sqrt(meta.reml(y, SIGMA)), atol=0.01)


def test_estimates_reject_data_of_another_shape():
    with pytest.raises(ValueError, match=r"y has shape \(8,\) .* give \(n_data_sets, n_groups\)"):
        meta.reml(RUBIN[0], SIGMA)


# raw observations


def test_one_way_reml_of_balanced_groups_is_the_anova_estimate():
    rng = np.random.default_rng(4)
    y = (rng.normal(0, 3, (5, 1)) + rng.normal(0, 2, (5, 7))).ravel()
    table = y.reshape(5, 7)
    within = table.var(axis=1, ddof=1).mean()
    between = 7 * table.mean(axis=1).var(ddof=1)
    tau2, sigma2 = meta.one_way_reml(y, (7,) * 5)
    assert sigma2 == pytest.approx(within)
    assert tau2 == pytest.approx((between - within) / 7)


def test_one_way_reml_at_the_boundary_pools_all_observations():
    y = np.array([0.0, 2.0, 1.0, 3.0, 0.5, 2.5])
    tau2, sigma2 = meta.one_way_reml(y, (2, 2, 2))
    assert tau2 == 0
    assert sigma2 == pytest.approx(y.var(ddof=1))


@pytest.mark.parametrize("sizes", [(10,) * 6, (10, 12, 15, 18, 20), (2, 30, 5, 5, 40, 3, 8)])
def test_one_way_reml_is_that_of_statsmodels(sizes):
    pytest.importorskip("statsmodels")
    story = Instructors(sizes=sizes, given={"tau": 8.0, "sigma": 10.0})
    for seed in range(3):
        y = story.simulate(np.random.default_rng(seed)).data["y"]
        tau2, sigma2, converged = meta.mixed_lm(y, sizes, "powell")
        ours = meta.one_way_reml(y, sizes)
        assert converged
        np.testing.assert_allclose(np.sqrt([tau2, sigma2]), np.sqrt(ours), rtol=2e-4, atol=2e-3)


def test_mixed_models_say_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "statsmodels.regression.mixed_linear_model", None)
    monkeypatch.setitem(sys.modules, "statsmodels", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'hiercal\[studies\]'"):
        meta.mixed_lm(np.array([0.0, 2.0, 5.0, 7.0]), (2, 2))


# posteriors of many data sets


@pytest.mark.parametrize(("n_groups", "tau"), [(3, 0.0), (8, 5.0), (40, 20.0)])
def test_posteriors_are_those_of_the_story(n_groups, tau):
    story = EightSchools(given={"tau": tau}).resized(n_groups)
    drawn = [story.simulate(np.random.default_rng(i)) for i in range(3)]
    batch = Hierarchy(np.stack([s.data["y"] for s in drawn]), np.array(story.sigma))
    theta = np.stack([s.truth["theta"] for s in drawn])
    below, quantile = batch.theta_cdf(theta), batch.theta_quantile(0.055)
    for k, simulation in enumerate(drawn):
        exact = story.exact(simulation.data)
        assert batch.tau_mean[k] == pytest.approx(exact.mean("tau"), abs=1e-7)
        assert batch.tau_sd[k] == pytest.approx(exact.sd("tau"), abs=1e-7)
        for i, name in ((0, "theta[A]"), (2, "theta[C]")) if n_groups <= 26 else ((0, "theta[1]"),):
            assert batch.theta_mean[k, i] == pytest.approx(exact.mean(name), abs=1e-7)
            assert batch.theta_sd[k, i] == pytest.approx(exact.sd(name), abs=1e-7)
            assert below[k, i] == pytest.approx(exact.cdf(name, theta[k, i]), abs=1e-8)
            assert exact.cdf(name, quantile[k, i]) == pytest.approx(0.055, abs=1e-8)


def test_mode_of_tau_is_zero_on_rubins_data_and_inside_where_schools_differ():
    assert Hierarchy(RUBIN, SIGMA).tau_mode[0] == 0
    apart = Hierarchy(4 * RUBIN, SIGMA)
    tau = np.linspace(0, 60, 60001)
    density = apart._log_density(tau, *apart._terms(tau))[0]
    assert apart.tau_mode[0] == pytest.approx(tau[density.argmax()], abs=2e-3)


# the study


@pytest.fixture(scope="module")
def tables():
    return Frequentist(**TINY).tables({}, quietly)


def test_tables_have_a_row_for_each_case(tables):
    assert set(tables) == {"zeros", "plug_in", "intervals", "agreement"}
    assert len(tables["plug_in"]) == 2 * 3 * 2
    assert len(tables["zeros"]) == 2 * 2 * 3
    assert len(tables["intervals"]) == 2 * 3 * 3 * 2
    assert len(tables["agreement"]) == 2 * 3


def test_shares_of_zeros_are_near_the_exact_probabilities(tables):
    zeros = tables["zeros"]
    # 12 comparisons at a false-alarm rate of 1 in 1000: 4 standard errors
    assert (abs(zeros["zero"] - zeros["exact"]) < 4 * zeros["zero_se"]).all()


def test_moment_estimates_are_zero_on_the_same_data_sets(tables):
    zeros = tables["zeros"].set_index(["tau", "J", "estimator"])["zero"].unstack()
    assert (zeros["DerSimonian-Laird"] == zeros["Paule-Mandel"]).all()


def test_plug_in_intervals_are_points_where_reml_is_zero(tables):
    intervals = tables["intervals"]
    points = intervals[(intervals["data"] == "REML is 0") & (intervals["interval"] == "plug-in")]
    points = points[points["n"] > 0]
    assert (points["width"] == 0).all()
    assert (points["coverage"] == 0).all()


def test_hierarchical_intervals_are_calibrated_under_the_prior():
    study = Frequentist(**(TINY | {"simulations": 400, "zero_simulations": 2, "taus": (0.0,)}))
    rows, _ = study._compared(EightSchools(), None)
    exact = next(r for r in rows if r["interval"] == "hierarchical" and r["data"] == "all")
    assert abs(exact["coverage"] - 0.89) < 4 * exact["coverage_se"]


def test_figures_are_made_from_the_tables(tables):
    figures = Frequentist(**TINY).figures(tables)
    assert set(figures) == {"zeros", "coverage", "width", "agreement"}


def test_map_of_agreement_needs_two_values_of_tau_above_zero():
    study = Frequentist(**(TINY | {"simulations": 5, "taus": (0.0, 5.0, 20.0)}))
    assert "agreement_map" in study.figures(study.tables({}, quietly))


@pytest.mark.slow
def test_mixed_models_of_the_study():
    pytest.importorskip("statsmodels")
    rows = mixed_models(5, 3, seed=2026)
    assert [row["search"] for row in rows] == ["ours", "statsmodels", "statsmodels, Powell"]
    assert [row["missed"] for row in rows if row["search"] != "statsmodels"] == [0.0, 0.0]


def test_misses_are_split_by_what_the_search_says(monkeypatch):
    story = Instructors().resized(4)
    exact = [
        meta.one_way_reml(story.simulate(stream(1, "raw", 4, i)).data["y"], story.sizes)
        for i in range(4)
    ]
    # found, missed with a warning, missed in silence, found with a warning
    plans = [(1.0, True), (4.0, False), (4.0, True), (1.0, False)]
    answers = [(t * k, s, ok) for (t, s), (k, ok) in zip(exact, plans, strict=True)]
    answers = iter([answer for answer in answers for _ in range(2)])  # both searches
    monkeypatch.setattr(_mixed_models, "mixed_lm", lambda *_: next(answers))
    row = _mixed_models.mixed_models(4, 4, seed=1)[1]
    shares = [row[name] for name in ("warned", "missed", "missed_warned", "missed_silently")]
    assert shares == [0.5, 0.5, 0.25, 0.25]


def test_probability_that_an_interval_holds_a_normal_value():
    centre, half = np.array([0.0, 1.0, 1.0]), np.array([1.96, 1.0, 1.0])
    held = _held(centre, half, np.array([0.0, 1.5, 3.0]), np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(held, [0.95, 1.0, 0.0], atol=1e-4)


def test_coverage_of_plug_in_intervals_is_that_of_counted_ones():
    study = Frequentist(**(TINY | {"simulations": 400}))
    story = EightSchools()
    for tau in (0.0, 10.0, None):
        counted, _ = study._compared(story, tau)
        for row in study._plug_in(story, tau):
            other = next(
                r for r in counted if r["interval"] == row["interval"] and r["data"] == "all"
            )
            # 6 comparisons at a false-alarm rate of 1 in 1000: 4 standard errors
            se = np.hypot(row["coverage_se"], other["coverage_se"])
            assert abs(row["coverage"] - other["coverage"]) < 4 * se


def zeros_table(share: float) -> pd.DataFrame:
    """REML is 0 with this share up to tau = 5, and never at tau = 20."""
    return pd.DataFrame(
        [
            {
                "tau": tau, "J": n, "estimator": "REML", "n": 1000, "zero": shown,
                "zero_se": 0.01, "exact": shown,
            }
            for tau, shown in ((0.0, share), (5.0, share), (20.0, 1e-4))
            for n in (3, 8, 20, 50)
        ]
    )  # fmt: skip


def plug_in_rows(truth: str, tau: float, coverage: tuple[float, ...]) -> list[dict]:
    return [
        {
            "truth": truth, "tau": tau, "J": n, "interval": kind, "coverage": c,
            "coverage_se": 0.003,
        }
        for kind in ("plug-in", "plug-in, mean uncertain")
        for n, c in zip((3, 8, 20), coverage, strict=True)
    ]  # fmt: skip


def on_plug_in(share: float, *rows: dict):
    claim = Frequentist.claims[0]
    assert claim.id == "C25"
    tables = {"zeros": zeros_table(share), "plug_in": pd.DataFrame(rows)}
    return _claims.judge(claim, tables)


@pytest.mark.parametrize(
    ("share", "coverage", "verdict"),
    [
        (0.5, (0.75, 0.8, 0.86), "holds"),
        (0.1, (0.75, 0.8, 0.86), "fails"),  # rarely 0
        (0.5, (0.95, 0.8, 0.99), "fails"),  # wide enough
        (0.5, (0.75, 0.84, 0.81), "fails"),  # worse with more groups
        (0.5, (0.75, 0.84, 0.845), "undecided"),
    ],
)
def test_verdict_on_zeros_and_narrow_intervals(share, coverage, verdict):
    rows = plug_in_rows("tau = 5", 5.0, coverage)
    rows += plug_in_rows("tau from its prior", np.nan, (0.75, 0.8, 0.86))
    found = on_plug_in(share, *rows)
    assert found.verdict == (verdict if verdict != "fails" else "holds in a regime")
    if verdict == "fails":
        assert found.remark.startswith("Holds at tau from its prior. Fails at tau = 5.")
        assert found.where == "plug_in.csv and figures/coverage.png"


def test_zeros_are_asked_for_only_where_tau_is_near_zero():
    rows = plug_in_rows("tau = 20", 20.0, (0.75, 0.8, 0.86))
    rows += plug_in_rows("tau from its prior", np.nan, (0.75, 0.8, 0.86))
    assert on_plug_in(0.5, *rows).verdict == "holds"


def test_narrow_intervals_without_the_prior_are_not_measured():
    found = on_plug_in(0.5, *plug_in_rows("tau = 5", 5.0, (0.75, 0.8, 0.86)))
    assert found.remark == "Not measured: no row of table plug_in has tau from its prior."


def agreement_rows(
    truth: str, tau: float, n: int, differences: tuple[float, float, float]
) -> dict[str, object]:
    names = ("tau_mean_rms", "effects_rms", "width_change")
    row: dict[str, object] = {"truth": truth, "tau": tau, "J": n}
    for name, value in zip(names, differences, strict=True):
        row |= {name: value, f"{name}_se": 0.01}
    return row


def on_agreement(*rows: dict, share: float = 0.5):
    claim = Frequentist.claims[1]
    assert claim.id == "C27"
    return _claims.judge(claim, {"zeros": zeros_table(share), "agreement": pd.DataFrame(rows)})


@pytest.mark.parametrize(
    ("differences", "verdict"),
    [
        ((0.3, 0.1, -0.01), "holds"),
        ((0.7, 0.1, -0.01), "fails"),
        ((0.3, 0.1, -0.12), "fails"),
        ((0.3, 0.24, -0.01), "undecided"),
    ],
)
def test_verdict_on_agreement(differences, verdict):
    far = (9.0, 9.0, 9.0)
    rows = [
        agreement_rows("tau = 20", 20.0, 20, differences),
        # none of these is well identified with a moderate number of groups
        agreement_rows("tau = 20", 20.0, 8, far),
        agreement_rows("tau = 5", 5.0, 20, far),
        agreement_rows("tau from its prior", np.nan, 20, far),
    ]
    assert on_agreement(*rows).verdict == verdict


def test_agreement_by_cell():
    found = on_agreement(
        agreement_rows("tau = 20", 20.0, 20, (0.7, 0.1, 0.01)),
        agreement_rows("tau = 20", 20.0, 50, (0.3, 0.1, 0.01)),
    )
    assert found.verdict == "holds in a regime"
    assert found.remark.startswith("Holds at tau = 20, J = 50. Fails at tau = 20, J = 20.")
    assert found.where == "agreement.csv and figures/agreement_map.png"


def test_agreement_where_nothing_is_well_identified():
    found = on_agreement(agreement_rows("tau = 5", 5.0, 20, (0.1, 0.1, 0.01)))
    assert found.remark.startswith("Not measured: at no tau and J of 20 or more is REML 0")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"taus": ()}, "taus is .*give at least one of 5 or less"),
        ({"taus": (10.0,)}, "taus is .*near zero"),
        ({"taus": (-1.0, 0.0)}, r"taus\[0\] is -1.0; give finite numbers from 0"),
        ({"n_groups": (20, 50)}, "n_groups is .* at least one below 10"),
        ({"n_groups": (3, 8)}, "one of 20 or more"),
        ({"n_groups": (1, 20)}, r"n_groups\[0\] is 1; give a whole number of at least 2"),
        ({"simulations": 1}, "simulations is 1"),
        ({"plug_in_simulations": 10}, "plug_in_simulations is 10"),
        ({"raw_simulations": 1}, "raw_simulations is 1"),
    ],
)
def test_errors_say_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        Frequentist(**options)
