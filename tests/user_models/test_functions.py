"""A story of two functions: from a script, a file, a notebook; and functions that go wrong."""

import functools
import linecache
import math
import types

import numpy as np
import pytest
from click.testing import CliRunner

import hiercal
from hiercal import Result, Simulation
from hiercal.cli import main
from hiercal.config import read, usual_run
from hiercal.errors import ModelRefused
from tests.running import run

FILE = """
import numpy as np
import hiercal
from beside import SD


def towns(rng):
    mu = rng.normal()
    theta = rng.normal(mu, 1, size=4)
    return {"mu": mu, "theta": theta}, {"y": rng.normal(theta, SD)}


def conjugate(data, seed):
    rng, n, y = np.random.default_rng(seed), 400, data["y"]
    precision = 1 / (1 + SD**2)
    variance = 1 / (1 + len(y) * precision)
    mu = rng.normal(variance * precision * y.sum(), variance**0.5, size=n)
    share = 1 / (1 + SD**2)
    theta = rng.normal(mu[:, None] + share * (y - mu[:, None]), (share * SD**2) ** 0.5)
    return {"mu": mu, "theta": theta}


story = hiercal.from_functions(towns, conjugate)
"""


def normal(rng):
    theta = rng.normal(size=(2, 3))
    return {"theta": theta, "one": rng.normal()}, {"y": rng.normal(theta, 1)}


def exact(data, seed):
    rng, sd = np.random.default_rng(seed), math.sqrt(0.5)
    return {
        "theta": rng.normal(data["y"] / 2, sd, size=(2, 200, 2, 3)),
        "one": rng.normal(size=(2, 200)),
    }


def narrow(data, seed):
    draws = exact(data, seed)
    return {**draws, "one": draws["one"] / 3}


def picky(data, seed):
    if data["y"][0, 0] > 0:
        raise ArithmeticError("no convergence")
    return exact(data, seed)


@pytest.fixture
def file(tmp_path):
    (tmp_path / "my.py").write_text(FILE)
    (tmp_path / "beside.py").write_text("SD = 0.7\n")
    return tmp_path / "my.py"


def test_a_story_of_two_functions_is_checked_end_to_end(tmp_path, unrendered, capsys):
    story = hiercal.from_functions(normal, exact)
    assert story.name == "normal"
    assert story.dims == {"theta": ("theta_dim_0", "theta_dim_1"), "one": ()}
    assert story.labels("theta")[:2] == ["theta[0,0]", "theta[0,1]"]
    result = hiercal.check(story, simulations=60, out=tmp_path)
    assert [arm["arm"] for arm in result.manifest["arms"]] == ["normal/exact"]
    assert result.arms.loc["normal/exact", ["chains", "draws"]].tolist() == [2, 200]
    table = hiercal.tables.verdicts(result)
    assert len(table) == 7
    assert (table["verdict"] == "calibrated").all()
    assert "normal/exact" in capsys.readouterr().out


def test_a_fit_that_is_too_sure_is_found(tmp_path):
    made = usual_run(hiercal.from_functions(normal, narrow, name="mine"), simulations=100)
    table = hiercal.tables.verdicts(run(made, tmp_path)).set_index("quantity")
    assert table.loc["one", "arm"] == "mine/narrow"
    assert table.loc["one", "verdict"] == "miscalibrated"


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_story_in_a_file_is_run_from_the_command_line(file, tmp_path, workers):
    out = tmp_path / "out"
    options = ["--simulations", "40", "--workers", str(workers), "--out", str(out)]
    done = CliRunner().invoke(main, ["run", f"{file}:story", *options])
    assert done.exit_code == 0, done.output
    result = Result(out)
    assert result.fits["error"].isna().all()
    assert [arm["arm"] for arm in result.manifest["arms"]] == ["towns/conjugate"]
    assert {"my.py", "beside.py"} <= set(result.manifest["run"]["code"])
    assert (hiercal.tables.verdicts(result)["verdict"] == "calibrated").all()


def test_a_story_in_a_file_is_named_in_toml(file, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('simulations = 5\nstories = [{ name = "my.py:story" }]\n')
    made = read(path)
    assert [arm.label for arm in made.arms] == ["towns/conjugate"]
    path.write_text('stories = [{ name = "my.py:story", n = 3 }]\n')
    with pytest.raises(ValueError, match="is a model, which has no options; got n"):
        read(path)


def test_a_run_is_of_the_source_of_both_functions(file, tmp_path):
    def digest():
        return read(f"{file}:story", simulations=5).digest

    first = digest()
    assert digest() == first
    for name, old, new in (
        ("my.py", "rng.normal(mu, 1, size=4)", "rng.normal(mu, 2, size=4)"),
        ("my.py", "400, data", "401, data"),
        ("beside.py", "0.7", "0.8"),
    ):
        text = (tmp_path / name).read_text()
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new))
        assert digest() != first
        (tmp_path / name).write_text(text)
        assert digest() == first
    (tmp_path / "my.py").write_text(FILE.replace("def towns", "# a comment\ndef towns"))
    assert digest() == first


def test_a_changed_function_is_refused_in_the_folder_of_the_old_one(file, tmp_path):
    def ran():
        options = ["--simulations", "8", "--workers", "0", "--out", str(tmp_path / "out")]
        return CliRunner().invoke(main, ["run", f"{file}:story", *options])

    assert ran().exit_code == 0
    file.write_text(FILE.replace("400, data", "500, data"))
    again = ran()
    assert again.exit_code == 2
    assert "my.py changed" in again.output


def typed(text, number):
    """Functions as a notebook has them: in a cell of `__main__`, whose source is kept."""
    cell = f"<ipython-input-{number}>"
    linecache.cache[cell] = (len(text), None, text.splitlines(keepends=True), cell)
    notebook = types.ModuleType("notebook_of_a_test")
    exec(compile(text, cell, "exec"), vars(notebook))
    return notebook


def test_functions_typed_into_a_notebook_are_run_and_told_apart(tmp_path, monkeypatch):
    text = FILE.replace("from beside import SD\n", "SD = 0.7\n")

    def made(text, number):
        notebook = typed(text, number)
        monkeypatch.setitem(__import__("sys").modules, notebook.__name__, notebook)
        return usual_run(notebook.story, simulations=6)

    first = made(text, 1)
    result = run(first, tmp_path)
    assert result.fits["error"].isna().all()
    assert "towns, typed in" in result.manifest["run"]["code"]
    assert made(text, 2).digest == first.digest
    assert made(text.replace("400, data", "500, data"), 3).digest != first.digest


def test_a_fit_that_raises_is_recorded_and_the_run_goes_on(tmp_path):
    result = run(usual_run(hiercal.from_functions(normal, picky), simulations=20), tmp_path)
    errors = result.fits["error"]
    assert 0 < errors.notna().sum() < 20
    assert set(errors.dropna()) == {"fit: ArithmeticError: no convergence"}


def test_a_fit_that_always_raises_is_refused_before_the_run():
    def broken(data, seed):
        return data["x"]

    with pytest.raises(ValueError, match=r"broken fitted none of 5 .* KeyError: 'x'"):
        usual_run(hiercal.from_functions(normal, broken))


def test_a_fit_without_some_draws_says_so():
    def half(data, seed):
        return {"one": exact(data, seed)["one"]}

    def text(data, seed):
        return "draws"

    def flat(data, seed):
        return {name: values.ravel() for name, values in exact(data, seed).items()}

    for fit, message in (
        (text, "text returned str; return draws of each parameter by name"),
        (flat, r"draws have shapes theta \(2400,\), one \(1, 400\); give \(n_chains, n_draws"),
    ):
        with pytest.raises(ValueError, match=message):
            usual_run(hiercal.from_functions(normal, fit))
    (arm,) = usual_run(hiercal.from_functions(normal, half)).arms
    fitted = hiercal.fit(arm.story, arm.fitter, hiercal.simulate(0, arm.story, 0).data, 1)
    assert fitted.error == "fit: no draws of theta; the fit holds one"


def returning(value):
    def simulate(rng):
        return VALUE  # noqa: F821

    own = types.FunctionType(simulate.__code__, {"VALUE": value}, "simulate")
    return hiercal.from_functions(own, exact)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "simulate returned nothing; return two dictionaries of arrays: truth, data"),
        ({"mu": 1.0}, "simulate returned dict; return two"),
        (({"mu": 1.0},), "simulate returned 1 values; return two"),
        (({"mu": 1.0}, {}, {}), "simulate returned 3 values"),
        ((1.0, {"y": 1}), "simulate returned float as the truth; return two"),
        (({"mu": 1.0}, np.ones(3)), "simulate returned ndarray as the data; return two"),
        (({}, {"y": 1}), "simulate returned an empty truth"),
        (({"mu": "high"}, {"y": 1}), "simulate returned str as the truth of mu; give numbers"),
        (({"mu": None}, {"y": 1}), "simulate returned nothing as the truth of mu; give numbers"),
    ],
)
def test_a_simulator_that_returns_something_else_is_told_what_to_return(value, message):
    with pytest.raises(ValueError, match=message):
        usual_run(returning(value))


def test_a_simulator_may_return_a_simulation():
    story = returning(Simulation({"mu": np.array(2.0)}, {"y": np.ones(3)}))
    assert hiercal.simulate(1, story, 0).truth["mu"] == 2


def test_a_simulation_that_raises_now_and_then_is_a_failed_fit(tmp_path):
    result = run(usual_run(hiercal.from_functions(at_times, exact_mean), simulations=40), tmp_path)
    errors = result.fits["error"]
    assert 0 < errors.notna().sum() < 40
    assert set(errors.dropna()) == {"simulate: OverflowError: too large"}


def at_times(rng):
    mu = rng.normal()
    if mu > 0.1:  # as of the generators 0, 1, 2 and 4, which are tried for shapes
        raise OverflowError("too large")
    return {"mu": mu}, {"y": rng.normal(mu)}


def exact_mean(data, seed):
    return {"mu": np.random.default_rng(seed).normal(data["y"] / 2, 0.7, size=200)}


class Called:
    def __call__(self, rng):
        return normal(rng)


@pytest.mark.parametrize(
    "function", [lambda rng: normal(rng), functools.partial(normal), Called(), 3, None, "normal"]
)
def test_what_has_no_source_of_its_own_is_refused(function):
    with pytest.raises(ModelRefused, match=r"from_functions got .*: def simulate\(rng\)"):
        hiercal.from_functions(function, exact)
    with pytest.raises(ModelRefused, match=r"from_functions got .*: def fit\(data, seed\)"):
        hiercal.from_functions(normal, function)


def test_functions_that_hold_variables_are_refused():
    width = 2.0

    def simulate(rng):
        return {"mu": width}, {}

    with pytest.raises(ModelRefused, match="simulate uses width of the function around it"):
        hiercal.from_functions(simulate, exact)
