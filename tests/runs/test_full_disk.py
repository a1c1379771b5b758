"""A folder that cannot be written costs no fit and ends in one message."""

import errno
import os
import sqlite3
import subprocess
from contextlib import contextmanager

import pandas as pd
import pytest
from click.testing import CliRunner

from hiercal.cli import main
from hiercal.errors import JournalError, RunError
from hiercal.fitters import _fitter
from hiercal.fitters._fitter import cache_folder
from hiercal.runs import carried
from hiercal.runs.full_disk import OF_SQLITE, OF_SYSTEM, told
from hiercal.runs.journal import Journal
from hiercal.runs.manifest import commit
from tests.running import run

resource = pytest.importorskip("resource")


@contextmanager
def at_most(kind, number):
    """A limit of the system that holds in the block alone."""
    soft, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


def full(size):
    """No file may grow beyond a number of bytes, as on a disk that is nearly full."""
    return at_most(resource.RLIMIT_FSIZE, size)


def invoke(*args):
    return CliRunner().invoke(main, [str(a) for a in args], catch_exceptions=False)


@pytest.fixture
def config(tmp_path, mocks_file):
    path = tmp_path / "mock.toml"
    path.write_text(
        f'simulations = 60\nstories = [{{ name = "{mocks_file}:Revealing" }}]\n'
        f'fitters = [{{ name = "{mocks_file}:Known" }}]\n'
    )
    return path


def test_a_full_disk_keeps_what_came_in_and_the_same_run_goes_on(mock_run, tmp_path):
    design, out = mock_run(simulations=200), tmp_path / "out"
    with full(100_000), pytest.raises(RunError) as raised:
        run(design, out)
    for text in (str(out), "cannot be written", "What came in before is kept", "same command"):
        assert text in str(raised.value)
    assert "another run" not in str(raised.value)
    with Journal(out / "journal.sqlite") as journal:
        before = journal.done(0)
    assert 0 < len(before) < 200
    again = run(design, out)
    undisturbed = run(design, tmp_path / "undisturbed")
    pd.testing.assert_frame_equal(again.records, undisturbed.records, check_exact=True)


def test_a_part_that_there_is_no_room_for_is_told_and_leaves_nothing(mock_run, tmp_path):
    run(mock_run(), tmp_path)
    with Journal(tmp_path / "journal.sqlite") as journal:
        (records,) = journal.fits(0, 60)
        journal.parts.open()
        place = journal.parts.place("d" * 64, 0)
        with full(2_000), pytest.raises(RunError, match=r"a worker cannot write .*: File too larg"):
            place.write(records, [])
    assert not list((tmp_path / "parts").iterdir())


@pytest.mark.figures
@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_figures_that_there_is_no_room_for_are_told(mock_run, tmp_path, suffix):
    """Planted: Matplotlib closes a PDF that it could not write with an error that is no OSError."""
    run(mock_run(), tmp_path, export=True)
    with full(2_000):
        done = invoke("show", tmp_path, "--figures", suffix)
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr


def test_no_file_handles_are_told(mock_run, tmp_path):
    design, out = mock_run(simulations=20), tmp_path / "out"
    free = os.dup(0)
    os.close(free)
    with at_most(resource.RLIMIT_NOFILE, free), pytest.raises(RunError, match="ulimit -n"):
        run(design, out)
    assert len(run(design, out).fits) == 20


def test_the_commands_say_it_and_exit_as_undecided(config, tmp_path):
    out = tmp_path / "out"
    command = ("run", config, "--out", out, "--workers", 0)
    with full(30_000):
        done = invoke(*command)
        checked = invoke(*command, "--check")
    assert (done.exit_code, checked.exit_code) == (1, 3)
    assert done.output.count("cannot be written") == 1
    assert invoke(*command).exit_code == 0
    (out / "verdicts.csv").unlink()
    with full((out / "journal.sqlite").stat().st_size // 8):  # too little for the tables
        assert invoke(*command).exit_code == 1
    assert not (out / "verdicts.csv").exists()
    assert invoke(*command).exit_code == 0
    assert (out / "verdicts.csv").exists()


def test_a_mutants_table_and_a_check(config, tmp_path):
    (tmp_path / "file").write_text("")
    command = ("mutants", "--only", "shifted", "--max-simulations", 20)
    refused = invoke(*command, "--out", tmp_path / "file" / "under")
    assert refused.exit_code == 2
    assert "is a file, not a folder" in refused.output
    with full(200):
        done = invoke(*command, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "cannot be written" in done.output
    with full(20_000):
        done = invoke("check", config, "--out", tmp_path / "check", "--workers", 0)
    assert done.exit_code == 3, "1 would call the arm miscalibrated"


def test_a_lock_is_not_blamed_for_a_full_disk(tmp_path):
    with full(0), pytest.raises(sqlite3.OperationalError) as raised:
        Journal(tmp_path / "journal.sqlite").claim("d", {}, [])
    assert told(raised.value, tmp_path)
    other = tmp_path / "other.sqlite"
    with Journal(other), pytest.raises(JournalError, match="another run is using this folder"):
        Journal(other)


def test_other_errors_stay_what_they_are():
    assert told(OSError(errno.ECONNREFUSED, "refused"), "out") is None
    assert told(ValueError("a mistake"), "out") is None
    for number, (what, remedy) in OF_SYSTEM.items():
        message = told(OSError(number, os.strerror(number)), "out")
        assert what in message
        assert remedy in message
    locked = sqlite3.OperationalError("database is locked")
    locked.sqlite_errorcode = sqlite3.SQLITE_BUSY
    assert sqlite3.SQLITE_BUSY not in OF_SQLITE
    assert told(locked, "out") is None


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tmp_path, monkeypatch):
    usual = tmp_path / "cache"
    monkeypatch.setenv("HIERCAL_CACHE", str(usual))
    assert cache_folder("jax") == usual / "jax"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HIERCAL_CACHE", str(tmp_path / "file"))
    own = cache_folder("jax")
    assert own == cache_folder("jax")
    assert own.is_dir()
    monkeypatch.setenv("HIERCAL_CACHE", str(usual))
    with full(0):
        assert cache_folder("jax") == own


def test_a_cache_on_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("HIERCAL_CACHE", str(tmp_path))
    monkeypatch.setattr(_fitter, "COMPILED", 1 << 60)
    assert tmp_path not in cache_folder("pytensor").parents


def test_git_is_asked_without_locking_the_users_repository(monkeypatch):
    """Killed on a full disk, ``git status`` left an index.lock behind."""
    commands = []

    def run(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "told", "")

    monkeypatch.setattr("hiercal.runs.manifest.subprocess.run", run)
    assert commit() == "told+"
    assert len(commands) == 3
    assert all(command[:2] == ["git", "--no-optional-locks"] for command in commands)


def test_carried_evidence_that_cannot_be_written_tells_the_verdict(mock_run, tmp_path):
    design = mock_run(simulations=20)
    (tmp_path / "file").write_text("")
    options = {"alpha": 0.01, "test": "t"}
    with pytest.raises(RunError, match="no evidence") as raised:
        carried.go_on(design, tmp_path / "out", tmp_path / "file", **options)
    assert "not carried on" in str(raised.value)
    found = carried.go_on(design, tmp_path / "out", tmp_path / "storage", **options)
    assert found.simulations == 20


INNER = """
import pytest
@pytest.mark.calibration(story="{mocks}:Revealing", max_simulations=20)
def test_right(calibration):
    calibration.check("{mocks}:Known")
"""


def test_the_plugin_says_what_it_could_not_keep(pytester, mocks_file, tmp_path):
    (tmp_path / "file").write_text("")
    pytester.makepyfile(INNER.format(mocks=mocks_file))
    saving = pytester.runpytest_inprocess(
        "--calibration-save=x", f"--calibration-storage={tmp_path / 'file'}"
    )
    saving.assert_outcomes(passed=1)
    saving.stdout.fnmatch_lines(["*no evidence, 20 simulations", "not saved: *cannot be written*"])
    assert saving.ret == 1
    reporting = pytester.runpytest_inprocess(f"--calibration-report={tmp_path / 'file'}")
    reporting.assert_outcomes(failed=1)
    reporting.stdout.fnmatch_lines(["*is a file, not a folder*"])
    assert "Traceback" not in reporting.stdout.str()
    assert "INTERNALERROR" not in saving.stdout.str() + reporting.stdout.str()
