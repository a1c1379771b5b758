"""A run shown while it goes on: what it may say, to whom, and that it costs the run nothing."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hiercal import Result, Where
from hiercal.cli import main
from hiercal.report.live import watch as live
from hiercal.report.live.server import LiveServer
from hiercal.report.live.watch import Watch
from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.evidence import ArmEvidence
from hiercal.runs.progress import Lines, Tally, Together
from tests.running import run

ROOT = Path(__file__).parents[2]
WAITED = 60


def record(simulation, rank, error=None, n=2):
    values = np.zeros((n, len(COLUMNS)))
    for name, value in (("rank", rank), ("rank_effective", rank), ("ess_bulk", 500.0)):
        values[:, COLUMNS.index(name)] = value
    return FitRecord(simulation, error, 0.1, values=values)


def asked(server, method="GET", path="/", host="127.0.0.1"):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.request(method, path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


@pytest.fixture
def served():
    watch = Watch("a <b>", 99)
    server = LiveServer(watch, "hiercal run 'x.toml' --live")
    yield watch, server
    server.close()


@pytest.fixture
def looked(monkeypatch):
    monkeypatch.setattr(live, "EVERY", 0.0)
    monkeypatch.setattr(live, "RESTS", 0)


def test_evidence_is_that_of_each_simulation_in_order(looked):
    rng = np.random.default_rng(1)
    records = [record(i, int(rng.integers(0, 30))) for i in range(60)]
    records[7] = record(7, np.nan, error="fit: lost")
    watch, straight = Watch("a", 99), ArmEvidence("s/a", ("x", "y"), 99, np.log(1 / live.ALPHA))
    watch.ranks([("s/a", ("x", "y"))])
    for some in (records[30:], records[10:30], records[:10]):
        watch.fits(0, some)
        watch.look()
        begun = some[0].simulation == 0
        assert bool(watch._rows) == begun, "simulations count in their order"
    straight.add(records)
    (arm,) = watch._evidence
    assert straight.rejected == arm.rejected
    assert arm.rejected
    later = ArmEvidence("s/a", ("x", "y"), 99, 1e9)
    later.add(records)
    assert arm.path == [pytest.approx(later.path[-1])]
    assert watch._rows[0]["says"] == live.DECIDED


def test_ranks_that_are_not_uniform_by_design_are_not_bet_against(looked):
    watch = Watch("a", 99, by_design=["s/a"])
    watch.ranks([("s/a", ("x",))])
    watch.fits(0, [record(i, 0, n=1) for i in range(30)])
    watch.look()
    html = watch.shown()["html"]
    assert "ranks are not uniform by design" in html
    assert live.DECIDED not in html


def test_an_unfinished_run_has_neither_verdict_nor_p_value(looked):
    watch = Watch("a", 99)
    watch.ranks([("s/a", ("x",))])
    watch.start(["s/a"], [Tally()], 100)
    watch.fits(0, [record(i, 0, n=1) for i in range(30)])
    watch.update(0, Tally(30, 2, 5))
    watch.look()
    html = watch.shown()["html"]
    assert "30 of 100 fits" in html
    assert "evidence of an error" in html
    assert not re.search(r"\bp\b ?[=<(]", html)
    assert "calibrated<" not in html.replace("miscalibrated", "")
    assert "at most 0.1 %" in html
    watch.stop()
    assert "All fits are made" in watch.shown()["html"]


def test_trouble_with_the_evidence_is_said_and_ends_nothing(looked):
    watch = Watch("a", 99)
    watch.ranks([("s/a", ("x", "y"))])
    watch.fits(0, [record(0, 5, n=3)])
    watch.look()
    assert "The evidence could not be worked out: IndexError" in watch.shown()["html"]


def test_only_this_machine_asks_and_only_for_the_page(served):
    watch, server = served
    status, html, headers = asked(server)
    assert status == 200
    assert "a &lt;b&gt;" in html
    assert headers["Cache-Control"] == "no-store"
    for host in ("localhost:8000", "127.0.0.1:1", "[::1]:80", "LOCALHOST"):
        assert asked(server, host=host)[0] == 200
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::1].x"):
        assert asked(server, host=host)[0] == 403
    assert asked(server, path="/../manifest.json")[0] == 404
    assert asked(server, path="//evil.example/")[0] == 404
    for method in ("POST", "PUT", "DELETE", "HEAD", "<script>"):
        assert asked(server, method=method)[0] in (400, 405)
    state = json.loads(asked(server, path="/now")[1])
    assert state["state"] == "starting"
    watch.finish("<p>the report</p>")
    assert asked(server)[1] == "<p>the report</p>"
    server.linger(5)  # at once: what is open has it


def test_a_request_that_breaks_off_ends_nothing(served):
    _, server = served
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
    connection.connect()
    connection.sock.sendall(b"GET /")
    connection.close()
    assert asked(server)[0] == 200


def test_a_port_that_is_taken_is_told_before_anything_is_fitted(served, tmp_path, mocks_file):
    _, server = served
    port = str(server.server_address[1])
    file = tmp_path / "run.toml"
    file.write_text(
        f"simulations = 5\n[[stories]]\nname = '{mocks_file}:Revealing'\n[[fitters]]\n"
        f"name = '{mocks_file}:Known'\n"
    )
    args = ["run", str(file), "--live", "--live-port", port, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, args)
    assert done.exit_code == 2
    assert f"port {port} of this machine cannot be used" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_study_is_refused(tmp_path):
    done = CliRunner().invoke(main, ["run", "funnel", "--live", "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "--live is of one run" in done.stderr


@pytest.mark.parametrize("parts", [False, True])
def test_a_watched_run_is_the_same_and_its_earlier_fits_count(mock_run, tmp_path, looked, parts):
    plain = run(mock_run(simulations=40, raises=0.2), tmp_path / "plain")
    where = Where(workers=0, parts=parts)
    run(mock_run(simulations=15, raises=0.2), tmp_path / "watched", where=where)
    watch = Watch("mock", 99, parts=parts)
    progress = Together(Lines(), watch)
    run(mock_run(simulations=40, raises=0.2), tmp_path / "watched", where=where, progress=progress)
    again = Result(tmp_path / "watched")
    assert again.columns("arm", "rank", "mean").equals(plain.columns("arm", "rank", "mean"))
    watch.look()
    shown = watch.shown()["html"]
    failed = int(plain.fits["error"].notna().sum())
    assert watch._tallies == [Tally(40, failed, watch._tallies[0].divergent)]
    if parts:
        assert "workers write their fits themselves" in shown
        assert not watch._new
    else:
        assert watch._rows[0]["simulations"] == "40"
        assert watch._rows[0]["failed"] == str(failed)


def started(tmp_path, mocks_file, simulations, seconds):
    file = tmp_path / "slow & <run>.toml"
    file.write_text(
        f"simulations = {simulations}\n[[stories]]\nname = '{mocks_file}:Revealing'\n[[fitters]]\n"
        f"name = '{mocks_file}:Known'\nseconds = {seconds}\nalways = 3\n"
    )
    command = [sys.executable, "-m", "hiercal.cli", "run", str(file), "--workers", "0", "--live",
               "--out", str(tmp_path / "out")]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("Live: http://127.0.0.1:"), line
    return process, line.split()[1]


def until(browser, wanted):
    from selenium.common.exceptions import WebDriverException

    end = time.monotonic() + WAITED
    while time.monotonic() < end:
        try:
            text = browser.find_element("tag name", "body").text
        except WebDriverException:  # it is being loaded anew
            text = ""
        if re.search(wanted, text):
            return text
        time.sleep(0.2)
    raise AssertionError(f"{wanted!r} did not come in {WAITED} s; the page says {text[:500]}")


def test_a_browser_follows_a_run_reloads_and_gets_the_report(browser, tmp_path, mocks_file):
    process, url = started(tmp_path, mocks_file, 60, 0.15)
    try:
        browser.get_log("browser")
        browser.get(url)
        until(browser, r"[1-9]\d* of 60 fits")
        browser.refresh()
        text = until(browser, r"e-value")
        assert "No verdict and no p-value is shown before the end" in text
        assert "known" in text
        until(browser, "The arm is miscalibrated")
        assert process.wait(WAITED) == 0
        assert (tmp_path / "out" / "report.html").exists()
        assert [m for m in browser.get_log("browser") if m["level"] == "SEVERE"] == []
    finally:
        process.kill()
        process.wait()


def test_a_run_that_is_killed_leaves_a_page_that_says_how_to_go_on(browser, tmp_path, mocks_file):
    process, url = started(tmp_path, mocks_file, 1000, 0.1)
    browser.get(url)
    until(browser, r"[1-9]\d* of 1000 fits")
    process.send_signal(signal.SIGKILL)
    process.wait()
    text = until(browser, "Contact with the run was lost at")
    assert "the same command goes on from there" in text
    assert re.search(r"hiercal run '.*slow & <run>.toml' --workers 0 --live --out", text)
    assert "of 1000 fits" in text
