"""Fixtures for the whole suite."""

import signal
from functools import partial
from pathlib import Path

import pytest

from hiercal import Run, fitter, story

pytest_plugins = "pytester"

MOCKS = Path(__file__).parent / "mocks.py"


@pytest.fixture
def mock_run():
    """Make a run of the mock story; keywords go to the mock fitter or to the run."""

    def make(simulations=60, seed=1, also=(), **options):
        fitters = [fitter(f"{MOCKS}:Known", **options), *also]
        stories = [story(f"{MOCKS}:Revealing")]
        return Run(
            stories=stories, fitters=fitters, simulations=simulations, seed=seed, name="mock"
        )

    return make


@pytest.fixture
def fitted_here(monkeypatch):
    """Simulations that runs fit in this process, as they are fitted."""
    from hiercal.runs import executors

    simulations, fit_batch = [], executors.fit_batch

    def noted(arm, recording, some, *others, **options):
        simulations.extend(some)
        return fit_batch(arm, recording, some, *others, **options)

    monkeypatch.setattr(executors, "fit_batch", noted)
    return simulations


@pytest.fixture(autouse=True, scope="session")
def signals_as_on_a_terminal():
    """A process that was started in the background ignores some, and so do those it starts."""
    before = {
        number: signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_IGN
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def unrendered(monkeypatch):
    """Figures of runs are drawn but not rendered, which takes most of an export's time."""

    def save(figure, folder, name, formats=()):
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.png"
        path.write_text(str(len(figure.axes)))
        return [path]

    monkeypatch.setattr("hiercal.plots.save", save)


class Drawing:
    """Whether runs in this process draw figures and write the store of ArviZ, half of their time.

    They do in tests that are marked `figures` or leave them `unrendered`; in a module with a run
    that its tests share, all are to be marked, or none.
    """

    def __init__(self):
        self.wanted = True
        self._patch = pytest.MonkeyPatch()

    def pytest_sessionstart(self):
        from hiercal.tables import export

        for name, without in (("figure_makers", {}), ("_store", [])):
            self._patch.setattr(export, name, partial(self._call, getattr(export, name), without))

    def _call(self, usual, without, *args):
        return usual(*args) if self.wanted else without

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        here = Path(__file__).parent in item.path.parents
        asked = item.get_closest_marker("figures") or "unrendered" in item.fixturenames
        self.wanted = bool(asked) or not here


def pytest_configure(config):
    config.pluginmanager.register(Drawing())


@pytest.fixture(scope="session")
def mocks_file():
    return MOCKS
