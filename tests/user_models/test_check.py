"""A model of one's own, from the file or the notebook to the verdict."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytensor
import pytest
from click.testing import CliRunner

import hiercal
from hiercal import catalogue
from hiercal.cli import main
from hiercal.config import read
from hiercal.errors import ConfigError, ModelRefused
from tests.user_models import models

PYMC = """
import numpy as np
import pymc as pm

with pm.Model(coords={"school": list("ABC")}) as model:
    mu = pm.Normal("mu", 0, 1)
    theta = pm.Normal("theta", mu, 1, dims="school")
    pm.Normal("y", theta, 1, observed=np.zeros(3), dims="school")

radon = model


def build():
    return model


def broken():
    raise KeyError("county")


number = 3
"""
BROKEN = """import sys

data = open("there_is_no_such_file.csv")
"""
NUMPYRO = """
from functools import partial

import numpy as np
import numpyro
from numpyro import distributions as dist


def towns(n, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, SCALE))
    with numpyro.plate("town", n):
        theta = numpyro.sample("theta", dist.Normal(mu, 1))
        numpyro.sample("y", dist.Normal(theta, 1), obs=y)


SCALE = 1.0
model = partial(towns, 3, y=np.zeros(3))


def unbound(y=None):
    numpyro.sample("y", dist.Normal(0, 1), obs=y)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in_pymc.py").write_text(PYMC)
    (tmp_path / "in_numpyro.py").write_text(NUMPYRO)
    (tmp_path / "stops.py").write_text(BROKEN)
    (tmp_path / "ends.py").write_text("raise SystemExit('usage')\n")
    (tmp_path / "two.dots.py").write_text(NUMPYRO)
    return tmp_path


def hiercal_(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_a_file_is_run_from_the_command_line_and_goes_on(folder):
    done = hiercal_("run", "in_numpyro.py:model", "--simulations", 12, "--workers", 0)
    assert done.exit_code == 0, done.output
    result = hiercal.Result(folder / "results" / "in_numpyro")
    assert list(result.arms["fitter"]) == ["numpyro-as_written", "numpyro-noncentred"]
    assert set(result.records["quantity"].cat.categories) == {
        "mu", *(f"theta[{i}]" for i in range(3)), "log_prior", "log_lik", "log_joint",
        *(f"log_lik[y[{i}]]" for i in range(3)),
    }  # fmt: skip
    assert [Path(name).name for name in result.manifest["given"]] == ["in_numpyro.py"]
    before = result.records
    more = hiercal_("run", "in_numpyro.py:model", "--simulations", 16, "--workers", 0)
    assert more.exit_code == 0, more.output
    after = hiercal.Result(folder / "results" / "in_numpyro").records
    kept = after[after["simulation"] < 12].reset_index(drop=True)
    assert kept.equals(before.reset_index(drop=True))


def test_results_of_a_changed_model_are_refused(folder):
    assert hiercal_("run", "in_numpyro.py:model", "--simulations", 8, "--workers", 0).exit_code == 0
    path = folder / "in_numpyro.py"
    path.write_text(NUMPYRO.replace("SCALE = 1.0", "SCALE = 2.0"))
    again = hiercal_("run", "in_numpyro.py:model", "--simulations", 8, "--workers", 0)
    assert again.exit_code == 2
    assert "in_numpyro.py changed" in again.output


@pytest.mark.parametrize("name", ["in_pymc.py:model", "in_pymc.py:radon", "in_pymc.py:build"])
def test_a_pymc_model_or_a_function_that_returns_one(folder, name):
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        story = catalogue.story(name)
    attribute = name.partition(":")[2]
    assert story.name == ("in_pymc" if attribute == "model" else attribute)
    assert [f.label for f in catalogue.usual_fitters(story)] == [
        "pymc-as_written", "pymc-noncentred",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("in_pymc.py:modle", "did you mean 'model'"),
        ("in_pymc.py:number", "unknown model or story in in_pymc.py 'number'"),
        ("in_pymc.py:broken", "broken could not be called: KeyError: 'county'"),
        ("in_numpyro.py:towns", "towns needs n; give them"),
        ("in_numpyro.py:unbound", "no site of it is observed"),
        ("stops.py:model", "stops.py, line 3: FileNotFoundError:"),
        ("ends.py:model", "ends.py, line 1: SystemExit: usage"),
        ("two.dots.py:model", "without a dot in the file's own name"),
        ("in_numpyro.py", "in_numpyro.py is Python; say what in it: in_numpyro.py:model"),
        ("missing.py:model", "there is no file 'missing.py'"),
    ],
)
def test_what_is_no_model_is_said_in_a_sentence(folder, name, says):
    done = hiercal_("run", name)
    assert done.exit_code == 2
    assert says in done.output
    assert "Traceback" not in done.output


def test_toml_names_models_by_library(folder):
    (folder / "sub").mkdir()
    (folder / "in_numpyro.py").rename(folder / "sub" / "in_numpyro.py")
    path = folder / "sub" / "mine.toml"
    path.write_text('simulations = 5\nstories = [{ numpyro = "in_numpyro.py:model" }]\n')
    run = read(path)
    assert [arm.label for arm in run.arms] == [
        "in_numpyro/numpyro-as_written", "in_numpyro/numpyro-noncentred",
    ]  # fmt: skip
    path.write_text('stories = [{ pymc = "in_numpyro.py:model" }]\n')
    with pytest.raises(ConfigError, match="written in numpyro, not in pymc"):
        read(path)
    path.write_text('stories = [{ numpyro = "in_numpyro.py:model", tau = 3 }]\n')
    with pytest.raises(ConfigError, match="no options; got tau"):
        read(path)
    path.write_text('stories = [{ numpyro = "in_numpyro.py:model", name = "slopes" }]\n')
    with pytest.raises(ConfigError, match="has name, numpyro; give one of"):
        read(path)
    path.write_text(
        'stories = [{ numpyro = "in_numpyro.py:model" }]\n'
        'fitters = [{ name = "numpyro", model = "as_written", draws = 300 }]\n'
    )
    assert [arm.fitter.draws for arm in read(path).arms] == [300]


def test_check_prints_the_verdict_and_returns_the_result(tmp_path, capsys):
    fitters = [hiercal.fitter("numpyro", model="noncentred", draws=400, tune=300)]
    result = hiercal.check(
        models.np_schools, models.ERRORS, y=models.EFFECTS, fitters=fitters, simulations=20,
        out=tmp_path,
    )  # fmt: skip
    assert result.n_simulations == 20
    assert "np_schools/numpyro-noncentred" in capsys.readouterr().out


def test_a_model_of_neither_library_is_refused():
    with pytest.raises(ModelRefused, match=r"got int; give a pm\.Model"):
        hiercal.check(3)


def test_a_wrong_posterior_of_a_users_model_is_found(tmp_path, capsys):
    """The model fitted knows a smaller scale than the one that simulated: it is too narrow."""
    story = hiercal.from_numpyro(models.np_schools, models.ERRORS, y=models.EFFECTS)

    def fit(data, seed):
        rng = np.random.default_rng(seed)
        n = 400
        mu, tau = rng.normal(0, 20, n), abs(rng.normal(0, 10, n))
        theta = mu[:, None] + tau[:, None] * rng.normal(size=(n, 8))
        zero = np.zeros(n)
        return {"mu": mu, "tau": tau, "theta": theta, "log_prior": zero, "log_lik": zero,
                "log_lik_at": np.zeros((n, 8))}  # fmt: skip

    result = hiercal.check(story, fitters=[fit], simulations=40, out=tmp_path)
    verdicts = hiercal.tables.verdicts(result).set_index("quantity")["verdict"]
    assert verdicts["log_lik"] == "miscalibrated"
    assert verdicts["mu"] == "calibrated"


@pytest.mark.slow
def test_notebook_runs_from_top_to_bottom(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    path = Path(__file__).parents[2] / "examples" / "own" / "own_model.ipynb"
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    text = "".join(output.get("data", {}).get("text/plain", "") for output in outputs)
    assert "Verdicts" in text
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param("in_pymc.py:model", marks=pytest.mark.nightly), "in_numpyro.py:model"]
)
def test_workers_give_what_this_process_gives(folder, name):
    run = read(name, simulations=12)
    here = hiercal.run(run, folder / "here", where=hiercal.Where(0), progress=False)
    there = hiercal.run(run, folder / "there", where=hiercal.Where(2), progress=False)
    assert here.records.equals(there.records)


def test_importing_hiercal_and_its_command_imports_no_library():
    code = (
        "import sys, hiercal, hiercal.cli.models; hiercal.from_pymc; hiercal.from_functions; "
        "heavy = {'pymc', 'pytensor', 'jax', 'numpyro', 'bambi', 'arviz', 'matplotlib'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
