"""The calibration study: its design, and the tables of a small run."""

import numpy as np
import pandas as pd
import pytest

from hiercal import Where
from hiercal import study as make_study
from hiercal.studies import _run


@pytest.mark.slow
def test_tables_and_figures_of_a_small_run(tmp_path):
    study = make_study(
        "calibration",
        simulations=40,
        groups=(3, 5),
        libraries=("numpyro",),
        models=("noncentred",),
        target_accept=0.8,
    )
    tables = _run.run(study, tmp_path, where=Where(0), progress=False, say=lambda _: None)
    verdicts = tables["verdicts"]
    assert set(verdicts["n_schools"]) == {3, 5}
    assert (verdicts["n"] + verdicts["n_failed"] == 40).all()
    assert len(verdicts) == 2 * 2 * 9
    strata = tables["strata"]
    assert len(strata) == 2 * 2 * 4
    assert (strata.groupby(["n_schools", "by"])["n"].sum() == 40).all()
    effects = tables["effects"]
    assert np.allclose(effects.groupby(["n_schools", "arm"])["percent"].sum(), 100)
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == {
        "effects",
        "strata-data",
        "strata-truth",
    }


def test_models_without_tau_have_tables_and_one_figure(tmp_path):
    study = make_study(
        "calibration",
        simulations=20,
        groups=(3,),
        libraries=("numpyro",),
        models=("no_pooling", "complete_pooling"),
    )
    tables = _run.run(study, tmp_path, where=Where(0), progress=False, say=lambda _: None)
    arms = {f"eight_schools/numpyro-{model}" for model in ("no_pooling", "complete_pooling")}
    assert arms < set(tables["verdicts"]["arm"])
    assert set(tables["effects"]["arm"]) == set(tables["verdicts"]["arm"])
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} == {"effects"}


def test_a_study_without_a_completed_fit_has_no_figures():
    assert make_study("calibration").figures({"effects": pd.DataFrame()}) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": ()}, "groups is empty"),
        ({"groups": (1,)}, "groups is 1"),
        ({"libraries": ()}, "libraries is empty"),
        ({"libraries": ("stan",)}, "libraries"),
        ({"models": ("centered",)}, "did you mean 'centred'"),
        ({"simulations": 5}, "simulations is 5"),
    ],
)
def test_the_design_is_checked(options, message):
    with pytest.raises(ValueError, match=message):
        make_study("calibration", **options).runs()
