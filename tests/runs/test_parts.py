"""Workers that write parts: the run is the same, and what was written is never lost or mistaken."""

import dataclasses
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from hiercal import Result, Where
from hiercal.errors import RunError
from hiercal.runs import journal as journals
from hiercal.runs import parts
from hiercal.runs.journal import Journal
from hiercal.runs.parts import PARTS
from hiercal.runs.repair import repair
from hiercal.runs.requantified import answered
from hiercal.runs.seals import Damaged
from tests.running import run

HERE = Where(workers=0, parts=True)
FAILING = {"raises": 0.1, "short": 0.1, "nan": 0.1}


def files(folder):
    return sorted((folder / PARTS).glob("*.parquet"))


def alike(one, other):
    pd.testing.assert_frame_equal(one.records, other.records, check_exact=True)
    drop = {"columns": "seconds"}
    pd.testing.assert_frame_equal(one.fits.drop(**drop), other.fits.drop(**drop), check_exact=True)


@pytest.mark.parametrize("where", [HERE, Where(workers=2, parts=True)])
def test_a_run_in_parts_has_the_same_tables_to_the_bit(mock_run, tmp_path, where):
    design = mock_run(simulations=80, **FAILING)
    whole = run(design, tmp_path / "whole", export=True)
    in_parts = run(design, tmp_path / "parts", where=where, export=True)
    alike(whole, in_parts)
    for path in (tmp_path / "whole").glob("*.csv"):
        assert path.read_bytes() == (tmp_path / "parts" / path.name).read_bytes(), path.name
    with Journal(tmp_path / "parts" / "journal.sqlite") as journal:
        assert journal.count() == 80
        assert not journal._db.execute("SELECT count(*) FROM fits").fetchone()[0]
    with Journal(tmp_path / "whole" / "journal.sqlite") as journal:
        tally = journal.tally(0, 60)
    with Journal(tmp_path / "parts" / "journal.sqlite") as journal:
        assert journal.tally(0, 60) == tally


def test_parts_of_pooled_group_effects(mock_run, tmp_path):
    design = dataclasses.replace(mock_run(), groups="summary")
    whole, in_parts = run(design, tmp_path / "a"), run(design, tmp_path / "b", where=HERE)
    alike(whole, in_parts)
    pd.testing.assert_frame_equal(whole.group_ranks, in_parts.group_ranks, check_exact=True)


def double(draws, data):
    return draws["x"] * 2


def test_kept_draws_in_parts_answer_as_those_of_the_journal(mock_run, tmp_path):
    design = dataclasses.replace(mock_run(**FAILING), keep_draws=True)
    run(design, tmp_path / "a"), run(design, tmp_path / "b", where=HERE)
    answers = [answered(tmp_path / name, {"double": double})[1] for name in "ab"]
    alike(*answers)


def test_a_run_changes_to_parts_and_back_again(mock_run, tmp_path):
    run(mock_run(simulations=20), tmp_path / "a")
    run(mock_run(simulations=40), tmp_path / "a", where=HERE)
    mixed = run(mock_run(simulations=60), tmp_path / "a")
    alike(mixed, run(mock_run(simulations=60), tmp_path / "b"))
    alike(run(mock_run(simulations=30), tmp_path / "a"), run(mock_run(simulations=30), tmp_path))


def test_fits_that_never_came_back_are_among_those_in_parts(mock_run, tmp_path):
    design = mock_run(kills=0.05)
    lost = run(design, tmp_path, where=Where(workers=2, parts=True)).fits
    killed = lost["error"].str.contains("WorkerDied").to_numpy(dtype=bool, na_value=False)
    assert 0 < killed.sum() < 15
    assert lost["simulation"].tolist() == list(range(60))


def test_a_run_that_ends_with_one_arm_broken_goes_on(mock_run, tmp_path):
    kept = files(tmp_path)
    with pytest.raises(RunError, match="out of order"):
        run(mock_run(broken=True), tmp_path, where=HERE)
    assert files(tmp_path) == kept == []


@pytest.mark.slow
def test_a_driver_that_is_killed_loses_nothing_that_was_written(mocks_file, tmp_path):
    config = tmp_path / "mock.toml"
    config.write_text(
        f'simulations = 400\nstories = [{{ name = "{mocks_file}:Revealing" }}]\n'
        f'fitters = [{{ name = "{mocks_file}:Known", seconds = 0.01 }}]\n'
    )
    out = tmp_path / "out"
    command = [sys.executable, "-m", "hiercal.cli", "run", config, "--out", out]
    command += ["--workers", "2", "--parts"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    while len(files(out)) < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.5)  # its workers end with it
    written = files(out)
    subprocess.run(command, check=True, capture_output=True)
    assert set(written) < set(files(out))
    command[6] = tmp_path / "undisturbed"
    subprocess.run(command, check=True, capture_output=True)
    alike(Result(out), Result(tmp_path / "undisturbed"))


def test_a_part_that_the_driver_was_never_told_of_is_taken_in(mock_run, tmp_path, fitted_here):
    before = run(mock_run(), tmp_path, where=HERE)
    fitted_here.clear()
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal._db.execute("DELETE FROM parts")
    run(mock_run(), tmp_path, where=HERE)
    alike(Result(tmp_path), before)
    assert not fitted_here


def test_parts_of_another_run_and_unfinished_ones_are_not_taken_in(mock_run, tmp_path):
    run(mock_run(seed=2), tmp_path / "other", where=HERE)
    own = tmp_path / "own"
    shutil.copytree(tmp_path / "other" / PARTS, own / PARTS)
    strange = files(own)
    (own / PARTS / f"{strange[0].stem}.unfinished").write_bytes(strange[0].read_bytes()[:500])
    alike(run(mock_run(), own, where=HERE), run(mock_run(), tmp_path / "alone"))


@pytest.mark.parametrize("harm", ["lost", "cut", "flipped"])
def test_a_damaged_part_is_named_and_repaired(mock_run, tmp_path, harm, fitted_here):
    before = run(mock_run(), tmp_path, where=HERE)
    fitted_here.clear()
    victim = files(tmp_path)[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    if harm == "lost":
        victim.unlink()
    else:
        victim.write_bytes(content if harm == "flipped" else content[:-100])
    state = "lost" if harm == "lost" else "damaged"
    with pytest.raises(Damaged, match=rf"{victim.name} is {state}. `hiercal repair {tmp_path}`"):
        run(mock_run(), tmp_path)
    done = repair(tmp_path)
    with Journal(tmp_path / "journal.sqlite") as journal:
        saved = journal.done(0)
    assert 0 < len(saved) < 60
    assert any(f"{len(saved)} fits saved, {60 - len(saved)} lost" in line for line in done.lines)
    alike(run(mock_run(), tmp_path, where=HERE), before)
    assert set(fitted_here) == set(range(60)) - saved


def test_fresh_removes_parts_and_nothing_else(mock_run, tmp_path):
    run(mock_run(), tmp_path, where=HERE)
    own = tmp_path / PARTS / "notes.txt"
    own.write_text("mine")
    run(mock_run(seed=2), tmp_path, fresh=True)
    assert list((tmp_path / PARTS).iterdir()) == [own]
    own.unlink()
    run(mock_run(), tmp_path, where=HERE, fresh=True)
    run(mock_run(), tmp_path, fresh=True)
    assert not (tmp_path / PARTS).exists()


def test_a_worker_that_cannot_write_says_so(mock_run, tmp_path, monkeypatch):
    monkeypatch.setattr(parts.Parts, "open", lambda self: None)
    with pytest.raises(RunError, match=r"cannot write .*: No such file.* storage that the driver"):
        run(mock_run(), tmp_path, where=Where(workers=1, parts=True))


def test_a_part_written_where_the_driver_cannot_see_it(mock_run, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PATIENCE", 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = parts.Parts.place
    monkeypatch.setattr(
        parts.Parts,
        "place",
        lambda self, *args: dataclasses.replace(place(self, *args), folder=str(elsewhere)),
    )
    with pytest.raises(RunError, match=r"has written .*, and it is not in .*under the same path"):
        run(mock_run(), tmp_path / "run", where=HERE)


def test_fits_are_read_in_order_whatever_part_they_are_in(mock_run, tmp_path, monkeypatch):
    run(mock_run(), tmp_path / "a", where=HERE)
    rng = np.random.default_rng(1)
    (tmp_path / "b").mkdir()
    with (
        Journal(tmp_path / "a" / "journal.sqlite") as ordered,
        Journal(tmp_path / "b" / "journal.sqlite") as journal,
    ):
        journal.claim("d" * 64, {}, ordered.arms())
        journal.parts.open()
        place = journal.parts.place("d" * 64, 0)
        (records,) = ordered.fits(0, 60)
        shuffled = [records[i] for i in rng.permutation(60)]
        for some in np.array_split(np.arange(60), 7)[1:]:
            journal.add(0, [], parts=[place.write([shuffled[i] for i in some], [])])
        journal.add(0, shuffled[:9])  # the first of seven
        rows = 20 * (len(ordered.arms()[0][1]) + journals.ROWS_OF_A_FIT)
        monkeypatch.setattr(journals, "ROWS_AT_ONCE", rows)
        pieces = list(journal.fits(0, 50))
    assert [len(piece) for piece in pieces] == [20, 20, 10]
    assert [one.simulation for piece in pieces for one in piece] == list(range(50))
    read = [one.row() for piece in pieces for one in piece]
    np.testing.assert_equal(read, [one.row() for one in records[:50]])


def test_a_check_takes_no_parts(mock_run, tmp_path):
    from hiercal.runs.engine import decided

    with pytest.raises(ValueError, match="leave parts out"):
        decided(mock_run(), tmp_path, watch=lambda arm, records: False, where=HERE)
