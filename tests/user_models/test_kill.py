"""A killed run of a user's own model goes on, and ends with an undisturbed run's tables."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pandas as pd
import psutil
import pytest

pytestmark = pytest.mark.nightly

SIMULATIONS = 150
SOME = 60_000
"""Bytes of a journal that has some fits, and the copy of its manifest, but not all."""
MODELS = {
    "numpyro": """
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

SIGMA = jnp.array([15.0, 10.0, 16.0, 11.0])


def model():
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfNormal(5))
    with numpyro.plate("school", 4):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, SIGMA), obs=jnp.array([28.0, 8.0, -3.0, 7.0]))
""",
    "pymc": """
import numpy as np
import pymc as pm

with pm.Model() as model:
    mu = pm.Normal("mu", 0, 5)
    pm.Normal("y", mu, 2, observed=np.array([1.0, 2.0, 3.0]))
""",
}


@pytest.fixture(scope="module", params=["numpyro", "pymc"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "my_model.py").write_text(MODELS[request.param])
    return request.param, folder


def start(folder, out):
    command = [sys.executable, "-m", "hiercal.cli", "run", "my_model.py:model", "--out", out]
    return subprocess.Popen(
        [*command, "--workers", "2", "--simulations", str(SIMULATIONS)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(folder, out):
    process = start(folder, out)
    _, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    return errors


def fits(out):
    """Every fit that the journal holds, as it is stored.

    Opened for writing: SQLite undoes a transaction that the kill cut short before it reads.
    """
    with closing(sqlite3.connect(out / "journal.sqlite")) as journal:
        rows = journal.execute('SELECT arm, simulation, "values" FROM fits')
        return {(arm, simulation): values for arm, simulation, values in rows}


def wait_for_fits(process, out):
    """Until some fits are in the journal, which its one writer keeps locked."""
    journal = out / "journal.sqlite"
    empty = None
    for _ in range(6000):
        assert process.poll() is None, process.communicate()
        size = (
            sum(each.stat().st_size for each in out.glob("journal.sqlite*")) if out.exists() else 0
        )
        if (out / "manifest.json").exists() and journal.exists():
            empty = empty or size
            if size > empty + SOME:
                return
        time.sleep(0.05)
    raise AssertionError("the run never got under way")


def test_kill_9_loses_no_finished_fit(model, tmp_path):
    library, folder = model
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    finish(folder, undisturbed)
    process = start(folder, killed)
    wait_for_fits(process, killed)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive, "workers outlive their driver"
    assert not (killed / "records.parquet").exists()
    before = fits(killed)
    whole = fits(undisturbed)
    assert 0 < len(before) < len(whole)
    finish(folder, killed)
    after = fits(killed)
    assert after.keys() == whole.keys()
    assert all(after[key] == values for key, values in before.items()), "a finished fit changed"
    records = [pd.read_parquet(out / "records.parquet") for out in (killed, undisturbed)]
    pd.testing.assert_frame_equal(*records)
    for table in ("verdicts.csv", "coverage.csv", "mixing.csv"):
        assert (killed / table).read_bytes() == (undisturbed / table).read_bytes(), library
    assert np.isfinite(records[0]["mean"]).all()
