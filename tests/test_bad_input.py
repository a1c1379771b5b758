"""What cannot be right ends in one sentence of ours; what one fit does wrong is on its record."""

import gzip
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hiercal import Run, Simulation, fitter, story
from hiercal.cli import main
from hiercal.config import read
from hiercal.errors import ConfigError
from hiercal.runs.fit import simulate
from tests.running import run

MOCKS = Path(__file__).parent / "mocks_bad.py"
STORY = '[[stories]]\nname = "eight_schools"\n'
EXACT = '[[fitters]]\nname = "exact"\n'


def invoke(*args):
    return CliRunner().invoke(main, [str(a) for a in args], catch_exceptions=False)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def usual_recursion_limit():
    """As in a fresh process: other packages raise it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"simulations = 1000000000\n{STORY}{EXACT}",
            "simulations is 1000000000; give at most 10,000,000: at a millisecond each they take "
            "12 days, and 8 GB",
        ),
        (f"{STORY}{EXACT}draws = 1000000000", "exact: draws is 1000000000; give at most"),
        (f'{STORY}[[fitters]]\nname = "numpyro"\nchains = 1000000000', "numpyro: chains is 1000"),
        (
            f'{STORY}[[fitters]]\nname = "numpyro"\nchains = 10000000\ndraws = 10000000',
            "10,000,000 x 10,000,000 draws of 10 numbers, 8,000,000 GB of memory",
        ),
        (f'[[stories]]\nname = "funnel"\nn = 1000000000\n{EXACT}', "n has 1,000,000,000 groups"),
        (
            f'[[stories]]\nname = "instructors"\nsizes = [1000000000000, 2]\n{EXACT}',
            "sizes are 1,000,000,000,002 observations in all; give at most 100,000,000",
        ),
        ('study = "funnel"\nsimulations = 1000000000', "simulations is 1000000000; give at most"),
        ('study = "chapter"\ndraws = 1000000000', "chapter: draws is 1000000000; give at most"),
        ('study = "calibration"\ngroups = [8, 1000000000]', "groups is 1000000000; give at most"),
        (f'simulations = "3"\n{STORY}{EXACT}', "simulations is '3'; input should be a valid int"),
        (f"simulations = true\n{STORY}{EXACT}", "simulations is True; input should be a valid"),
        (f"simulations = 2.0\n{STORY}{EXACT}", "simulations is 2.0; input should be a valid"),
        (f"seed = {2**128}\n{STORY}{EXACT}", "give a whole number of at least 0, below 2**128"),
        (f"level = true\n{STORY}{EXACT}", "level is True; input should be a valid number"),
        (f"keep_draws = 1\n{STORY}{EXACT}", "keep_draws is 1; input should be a valid bool"),
        (f"products = 1\n{STORY}{EXACT}", "products holds 1; give pairs of quantities"),
        (f'products = [["mu"]]\n{STORY}{EXACT}', "products holds ('mu',); give pairs"),
        (f"quantities = 3\n{STORY}{EXACT}", "quantities holds 3; give a file"),
        (f"around = 3\n{STORY}{EXACT}", "around is 3; give true, or the name of a CSV file"),
        (f"below = {{ tau = nan }}\n{STORY}{EXACT}", "below has 'tau': nan; give a finite number"),
        (f'{STORY}{EXACT}draws = "300"', "exact: draws is '300'; give a whole number"),
        (f"{STORY}{EXACT}draws = 300.0", "exact: draws is 300.0; give a whole number"),
        (f"{STORY}{EXACT}draws = true", "exact: draws is True; give a whole number"),
        (f'{STORY}tau_scale = "5"\n{EXACT}', "tau_scale is '5'; give a number"),
        (f"{STORY}tau_scale = true\n{EXACT}", "tau_scale is True; give a number"),
        (f"{STORY}tau_scale = 1e308\n{EXACT}", "give a number between 1e-100 and 1e+100"),
        (f'{STORY}sigma = [1.0, "2"]\n{EXACT}', "sigma holds '2'; give a number"),
        (f"{STORY}given = {{ tau = true }}\n{EXACT}", "given holds True; give a number"),
        (f'{STORY}given = {{ tau = "x" }}\n{EXACT}', "given.tau is 'x'; input should be a valid"),
        (f'name = ".."\n{STORY}{EXACT}', "name is '..'; give a plain folder name"),
        (f'name = "{"x" * 300}"\n{STORY}{EXACT}', "plain folder name of at most 200 letters"),
        (f'name = "a\\u0000"\n{STORY}{EXACT}', "give a plain folder name"),
        ("study = 3", "study is 3; give a name"),
        ("x = " + "[" * 3000 + "]" * 3000, "it is nested too deep"),
        ("x = " + "{a = " * 3000 + "1" + "}" * 3000, "it is nested too deep"),
        (f"seed = {'9' * 5000}", "is not TOML: Exceeds the limit"),
        (b"# \xfc\n", "line 1 is not UTF-8; save it so"),
        (b"# fine\n# \xfc\n", "line 2 is not UTF-8; save it so"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused_before_anything_is_made(text, message, here):
    path = here / "t.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}")


@pytest.mark.parametrize("value", ["3", True, 2.0, None, [3]])
def test_what_is_no_integer_is_none_in_python_either(value):
    for make in (
        lambda: fitter("exact", draws=value),
        lambda: Run(stories=[story("eight_schools")], fitters=[fitter("exact")], simulations=value),
        lambda: Run(stories=[story("eight_schools")], fitters=[fitter("exact")], seed=value),
    ):
        with pytest.raises(ValueError, match=r"is|give a whole number"):
            make()


def test_an_integer_of_numpy_is_one():
    made = fitter("exact", draws=np.int64(300))
    assert made == fitter("exact", draws=300)
    one, other = (
        Run(stories=[story("eight_schools")], fitters=[made], simulations=n, seed=n)
        for n in (np.int64(5), 5)
    )
    assert one.digest == other.digest
    assert story("funnel", n=np.int32(4)) == story("funnel", n=4)


def test_a_bound_of_what_is_not_ranked_is_refused(here):
    (here / "t.toml").write_text(f"simulations = 5\nbelow = {{ taau = 1.0 }}\n{STORY}{EXACT}")
    done = invoke("run", "t.toml", "--workers", 0)
    assert done.exit_code == 2
    assert "unknown quantity in below 'taau'; did you mean 'tau'?" in done.output


def test_utf_8_is_read_in_any_locale(here, monkeypatch):
    opened = io.open

    def in_c(file, mode="r", buffering=-1, encoding=None, *rest):
        """As open is under LC_ALL=C: text is ASCII where nobody says what it is."""
        text = "b" not in mode and encoding in (None, "locale")
        return opened(file, mode, buffering, "ascii" if text else encoding, *rest)

    (here / "t.toml").write_bytes(f'# ü\nname = "schön"\n{STORY}{EXACT}'.encode())
    (here / "marked.toml").write_bytes(b"\xef\xbb\xbf" + f"{STORY}{EXACT}".encode())
    monkeypatch.setattr(io, "open", in_c)
    assert read("t.toml").name == "schön"
    assert read("marked.toml").name == "marked"


NUL = "class S:\n    pass\n\0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ndef f(:\n", "m.py is not Python, line 2: SyntaxError: invalid syntax"),
        ("if 1:\n    x = 1\n  y = 2\n", "m.py is not Python, line 3: IndentationError"),
        ("x = " + "(" * 3000 + ")" * 3000, "m.py is not Python, line 1: SyntaxError: too many"),
        ("x = " + "9" * 5000, "m.py is not Python, line 1: SyntaxError: Exceeds the limit"),
        ("x = " + "-" * 90_000 + "1", "m.py is "),
        (NUL, "m.py is not Python, line 3: SyntaxError: source code string cannot contain null"),
        (b"x = 1\n# \xfc\n", "m.py is not Python, line 2: it is not UTF-8"),
        (b"# -*- coding: klingon -*-\n", "m.py is not Python: SyntaxError: unknown encoding"),
        ("\nimport no_such_thing", "m.py, line 2: ModuleNotFoundError: No module named 'no_such"),
        ("import sys\nsys.exit(0)", "m.py, line 2: SystemExit: 0"),
        ("import sys\nsys.exit()", "m.py, line 2: SystemExit"),
        ("def model():\n    raise SystemExit(0)", "m.py, line 2: SystemExit: 0"),
        ("def model():\n    return {}['a']", "could not be called: KeyError: 'a' (m.py, line 2)"),
        (
            "class E(Exception):\n    def __str__(self):\n        return 1 / 0\nraise E",
            "m.py, line 4: E: (its message cannot be made)",
        ),
        (
            "from hiercal import Story\nclass model(Story):\n    def simulate(self, rng):\n"
            "        return None",
            "model: simulate gives None; expected a Simulation",
        ),
        (
            "from hiercal import Story\nclass model(Story):\n    def simulate(self, rng):\n"
            "        return [][0]",
            "m.py, line 4: IndexError: list index out of range",
        ),
    ],
)
def test_an_error_in_a_users_file_is_its_line_and_what_it_says(text, message, here):
    (here / "m.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    (here / "t.toml").write_text(f'stories = [{{ name = "m.py:model" }}]\n{EXACT}')
    for args in (("run", "m.py:model"), ("run", "t.toml"), ("fit", "eight_schools", "--fitter",
                 "m.py:model")):  # fmt: skip
        if args[0] == "fit" and "model" in str(text):
            continue  # a function there would be a fitter
        done = invoke(*args)
        assert done.exit_code == 2
        assert message in done.output
        assert "Traceback" not in done.output
        assert len(done.output.splitlines()) == 1


def test_a_file_of_quantities_that_exits_ends_no_run_with_0(here):
    (here / "q.py").write_text("raise SystemExit(0)\n")
    (here / "t.toml").write_text(f'quantities = "q.py"\n{STORY}{EXACT}')
    done = invoke("run", "t.toml")
    assert (done.exit_code, "q.py, line 1: SystemExit: 0" in done.output) == (2, True)


SCHOOLS = "school,y,sigma\nX,28,15\nY,8,10\nZ,-3,16\n"
COUNTS = "hospital,y,exposure\nA,4,2\nB,3,4\n"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("eight_schools", SCHOOLS.replace("28", "1e308"), "y[0] is 1e+308; give numbers of at"),
        ("eight_schools", SCHOOLS.replace("10", "1e308"), "sigma[1] is 1e+308; give a number"),
        ("eight_schools", SCHOOLS.replace("28", "1e999"), "y[0] not finite"),
        ("eight_schools", SCHOOLS.replace("28", "many"), "y holds 'many'; every value must be"),
        ("eight_schools", SCHOOLS.replace("28", ""), "y[0] not finite"),
        ("eight_schools", SCHOOLS.replace("\n", ",7\n").replace("sigma,7", "sigma"), "more fields"),
        ("eight_schools", SCHOOLS.replace("school,y", "y,y"), "several columns y"),
        ("eight_schools", SCHOOLS.replace("Y,", "X,"), "repeat a name"),
        ("eight_schools", "school,y,sigma\n", "has 0 value(s); a hierarchy needs two"),
        ("eight_schools", "", "is not a CSV table: EmptyDataError"),
        ("eight_schools", SCHOOLS.encode().replace(b"X", b"\xfc"), "is not a CSV table: Unicode"),
        ("eight_schools", SCHOOLS.replace("28", '"28'), "is not a CSV table: ParserError"),
        ("hospitals", COUNTS.replace("4,2", "many,2"), "y holds 'many'; every value must be"),
        ("hospitals", COUNTS.replace("4,2", "1.5,2"), "y[0] is 1.5; give a whole number"),
        ("hospitals", COUNTS.replace("4,2", "1e18,2"), "y[0] is 1e+18; give a count of at most"),
        ("hospitals", "hospital,y,exposure\nA,True,2\nB,False,4\n", "y holds True; every value"),
    ],
)
def test_data_that_cannot_be_right_are_refused_with_the_place(name, text, message, here):
    (here / "d.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = invoke("fit", name, "--data", "d.csv", "--fitter", "exact", "--draws", 100)
    assert done.exit_code == 2
    assert message in done.output
    assert done.output.startswith("hiercal: d.csv")
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize("suffix", ["gz", "zip", "bz2", "xz", "tar"])
def test_a_suffix_that_is_false_is_said(suffix, here):
    (here / f"d.csv.{suffix}").write_text(SCHOOLS)
    done = invoke("fit", "eight_schools", "--data", f"d.csv.{suffix}", "--fitter", "exact")
    assert done.exit_code == 2
    assert f"d.csv.{suffix} is not a CSV table: " in done.output
    with gzip.open(here / "cut.csv.gz", "wb") as file:
        file.write(SCHOOLS.encode() * 100)
    (here / "cut.csv.gz").write_bytes((here / "cut.csv.gz").read_bytes()[:40])
    for command in (["fit", "eight_schools", "--data"], ["ranks"]):
        done = invoke(*command, "cut.csv.gz")
        assert (done.exit_code, len(done.output.splitlines())) == (2, 1)


@pytest.mark.parametrize("draws", [1, 3, 10**9])
def test_too_few_and_too_many_draws_are_refused(draws):
    done = invoke("fit", "eight_schools", "--fitter", "exact", "--draws", draws)
    assert done.exit_code == 2
    assert f"draws is {draws}; " in done.output


def test_many_groups_are_fitted_in_seconds_and_shown_in_part(here):
    lines = [f"s{i},{i % 7},{1 + i % 3}" for i in range(1001)]
    (here / "d.csv").write_text("school,y,sigma\n" + "\n".join(lines) + "\n")
    args = ["fit", "eight_schools", "--data", "d.csv", "--fitter", "exact", "--draws", 100]
    done = invoke(*args)
    assert done.exit_code == 0, done.output
    assert "theta[s49]" in done.output
    assert "theta[s50]" not in done.output
    assert "theta: 951 elements are not shown; --all shows them." in done.output
    assert "there are 1,001 groups, which may take minutes; --exact computes it" in done.output
    assert "exact mean" not in done.output
    assert "exact mean" in invoke(*args, "--exact").output


def test_the_exact_interval_of_the_log_likelihood_is_there_for_the_asking(here, monkeypatch):
    wanted = []

    def quantile(self, name, p):
        wanted.append(name)
        return np.zeros(len(p))

    monkeypatch.setattr("hiercal.exact.posterior.Posterior.quantile", quantile)
    (here / "d.csv").write_text(SCHOOLS)
    args = ["fit", "eight_schools", "--data", "d.csv", "--fitter", "exact", "--draws", 100]
    assert "--log-lik computes" in invoke(*args).output
    assert "mu" in wanted
    assert "log_lik" not in wanted
    assert "--log-lik computes" not in invoke(*args, "--log-lik").output
    assert "log_lik" in wanted


def test_a_fit_is_shown_though_its_exact_posterior_cannot_be_had(here, monkeypatch):
    from hiercal.simulators.eight_schools import EightSchools

    (here / "f.py").write_text(
        "import numpy as np\n\n\ndef drawn(data, seed):\n"
        "    rng = np.random.default_rng(seed)\n"
        "    return {'mu': rng.normal(size=50), 'tau': rng.exponential(size=50),\n"
        "            'theta': rng.normal(size=(50, 8))}\n"
    )

    def broken(self, **data):
        raise OverflowError("beyond floats")

    monkeypatch.setattr(EightSchools, "partly_pooled", broken)
    done = invoke("fit", "eight_schools", "--fitter", "f.py:drawn")
    assert done.exit_code == 0, done.output
    assert "theta[A]" in done.output
    assert "No exact posterior of these data: OverflowError: beyond floats." in done.output


def by_simulation(result, seed, of_story, field):
    """What is planted in each simulation, and its error or None."""
    errors = result.fits.sort_values("simulation")["error"].tolist()
    for i, error in enumerate(errors):
        yield simulate(seed, of_story, i).data[field], None if error != error else error


def test_each_fault_of_a_fit_is_a_recorded_failure_and_the_other_fits_go_on(tmp_path):
    from tests.mocks_bad import FAULTS

    planted = story(f"{MOCKS}:Planted")
    fitters = [fitter(f"{MOCKS}:planted", draws=100)]
    result = run(Run(stories=[planted], fitters=fitters, simulations=150), tmp_path)
    found = {}
    for fault, error in by_simulation(result, 0, planted, "fault"):
        found.setdefault(list(FAULTS)[int(fault)], error)
    assert found.keys() == FAULTS.keys()
    for name, (_, begins) in FAULTS.items():
        if begins is None:
            assert found[name] is None
        else:
            assert found[name].startswith(begins), (name, found[name])
        assert len(found[name] or "") < 2100
    right = result.records[result.records["status"] != "failed"]
    assert np.isfinite(right[["rank", "mean", "sd", "ess_bulk"]]).all(axis=None)


def test_draws_in_single_precision_overflow_nothing(tmp_path):
    planted = story(f"{MOCKS}:Planted")
    (tmp_path / "f.py").write_text(
        "import numpy as np\n\n\ndef single(data, seed):\n"
        "    z = np.random.default_rng(seed).normal(data['y'] / 2, 0.7, size=100)\n"
        "    return {'x': z.astype(np.float32)}\n"
    )
    design = Run(
        stories=[planted], fitters=[fitter(f"{tmp_path}/f.py:single", draws=100)], simulations=5
    )
    with np.errstate(all="raise"):
        result = run(design, tmp_path)
    assert result.fits["error"].isna().all()


def test_each_fault_of_a_story_is_a_recorded_failure_with_its_stage(tmp_path):
    from tests.mocks_bad import AT, Spoilt

    spoilt = story(f"{MOCKS}:Spoilt")
    fitters = [fitter(f"{MOCKS}:planted", draws=100)]
    result = run(Run(stories=[spoilt], fitters=fitters, simulations=60), tmp_path)
    errors = result.fits["error"].dropna().tolist()
    wanted = [begins for begins in AT.values() if begins]
    for begins in wanted:
        assert any(error.startswith(begins) for error in errors), begins
    assert all(error.startswith(tuple(wanted)) for error in errors)
    assert 0 < result.fits["error"].isna().sum() < 60
    assert Spoilt.name == spoilt.name


def test_a_seed_or_random_numbers_that_change_nothing_are_pointed_out(tmp_path):
    planted, rigid = story(f"{MOCKS}:Planted"), story(f"{MOCKS}:Rigid")
    seedless = fitter(f"{MOCKS}:seedless")
    said = run(Run(stories=[planted], fitters=[seedless], simulations=3), tmp_path / "a")
    assert any("has the same draws with two seeds" in line for line in said.manifest["unseen"])
    said = run(
        Run(stories=[rigid], fitters=[fitter(f"{MOCKS}:planted", draws=100)], simulations=3),
        tmp_path / "b",
    )
    assert any("simulate ignores its rng" in line for line in said.manifest["unseen"])
    fair = Run(stories=[story("eight_schools")], fitters=[fitter("exact")], simulations=3)
    assert run(fair, tmp_path / "c").manifest["unseen"] == []


def test_a_simulation_is_two_dictionaries():
    for wrong in (None, [1], {1: np.zeros(2)}):
        with pytest.raises(TypeError, match="give arrays by name"):
            Simulation(wrong, {})
