"""New quantities of fits already made: the run's own ranks, no fit, and clear refusals."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import hiercal
from hiercal import Result, Run, fitter, story
from hiercal.cli import main
from hiercal.runs.journal import Journal
from hiercal.runs.manifest import write_sealed
from hiercal.runs.thinned_draws import from_bytes, to_bytes
from tests.running import run

SIMULATIONS = 25
MINE = """
import numpy as np
from hiercal import Simulation, Story


class Schools(Story):
    def simulate(self, rng):
        mu = rng.normal()
        theta = rng.normal(mu, 1, size=4)
        return Simulation({"mu": mu, "theta": theta}, {"y": rng.normal(theta, 1)})


def fit(data, seed):
    if data["y"].max() > 3:
        raise ArithmeticError("planted")
    rng, y = np.random.default_rng(seed), data["y"]
    precision = 1 + len(y) / 2
    mu = rng.normal(y.sum() / 2 / precision, precision**-0.5, size=(2, 100))
    return {"mu": mu, "theta": rng.normal((mu[..., None] + y) / 2, 0.5**0.5)}
"""
QUESTIONS = """
def spread(draws, data):
    return draws["theta"].max(axis=-1) - draws["theta"].min(axis=-1)


def best(draws, data):
    return draws["theta"].argmax(axis=-1)


def residual(draws, data):
    return (data["y"] - draws["theta"]).sum(axis=-1)
"""
PRODUCTS = (("mu", "theta[0]"), ("spread", "mu"))
NAMES = ["spread", "best", "residual", "mu * theta[0]", "spread * mu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that kept its draws, which was asked the questions too; then its story is gone."""
    folder = tmp_path_factory.mktemp("folder")
    (folder / "mine.py").write_text(MINE)
    (folder / "q.py").write_text(QUESTIONS)
    mine = folder / "mine.py"
    design = Run(
        stories=[story(f"{mine}:Schools")],
        fitters=[fitter(f"{mine}:fit"), fitter(f"{mine}:fit", chains=2, draws=100)],
        simulations=SIMULATIONS,
        seed=2,
        name="schools",
        quantities=folder / "q.py",
        products=PRODUCTS,
        keep_draws=True,
    )
    run(design, folder / "run")
    mine.write_text("raise RuntimeError('the story and the fitter are not to be used')\n")
    return folder


@pytest.fixture
def asked(folder, tmp_path, unrendered):
    """Ask; by default what the run was asked too."""

    def ask(quantities=None, **options):
        questions = folder / "q.py" if quantities is None else quantities
        return hiercal.requantify(folder / "run", questions, tmp_path / "out", **options)

    return ask


def invoke(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False)


def total(draws, data):
    return draws["theta"].sum(axis=-1)


def test_answers_are_those_of_the_run_itself(folder, asked):
    result, of_run = asked(products=PRODUCTS), Result(folder / "run")
    assert list(result.records["quantity"].cat.categories) == NAMES
    own = of_run.records[of_run.records["quantity"].isin(NAMES).to_numpy()]
    keys = ["arm", "simulation", "quantity"]
    both = own.astype({"quantity": str}).merge(
        result.records.astype({"quantity": str}), on=keys, suffixes=("", "_asked")
    )
    assert len(both) == len(own) == len(result.records) == 2 * SIMULATIONS * len(NAMES)
    for column in ("truth", "rank", "status", "max_rank", "divergences"):
        pd.testing.assert_series_equal(
            both[column], both[f"{column}_asked"], check_names=False, check_dtype=False
        )
    done = result.records[(result.records["status"] == "ok").to_numpy()]
    assert 0 < len(done) < len(result.records)
    assert done[["mcse_mean", "r_hat"]].isna().all().all()
    assert (done["ess_bulk"] <= 99).all()
    assert result.fits["error"].equals(of_run.fits["error"])


def test_the_answer_to_one_question_depends_on_no_other(asked, folder, tmp_path):
    every = asked(products=PRODUCTS).records.query("quantity == 'best'")
    alone = hiercal.requantify(folder / "run", f"{folder / 'q.py'}:best", tmp_path / "one").records
    assert alone["rank"].tolist() == every["rank"].tolist()


def test_nothing_is_simulated_or_fitted_and_no_model_is_imported(folder, tmp_path):
    code = (
        "import sys, hiercal\n"
        f"hiercal.requantify({str(folder / 'run')!r}, {str(folder / 'q.py')!r}, "
        f"{str(tmp_path / 'out')!r})\n"
        "assert not {'pymc', 'numpyro', 'jax', 'distributed'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(Result(tmp_path / "out").records) == 2 * SIMULATIONS * 3


def test_the_command_prints_verdicts_and_what_they_rest_on(folder, unrendered):
    done = invoke("requantify", folder / "run", "--quantities", folder / "q.py",
                  "--products", "mu", "theta[0]")  # fmt: skip
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert f"schools, q: {SIMULATIONS} simulations, seed 2, 2 arms" in said
    assert "Ranks among the 99 thinned draws of each fit" in said
    assert f"{SIMULATIONS} simulations, 0 new fits" in said
    assert "R-hat and Monte Carlo errors are left empty" in said
    assert "false alarms of this family come on top" in said
    out = folder / "run" / "requantified-q"
    assert len(pd.read_csv(out / "verdicts.csv")) == 2 * 4
    files = json.loads((out / "manifest.json").read_text())["files"]
    assert {"verdicts.csv", "mixing.csv", "coverage.csv", "figures/ranks.png"} <= set(files)
    assert "not_made.csv" not in files
    assert invoke("show", out).output == done.output
    everything = invoke("requantify", folder / "run", "--all-products", "--out", folder / "all")
    assert everything.exit_code == 0
    assert Result(folder / "all").records["quantity"].nunique() == 5 * 4 / 2


def test_a_function_that_fails_at_some_draws_is_told(asked):
    def sometimes(draws, data):
        if data["y"].max() > 2:
            raise ArithmeticError("too large")
        return draws["mu"]

    result = asked({"sometimes": sometimes})
    failed = result.fits["error"].str.startswith("summary: ValueError: quantity sometimes")
    assert failed.any()
    assert result.fits["error"].isna().any()


def test_fits_that_an_own_function_spoilt_can_be_asked_again(tmp_path, unrendered):
    """The run's function raises at some draws; the corrected one needs no fit."""
    (tmp_path / "mine.py").write_text(MINE.replace("> 3", "> 99"))

    def spoilt(draws, data):
        if np.ndim(draws["mu"]) and draws["mu"].size > 6 and data["y"][0] > 0:
            raise ArithmeticError("planted")
        return draws["mu"]

    mine = f"{tmp_path / 'mine.py'}"
    design = Run(
        stories=[story(f"{mine}:Schools")], fitters=[fitter(f"{mine}:fit")], simulations=10,
        quantities={"spoilt": spoilt}, keep_draws=True,
    )  # fmt: skip
    assert run(design, tmp_path / "run").fits["error"].notna().any()
    result = hiercal.requantify(tmp_path / "run", {"total": total})
    assert result.folder == tmp_path / "run" / "requantified-total"
    assert result.fits["error"].isna().all()


@pytest.mark.parametrize(
    ("quantities", "message"),
    [
        ({"tau": lambda draws, data: 1}, "give a function with a name"),
        ({}, "no quantity is asked for"),
        ({"mu": total}, "quantity mu has the name of one that is ranked already"),
    ],
)
def test_what_is_no_question_is_refused(asked, tmp_path, quantities, message):
    with pytest.raises(ValueError, match=message):
        asked(quantities)
    assert not (tmp_path / "out").exists()


@pytest.mark.figures
def test_arms_without_a_product_are_left_out(tmp_path, mocks_file, unrendered):
    """In the run, and when it is asked: one story has one scalar, the other three."""
    design = Run(
        stories=[story(f"{mocks_file}:Flat"), story(f"{mocks_file}:Revealing")],
        fitters=[fitter(one_chain)],
        simulations=10,
        products=[("x", "g[A]")],
        keep_draws=True,
    )
    of_run = run(design, tmp_path)
    assert list(of_run.records.query("quantity == 'x * g[A]'")["arm"].unique()) == [
        "revealing/one_chain"
    ]
    result = hiercal.requantify(tmp_path, products=True)
    assert list(result.arms.index) == ["revealing/one_chain"]
    assert result.records["quantity"].nunique() == 3
    assert result.records["rank"].notna().all()
    assert not (result.folder / "not_made.csv").exists()


def one_chain(data, seed):
    x = data["x"] * np.random.default_rng(seed).uniform(0.5, 2, size=200)
    return {"x": x, "g": np.stack([x, -x], axis=-1)}


def test_an_unknown_parameter_is_refused_with_those_that_there_are(asked):
    def tau(draws, data):
        return draws["tau"]

    with pytest.raises(ValueError, match="KeyError: 'tau'; draws has mu, theta, data has y"):
        asked({"t": tau})
    with pytest.raises(ValueError, match="unknown quantity in products 'tau'"):
        asked({"total": total}, products=[("mu", "tau")])


def test_a_run_without_draws_or_unfinished_is_refused(folder, tmp_path, mock_run):
    plain = run(mock_run(simulations=5), tmp_path / "plain").folder
    with pytest.raises(ValueError, match=r"kept no draws; run it with keep_draws = true"):
        hiercal.requantify(plain, {"total": total})
    refused = invoke("requantify", plain, "--quantities", folder / "q.py")
    assert refused.exit_code == 2
    assert "kept no draws" in refused.output
    with pytest.raises(FileNotFoundError, match=r"holds no manifest\.json"):
        hiercal.requantify(tmp_path, {"total": total})
    with pytest.raises(ValueError, match="is the folder of a run"):
        hiercal.requantify(folder / "run", {"total": total}, plain)
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    write_sealed(unfinished / "manifest.json", manifest | {"complete": False})
    with pytest.raises(ValueError, match="the run has not ended; run the same command again"):
        hiercal.requantify(unfinished, {"total": total})
    write_sealed(unfinished / "manifest.json", manifest)
    with pytest.raises(FileNotFoundError, match=r"journal\.sqlite, which holds the draws"):
        hiercal.requantify(unfinished, {"total": total})


def test_truths_and_data_are_kept_once_a_story_and_draws_once_a_fit(folder):
    with Journal(folder / "run" / "journal.sqlite") as journal:
        truth, data = journal.simulated("schools", 3)
        draws = [journal.thinned(arm, i) for arm in range(2) for i in range(SIMULATIONS)]
        (n,) = journal._db.execute("SELECT count(*) FROM simulated").fetchone()
    assert n == SIMULATIONS
    assert list(truth) == ["mu", "theta"]
    assert data["y"].shape == (4,)
    assert {each["theta"].shape for each in draws if each} == {(99, 4)}
    failed = Result(folder / "run").fits["error"].notna()
    assert [each is None for each in draws] == failed.tolist()


def test_arrays_come_back_from_bytes_as_they_were():
    arrays = {
        "real": np.linspace(0, 1, 6).reshape(2, 3).T,
        "whole": np.array(7),
        "yes": np.array([True, False]),
        "text": np.array(["a\n", "é"]),
        "none": np.empty((0, 2)),
        'odd "name"\n': np.float32(0.1),
    }
    back = from_bytes(to_bytes(arrays))
    assert list(back) == list(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(back[name], values, strict=True)
    with pytest.raises(ValueError, match="things holds Python objects"):
        to_bytes({"things": np.array([object()])})
