"""The plugin, in pytest runs inside of pytest; draws are exact, seeds fixed."""

import importlib
import json
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hiercal.pytest_checks.message import histogram

# what an inner run imports first is forgotten after it
for name in ("check", "session"):
    importlib.import_module(f"hiercal.pytest_checks.{name}")
importlib.import_module("hiercal.plots.evidence")

MOCKS = Path(__file__).parent / "mocks.py"
HEAVY = {
    "arviz", "blackjax", "dask", "distributed", "jax", "matplotlib", "numba", "numpy", "numpyro",
    "pandas", "pydantic", "pymc", "pytensor", "scipy", "xarray",
}  # fmt: skip
STORY = f'"{MOCKS}:Revealing"'
KNOWN = f'"{MOCKS}:Known"'
RIGHT = f"""
import pytest
@pytest.mark.calibration(story={STORY}, max_simulations=60)
def test_right(calibration):
    calibration.check({KNOWN})
"""
WRONG = f"""
@pytest.mark.calibration(story={STORY}, max_simulations=60)
@pytest.mark.parametrize("always", [5])
def test_wrong(calibration, always):
    calibration.check({KNOWN}, always=always)
"""


@pytest.fixture
def run(pytester):
    """Run a file of tests in this process; its result."""

    def inner(source, *args, subprocess=False, **how):
        pytester.makepyfile(test_inner=source)
        runs = pytester.runpytest_subprocess if subprocess else pytester.runpytest_inprocess
        return runs("-v", *args, **how)

    return inner


def properties(pytester, source, *args):
    """User properties of each test's call."""
    pytester.makepyfile(test_inner=source)
    reports = pytester.inline_run(*args).getreports("pytest_runtest_logreport")
    return {r.nodeid: dict(r.user_properties) for r in reports if r.when == "teardown"}


def test_a_run_that_does_not_use_it_loads_nothing_heavy(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # others' plugins load NumPy
    pytester.makeconftest("""
        import sys
        def pytest_unconfigure():
            print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules}))
    """)
    pytester.makepyfile("def test_any(): pass")
    result = pytester.runpytest_subprocess("-s", "-p", "hiercal.pytest_plugin")
    (line,) = [line for line in result.outlines if line.startswith("loaded:")]
    assert "hiercal" in line.split()
    assert not HEAVY & set(line.split())


def test_a_right_sampler_passes_and_says_what_it_would_have_seen(run):
    result = run(RIGHT)
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines(
        [r".*test_right: no evidence, 60 simulations", r".*with probability 0.9: by ranks \d.*sd.*"]
    )


def test_a_failure_says_what_is_wrong_and_its_command_repeats_it(run, pytester):
    result = run(RIGHT + WRONG)
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    assert "revealing/known: miscalibrated after" in text
    assert "the draws are" in text
    assert "posterior sd too high" in text
    assert "e-value" in text
    assert "|" in text
    (command,) = {
        line.partition("again: ")[2] for line in result.outlines if "again: pytest" in line
    }
    arguments = shlex.split(command)[1:]
    assert "--calibration-alpha=0.0005" in arguments
    again = pytester.runpytest_inprocess(*arguments)
    again.assert_outcomes(failed=1)
    block = text[text.index("revealing/known: misc") : text.index("again: pytest")]
    assert block in again.stdout.str()


def test_the_level_is_shared_by_the_tests_that_are_selected(pytester):
    alphas = properties(pytester, RIGHT + WRONG, "--calibration-alpha=0.02")
    assert {p["calibration_alpha"] for p in alphas.values()} == {"0.01"}
    (only,) = properties(
        pytester, RIGHT + WRONG, "--calibration-alpha=0.02", "-k", "right"
    ).values()
    assert only["calibration_alpha"] == "0.02"


def test_two_workers_come_to_the_same_as_one(pytester, run):
    kinds = ("--calibration-seed=3", "--junitxml=out.xml", "--calibration-save=a")
    found = []
    for workers in ((), ("-n", "2")):
        result = run(RIGHT + WRONG, *kinds, *workers, subprocess=bool(workers))
        suite = ET.parse(pytester.path / "out.xml").getroot()
        told = {
            (case.get("name"), p.get("name"), p.get("value"))
            for case in suite.iter("testcase")
            for p in case.iter("property")
        }
        saved = sorted(pytester.path.glob(".hiercal/*/*.json"))[-1]
        records = json.loads(saved.read_text())["tests"]
        for one in records.values():
            one["cost"]["seconds"] = 0
        found.append((result.ret, told, records))
    assert found[0] == found[1]
    assert found[0][0] == 1
    names = {name for _, name, _ in found[0][1]}
    assert {"calibration_verdict", "calibration_command", "calibration_error"} <= names
    assert "calibration_record" not in names


def test_failed_fits_fail_with_their_reason(run):
    source = RIGHT.replace("(calibration)", "(calibration)").replace(
        f"check({KNOWN})", f"check({KNOWN}, raises=1.1)"
    )
    result = run(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*60 of 60 fits failed, no fit was completed*planted failure*"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("pass", "test_it never called calibration.check*"),
        (f"calibration.check({KNOWN}); calibration.check({KNOWN})", "*called twice in a test*"),
        ("calibration.check(lambda data, seed: None)", "*at the top level of the file*"),
        ("x = 1\n    def f(data, seed): return x\n    calibration.check(f)", "*f uses x of the*"),
        (f"calibration.check({KNOWN}, allways=1)", "*did you mean 'always'*"),
        ("calibration.check(3)", "*give a function fit(data, seed)*"),
    ],
)
def test_misuse_says_what_to_do(run, body, message):
    result = run(f"""
import pytest
@pytest.mark.calibration(story={STORY}, max_simulations=1)
def test_it(calibration):
    {body}
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])


def test_a_mark_without_the_fixture_is_no_test(run):
    result = run(f"import pytest\n@pytest.mark.calibration(story={STORY})\ndef test_it(): pass")
    result.stdout.fnmatch_lines(["*marked calibration and checks nothing*"])
    assert result.ret == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--calibration-alpha=2", "*--calibration-alpha is '2'; give a number inside (0, 1)*"),
        ("--calibration-seed=-1", "*--calibration-seed is '-1'; give a whole number*"),
        ("--calibration-compare-fail=speed:3%", "*unknown metric 'speed'*"),
    ],
)
def test_wrong_options_are_usage_errors(run, option, message):
    result = run(RIGHT, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_skip_only_disable_and_the_ini_file(run, pytester):
    also = "\ndef test_other(): pass\n"
    run(RIGHT + also, "--calibration-skip").assert_outcomes(passed=1, skipped=1)
    run(RIGHT + WRONG + also, "--calibration-only", "--calibration-disable").assert_outcomes(
        passed=2, skipped=1
    )
    pytester.makeini("[pytest]\ncalibration_skip = true\ncalibration_alpha = 0.02\n")
    result = run(RIGHT + also)
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["calibration: seed 0, alpha 0.02 over all*"])


def test_a_random_seed_is_printed(run):
    seeds = set()
    for _ in range(2):
        result = run(RIGHT, "--calibration-seed=random", "--calibration-disable")
        (line,) = [line for line in result.outlines if line.startswith("calibration: seed")]
        seeds.add(line)
    assert len(seeds) == 2


def test_a_rerun_repeats_the_first_verdict(run, pytester):
    pytester.makeconftest("""
        from _pytest.runner import runtestprotocol
        def pytest_runtest_protocol(item, nextitem):
            runtestprotocol(item, nextitem=nextitem, log=False)
            item._initrequest()
    """)
    result = run(RIGHT + WRONG)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*not run again, the first time stands*"])


LAZY = """
from pathlib import Path
import numpy as np, pytest
from hiercal import Fit

def lazy(data, seed):
    rho = float(Path("rho.txt").read_text())
    rng, n = np.random.default_rng(seed), 1000
    z = rng.normal(size=n)
    for i in range(1, n):
        z[i] = rho * z[i - 1] + (1 - rho**2) ** 0.5 * z[i]
    with open("calls.txt", "a") as file:
        file.write(".")
    if Path("calls.txt").stat().st_size == 40:
        raise KeyboardInterrupt
    steps = np.full((1, n), 3)
    y = data["y"]
    mu = y.sum() / (len(y) + 1) + z / (len(y) + 1) ** 0.5
    return Fit({"mu": mu[None]}, {"n_steps": steps}, 0.0)

def simulate(rng):
    mu = rng.normal()
    return {"mu": np.array(mu)}, {"y": rng.normal(mu, 1, 5)}
"""
LAZY_TEST = """
from dataclasses import dataclass
from typing import ClassVar
from hiercal import Simulation, Story

@dataclass(frozen=True, kw_only=True)
class Normal(Story):
    name: ClassVar = "normal"
    models: ClassVar = {"centred": ("mu",)}
    dims: ClassVar = {"mu": ()}
    coords: ClassVar = {}
    def simulate(self, rng):
        return Simulation(*simulate(rng))

@pytest.mark.calibration(max_simulations=60)
def test_lazy(calibration):
    calibration.check(lazy, story=Normal())
"""


def test_a_loss_beyond_the_tolerance_exits_with_1(run, pytester):
    pytester.path.joinpath("calls.txt").write_text("." * 1000)
    rho = pytester.path / "rho.txt"
    rho.write_text("0.1")
    assert run(LAZY + LAZY_TEST, "--calibration-save=first").ret == 0
    same = run(LAZY + LAZY_TEST, "--calibration-compare-fail=ess_per_gradient:10%")
    assert same.ret == 0
    same.stdout.fnmatch_lines(["*ess_per_gradient no worse: 1.000 times that before*"])
    rho.write_text("0.5")
    slower = run(
        LAZY + LAZY_TEST, "--calibration-compare=1", "--calibration-compare-fail=ess_per_gradient"
    )
    assert slower.ret == 1
    slower.assert_outcomes(passed=1)
    slower.stdout.fnmatch_lines(["*FAIL *test_lazy: ess_per_gradient worse: 0.*"])
    assert run(LAZY + LAZY_TEST, "--calibration-compare").ret == 0
    missing = run(LAZY + LAZY_TEST, "--calibration-compare=7", "--calibration-compare-fail=ess")
    assert missing.ret == 1
    missing.stdout.fnmatch_lines(["*no saved results '7'*"])


def test_a_session_that_was_killed_goes_on(run, pytester, monkeypatch):
    monkeypatch.setattr("hiercal.runs.plan.LARGEST_BATCH", 8)
    (pytester.path / "rho.txt").write_text("0.0")
    calls = pytester.path / "calls.txt"
    killed = run(LAZY + LAZY_TEST, "--calibration-report=out", no_reraise_ctrlc=True)
    assert killed.ret == pytest.ExitCode.INTERRUPTED
    assert calls.stat().st_size == 40
    assert run(LAZY + LAZY_TEST, "--calibration-report=out").ret == 0
    again = calls.stat().st_size - 40
    assert again < 60
    assert not (pytester.path / "out" / "unfinished").exists()
    # what has ended is not taken for a later session's
    assert run(LAZY + LAZY_TEST, "--calibration-report=out").ret == 0
    assert calls.stat().st_size - 40 - again >= 60


def test_the_report_has_figures_a_table_and_a_summary(run, pytester):
    assert run(RIGHT + WRONG, "--calibration-report=out").ret == 1
    out = pytester.path / "out"
    assert len(list((out / "figures").glob("*-ranks.png"))) == 1
    table = (out / "evidence.csv").read_text().splitlines()
    assert table[0].startswith("test,arm,quantity")
    assert len(table) > 6
    summary = (out / "summary.md").read_text()
    assert summary.count("\n| test\\_inner.py::") == 2
    assert "--calibration-alpha=0.0005" in summary


def test_nights_carry_their_evidence(run, pytester):
    def night(seed, always=5):
        source = RIGHT.replace(f"check({KNOWN})", f"check({KNOWN}, always={always})")
        source = source.replace("max_simulations=60", "max_simulations=4")
        return run(source, "--calibration-carry", f"--calibration-seed={seed}")

    first = night(1)
    first.assert_outcomes(passed=1)
    night(1).assert_outcomes(skipped=1)
    (state,) = (pytester.path / ".hiercal" / "carried").iterdir()
    assert [one["simulations"] for one in json.loads(state.read_text())["sessions"]] == [4]
    found = [night(seed) for seed in range(2, 6)]
    assert found[-1].ret == 1
    found[-1].stdout.fnmatch_lines(["*earlier seeds: 1, 2*", "*--calibration-carry*"])
    night(1).assert_outcomes(failed=1)
    night(9, always=6).assert_outcomes(passed=1)


def test_histograms_have_8_to_20_bins():
    for max_rank in (9, 19, 50, 99, 100, 127, 999):
        shown = histogram([1] * (max_rank + 1))
        assert min(8, max_rank + 1) <= len(shown) <= 20
        assert len(set(histogram([3] * (max_rank + 1)))) == 1
    assert histogram([0] * 10 + [9] * 90, blocks=False).startswith("  ")
