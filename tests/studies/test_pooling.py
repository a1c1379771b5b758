"""Exact leave-one-out against check values and brute force; the study's tables and judges."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from hiercal.simulators.eight_schools import (
    RUBIN_EFFECTS,
    RUBIN_STANDARD_ERRORS,
    EightSchools,
)
from hiercal.studies import _claims, _loo
from hiercal.studies._loo import (
    MODELS,
    Hierarchy,
    _log_sum_exp,
    effects,
    loo,
    naive_se,
    new_group,
    psis_loo,
)
from hiercal.studies.pooling import PoolingChoice

RUBIN = np.array([RUBIN_EFFECTS])
SIGMA = np.array(RUBIN_STANDARD_ERRORS)
TINY = {
    "simulations": 300,
    "other_simulations": 60,
    "psis_simulations": 3,
    "draws": 400,
    "taus": (0.0, 20.0),
}


def quietly(_: str) -> None:
    pass


def simulated(n: int, n_groups: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    sigma = np.resize(SIGMA, n_groups)
    rng = np.random.default_rng(seed)
    return rng.normal(5, np.sqrt(sigma**2 + 100), (n, n_groups)), sigma


# methods.md, section 4


def test_elpd_of_rubins_data():
    pointwise = {model: loo(RUBIN, SIGMA, model)[0] for model in MODELS}
    elpd = [pointwise[model].sum() for model in ("partial", "complete", "no")]
    np.testing.assert_allclose(elpd, [-30.924, -30.521, -33.835], atol=5e-4)
    difference = pointwise["partial"] - pointwise["complete"]
    assert difference.sum() == pytest.approx(-0.403, abs=5e-4)
    assert naive_se(difference) == pytest.approx(0.18, abs=5e-3)


def test_effective_parameters_of_rubins_data():
    rubin = Hierarchy(RUBIN, SIGMA)
    assert (rubin.log_predictive() - rubin.loo()).sum() == pytest.approx(1.281, abs=5e-4)


@pytest.mark.parametrize("n_groups", [3, 8, 20])
def test_loo_is_the_predictive_density_of_a_refit_without_the_group(n_groups):
    y, sigma = simulated(250, n_groups)  # more than one chunk
    found = Hierarchy(y, sigma).loo()
    for i in (0, n_groups - 1):
        others = np.arange(n_groups) != i
        refit = Hierarchy(y[:, others], sigma[others])
        variance = refit.tau**2 + 1 / refit._precision + sigma[i] ** 2
        density = np.exp(-0.5 * (y[:, [i]] - refit._mean) ** 2 / variance)
        density = density / np.sqrt(2 * np.pi * variance)
        expected = np.log((refit.weights * density).sum(axis=1))
        np.testing.assert_allclose(found[:, i], expected, atol=1e-9)


@pytest.mark.parametrize("model", ["no", "complete"])
def test_loo_without_tau_is_a_ratio_of_normal_densities(model):
    y, sigma = simulated(1, 5)
    between = 400 * (np.eye(5) if model == "no" else np.ones((5, 5)))
    covariance = between + np.diag(sigma**2)
    joint = multivariate_normal(np.zeros(5), covariance).logpdf(y[0])
    for i in range(5):
        others = np.arange(5) != i
        rest = multivariate_normal(np.zeros(4), covariance[np.ix_(others, others)])
        expected = joint - rest.logpdf(y[0, others])
        assert loo(y, sigma, model)[0, i] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("model", MODELS)
def test_effects_are_those_of_the_story(model):
    story = EightSchools()
    names = {"partial": "noncentred", "no": "no_pooling", "complete": "complete_pooling"}
    exact = story.exact(story.observed, names[model])
    expected = [exact.mean(name) for name in story.labels("theta")]
    np.testing.assert_allclose(effects(RUBIN, SIGMA, model)[0], expected, atol=1e-7)


@pytest.mark.parametrize("model", MODELS)
def test_expected_density_of_a_new_group_is_the_integral(model):
    y, sigma = simulated(2, 4)
    mu, tau = np.array([3.0, -5.0]), np.array([6.0, 15.0])
    found = new_group(y, sigma, model, mu, tau)
    for k in range(2):
        sd = np.hypot(tau[k], sigma[0])
        x = mu[k] + sd * np.linspace(-9, 9, 1201)
        rows = np.column_stack([np.tile(y[k], (len(x), 1)), x])
        log_density = loo(rows, np.append(sigma, sigma[0]), model)[:, -1]
        expected = np.trapezoid(log_density * norm(mu[k], sd).pdf(x), x)
        assert found[k, 0] == pytest.approx(expected, abs=1e-6)


def test_psis_agrees_with_exact_loo_where_its_diagnostic_is_good():
    exact = loo(RUBIN, SIGMA, "complete").sum()
    rng = np.random.default_rng(5)
    elpd, k, limit = psis_loo(EightSchools(), RUBIN[0], "complete", 4000, rng)
    assert (k < limit).all()
    assert elpd == pytest.approx(exact, abs=0.08)


# the study


@pytest.fixture(scope="module")
def tables():
    return PoolingChoice(**TINY).tables({}, quietly)


def test_tables_have_a_row_for_each_case(tables):
    cells = 2 * 3  # numbers of groups, and two values of tau and its prior
    assert len(tables["choice"]) == cells * 3
    assert len(tables["right"]) == cells * 2 * 5
    assert len(tables["psis"]) == cells * 3
    assert len(tables["rubin"]) == 3


def test_shares_add_up(tables):
    sums = tables["choice"].groupby(["truth", "J"])[["first", "best_new", "best_same"]].sum()
    np.testing.assert_allclose(sums, 1.0)


def test_complete_pooling_is_right_where_groups_are_alike_and_wrong_where_they_differ(tables):
    complete = tables["choice"].query("model == 'complete'").set_index(["truth", "J"])["best_new"]
    assert complete["tau = 0", 32] > 0.7
    assert complete["tau = 20", 32] < 0.1


def test_the_right_one_of_three_is_better_than_the_second(tables):
    right = tables["right"].dropna(subset="right")
    assert (right["better"] >= right["right"]).all()
    assert (right["better"] > right["right"]).any()


def test_there_are_fewer_data_sets_at_a_fixed_tau_and_with_other_numbers_of_groups(tables):
    n = tables["choice"].groupby(["truth", "J"])["n"].first()
    assert (n["tau = 0", 8], n["tau from its prior", 8], n["tau = 0", 32]) == (60, 300, 60)


def test_log_sum_exp_is_scipys():
    terms = np.random.default_rng(6).normal(-900, 300, (4, 5, 20))
    expected = logsumexp(terms, axis=-1)
    np.testing.assert_allclose(_log_sum_exp(terms), expected, rtol=1e-13)


def test_expected_density_of_a_new_group_needs_no_more_nodes(monkeypatch):
    y, sigma = simulated(300, 8)
    rng = np.random.default_rng(7)
    mu, tau = rng.normal(5, 5, 300), np.abs(rng.normal(0, 10, 300))
    found = new_group(y, sigma, "partial", mu, tau).sum(axis=1)
    monkeypatch.setattr(_loo, "HERMITE", 48)
    finer = new_group(y, sigma, "partial", mu, tau).sum(axis=1)
    np.testing.assert_allclose(found, finer, atol=5e-3)


def test_a_choice_costs_nothing_or_something(tables):
    assert (tables["right"]["loss"].dropna() >= 0).all()


def test_figures_are_made_from_the_tables(tables):
    assert set(PoolingChoice(**TINY).figures(tables)) == {"choice", "right", "psis"}


def rubin_table(
    exact: tuple[float, float, float], psis: tuple[float, float, float] | None = None
) -> pd.DataFrame:
    """Partial, no, complete pooling."""
    best = max(exact)
    return pd.DataFrame(
        [
            {
                "model": model, "elpd": own, "behind": best - own, "behind_naive_se": 0.2,
                "psis": by_psis, "psis_se": 0.03, "psis_sd": 0.2,
            }
            for model, own, by_psis in zip(MODELS, exact, psis or exact, strict=True)
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("exact", "psis", "verdict"),
    [
        ((-30.8, -31.4, -31.9), None, "holds"),
        ((-30.9, -33.8, -30.5), None, "fails"),
        ((-31.0, -31.5, -31.5), None, "undecided"),
        ((-30.8, -31.4, -31.9), (-30.8, -32.4, -31.9), "fails"),  # not by the chapter's PSIS
        ((-30.8, -31.4, -31.9), (-30.8, -31.85, -31.9), "undecided"),
    ],
)
def test_verdict_on_the_order(exact, psis, verdict):
    claim = PoolingChoice.claims[0]
    assert claim.id == "C19"
    assert claim.judge({"rubin": rubin_table(exact, psis)}).verdict == verdict


def test_verdict_on_the_order_of_exact_loo(tables):
    finding = PoolingChoice.claims[0].judge(tables)
    assert finding.verdict == "fails"
    assert "complete -30.52, partial -30.92, no -33.83" in finding.remark


PRIOR = "tau from its prior"


def right_rows(
    truth: str, small: float, large: float, *, better: float = 0.6, se: float = 0.01
) -> list[dict]:
    names = ("below 2 standard errors", "2 standard errors or more")
    return [
        {
            "truth": truth, "J": 8, "criterion": "new groups", "differences": name, "n": 1000,
            "right": share, "right_se": error, "share": 0.5, "better": better, "better_se": 0.01,
        }
        for name, share, error in zip(names, (small, large), (0.01, se), strict=True)
    ]  # fmt: skip


def on_small(*rows: dict):
    claim = PoolingChoice.claims[1]
    assert claim.id == "C20"
    return _claims.judge(claim, {"right": pd.DataFrame(rows)})


@pytest.mark.parametrize(
    ("small", "large", "options", "verdict"),
    [
        (0.5, 0.8, {}, "holds"),
        (0.9, 0.99, {}, "fails"),  # small differences tell the models apart
        (0.5, 0.4, {}, "fails"),  # large ones do not
        (0.5, 0.8, {"better": 0.4}, "fails"),  # small ones mislead
        (0.5, 0.8, {"better": 0.51}, "undecided"),
        (0.5, 0.55, {"se": 0.05}, "undecided"),
        (0.5, np.nan, {"se": np.nan}, "undecided"),  # there are no large ones
    ],
)
def test_verdict_on_small_differences(small, large, options, verdict):
    assert on_small(*right_rows(PRIOR, small, large, **options)).verdict == verdict


def test_small_differences_by_tau():
    found = on_small(
        *right_rows("tau = 0", 0.6, 0.8),
        *right_rows("tau = 10", 0.4, 0.1),
        *right_rows(PRIOR, 0.5, 0.52),
    )
    assert found.verdict == "holds in a regime"
    assert found.effect == pytest.approx(-0.3)
    assert "Holds at tau = 0. Fails at tau = 10. Undecided at tau from its prior." in found.remark
    assert found.where == "right.csv and figures/right.png"


def test_small_differences_without_the_prior_are_not_measured():
    found = on_small(*right_rows("tau = 0", 0.6, 0.8))
    assert found.verdict == "undecided"
    assert found.remark.startswith("Not measured: no row of table right has tau from its prior")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"taus": (5.0,)}, "taus is .*give two or more"),
        ({"taus": (0.0, np.inf)}, r"taus\[1\] is inf; give finite numbers"),
        ({"n_groups": (32,)}, "n_groups is .*give 8 among them"),
        ({"n_groups": (2, 8)}, r"n_groups\[0\] is 2; give a whole number of at least 3"),
        ({"simulations": 9}, "simulations is 9"),
        ({"other_simulations": 1}, "other_simulations is 1"),
        ({"simulations": 100}, "psis_simulations is 50, of 20 data sets at a fixed tau; give at"),
        ({"other_simulations": 10}, "psis_simulations is 50, of 10 data sets"),
        ({"draws": 401}, "draws is 401; give a multiple of 4"),
    ],
)
def test_errors_say_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        PoolingChoice(**options)
