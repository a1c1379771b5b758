"""Strata: a correct fit passes in all of them, a wrong prior shows where it tells."""

import numpy as np
import pytest

from hiercal import Run, fitter, story
from hiercal.tables.strata import STRATA, strata
from tests.running import run

RIGHT, WRONG = "eight_schools/exact[tau_scale=10.0]", "eight_schools/exact[tau_scale=40.0]"


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The same model once more, and one with too wide a prior on tau: a planted fault."""
    design = Run(
        stories=[story("eight_schools")],
        fitters=[
            fitter("exact"),
            fitter("exact", assume={"tau_scale": 10.0}),
            fitter("exact", assume={"tau_scale": 40.0}),
        ],
        simulations=400,
        seed=6,
    )
    result = run(design, tmp_path_factory.mktemp("strata"))
    return strata(result)


def test_every_simulation_is_in_one_stratum_of_each_kind(table):
    assert len(table) == 2 * 2 * STRATA
    assert (table.groupby(["arm", "by"])["n"].sum() == 400).all()
    assert (table["n_failed"] == 0).all()
    edges = table[(table["arm"] == RIGHT) & (table["by"] == "truth")]
    assert (edges["low"].to_numpy()[1:] == edges["high"].to_numpy()[:-1]).all()


def test_a_correct_fit_passes_in_every_stratum(table):
    """Family-wise level 5 % over 16 rows; the seed is fixed."""
    right = table[table["arm"] == RIGHT]
    assert (right["p_holm"] > 0.05).all()
    assert (right["shift"].abs() < 4 * right["shift_se"]).all()


def test_a_wide_prior_is_caught_where_tau_is_small(table):
    wrong = table[(table["arm"] == WRONG) & (table["by"] == "truth")]
    first = wrong.iloc[0]
    assert first["p_holm"] < 1e-3
    assert first["shift"] < -3 * first["shift_se"]


def test_without_an_exact_arm_there_are_no_rows(tmp_path):
    design = Run(
        stories=[story("eight_schools")],
        fitters=[fitter("exact", assume={"tau_scale": 10.0})],
        simulations=2,
    )
    result = run(design, tmp_path)
    assert strata(result).empty
    assert np.isfinite(result.columns("truth")["truth"]).all()
