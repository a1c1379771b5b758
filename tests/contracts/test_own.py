"""A story that only simulates, and a function as its fitter."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import hiercal
from hiercal import Fit, Result, Run, Simulation, Story, fitter, story
from hiercal.cli import main
from hiercal.config import read
from hiercal.runs.user_files import bundles_of
from hiercal.runs.worker import pickled
from hiercal.tables.verdicts import verdicts
from tests.running import run

OWN = Path(__file__).parents[2] / "examples" / "own"


class Lengths(Story):
    """A story with an array of two dimensions."""

    def simulate(self, rng):
        a = rng.normal(size=(2, 3))
        return Simulation({"m": 1.0, "a": a}, {"y": a + rng.normal(size=(2, 3))})


class FourTowns(Story):
    """With a name, dims and a model declared, and coords not."""

    name = "four"
    dims = {"t": ("town",)}  # noqa: RUF012

    def simulate(self, rng):
        t = rng.normal(size=4)
        return Simulation({"t": t}, {"y": rng.normal(t, 1)})


def posterior(data, seed):
    """The exact posterior of `FourTowns`."""
    y, rng = data["y"], np.random.default_rng(seed)
    return {"t": rng.normal(y / 2, np.sqrt(1 / 2), size=(400, 4))}


def two_chains(data, seed):
    return {name: draws.reshape(2, 200, 4) for name, draws in posterior(data, seed).items()}


def forgetful(data, seed):
    return {"s": np.zeros(400)} if data["y"][0] > 0 else posterior(data, seed)


def fickle(data, seed):
    return {"t": posterior(data, seed)["t"][: 400 - 100 * (data["y"][0] > 0)]}


def careful(data, seed):
    """Says itself that a fit failed."""
    draws = {"t": posterior(data, seed)["t"][None]}
    return Fit(draws, {}, 0.0, "no convergence" if data["y"][0] > 0 else None)


def broken(data, seed):
    return data["x"]


def numbers(data, seed):
    return 3.0


def fits(tmp_path, one_fitter, simulations=12):
    return run(
        Run(stories=[FourTowns()], fitters=[one_fitter], simulations=simulations), tmp_path
    ).fits


def test_a_story_and_a_fitter_are_under_25_lines():
    assert len((OWN / "towns.py").read_text().splitlines()) < 25


def test_they_are_run_from_python(tmp_path):
    made = read(OWN / "towns.toml")
    assert [arm.label for arm in made.arms] == ["towns/conjugate"]
    result = run(made, tmp_path)
    assert result.fits["error"].isna().all()
    table = verdicts(result)
    assert set(table["quantity"]) == {"mu", *(f"theta[{i}]" for i in range(5))}
    assert (table["verdict"] == "calibrated").all()


def test_they_are_run_from_the_command_line(tmp_path):
    options = ["--simulations", "30", "--workers", "0", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, ["run", str(OWN / "towns.toml"), *options])
    assert done.exit_code in (0, 3), done.output
    assert len(Result(tmp_path).fits) == 30
    assert list(Result(tmp_path).manifest["run"]["code"])[-1] == "towns.py"
    assert str(OWN / "towns.py") in Result(tmp_path).manifest["given"]


def test_names_dims_and_coords_are_those_of_a_simulation():
    one = Lengths()
    assert one.name == "lengths"
    assert one.dims == {"m": (), "a": ("a_dim_0", "a_dim_1")}
    assert one.coords == {"a_dim_0": ("0", "1"), "a_dim_1": ("0", "1", "2")}
    assert one.labels("a")[:2] == ["a[0,0]", "a[0,1]"]
    assert one.models == {"centred": ("m", "a")}
    assert FourTowns().coords == {"town": ("0", "1", "2", "3")}
    assert FourTowns().name == "four"


def test_dims_that_are_not_those_of_a_simulation_are_said():
    class Wrong(FourTowns):
        dims = {"t": ("town", "year")}  # noqa: RUF012

    with pytest.raises(ValueError, match=r"a truth of shape \(4,\) of t; its dims are \('town',"):
        _ = Wrong().coords


@pytest.mark.parametrize(
    ("name", "lacks"), [("numpyro", "NumPyro model"), ("pymc", "PyMC model"), ("exact", "exact")]
)
def test_a_fitter_that_cannot_fit_the_story_is_refused_in_a_sentence(name, lacks):
    with pytest.raises(ValueError, match=f"story four has no {lacks}.*; fit it with a function of"):
        Run(stories=[FourTowns()], fitters=[fitter(name)])


def test_the_fitters_that_would_do_are_named():
    class InNumPyro(FourTowns):
        name = "in_numpyro"

        def numpyro_model(self, model):
            raise NotImplementedError

    with pytest.raises(ValueError, match="has no PyMC model; fit it with numpyro, or give it one"):
        Run(stories=[InNumPyro()], fitters=[fitter("pymc", model="centred")])


def test_what_is_given_must_be_taken():
    class Mean(Story):
        def simulate(self, rng):
            return Simulation({"m": rng.normal()}, {"y": rng.normal()})

    with pytest.raises(ValueError, match=r"m is given as 1\.0, and simulate draws it all the same"):
        hiercal.simulate(1, Mean(given={"m": 1.0}), 0)


@pytest.mark.parametrize("chains", [posterior, two_chains])
def test_draws_may_have_chains_or_be_one(chains, tmp_path):
    result = run(Run(stories=[FourTowns()], fitters=[chains], simulations=5), tmp_path)
    assert result.fits["error"].isna().all()
    (arm,) = result.manifest["arms"]
    assert (arm["chains"], arm["draws"]) == ((1, 400) if chains is posterior else (2, 200))
    assert arm["fitter"] == chains.__name__


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (forgetful, "fit: no draws of t; the fit holds s"),
        (fickle, "fit: draws of t have shape (1, 300, 4), expected (1, 400, 4)"),
        (careful, "fit: no convergence"),
    ],
)
def test_a_fit_that_is_not_whole_is_recorded_as_failed(function, error, tmp_path):
    errors = fits(tmp_path, fitter(function, draws=400))["error"]
    assert 0 < errors.notna().sum() < 12
    assert set(errors.dropna()) == {error}


@pytest.mark.parametrize(
    ("function", "error"),
    [(broken, "KeyError: 'x'"), (numbers, "TypeError: numbers returned float; return draws of")],
)
def test_a_function_that_fits_nothing_is_refused_at_once(function, error):
    with pytest.raises(ValueError, match=f"fitted none of 5 simulated data sets.*{error}"):
        Run(stories=[FourTowns()], fitters=[function])


def test_functions_that_no_record_could_tell_apart_are_refused():
    y = 3

    def held(data, seed):
        return {"t": np.full(400, y)}

    for function, message in ((held, "held uses y of the function"), (lambda d, s: {}, "a name")):
        with pytest.raises(ValueError, match=message):
            Run(stories=[FourTowns()], fitters=[function])
    with pytest.raises(ValueError, match="appears twice"):
        Run(stories=[FourTowns()], fitters=[posterior, posterior])


def test_the_functions_file_is_part_of_what_a_run_is(tmp_path):
    (tmp_path / "beside.py").write_text("WIDTH = 0.7\n")
    path = tmp_path / "own.py"
    text = (OWN / "towns.py").read_text()
    path.write_text(text.replace("import numpy as np\n", "import numpy as np\nimport beside\n"))

    def made():
        return Run(stories=[story(f"{path}:Towns")], fitters=[fitter(f"{path}:conjugate")])

    first = made()
    assert set(first.describe()["code"]) >= {"own.py", "beside.py"}
    assert made().digest == first.digest
    (tmp_path / "beside.py").write_text("WIDTH = 0.8\n")
    assert made().digest != first.digest


def test_a_function_goes_to_workers_with_its_file(tmp_path):
    """In another process, where its file was never loaded, it gives the same draws."""
    made = read(OWN / "towns.toml")
    (arm,) = made.arms
    assert len(bundles_of(arm.fitter)) == 1
    (tmp_path / "arm").write_bytes(pickled(arm))
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from hiercal.runs.worker import on_worker\n"
        "from hiercal.runs.fit import fit, simulate\n"
        "def one(arm):\n"
        "    data = simulate(1, arm.story, 0).data\n"
        "    return fit(arm.story, arm.fitter, data, 5).draws['mu'].sum(), arm.fitter.shape\n"
        f"print(*on_worker(one, Path({str(tmp_path / 'arm')!r}).read_bytes()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    here = hiercal.fit(arm.story, arm.fitter, hiercal.simulate(1, arm.story, 0).data, 5)
    assert done.stdout.split() == [str(here.draws["mu"].sum()), "(1,", "1000)"]


def test_unknown_functions_and_options_are_named():
    with pytest.raises(ValueError, match="'conjugat'; did you mean 'conjugate'"):
        fitter(f"{OWN / 'towns.py'}:conjugat")
    with pytest.raises(ValueError, match="unknown option of posterior 'drows'; did you mean"):
        fitter(posterior, drows=3)
    with pytest.raises(ValueError, match="draws is 0"):
        fitter(posterior, draws=0)
