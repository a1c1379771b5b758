"""The study of frequentist estimates: its tables and its judges."""

import numpy as np
import pandas as pd
import pytest

from hiercal.exact import reml as meta
from hiercal.runs.streams import stream
from hiercal.simulators.instructors import Instructors
from hiercal.studies import _claims
from hiercal.studies.frequentist import mixed_models
from hiercal.studies.frequentist.study import Frequentist, _held
from tests.running import measure

TINY = {
    "simulations": 40,
    "plug_in_simulations": 5000,
    "zero_simulations": 200,
    "raw_simulations": 0,
    "taus": (0.0, 20.0),
    "n_groups": (3, 20),
}


@pytest.fixture(scope="module")
def tables():
    study = Frequentist(**TINY)
    return study.tables({}, measure(study))


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
    study = Frequentist(**(TINY | {"simulations": 400}))
    rows = study.measurements()["20 groups, tau from its prior"].measure()["intervals"]
    (exact,) = (r for r in rows if r["interval"] == "hierarchical" and r["data"] == "all")
    assert abs(exact["coverage"] - 0.89) < 4 * exact["coverage_se"]


def test_figures_are_made_from_the_tables(tables):
    figures = Frequentist(**TINY).figures(tables)
    assert set(figures) == {"zeros", "coverage", "width", "agreement"}


def test_map_of_agreement_needs_two_values_of_tau_above_zero():
    study = Frequentist(**(TINY | {"simulations": 5, "taus": (0.0, 5.0, 20.0)}))
    assert "agreement_map" in study.figures(study.tables({}, measure(study)))


@pytest.mark.slow
def test_mixed_models_of_the_study():
    pytest.importorskip("statsmodels")
    rows = mixed_models.mixed_models(5, 3, seed=2026)
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
    monkeypatch.setattr(mixed_models, "mixed_lm", lambda *_: next(answers))
    row = mixed_models.mixed_models(4, 4, seed=1)[1]
    shares = [row[name] for name in ("warned", "missed", "missed_warned", "missed_silently")]
    assert shares == [0.5, 0.5, 0.25, 0.25]


def test_probability_that_an_interval_holds_a_normal_value():
    centre, half = np.array([0.0, 1.0, 1.0]), np.array([1.96, 1.0, 1.0])
    held = _held(centre, half, np.array([0.0, 1.5, 3.0]), np.array([1.0, 0.0, 0.0]))
    np.testing.assert_allclose(held, [0.95, 1.0, 0.0], atol=1e-4)


def test_coverage_of_plug_in_intervals_is_that_of_counted_ones():
    wanted = Frequentist(**(TINY | {"simulations": 400})).measurements()
    for truth in ("tau = 0", "tau = 20", "tau from its prior"):
        rows = wanted[f"20 groups, {truth}"].measure()
        for row in rows["plug_in"]:
            (other,) = (
                r
                for r in rows["intervals"]
                if r["interval"] == row["interval"] and r["data"] == "all"
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
