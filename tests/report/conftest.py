"""Finished runs for pages, and a browser to look at them."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from hiercal import Run, fitter, story
from tests.running import run

REQUIRED = "HIERCAL_BROWSER"
"""Set to ``required``, as CI sets it, no test in a browser is skipped."""


@dataclass
class Finished:
    """A run's folder and the labels of its arms by what is planted in them."""

    folder: Path
    arms: dict[str, str]


@pytest.fixture(scope="session")
def finished(tmp_path_factory, mocks_file):
    """Arms that are right, wrong, that fail often and always, and do not mix."""
    planted = {
        "right": {}, "wrong": {"always": 40}, "fails": {"raises": 0.3}, "lost": {"raises": 1.0},
        "stuck": {"stuck": True},
    }  # fmt: skip
    design = Run(
        stories=[story(f"{mocks_file}:Revealing")],
        fitters=[fitter(f"{mocks_file}:Known", **options) for options in planted.values()],
        simulations=60,
        seed=3,
        name="planted",
    )
    result = run(design, tmp_path_factory.mktemp("page") / "run", export=True)
    return Finished(result.folder, dict(zip(planted, result.arms.index, strict=True)))


@pytest.fixture(scope="session")
def nasty(tmp_path_factory, mocks_file):
    """A run whose names could be taken for markup."""
    design = Run(
        stories=[story(f"{mocks_file}:Nasty")],
        fitters=[fitter(f"{mocks_file}:KnownNasty"), fitter(f"{mocks_file}:KnownNasty", always=3)],
        simulations=40,
        name="a & <b>",
    )
    return run(design, tmp_path_factory.mktemp("nasty") / "run", export=True).folder


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Chromium without a window; the tests that ask for it skip where there is none."""
    found = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in found.items() if path is None]
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ModuleNotFoundError:
        missing.append("selenium")
    if missing:
        required = os.environ.get("CI") or os.environ.get(REQUIRED) == "required"
        (pytest.fail if required else pytest.skip)(
            f"{', '.join(missing)} not installed: apt-get install chromium chromium-driver"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = found["chromium"]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    flags = "headless no-sandbox disable-gpu disable-quic no-first-run hide-scrollbars"
    quiet = "disable-background-networking disable-component-update disable-sync"
    for flag in f"{flags} {quiet} user-data-dir={tmp_path_factory.mktemp('chromium')}".split():
        options.add_argument(f"--{flag}")
    with webdriver.Chrome(options, Service(found["chromedriver"])) as started:
        started.set_page_load_timeout(60)
        yield started
