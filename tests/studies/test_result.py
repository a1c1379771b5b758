"""What a run leaves: records, verdicts, an ArviZ store, figures."""

import json

import arviz as az
import numpy as np
import pandas as pd
import pytest

from hiercal import Result, Study, fitter, story
from hiercal.studies import _calibration

COLUMNS = {
    "arm",
    "simulation",
    "quantity",
    "truth",
    "rank",
    "max_rank",
    "mean",
    "sd",
    "ess_bulk",
    "ess_tail",
    "r_hat",
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Exact arm, and the same with a prior that is too narrow: a planted fault."""
    study = Study(
        stories=[story("eight_schools", sigma=(10.0,) * 4)],
        fitters=[fitter("exact"), fitter("exact", draws=500)],
        simulations=150,
        seed=4,
        name="small",
    )
    return study.run(tmp_path_factory.mktemp("result"), workers=0, progress=False)


def test_records_are_tidy_and_those_of_the_file(result):
    records = result.records
    assert set(records) >= COLUMNS
    assert len(records) == 2 * 150 * 10
    assert not records.duplicated(["arm", "simulation", "quantity"]).any()
    assert records["rank"].between(0, 99).all()
    pd.testing.assert_frame_equal(records, pd.read_parquet(result.folder / "records.parquet"))


def test_arms_meet_the_same_truths(result):
    wide = result.records.pivot(index=["simulation", "quantity"], columns="arm", values="truth")
    assert (wide.iloc[:, 0] == wide.iloc[:, 1]).all()


def test_verdicts_have_a_row_for_each_arm_and_quantity(result):
    verdicts = result.verdicts()
    assert len(verdicts) == 2 * 10
    assert set(verdicts) >= {"arm", "quantity", "p_ecdf", "p_smooth", "p", "p_holm", "verdict"}
    assert set(verdicts) >= {"detectable_shift", "detectable_scale", "reason"}
    assert set(verdicts["verdict"]) == {"calibrated"}
    stored = pd.read_csv(result.folder / "verdicts.csv")
    pd.testing.assert_frame_equal(verdicts, stored, check_dtype=False)


def test_an_exact_posterior_covers_as_it_should(result):
    """Each interval's binomial test at family-wise 0.1 %."""
    coverage = result.coverage()
    assert (coverage["p"] > 1e-3 / len(coverage)).all()
    assert (coverage["lower"] <= coverage["coverage"]).all()
    central = coverage[coverage["interval"] == "central"]
    np.testing.assert_allclose(sorted(set(central["level"])), [0.5, 0.8, 0.9])
    hdi = coverage[coverage["interval"] == "hdi 0.89"]
    assert hdi["level"].between(0.87, 0.89).all(), "finite samples reach less than their name"


def test_the_manifest_says_what_was_run(result):
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["seed"] == 4
    assert manifest["study"]["stories"][0]["sigma"] == [10.0] * 4
    assert {"numpy", "hiercal", "python"} <= set(manifest["versions"])
    assert len(manifest["digest"]) == 64


def test_the_store_opens_with_arviz_and_plots(result):
    import matplotlib as mpl

    mpl.use("Agg")
    tree = az.from_zarr(result.folder / "sbc.zarr")
    pit = tree["prior_sbc"]
    assert pit["mu"].dims == ("arm", "simulation")
    assert pit["theta"].sizes["simulation"] == 150
    for values in pit.data_vars.values():
        assert ((values > 0) & (values < 1)).all()
    assert pit.attrs["n_left_out"] == 0
    plotted = az.plot_ecdf_pit(tree, var_names=["mu", "tau"], sample_dims="simulation")
    assert len(plotted.viz["figure"].item().axes) >= 4
    mpl.pyplot.close("all")


def test_figures_are_written_in_three_formats(result):
    written = {path.name for path in (result.folder / "figures").iterdir()}
    for name in ("ranks", "ecdf", "coverage", "recovery", "funnel"):
        assert {f"{name}.pdf", f"{name}.svg", f"{name}.png"} <= written or name == "funnel"


def test_bias_is_measured_against_the_exact_arm(tmp_path):
    """A mean that is 1 too large everywhere is found to be."""
    study = Study(
        stories=[story("eight_schools")],
        fitters=[fitter("exact"), fitter("exact", draws=999)],
        simulations=90,
        name="bias",
    )
    result = study.run(tmp_path, workers=0, progress=False, export=False)
    _, other = result.manifest["arms"]
    records = result.records
    shifted = (records["arm"] == other) & (records["quantity"] == "tau")
    records.loc[shifted, "mean"] += 1
    records.to_parquet(tmp_path / "records.parquet")
    bias = _calibration.bias(result)
    assert bias["n"].tolist() == [90, 30, 30, 30]
    assert ((bias["bias"] - 1).abs() < 4 * bias["se"]).all()
    assert bias["se"].iloc[0] < 0.1


def test_failed_fits_count_against_every_arm_of_the_store(mock_study, tmp_path):
    result = mock_study(simulations=80, raises=0.1).run(tmp_path, workers=0, progress=False)
    failed = int(result.fits["error"].notna().sum())
    assert failed > 0
    pit = az.from_zarr(tmp_path / "sbc.zarr")["prior_sbc"]
    assert pit.attrs["n_left_out"] == failed
    assert pit.sizes["simulation"] == 80 - failed
    assert (result.verdicts()["n_failed"] == failed).all()


def test_an_arm_without_a_fit_is_inconclusive_and_draws_still(mock_study, tmp_path):
    result = mock_study(simulations=30, raises=1.0).run(tmp_path, workers=0, progress=False)
    verdicts = result.verdicts()
    assert set(verdicts["verdict"]) == {"inconclusive"}
    assert (tmp_path / "figures" / "ranks.png").exists()
    assert az.from_zarr(tmp_path / "sbc.zarr")["prior_sbc"].attrs["arms_left_out"]


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="not the folder of a run"):
        Result(tmp_path)


@pytest.mark.slow
def test_both_libraries_end_to_end(tmp_path):
    """The interface of the README, small: a NUTS arm of each library and the exact one."""
    nuts = [
        fitter("numpyro", model="noncentred", draws=150, tune=150),
        fitter("pymc", model="centred", draws=150, tune=150),
    ]
    study = Study(
        stories=[story("eight_schools")],
        fitters=[*nuts, fitter("exact")],
        simulations=12,
        seed=3,
        name="all",
    )
    result = study.run(tmp_path / "two", workers=2, progress=False)
    alone = study.run(tmp_path / "alone", workers=0, progress=False, export=False)
    pd.testing.assert_frame_equal(result.records, alone.records, check_exact=True)
    assert result.fits["error"].isna().all()
    assert (result.folder / "figures" / "funnel.png").exists()
    assert len(result.bias()) == 8
    bulk = result.records.groupby("arm", observed=True)["ess_bulk"].median()
    assert (bulk > 20).all()
