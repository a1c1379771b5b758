"""The study of pooling: PSIS-LOO beside exact LOO, its tables and its judges."""

import numpy as np
import pandas as pd
import pytest

from hiercal.exact.loo import MODELS, loo
from hiercal.simulators.eight_schools import (
    RUBIN_EFFECTS,
    RUBIN_STANDARD_ERRORS,
    EightSchools,
)
from hiercal.studies import _claims
from hiercal.studies.pooling.psis_loo import psis_loo
from hiercal.studies.pooling.study import PoolingChoice
from tests.running import measure

RUBIN = np.array([RUBIN_EFFECTS])
SIGMA = np.array(RUBIN_STANDARD_ERRORS)
TINY = {
    "simulations": 300,
    "other_simulations": 60,
    "psis_simulations": 3,
    "draws": 400,
    "taus": (0.0, 20.0),
}


def test_psis_agrees_with_exact_loo_where_its_diagnostic_is_good():
    exact = loo(RUBIN, SIGMA, "complete").sum()
    rng = np.random.default_rng(5)
    elpd, k, limit = psis_loo(EightSchools(), RUBIN[0], "complete", 4000, rng)
    assert (k < limit).all()
    assert elpd == pytest.approx(exact, abs=0.08)


@pytest.fixture(scope="module")
def tables():
    study = PoolingChoice(**TINY)
    return study.tables({}, measure(study))


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
