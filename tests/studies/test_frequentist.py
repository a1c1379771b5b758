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
from hiercal.studies import _meta_analysis as meta
from hiercal.studies._loo import Hierarchy
from hiercal.studies.frequentist import Frequentist

RUBIN = np.array([RUBIN_EFFECTS])
SIGMA = np.array(RUBIN_STANDARD_ERRORS)
TINY = {
    "simulations": 40,
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
    assert set(tables) == {"zeros", "intervals", "agreement"}
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


@pytest.mark.slow
def test_mixed_models_of_the_study():
    pytest.importorskip("statsmodels")
    rows = Frequentist(**(TINY | {"raw_simulations": 3}))._mixed_models(5)
    assert [row["search"] for row in rows] == ["ours", "statsmodels", "statsmodels, Powell"]
    assert [row["missed"] for row in rows if row["search"] != "statsmodels"] == [0.0, 0.0]


def zeros_table(share: float) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"tau": tau, "J": n, "estimator": "REML", "n": 1000, "zero": share, "zero_se": 0.01}
            for tau in (0.0, 5.0)
            for n in (3, 8, 20)
        ]
    )


def intervals_table(*coverage: float) -> pd.DataFrame:
    kinds = ("plug-in", "plug-in, mean uncertain")
    return pd.DataFrame(
        [
            {
                "truth": "tau from its prior", "J": n, "interval": kind, "data": "all",
                "coverage": c, "coverage_se": 0.003,
            }
            for kind in kinds
            for n, c in zip((3, 8, 20), coverage, strict=True)
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("share", "coverage", "verdict"),
    [
        (0.5, (0.75, 0.8, 0.86), "holds"),
        (0.1, (0.75, 0.8, 0.86), "fails"),  # rarely 0
        (0.5, (0.89, 0.8, 0.86), "fails"),  # wide enough
        (0.5, (0.75, 0.84, 0.81), "fails"),  # worse with more groups
        (0.5, (0.75, 0.84, 0.845), "undecided"),
    ],
)
def test_verdict_on_zeros_and_narrow_intervals(share, coverage, verdict):
    claim = Frequentist.claims[0]
    tables = {"zeros": zeros_table(share), "intervals": intervals_table(*coverage)}
    assert claim.id == "C25"
    assert claim.judge(tables).verdict == verdict


def agreement_table(tau: float, effects: float, width: float) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "truth": truth, "J": n, "tau_mean_rms": tau, "tau_mean_rms_se": 0.01,
                "effects_rms": effects, "effects_rms_se": 0.01,
                "width_change": width, "width_change_se": 0.01,
            }
            for truth in ("tau = 5", "tau from its prior")
            for n in (8, 20, 50)
        ]
    )  # fmt: skip


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
    claim = Frequentist.claims[1]
    finding = claim.judge({"agreement": agreement_table(*differences)})
    assert claim.id == "C27"
    assert finding.verdict == verdict


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
        ({"raw_simulations": 1}, "raw_simulations is 1"),
    ],
)
def test_errors_say_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        Frequentist(**options)
