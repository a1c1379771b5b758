"""Fixtures for the whole suite."""

import signal
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


@pytest.fixture
def tables_alone(monkeypatch):
    """Runs write their tables, but neither figures nor the store of ArviZ."""
    monkeypatch.setattr("hiercal.tables.export.figure_makers", lambda _: {})
    monkeypatch.setattr("hiercal.tables.export._store", lambda _: [])


@pytest.fixture(scope="session")
def mocks_file():
    return MOCKS
