"""Tables and files of draws are read, and those that cannot be are refused in a sentence."""

import numpy as np
import pytest
import xarray as xr

import hiercal
from hiercal.errors import DrawsRefused
from hiercal.user_models._draws_files import read_draws
from tests.user_models.test_draws import datasets, small, tables, tree


def csv(text):
    return lambda folder: [(folder / "bad.csv", text)]


HEAD = "simulation,chain,draw,mu\n"
GOOD = "".join(f"{s},1,{d},{s}.{d}\n" for s in (1, 2) for d in range(1, 10))
TRUE = "1,,,0.5\n2,,,0.7\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; give a file with truths and draws"),
        (HEAD, "bad.csv has no rows"),
        ("sim,draw,mu\n1,1,2\n", "no column simulation; it has sim, draw, mu: give simulation, ch"),
        ("simulation,iter,mu\n1,1,2\n", "no column draw; it has simulation, iter, mu"),
        ("simulation,draw\n1,1\n1,\n", "bad.csv has no column but simulation, draw; give one a qu"),
        (HEAD + GOOD, "has no truths; give them with --truths, or in rows whose draw is empty"),
        (HEAD + TRUE, "has no draws, only truths"),
        (HEAD + TRUE + GOOD + "1,1,x,2\n", "column draw holds 'x' in row 21; give numbers"),
        (HEAD + TRUE + GOOD + "1,1,10,low\n", "column mu holds 'low' in row 21"),
        (HEAD + TRUE + GOOD + "1,1,1.5,2\n", "column draw holds fractions"),
        (HEAD + TRUE + GOOD + ",1,10,2\n", "column simulation is empty in some rows"),
        (HEAD + TRUE + GOOD + "2,,10,2\n", "column chain is empty in some draws"),
        (HEAD + TRUE + GOOD + "2,1,9,2\n", "several rows of simulation 2, chain 1, draw 9"),
        (
            HEAD + TRUE + GOOD + "2,1,10,2\n",
            "simulation 1, chain 1 has 9 draws, simulation 2, chain 1 has 10; give as many of each",
        ),
        (HEAD + TRUE + GOOD + "2,2,1,2\n", "simulation 1 has 1 chains, simulation 2 has 2"),
        (HEAD + TRUE + "3,,,1\n4,,,1\n" + GOOD, "simulations 3, 4 have truths and no draws; of a"),
        (HEAD + TRUE + GOOD + "3,1,1,2\n", "simulation 3 has draws and no truths"),
        (HEAD + TRUE + "2,,,0.9\n" + GOOD, "2 rows of truths of simulation 2; give one for each"),
        (HEAD + TRUE + "1,1,1,\n2,1,1,\n", "has draws of no simulation: all values are empty"),
        ("sim_id,variable,rank,max_rank\n1,mu,3,99\n", "a table of ranks, by R's package SBC"),
        ('simulation,draw\n"1,2', "cannot be read as CSV"),
    ],
)
def test_bad_tables_are_refused_in_a_sentence(text, message, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DrawsRefused, match=message) as refused:
        read_draws(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_good_tables_of_that_kind_are_read(tmp_path):
    (tmp_path / "good.csv").write_text(HEAD + TRUE + GOOD)
    story = read_draws(tmp_path / "good.csv")
    assert (story.n_simulations, story.draws_shape) == (2, (1, 9))
    (tmp_path / "draws.csv").write_text(
        HEAD.replace("chain", ".chain").replace("draw", ".iteration") + GOOD
    )
    (tmp_path / "truths.csv").write_text("simulation,mu\n2,0.7\n1,0.5\n")
    assert read_draws(tmp_path / "draws.csv", tmp_path / "truths.csv", "good") == story
    with pytest.raises(DrawsRefused, match=r"2 rows whose draw is empty, .* and --truths is given"):
        read_draws(tmp_path / "good.csv", tmp_path / "truths.csv")
    (tmp_path / "truths.csv").write_text("simulation,tau\n2,0.7\n1,0.5\n")
    with pytest.raises(DrawsRefused, match="only truths have tau; only draws have mu"):
        read_draws(tmp_path / "draws.csv", tmp_path / "truths.csv")


def test_tables_of_r_are_read(tmp_path):
    """With the columns of posterior's draws_df, simulations as texts, and an index."""
    truths, draws = small()
    of_truths, of_draws = tables(truths, draws)
    names = {"chain": ".chain", "draw": ".iteration"}
    frame = of_draws.rename(columns=names).assign(**{".draw": np.arange(len(of_draws))})
    for simulation in (frame["simulation"].astype(str), frame["simulation"].astype("category")):
        frame.assign(simulation=simulation).to_parquet(tmp_path / "draws.parquet")
        of_truths.set_index("simulation").to_parquet(tmp_path / "truths.parquet")
        story = read_draws(tmp_path / "draws.parquet", tmp_path / "truths.parquet")
        np.testing.assert_array_equal(story.truths["mu"], truths["mu"])
        np.testing.assert_array_equal(story.draws["theta[1]"], draws["theta"][..., 1])
        assert len(story.draws) == 4
    frame.assign(mu=[[1.0, 2.0]] * len(frame)).to_parquet(tmp_path / "draws.parquet")
    with pytest.raises(DrawsRefused, match=r"column mu holds array.* in row 1; give numbers"):
        read_draws(tmp_path / "draws.parquet", tmp_path / "truths.parquet")


def test_other_bad_files_are_refused_in_a_sentence(tmp_path):
    def refused(name, message, truths=None):
        with pytest.raises(DrawsRefused, match=message) as error:
            read_draws(tmp_path / name, truths)
        assert "\n" not in str(error.value)

    refused("draws.txt", r"draws.txt is of no known kind; give a file whose name ends in \.nc,")
    refused("draws.nc", "there is no file .*draws.nc")
    for suffix, kind in (("nc", "NetCDF-4"), ("parquet", "Parquet"), ("npz", ".npz with arrays")):
        (tmp_path / f"draws.{suffix}").write_text("no such thing")
        refused(f"draws.{suffix}", f"draws.{suffix} cannot be read as {kind}")
    (tmp_path / "draws.zarr").mkdir()
    refused("draws.zarr", "draws.zarr cannot be read as zarr")
    np.savez(tmp_path / "draws.npz", mu=np.ones(3))
    refused("draws.npz", "no key truths/<name>, only mu; write it with np.savez")
    np.savez(tmp_path / "draws.npz", **{"draws/mu": np.ones((3, 9)), "truths/mu": np.ones(4)})
    refused("draws.npz", "draws.npz: there are draws of mu of 3 simulations and truths of 4")
    np.savez(tmp_path / "draws.npz", **{"truths/mu": np.array(["a", None], dtype=object)})
    refused("draws.npz", "cannot be read as .npz with arrays of numbers")
    tree(*small(), names=("truths", "fits")).to_netcdf(tmp_path / "draws.nc")
    refused("draws.nc", "no group of draws, only truths, fits; give draws or posterior")
    (tmp_path / "draws.csv").write_text(HEAD + GOOD)
    refused("draws.csv", "is a table; give --truths as Parquet or CSV", tmp_path / "draws.nc")
    refused("draws.nc", "is a table, the draws are not", tmp_path / "draws.csv")


def test_without_h5netcdf_the_message_says_how_to_install_it(tmp_path, monkeypatch):
    tree(*small()).to_netcdf(tmp_path / "draws.nc")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'hiercal\[netcdf\]', or write zar"):
        read_draws(tmp_path / "draws.nc")


def test_truths_may_be_in_a_file_of_their_own(tmp_path):
    truths, draws = small()
    true, drawn = datasets(truths, draws)
    true.to_netcdf(tmp_path / "truths.nc", engine="h5netcdf")
    xr.DataTree.from_dict({"draws": drawn}).to_netcdf(tmp_path / "draws.nc")
    apart = read_draws(tmp_path / "draws.nc", tmp_path / "truths.nc")
    assert apart == hiercal.from_draws(true, drawn)
