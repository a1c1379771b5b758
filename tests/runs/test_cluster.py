"""A real Dask cluster: scheduler and workers are processes, which come, freeze, die and differ."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
from distributed import Client, LocalCluster

import hiercal
from hiercal import Run, Where, fitter, story
from hiercal.errors import RunError
from hiercal.runs import dask_cluster, dask_worker, progress
from hiercal.runs.engine import outcomes
from hiercal.runs.journal import Journal
from hiercal.runs.plan import Plan
from tests.running import run

MOCKS = Path(__file__).parents[1] / "mocks.py"
TTL = "20s"
"""Time without a heartbeat after which the scheduler gives a worker up."""


class Cluster:
    """A scheduler and workers with one thread each, started by command."""

    def __init__(self, folder: Path):
        self.folder, self.file = folder, folder / "scheduler.json"
        self._workers = []
        self.start_scheduler()

    def start_scheduler(self, port="0"):
        self.file.unlink(missing_ok=True)
        options = ("--port", port, "--scheduler-file", str(self.file), "--no-show")
        self._scheduler = self._start("scheduler", *options)
        wait_for(self.file.exists)
        self.address = json.loads(self.file.read_text())["address"]
        self._client = Client(self.address)

    def add(self, flags=(), path="", code=""):
        """Start a worker; return its process and address once it is there."""
        before = self.workers()
        options = ("--scheduler-file", str(self.file), "--nthreads", "1", "--no-nanny")
        options += ("--memory-limit", "500MB")
        process = self._start("worker", *options, flags=flags, path=path, code=code)
        self._workers.append(process)
        wait_for(lambda: self.workers() - before)
        (address,) = self.workers() - before
        return process, address

    def workers(self):
        return set(self._client.ncores())

    def retire(self, address):
        self._client.retire_workers([address])

    def end_workers(self, but=0):
        for process in self._workers[but:]:
            process.kill()
            process.wait()
        del self._workers[but:]

    def end(self):
        self._client.close()
        self.end_workers()
        self._scheduler.kill()
        self._scheduler.wait()

    def _start(self, what, *options, flags=(), path="", code=""):
        code += f"from distributed.cli.dask_{what} import main; main()"
        own = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": TTL, "PYTHONPATH": str(path)}
        with (self.folder / "log.txt").open("a") as log:
            options = (*options, "--host", "127.0.0.1", "--no-dashboard")
            return subprocess.Popen(
                [sys.executable, *flags, "-c", code, *options],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | own,
            )


def wait_for(condition):
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to that")


@contextmanager
def in_time(seconds):
    """Fail, rather than wait for ever."""

    def late(*_):
        raise AssertionError(f"not over after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.end()


@pytest.fixture
def cluster(started):
    """A scheduler without workers."""
    started.end_workers()
    with in_time(120):
        wait_for(lambda: not started.workers())
        yield started
    started.end_workers()


@pytest.fixture
def staffed(started):
    """A scheduler with a worker that stays there."""
    with in_time(120):
        if not started.workers():
            started.add()
        yield started
    started.end_workers(but=1)


@pytest.fixture
def after_batches(monkeypatch):
    """Have functions called, one after each batch that was journalled."""

    def plan(*events):
        left, add = list(events), Journal.add

        def then(journal, *args):
            add(journal, *args)
            if left:
                left.pop(0)()

        monkeypatch.setattr(Journal, "add", then)
        return left

    return plan


@pytest.fixture
def notes(monkeypatch):
    """What a run tells its user."""
    said = []
    monkeypatch.setattr(progress.Silent, "note", lambda _, text: said.append(text))
    return said


def design(n=40, **options):
    return Run(
        stories=[story(f"{MOCKS}:Revealing")],
        fitters=[fitter(f"{MOCKS}:Known", **{"seconds": 0.05, **options})],
        simulations=n,
        name="mock",
    )


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    return run(design(), tmp_path_factory.mktemp("local")).records


def check(result, local):
    assert not result.fits["error"].notna().any()
    # `seconds` are those of the mock, which are planted
    pd.testing.assert_frame_equal(result.records, local, check_exact=True)


def other_numpy(folder):
    """A worker with another version of numpy, as far as its metadata say."""
    info = folder / "numpy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n")
    return {"path": folder}


def other_code(folder):
    """A worker with a changed line in hiercal's own code."""
    shutil.copytree(Path(hiercal.__file__).parent, folder / "hiercal")
    changed = folder / "hiercal" / "runs" / "record.py"
    changed.write_text(changed.read_text() + "\nCHANGED = True\n")
    return {"path": folder}


def no_hiercal(folder):
    """A worker that has all packages but hiercal."""
    folder.mkdir()
    for item in Path(pd.__file__).parents[1].iterdir():
        if "hiercal" not in item.name:
            (folder / item.name).symlink_to(item)
    return {"flags": ("-I", "-S"), "code": f"import sys; sys.path.append({str(folder)!r})\n"}


OTHERS = pytest.mark.filterwarnings("ignore:Mismatched versions found")


@OTHERS
def test_where_all_workers_are_others_nothing_is_fitted(cluster, tmp_path):
    _, address = cluster.add(**other_numpy(tmp_path / "spoilt"))
    with pytest.raises(
        RunError, match=rf"no worker .* can be used\n  {address}: numpy is 1\.0, not "
    ):
        run(design(), tmp_path / "out", where=Where(scheduler_file=cluster.file))
    with Journal(tmp_path / "out" / "journal.sqlite") as journal:
        assert journal.done(0) == set()


def test_workers_join_are_retired_and_die(cluster, after_batches, tmp_path, local):
    there = [cluster.add()]

    def exchange(leave):
        there.append(cluster.add())
        leave(*there.pop(0))

    left = after_batches(
        lambda: exchange(lambda _, address: cluster.retire(address)),
        lambda: None,
        lambda: exchange(lambda process, _: process.kill()),
    )
    result = run(design(), tmp_path, where=Where(scheduler_file=cluster.file))
    assert not left
    assert len(cluster.workers()) == 1
    check(result, local)


@OTHERS
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (other_numpy, rf"numpy is 1\.0, not {re.escape(metadata.version('numpy'))}"),
        (other_code, r"other code in hiercal\.runs\.record"),
        (no_hiercal, rf"hiercal is absent, not {re.escape(metadata.version('hiercal'))}"),
    ],
)
def test_a_worker_that_is_another_is_named_and_not_used(
    staffed, after_batches, notes, tmp_path, local, spoil, why
):
    """It joins in the middle; its fits would have been like the others."""
    joined = []
    after_batches(lambda: joined.append(staffed.add(**spoil(tmp_path / "spoilt"))))
    result = run(design(), tmp_path / "out", where=Where(scheduler_file=staffed.file))
    ((_, address),) = joined
    (said,) = [note for note in notes if "is not used" in note]
    assert re.fullmatch(
        rf"The Dask worker {address} is not used: {why}; install there what is here, and start it "
        r"again",
        said,
    ), said
    check(result, local)


def test_a_frozen_worker_is_named_goes_on_or_is_given_up(
    staffed, after_batches, tmp_path, local, monkeypatch
):
    monkeypatch.setattr(progress, "FIRST_NOTE", 5.0)
    monkeypatch.setattr(dask_cluster, "SILENT", 3.0)
    monkeypatch.setattr(dask_cluster, "LOOK", 0.5)
    frozen, address = staffed.add()
    done, said = [], []

    def freeze():
        os.kill(frozen.pid, signal.SIGSTOP)

    def thaw(_, text):
        if text.startswith("Nothing has come back"):
            said.append((text, done[-1]))
            if len(said) == 1:
                os.kill(frozen.pid, signal.SIGCONT)

    monkeypatch.setattr(progress.Silent, "note", thaw)
    monkeypatch.setattr(progress.Silent, "update", lambda _, arm, tally: done.append(tally.done))
    where = Where(scheduler_file=staffed.file)

    after_batches(lambda: None, freeze)
    check(run(design(), tmp_path / "thawed", where=where), local)
    (text, before), *_ = said
    assert re.fullmatch(
        rf"Nothing has come back for 0:0\d\. Waiting for revealing/known, simulations? .*, "
        rf"at {address}, silent for 0:\d\d.*",
        text,
    ), text
    assert 30 <= before < 40, "the other worker has done the rest"
    assert address in staffed.workers()

    after_batches(lambda: None, freeze)
    check(run(design(), tmp_path / "given_up", where=where), local)
    assert address not in staffed.workers()


def test_a_fit_keeps_to_the_memory_limit_of_its_dask_worker(staffed, tmp_path):
    """Which Dask itself does not see to, as the fit is in another process."""
    faulty = Run(
        stories=[story(f"{MOCKS}:Revealing")],
        fitters=[fitter(f"{MOCKS}:Lossy", fault="eats")],
        simulations=1,
    )
    fits = run(faulty, tmp_path, where=Where(scheduler_file=staffed.file)).fits
    (error,) = fits["error"]
    assert re.match(
        r"fit: MemoryLimit: .*, more than the 0\.5 GB that a worker may, 2 times", error
    )


def test_a_cancelled_run_leaves_its_workers_to_another(staffed, tmp_path, local):
    """Its fits hang, which nothing would end for hours."""
    file, hung = tmp_path / "hangs.toml", tmp_path / "hung"
    file.write_text(
        f'simulations = 40\nstories = [{{ name = "{MOCKS}:Revealing" }}]\n[[fitters]]\n'
        f'name = "{MOCKS}:Lossy"\nfault = "sleeps"\nonce = "{hung}"\n'
    )
    command = [sys.executable, "-m", "hiercal.cli", "run", file, "--out", tmp_path / "other"]
    other = subprocess.Popen(
        [*command, "--scheduler-file", staffed.file],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(hung.exists)
        os.killpg(other.pid, signal.SIGINT)
        _, said = other.communicate(timeout=60)
    finally:
        other.kill()
    assert other.returncode == 130
    assert said.splitlines()[-1].startswith("hiercal: interrupted"), said
    check(run(design(), tmp_path / "ours", where=Where(scheduler_file=staffed.file)), local)


def test_two_runs_share_a_scheduler_and_one_may_end_early(staffed, after_batches, tmp_path, local):
    """The other is of other data, and is cancelled between two batches of the first."""
    where = Where(scheduler_file=staffed.file)
    with where.executor(print) as executor:
        other = outcomes(replace(design(), seed=1), Plan([list(range(40))]), executor)
        assert next(other).fitted.records
        left = after_batches(lambda: None, other.close)
        check(run(design(), tmp_path, where=where), local)
    assert not left


def test_processes_of_earlier_code_are_not_used_again(monkeypatch):
    """A Dask worker outlives the run that it was compared for, and what is installed there."""
    here, editions = {"code": {}, "packages": {}}, []
    monkeypatch.setattr(dask_worker, "_seen", {})
    monkeypatch.setattr(dask_worker.identity, "installed_here", lambda _: here)
    for run_id, version in enumerate(["1", "1", "2", "1"]):
        here["packages"] = {"numpy": version}
        same = pickle.dumps({"code": {}, "packages": {"numpy": version}})
        assert dask_worker._differences(same, f"run {run_id}") == []
        editions.append(dask_worker._edition)
    assert [one - editions[0] for one in editions] == [0, 0, 1, 2]


def test_a_cluster_that_scales_itself_is_used(tmp_path, local):
    options = {"threads_per_worker": 1, "dashboard_address": None}
    with in_time(120), LocalCluster(n_workers=0, **options) as cluster:
        cluster.adapt(minimum=0, maximum=2, interval="200ms", wait_count=2)
        result = run(design(), tmp_path, where=Where(scheduler=cluster.scheduler_address))
        wait_for(lambda: not cluster.scheduler.workers)
    check(result, local)


def test_a_lost_scheduler_ends_the_run_in_one_message(after_batches, tmp_path, local, capfd):
    """Unless it is there again within seconds; and the same command goes on."""
    cluster, out = Cluster(tmp_path), tmp_path / "out"
    port = cluster.address.rpartition(":")[2]

    def restart():
        cluster.end()
        cluster.start_scheduler(port)
        cluster.add()

    try:
        cluster.add()
        left = after_batches(restart, lambda: None, cluster.end)
        with in_time(120), pytest.raises(RunError) as caught:
            run(design(), out, where=Where(scheduler_file=cluster.file))
    finally:
        cluster.end()
    assert not left
    assert re.fullmatch(
        r"the connection to the Dask scheduler .*scheduler\.json is lost, as when it has ended; "
        r"start it and its workers again\. Every fit so far is kept, and the same command goes on "
        r"from there\.",
        str(caught.value),
    )
    assert capfd.readouterr().err == ""
    with Journal(out / "journal.sqlite") as journal:
        assert 0 < len(journal.done(0)) < 40
    check(run(design(), out), local)
