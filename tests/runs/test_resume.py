"""A run that is killed, interrupted or loses a worker ends with an undisturbed run's tables."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pandas as pd
import psutil
import pytest

from hiercal.runs.thinned_draws import from_bytes

pytestmark = pytest.mark.slow

SIMULATIONS = 400
TABLES = ("verdicts.csv", "coverage.csv")


@pytest.fixture(scope="module")
def config(tmp_path_factory, mocks_file):
    path = tmp_path_factory.mktemp("config") / "mock.toml"
    path.write_text(f"""
        simulations = {SIMULATIONS}
        seed = 5
        stories = [{{ name = "{mocks_file}:Revealing" }}]
        [[fitters]]
        name = "{mocks_file}:Known"
        seconds = 0.01
        [[fitters]]
        name = "{mocks_file}:Known"
        seconds = 0.01
        always = 40
        raises = 0.02
        """)
    return path


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed")
    finish(config, out)
    return out


def start(config, out):
    command = [sys.executable, "-m", "hiercal.cli", "run", config, "--out", out, "--workers", "2"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def finish(config, out):
    process = start(config, out)
    text, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return text


def wait_until_under_way(out, process, size=60_000):
    journal = out / "journal.sqlite"
    for _ in range(1200):
        if journal.exists() and journal.stat().st_size > size:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("the run never got under way")


def same_tables(a, b):
    pd.testing.assert_frame_equal(
        pd.read_parquet(a / "records.parquet"), pd.read_parquet(b / "records.parquet")
    )
    for table in TABLES:
        assert (a / table).read_bytes() == (b / table).read_bytes()


def test_killing_the_driver_loses_nothing(config, undisturbed, tmp_path):
    keeping, out = tmp_path / "mock.toml", tmp_path / "out"
    keeping.write_text("keep_draws = true\n" + config.read_text())
    process = start(keeping, out)
    wait_until_under_way(out, process, size=400_000)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    assert not (out / "records.parquet").exists()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive, "workers outlive their driver"
    before = kept_draws(out)
    assert 0 < len(before) < SIMULATIONS
    finish(keeping, out)
    same_tables(out, undisturbed)
    after = kept_draws(out)
    assert before.items() <= after.items()
    records = pd.read_parquet(out / "records.parquet").query("quantity == 'x' and status == 'ok'")
    assert len(after) == len(records) < 2 * SIMULATIONS
    assert list(after.values()) == records["rank"].tolist()


def kept_draws(out):
    """Rank of x among the draws kept, by arm and simulation."""
    with closing(sqlite3.connect(out / "journal.sqlite")) as database:
        rows = database.execute(
            "SELECT arm, simulation, draws, truth FROM thinned JOIN simulated USING (simulation) "
            "ORDER BY arm, simulation"
        ).fetchall()
    return {
        (arm, i): int((from_bytes(draws)["x"] < from_bytes(truth)["x"]).sum())
        for arm, i, draws, truth in rows
    }


def test_killing_a_worker_loses_nothing(config, undisturbed, tmp_path):
    process = start(config, tmp_path)
    wait_until_under_way(tmp_path, process)
    fitting = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "serve(" in " ".join(child.cmdline())
    ]
    os.kill(fitting[0].pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    same_tables(tmp_path, undisturbed)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(config, undisturbed, tmp_path, signal_number):
    process = start(config, tmp_path)
    wait_until_under_way(tmp_path, process)
    if signal_number == signal.SIGINT:
        os.killpg(process.pid, signal_number)  # as a terminal's Ctrl-C: driver and workers alike
    else:
        os.kill(process.pid, signal_number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert f"of {2 * SIMULATIONS} fits are in" in errors
    assert "The same command goes on from there" in errors
    finish(config, tmp_path)
    same_tables(tmp_path, undisturbed)


def test_other_results_are_those_of_the_planted_faults(undisturbed):
    verdicts = pd.read_csv(undisturbed / "verdicts.csv")
    right = verdicts[verdicts["arm"].str.contains("always=-1")]
    wrong = verdicts[verdicts["arm"].str.contains("always=40")]
    assert set(right["verdict"]) == {"calibrated"}
    assert set(wrong[wrong["quantity"] != "log_lik"]["verdict"]) == {"miscalibrated"}
    assert (wrong["n_failed"] > 0).all()
