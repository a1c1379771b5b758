"""Fits that never come back: each is recorded with its reason, and the others go on."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from hiercal import Run, Where, fitter, simulate, story
from hiercal.errors import RunError
from hiercal.runs import pools, progress
from hiercal.runs.columns import FitRecord
from hiercal.runs.journal import Journal
from hiercal.runs.limits import FIRST, LEAST, TIMES, TimeLimits, parsed_bytes
from tests.running import run

TESTS = Path(__file__).parents[1]
MOCKS, LOSSY = TESTS / "mocks.py", TESTS / "lossy.py"


def lossy(simulations=8, lost=2, also=(), **options):
    """A run of which the last but `lost` in the order of ``u`` come back, and who is lost."""
    one = story(f"{MOCKS}:Revealing")
    u = np.array([float(simulate(0, one, i).data["u"]) for i in range(simulations)])
    share = 1 - np.sort(u)[-lost - 1 : simulations - lost + 1].mean() if lost < simulations else 1
    fitters = [fitter(f"{LOSSY}:Lossy", share=float(share), **options), *also]
    design = Run(stories=[one], fitters=fitters, simulations=simulations, name="lossy")
    return design, sorted(np.argsort(u)[simulations - lost :].tolist())


def errors(result):
    fits = result.fits
    return fits[fits["error"].notna()].set_index("simulation")["error"]


@pytest.mark.parametrize(
    ("fault", "where", "error"),
    [
        ("holds", {"fit_seconds": 1.0}, "fit: TimeLimit: not back after 1 s, the time limit of a "),
        ("eats", {"worker_memory": "600 MB"}, r"fit: MemoryLimit: its worker process held .* 2 ti"),
        ("dies", {}, "fit: WorkerDied: its worker process was ended by SIGKILL, as the system "),
    ],
)
def test_a_lost_fit_is_recorded_and_no_other_is(fault, where, error, tmp_path):
    design, lost = lossy(fault=fault)
    result = run(design, tmp_path, where=Where(1, **where))
    assert result.fits["simulation"].tolist() == list(range(8))
    assert errors(result).index.tolist() == lost
    assert errors(result).str.contains(error, regex=True).all()
    failed = result.records[result.records["status"] == "failed"]
    assert failed["truth"].notna().all()
    limits = json.loads((tmp_path / "manifest.json").read_text())["fit_seconds"]
    assert list(limits.values()) == [where.get("fit_seconds", LEAST)]


def test_more_time_fits_again_what_ran_into_the_limit(tmp_path):
    """With a larger limit, and no other: then the result is that of a run that was never short."""
    marker = tmp_path / "hung"
    design, lost = lossy(fault="sleeps", once=str(marker), lost=1)
    first = run(design, tmp_path / "out", where=Where(1, fit_seconds=1.0))
    assert errors(first).index.tolist() == lost
    (seconds,) = first.fits.loc[first.fits["error"].notna(), "seconds"]
    assert seconds == 1.0
    for same in (Where(0), Where(1, fit_seconds=1.0)):
        assert errors(run(design, tmp_path / "out", where=same)).index.tolist() == lost
    again = run(design, tmp_path / "out", where=Where(1, fit_seconds=60))
    assert errors(again).empty
    whole = run(design, tmp_path / "whole")
    pd.testing.assert_frame_equal(again.records, whole.records, check_exact=True)


def test_a_fit_whose_worker_is_killed_from_outside_is_made_again(tmp_path):
    design, _ = lossy(fault="dies", once=str(tmp_path / "died"), lost=1)
    result = run(design, tmp_path / "out", where=Where(1))
    assert (tmp_path / "died").exists()
    assert errors(result).empty


@pytest.mark.parametrize("fault", ["exits", "compiles"])
def test_an_arm_whose_fits_are_all_lost_is_given_up(fault, tmp_path, monkeypatch):
    monkeypatch.setattr(pools, "LOST_IN_A_ROW", 2)
    design, _ = lossy(fault=fault, lost=8, also=[fitter(f"{MOCKS}:Known")])
    said = {
        "exits": "revealing/lossy: given up after 2 fits in a row that did not come back; .* code 17",
        "compiles": "revealing/lossy: its worker process ended with exit code 3 while it was compil",
    }[fault]
    with pytest.raises(RunError, match=said):
        run(design, tmp_path, where=Where(1))
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert journal.done(1) == set(range(8))
        tried, failed, _ = journal.tally(0, 8)
        assert tried == failed
        assert (tried > 0) == (fault == "exits")


def test_the_time_limit_grows_with_the_slowest_fit_and_never_shrinks():
    limits = TimeLimits(None)
    assert limits.of("a") == FIRST
    limits.observe("a", [FitRecord(0, None, 0.5), FitRecord(1, "fit: wrong", 1e6)])
    assert limits.of("a") == LEAST
    limits.observe("a", [FitRecord(2, None, 60.0)])
    limits.observe("a", [FitRecord(3, None, 0.5)])
    assert limits.of("a") == TIMES * 60
    assert limits.of("b") == FIRST
    assert TimeLimits(7.0).of("a") == 7
    assert TimeLimits(0).of("a") == np.inf


def test_what_is_waited_for_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "FIRST_NOTE", 0.5)
    design, (lost,) = lossy(fault="sleeps", lost=1)
    run(design, tmp_path, where=Where(1, fit_seconds=4.0), progress=True)
    said = capsys.readouterr().err
    assert re.search(
        r"Nothing has come back for 0:0\d\. Waiting for revealing/lossy, fit of simulation "
        rf"{lost} for 0:0\d of at most 0:04\n",
        said,
    ), said


def test_workers_listen_on_no_port(tmp_path):
    """Nobody else can send them code: there is nothing to connect to."""
    with Where(2).executor(print) as pool:
        found = dict(pool.each({str(i): partial(endpoints, os.getpid()) for i in range(4)}, None))
    workers, listening = (set().union(*(each[i] for each in found.values())) for i in (0, 1))
    assert len(workers) == 2
    assert listening == set()


def endpoints(driver):
    """Processes that listen or are bound to an address, among the driver and its workers."""
    family = [psutil.Process(driver), *psutil.Process(driver).children(recursive=True)]
    workers = {one.pid for one in family if "serve(" in " ".join(one.cmdline())}
    bound = {
        (one.pid, str(each.laddr))
        for one in family
        for each in one.net_connections("all")
        if each.laddr
    }
    time.sleep(0.5)
    return workers, bound


def test_workers_that_cannot_start_end_the_run_with_a_clear_line(mock_run, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RunError, match="no worker process can be started: .* exit code 1, 3 times"):
        run(mock_run(simulations=4), tmp_path, where=Where(1))


def test_where_says_what_cannot_be(tmp_path):
    file = tmp_path / "scheduler.json"
    with pytest.raises(ValueError, match="cannot read the scheduler file .* No such file"):
        Where(scheduler_file=file)
    file.write_text("[]")
    with pytest.raises(ValueError, match="is not a scheduler file: it names no address"):
        Where(scheduler_file=file)
    with pytest.raises(ValueError, match=r"fit_seconds is -1\.0; give seconds, or 0"):
        Where(fit_seconds=-1.0)
    with pytest.raises(ValueError, match="worker_memory is 'much'; give bytes"):
        Where(worker_memory="much")
    for limited in ({"fit_seconds": 5.0}, {"worker_memory": "4 GB"}):
        with pytest.raises(ValueError, match="need a worker process that can be ended"):
            Where(workers=0, **limited)
    with pytest.raises(ValueError, match="leave it out with a scheduler"):
        Where(scheduler="tcp://a:1", worker_memory="4 GB")
    assert parsed_bytes("4 GB") == 4e9
    assert parsed_bytes(0) == np.inf


def command(tmp_path, *options, seconds=0.0):
    """``hiercal run`` of a few mock fits, as a process of its own."""
    file = tmp_path / "mock.toml"
    file.write_text(
        f'simulations = 500\nstories = [{{ name = "{MOCKS}:Revealing" }}]\n'
        f'[[fitters]]\nname = "{MOCKS}:Known"\nseconds = {seconds}\n'
    )
    return subprocess.Popen(
        [sys.executable, "-m", "hiercal.cli", "run", file, "--out", tmp_path / "out", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_missing_scheduler_file_is_a_mistake_in_the_command(tmp_path):
    process = command(tmp_path, "--scheduler-file", "/nonexistent")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith("hiercal: cannot read the scheduler file /nonexistent: No such file")
    assert len(said.splitlines()) == 1


def wait_for(condition, process):
    for _ in range(600):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("it never came to that")


def listens(process):
    """Whether it takes SIGHUP by itself by now, which is when it takes all three."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(status.split("SigCgt:")[1].split()[0], 16)
    return bool(caught >> (signal.SIGHUP - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_while_starting_ends_in_one_line(number, tmp_path):
    process = command(tmp_path, "--workers", "1")
    wait_for(lambda: listens(process), process)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.fullmatch(r"hiercal: interrupted.* The same command \w+ \w+.*\.\n", said), said


def test_a_second_interrupt_ends_it_at_once_and_its_workers_too(tmp_path):
    process = command(tmp_path, "--workers", "1", seconds=0.05)
    wait_for(lambda: psutil.Process(process.pid).children(), process)
    workers = psutil.Process(process.pid).children()
    code = (
        "import os, signal, time; from hiercal.runs import interrupts\n"
        "interrupts.TWICE = 0; interrupts.listen()\n"
        "try: os.kill(os.getpid(), signal.SIGINT); time.sleep(9)\n"
        "except KeyboardInterrupt: os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)\n"
    )
    process.kill()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive, "workers outlive their driver"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.startswith("hiercal: interrupted again, and ended at once; every fit so far")
