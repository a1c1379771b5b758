"""Fits that never come back: each is recorded with its reason, and the others go on."""

import concurrent.futures
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
from click.testing import CliRunner

from hiercal import Run, Where, fitter, simulate, story
from hiercal.cli import main
from hiercal.errors import RunError
from hiercal.runs import pools, progress, supervisor
from hiercal.runs.batches import Fitted
from hiercal.runs.columns import FitRecord
from hiercal.runs.journal import Journal
from hiercal.runs.limits import FIRST, LEAST, TIMES, TimeLimits, parsed_bytes
from hiercal.runs.plan import Plan
from tests.running import run

MOCKS = Path(__file__).parents[1] / "mocks.py"


def lossy(*faults, simulations=4, also=(), **options):
    """A run that loses, by each fault in an arm of its own, the simulation of largest ``u``."""
    one = story(f"{MOCKS}:Revealing")
    u = np.array([float(simulate(0, one, i).data["u"]) for i in range(simulations)])
    share = float(1 - np.sort(u)[-2:].mean()) if simulations > 1 else 1.0
    fitters = [fitter(f"{MOCKS}:Lossy", fault=fault, share=share, **options) for fault in faults]
    design = Run(stories=[one], fitters=[*fitters, *also], simulations=simulations, name="lossy")
    return design, int(u.argmax())


def errors(result):
    fits = result.fits[result.fits["error"].notna()]
    return [(row["simulation"], row["error"]) for row in fits.to_dict("records")]


def test_lost_fits_are_recorded_with_their_reason_and_the_others_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "TRIES", 1)
    design, lost = lossy("holds", "eats", "dies")
    result = run(design, tmp_path, where=Where(1, fit_seconds=5.0, worker_memory="900 MB"))
    assert len(result.fits) == 12
    found = errors(result)
    assert [simulation for simulation, _ in found] == [lost] * 3
    for (_, error), said in zip(
        found,
        (
            r"fit: TimeLimit: not back after 5 s, the time limit of a fit",
            r"fit: MemoryLimit: its worker process held .* GB, more than the 0.9 GB that a worker ",
            r"fit: WorkerDied: its worker process was ended by SIGKILL, as the system does when ",
        ),
        strict=True,
    ):
        assert re.match(said, error), error
    failed = result.records[result.records["status"] == "failed"]
    assert failed["truth"].notna().all()
    limits = json.loads((tmp_path / "manifest.json").read_text())["fit_seconds"]
    assert limits == {arm.label: 5.0 for arm in design.arms}


def test_more_time_fits_again_what_ran_into_the_limit_and_nothing_else_does(tmp_path):
    design, lost = lossy("sleeps", once=str(tmp_path / "hung"))
    first = run(design, tmp_path / "out", where=Where(1, fit_seconds=3.0))
    expected = [(lost, "fit: TimeLimit: not back after 3 s, the time limit of a fit")]
    assert errors(first) == expected
    assert first.fits.loc[lost, "seconds"] == 3.0
    for same in (Where(0), Where(1, fit_seconds=3.0)):
        assert errors(run(design, tmp_path / "out", where=same)) == expected
    again = run(design, tmp_path / "out", where=Where(1, fit_seconds=60))
    assert errors(again) == []
    whole = run(design, tmp_path / "whole")
    pd.testing.assert_frame_equal(again.records, whole.records, check_exact=True)


def test_a_fit_whose_worker_is_killed_once_is_made_again(tmp_path):
    design, _ = lossy("dies", once=str(tmp_path / "died"))
    result = run(design, tmp_path / "out", where=Where(1))
    assert (tmp_path / "died").exists()
    assert errors(result) == []
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["fit_seconds"] == {
        "revealing/lossy": LEAST
    }


def test_an_arm_whose_fits_are_all_lost_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "TRIES", 1)
    monkeypatch.setattr(pools, "LOST_IN_A_ROW", 2)
    always = {"share": 1.0}
    fitters = [fitter(f"{MOCKS}:Lossy", fault=fault, **always) for fault in ("exits", "compiles")]
    design, _ = lossy(simulations=8, also=[*fitters, fitter(f"{MOCKS}:Known")])
    with pytest.raises(RunError) as caught:
        run(design, tmp_path, where=Where(1))
    said = str(caught.value)
    assert re.search(
        r"exits.*: given up after 2 fits in a row that did not come back; the last, of simulation "
        r"\d, says fit: WorkerDied: its worker process ended with exit code 17",
        said,
    ), said
    assert re.search(r"compiles.*: its worker process ended with exit code 3 while it was", said)
    with Journal(tmp_path / "journal.sqlite") as journal:
        tried, failed, _ = journal.tally(0, 8)
        assert 2 <= tried == failed < 8
        assert journal.done(1) == set()
        assert journal.done(2) == set(range(8))


def test_the_time_limit_grows_with_the_slowest_fit_and_never_shrinks():
    limits = TimeLimits(None)
    assert limits.of("a") == FIRST
    limits.observe("a", Fitted([FitRecord(0, None, 0.5), FitRecord(1, "fit: wrong", 1e6)]).slowest)
    assert limits.of("a") == LEAST
    limits.observe("a", 60.0)
    limits.observe("a", 0.5)
    assert limits.of("a") == TIMES * 60
    assert limits.of("b") == FIRST
    assert TimeLimits(7.0).of("a") == 7
    assert TimeLimits(0).of("a") == np.inf


def test_what_is_waited_for_is_named():
    design, lost = lossy("sleeps", simulations=1)
    with Where(1, fit_seconds=5.0).executor(print) as pool:
        fits = pool.run(design.arms, design.recording, Plan([[lost]]))
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            outcome = thread.submit(next, fits)
            while not (named := [one for one in pool._waited_for({}) if ", fit of" in one]):
                assert not outcome.done()
                time.sleep(0.1)
        assert re.fullmatch(
            r"revealing/lossy, fit of simulation 0 for 0:0\d of at most 0:05", *named
        )
        assert outcome.result().fitted.records[0].error.startswith("fit: TimeLimit")


def test_waiting_is_told_ever_more_rarely_and_not_before_it_is_unusual(monkeypatch):
    now, said = [0.0], []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    waiting = progress.Waiting(lambda line: said.append((now[0], line)))

    def wait(seconds):
        start = now[0]
        for now[0] in range(int(start), int(start) + seconds + 1):
            waiting.tick(lambda: list("abcdef"))
        waiting.over()

    wait(130)
    line = "Nothing has come back for 1:00. Waiting for a; b; c; d; and 2 more"
    assert said == [(60, line), (120, line.replace("1:00", "2:00"))]
    wait(250)
    assert [at for at, _ in said] == [60, 120]  # twice what it took before is 260


def test_workers_listen_on_no_port():
    """Nobody else can send them code: there is nothing to connect to."""
    _, before = endpoints(os.getpid())  # of a browser that other tests drive from here
    with Where(1).executor(print) as pool:
        ((_, (workers, bound)),) = pool.each({"a": partial(endpoints, os.getpid())}, None)
    assert len(workers) == 1
    assert bound - before == set()


def endpoints(driver):
    """Worker processes, and the addresses that they and their driver are bound to."""
    process = psutil.Process(driver)
    workers = [
        one for one in process.children(recursive=True) if "serve(" in " ".join(one.cmdline())
    ]
    bound = {
        str(each.laddr)
        for one in (process, *workers)
        for each in one.net_connections("all")
        if each.laddr
    }
    return {one.pid for one in workers}, bound


def test_workers_that_cannot_start_end_the_run_with_a_clear_line(mock_run, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(
        RunError, match=r"no worker process can be started: .* exit code 1, 3 times"
    ):
        run(mock_run(simulations=4), tmp_path, where=Where(1))


def test_where_says_what_cannot_be(tmp_path):
    file = tmp_path / "scheduler.json"
    with pytest.raises(ValueError, match=r"cannot read the scheduler file .* No such file"):
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


def test_a_missing_scheduler_file_is_a_mistake_in_the_command():
    done = CliRunner().invoke(main, ["run", "funnel", "--scheduler-file", "/nonexistent"])
    assert done.exit_code == 2
    said = "hiercal: cannot read the scheduler file /nonexistent: No such file or directory; give "
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def command(folder, fitter, *options):
    """``hiercal run`` of mock fits, as a process of its own."""
    file = folder / "mock.toml"
    file.write_text(
        f'simulations = 500\nstories = [{{ name = "{MOCKS}:Revealing" }}]\n[[fitters]]\n{fitter}'
    )
    return subprocess.Popen(
        [sys.executable, "-m", "hiercal.cli", "run", file, "--out", folder / "out", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition, process):
    for _ in range(2400):
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
    process = command(tmp_path, f'name = "{MOCKS}:Known"', "--workers", "1")
    wait_for(lambda: listens(process), process)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.fullmatch(r"hiercal: interrupted.* The same command \w+ \w+.*\.\n", said), said


def test_a_second_interrupt_ends_it_at_once():
    code = (
        "import os, signal, time; from hiercal.runs import interrupts\n"
        "interrupts.TWICE = 0; interrupts.listen()\n"
        "try: os.kill(os.getpid(), signal.SIGINT); time.sleep(9)\n"
        "except KeyboardInterrupt: os.kill(os.getpid(), signal.SIGTERM); time.sleep(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.startswith("hiercal: interrupted again, and ended at once; every fit so far")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere compiled code is not interrupted")
def test_a_worker_in_compiled_code_ends_with_its_driver(tmp_path):
    begun = tmp_path / "begun"
    fitter = f'name = "{MOCKS}:Lossy"\nfault = "holds"\nonce = "{begun}"\n'
    process = command(tmp_path, fitter, "--workers", "1")
    wait_for(begun.exists, process)
    (worker,) = psutil.Process(process.pid).children()
    process.kill()
    process.communicate()
    worker.wait(timeout=10)


def test_an_interrupt_is_not_lost_where_the_terminal_is_gone():
    class Gone(progress.Silent):
        def stop(self):
            raise OSError(5, "Input/output error")

    with pytest.raises(KeyboardInterrupt), Gone():
        raise KeyboardInterrupt
