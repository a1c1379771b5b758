"""Tables that measure: verdicts and coverage of right and wrong arms, bias against the exact."""

import numpy as np
import pytest

from hiercal import Result, Run, fitter, story
from hiercal.runs.manifest import made_of
from hiercal.tables import bias, coverage, strata, verdicts
from tests.running import run


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Two exact arms, and one whose prior on tau is far too narrow: a planted fault."""
    design = Run(
        stories=[story("eight_schools", sigma=(10.0,) * 4)],
        fitters=[
            fitter("exact"),
            fitter("exact", draws=500),
            fitter("exact", assume={"tau_scale": 2.0}),
        ],
        simulations=150,
        seed=4,
    )
    return run(design, tmp_path_factory.mktemp("result"))


@pytest.fixture(scope="module")
def wrong(result):
    """Label of the arm with the fault."""
    return result.arms["arm"].iloc[2]


def test_arms_are_told_by_what_they_are_and_not_by_name(result, wrong):
    arms = result.arms
    assert arms["is_exact"].tolist() == [True, True, False]
    assert set(arms["exact"]) == {arms["arm"].iloc[0]}
    assert arms.loc[wrong, "fitter_options"]["assume"] == {"tau_scale": 2.0}


def test_every_arm_and_quantity_has_a_verdict_and_the_fault_is_found(result, wrong):
    table = verdicts(result)
    assert len(table) == 3 * 10
    columns = {"p_ecdf", "p_smooth", "p", "p_holm", "reason"}
    assert set(table) >= columns | {"detectable_shift", "detectable_scale"}
    right = table[table["arm"] != wrong]
    assert set(right["verdict"]) == {"calibrated"}
    found = table[table["arm"] == wrong].set_index("quantity")
    assert found.loc["tau", "verdict"] == "miscalibrated"


def test_coverage_is_right_of_an_exact_posterior_and_wrong_of_the_fault(result, wrong):
    """Of the right arms each interval's binomial test at family-wise 0.1 %."""
    table = coverage(result)
    right = table[table["arm"] != wrong]
    assert (right["p"] > 1e-3 / len(right)).all()
    assert (right["lower"] <= right["coverage"]).all()
    central = right[right["interval"] == "central"]
    np.testing.assert_allclose(sorted(set(central["level"])), [0.5, 0.8, 0.9])
    hdi = right[right["interval"] == "hdi 0.89"]
    assert hdi["level"].between(0.87, 0.89).all(), "finite samples reach less than their name"
    of_tau = table[(table["arm"] == wrong) & (table["quantity"] == "tau")]
    assert (of_tau["p"] < 1e-6).all()
    assert (of_tau["coverage"] < of_tau["level"]).all()


def test_an_exact_arm_with_other_draws_is_measured_by_the_first(result, wrong):
    _, second, _ = result.arms["arm"]
    assert list(bias(result)["arm"].unique()) == [second, wrong]
    assert list(strata(result)["arm"].unique()) == [second, wrong]
    own = bias(result).set_index("arm").loc[second]
    assert (own["bias"].abs() < 4 * own["se"]).all()


def test_a_mean_that_is_1_too_large_everywhere_has_a_bias_of_1(tmp_path):
    design = Run(
        stories=[story("eight_schools")],
        fitters=[fitter("exact"), fitter("exact", draws=999)],
        simulations=90,
    )
    result = run(design, tmp_path)
    records = result.records
    shifted = (records["arm"] == result.arms["arm"].iloc[1]) & (records["quantity"] == "tau")
    records.loc[shifted, "mean"] += 1
    records.to_parquet(tmp_path / "records.parquet")
    made_of(tmp_path, records=90)
    table = bias(Result(tmp_path))
    assert table["n"].tolist() == [90, 30, 30, 30]
    assert ((table["bias"] - 1).abs() < 4 * table["se"]).all()
    assert table["se"].iloc[0] < 0.1


def test_without_an_exact_arm_there_is_no_bias(mock_run, tmp_path):
    assert bias(run(mock_run(simulations=5), tmp_path)).empty
