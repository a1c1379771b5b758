"""The pytest plugin: a test that a sampler is calibrated, with a stated false-alarm rate.

    @pytest.mark.calibration(story="eight_schools", max_simulations=300)
    def test_my_sampler(calibration):
        calibration.check(my_fit_function)

Only pytest and the standard library are imported here; all else when the first test asks for it.
`docs/how_to/ci.md` has the options and a workflow.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from hiercal.pytest_checks.state import ALPHA, SEED, Settings, State

if TYPE_CHECKING:
    from hiercal.pytest_checks.check import Calibration
    from hiercal.pytest_checks.session import Checked

FIXTURE = MARK = "calibration"
RECORD = "calibration_record"
"""User property in which a test's record travels from a worker; it is in no report."""
_SAID = {
    "only": "Skip all other tests.",
    "skip": "Skip calibration tests.",
    "disable": "Fit one data set in each calibration test, and judge nothing.",
    "autosave": "Save the results under the commit and the time.",
    "carry": "Go on with the evidence of earlier sessions; needs fresh seeds.",
    "alpha": f"Probability that any calibration test of the session fails though all samplers are "
    f"right, {ALPHA} by default.",
    "seed": f"Seed of all calibration tests, {SEED} by default; 'random' draws one.",
    "save": "Save the results under this name.",
    "compare": "Compare with a saved run, the last or that of a number or path.",
    "compare-fail": "Fail where a comparison is worse by more than this, such as "
    "ess_per_gradient:10%%; may be repeated.",
    "storage": "Folder of saved results and carried evidence, .hiercal by default.",
    "report": "Write figures, a CSV of the evidence and a Markdown summary into this folder.",
}
_FLAGS = ("only", "skip", "disable", "autosave", "carry")


STATE = pytest.StashKey[State]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("calibration", "calibration of samplers (hiercal)")
    for name, said in _SAID.items():
        option, more = f"--calibration-{name}", {}
        if name in _FLAGS:
            more = {"action": "store_true", "default": None}
        elif name == "compare":
            more = {"nargs": "?", "const": "last", "metavar": "NUM"}
        elif name == "compare-fail":
            more = {"action": "append", "metavar": "METRIC:TOLERANCE"}
        group.addoption(option, dest=_attribute(name), help=said, **more)
        kind = "bool" if name in _FLAGS else "linelist" if name == "compare-fail" else "string"
        default: Any = False if name in _FLAGS else [] if name == "compare-fail" else ""
        parser.addini(_attribute(name), said.replace("%%", "%"), type=kind, default=default)


def _attribute(name: str) -> str:
    return f"calibration_{name.replace('-', '_')}"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "calibration(story, max_simulations=300, ...): what the calibration fixture checks",
    )
    given = {name: _given(config, name) for name in _SAID}
    told = getattr(config, "workerinput", {}).get("calibration", {})
    blocks = told.get("blocks", _encodes(getattr(sys.__stdout__, "encoding", None)))
    settings = _settings(config, given | {"seed": told.get("seed", given["seed"])})
    config.stash[STATE] = State(settings, any(given.values()), blocks)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Session(config), "calibration-session")


def _given(config: pytest.Config, name: str) -> Any:
    option = config.getoption(_attribute(name))
    return config.getini(_attribute(name)) if option is None else option


def _settings(config: pytest.Config, given: dict[str, Any]) -> Settings:
    if given["only"] and given["skip"]:
        raise pytest.UsageError("--calibration-only and --calibration-skip leave no test")
    alpha, seed = given["alpha"] or ALPHA, given["seed"]
    try:
        alpha = float(alpha)
    except ValueError:
        alpha = 0.0
    if not 0 < alpha < 1:
        raise pytest.UsageError(
            f"--calibration-alpha is {given['alpha']!r}; give a number inside (0, 1), such as 0.001"
        )
    if seed == "random":
        seed = secrets.randbits(32)
    elif not str(seed or SEED).isdecimal():
        raise pytest.UsageError(
            f"--calibration-seed is {seed!r}; give a whole number of at least 0, or random"
        )
    if given["compare-fail"]:
        from hiercal.runs.comparison import limits_of

        try:
            limits_of(given["compare-fail"])
        except ValueError as error:
            raise pytest.UsageError(f"--calibration-compare-fail: {error}") from None
    # what is given on the command line is where the command is run, what the ini file says its own
    home = config.inipath.parent if config.inipath else config.rootpath
    here = config.invocation_params.dir

    def folder(name: str, default: str) -> Path | None:
        typed = config.getoption(_attribute(name)) is not None
        text = given[name] or default
        return (here if typed else home) / text if text else None

    return Settings(
        **{name: bool(given[name]) for name in _FLAGS},
        alpha=alpha,
        seed=int(seed or SEED),
        save=given["save"] or "",
        compare=given["compare"] or ("last" if given["compare-fail"] else ""),
        compare_fail=tuple(given["compare-fail"]),
        storage=cast(Path, folder("storage", ".hiercal")),
        report=folder("report", ""),
    )


def _encodes(encoding: str | None) -> bool:
    try:
        "▁█".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist what was drawn here, and what the terminal can show."""
    state = node.config.stash[STATE]
    node.workerinput["calibration"] = {"seed": str(state.settings.seed), "blocks": state.blocks}


def pytest_report_header(config: pytest.Config) -> str | None:
    state = config.stash[STATE]
    if not state.shown:
        return None
    return (
        f"calibration: seed {state.settings.seed}, alpha {state.settings.alpha:g} over all "
        "calibration tests"
    )


def _is_ours(item: pytest.Item) -> bool:
    return FIXTURE in getattr(item, "fixturenames", ())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    settings = config.stash[STATE].settings
    for item in items:
        if settings.skip and _is_ours(item):
            item.add_marker(pytest.mark.skip(reason="--calibration-skip"))
        elif settings.only and not _is_ours(item):
            item.add_marker(pytest.mark.skip(reason="--calibration-only"))


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[STATE].tests = sum(map(_is_ours, session.items))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker(MARK) and not _is_ours(item):
        pytest.fail(
            f"{item.name} is marked calibration and checks nothing; give it the argument "
            f"{FIXTURE}, and call {FIXTURE}.check(target)",
            pytrace=False,
        )


@pytest.fixture
def calibration(request: pytest.FixtureRequest) -> Calibration:
    """Checks that a sampler is calibrated: ``calibration.check(target)``.

    The false alarms of all calibration tests of a session are held to ``--calibration-alpha``.
    """
    from hiercal.pytest_checks.check import Calibration

    return Calibration(request.node, request.config.stash[STATE])


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    result = yield
    held = getattr(pyfuncitem, "funcargs", {}).get(FIXTURE)
    if getattr(held, "unused", False):
        pytest.fail(f"{pyfuncitem.name} never called calibration.check(target)", pytrace=False)
    return result


class Session:
    """What is done once for all tests: in the process that reports, and in no worker."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._state = config.stash[STATE]
        self._after: Checked | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        own = {k: str(v) for k, v in report.user_properties if k.startswith("calibration_")}
        if not own:
            return
        report.user_properties = [p for p in report.user_properties if p[0] != RECORD]
        if record := own.pop(RECORD, ""):
            import json

            self._state.records[report.nodeid] = json.loads(record)
        self._state.found[report.nodeid] = own

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self._state.records:
            return
        from hiercal.pytest_checks.session import Checked

        self._after = Checked.of(self._state, self._config.rootpath)
        if self._after.worse and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        lines = [line for found in self._state.found.items() for line in _summary(*found)]
        lines += self._after.lines if self._after else []
        if lines and terminalreporter.verbosity >= 0:
            terminalreporter.section("calibration")
            for line in lines:
                terminalreporter.write_line(line)


def _summary(test: str, found: dict[str, str]) -> list[str]:
    """What a test came to; a failure has been told where it failed."""
    told = {name.removeprefix("calibration_"): value for name, value in found.items()}
    first = f"{test}: {told['verdict']}, {told['simulations']} simulations"
    if smallest := told.get("smallest_error"):
        return [first, f"  smallest error found with probability 0.9: {smallest}"]
    return [first]
