"""Fixtures for the whole suite."""

from pathlib import Path

import pytest

from hiercal import Study, fitter, story

MOCKS = Path(__file__).parent / "mocks.py"


@pytest.fixture
def mock_study():
    """Make a study of the mock story; keywords go to the mock fitter or to the study."""

    def make(simulations=60, seed=1, also=(), **options):
        fitters = [fitter(f"{MOCKS}:Known", **options), *also]
        stories = [story(f"{MOCKS}:Revealing")]
        return Study(
            stories=stories, fitters=fitters, simulations=simulations, seed=seed, name="mock"
        )

    return make


@pytest.fixture(scope="session")
def mocks_file():
    return MOCKS
