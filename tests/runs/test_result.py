"""What a run leaves: records, fits, arms and a manifest."""

import pandas as pd
import pytest

from hiercal import Result, Run, fitter, story
from hiercal.runs import arms
from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.tables import bias
from tests.running import run


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Two exact arms."""
    design = Run(
        stories=[story("eight_schools", sigma=(10.0,) * 4)],
        fitters=[fitter("exact"), fitter("exact", draws=500)],
        simulations=30,
        seed=4,
        name="small",
    )
    return run(design, tmp_path_factory.mktemp("result"))


def test_records_are_tidy_and_those_of_the_file(result):
    records = result.records
    assert set(records) == {
        *("arm", "simulation", "quantity", "status", "max_rank", "divergences"),
        *COLUMNS,
    }
    assert len(records) == 2 * 30 * 10
    assert not records.duplicated(["arm", "simulation", "quantity"]).any()
    assert records["rank"].between(0, 99).all()
    pd.testing.assert_frame_equal(records, pd.read_parquet(result.folder / "records.parquet"))


def test_fits_have_the_columns_that_are_declared(result):
    assert list(result.fits) == ["arm", *FitRecord.scalars()]
    assert list(pd.read_parquet(result.folder / "fits.parquet")) == list(result.fits)


def test_arms_meet_the_same_truths(result):
    wide = result.records.pivot(index=["simulation", "quantity"], columns="arm", values="truth")
    assert (wide.iloc[:, 0] == wide.iloc[:, 1]).all()


def test_the_table_of_arms_says_what_each_is(result):
    assert list(result.arms) == list(arms.COLUMNS)
    first, second = result.arms.to_dict("records")
    assert first["story"] == second["story"] == "eight_schools"
    assert (first["draws"], second["draws"]) == (1000, 500)
    assert first["scale"] == "tau"
    assert (first["groups"], first["first_group"], first["n_groups"]) == ("theta", "theta[A]", 4)
    assert first["story_options"]["sigma"] == [10.0] * 4
    assert second["fitter_options"]["draws"] == 500
    assert first["key"] != second["key"]


def test_the_manifest_says_what_was_run(result):
    manifest = result.manifest
    assert manifest["complete"]
    assert manifest["seed"] == 4
    assert manifest["run"]["stories"][0]["sigma"] == [10.0] * 4
    assert [arm["arm"] for arm in manifest["arms"]] == result.arms["arm"].tolist()
    assert {"numpy", "hiercal", "python"} <= set(manifest["versions"])
    assert len(manifest["digest"]) == 64


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="not the folder of a run"):
        Result(tmp_path)


@pytest.mark.slow
@pytest.mark.figures
def test_both_libraries_end_to_end(tmp_path):
    """The interface of the README, small: a NUTS arm of each library and the exact one."""
    nuts = [
        fitter("numpyro", model="noncentred", draws=150, tune=150),
        fitter("pymc", model="centred", draws=150, tune=150),
    ]
    design = Run(
        stories=[story("eight_schools")],
        fitters=[*nuts, fitter("exact")],
        simulations=12,
        seed=3,
        name="all",
    )
    result = run(design, tmp_path / "two", workers=2, export=True)
    alone = run(design, tmp_path / "alone")
    pd.testing.assert_frame_equal(result.records, alone.records, check_exact=True)
    assert result.fits["error"].isna().all()
    assert (result.folder / "figures" / "funnel.png").exists()
    assert len(bias(result)) == 8
    bulk = result.records.groupby("arm", observed=True)["ess_bulk"].median()
    assert (bulk > 20).all()
