"""After damage, `hiercal repair` and the same command give what there was."""

import dataclasses
import json
import sqlite3

import pandas as pd
import pytest
from click.testing import CliRunner

from hiercal import Result
from hiercal.cli import main
from hiercal.errors import JournalError
from hiercal.runs import journal as journals
from hiercal.runs.journal import Journal
from hiercal.runs.manifest import read_manifest
from hiercal.runs.measurements import Measurements
from hiercal.runs.repair import repair
from hiercal.runs.requantified import answered
from hiercal.runs.seals import Damaged
from tests.running import run

PAGE = 4096


def show(folder):
    return CliRunner().invoke(main, ["show", str(folder)], catch_exceptions=False)


def kept_draws(design):
    return dataclasses.replace(design, keep_draws=True)


def double(draws, data):
    return draws["x"] * 2


def test_what_is_damaged_is_fitted_again_and_nothing_else(mock_run, tmp_path, fitted_here):
    design = kept_draws(mock_run(simulations=60))
    before = run(design, tmp_path).records
    fitted_here.clear()
    path = tmp_path / "journal.sqlite"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // PAGE * PAGE
    data[middle : middle + 2 * PAGE] = bytes(2 * PAGE)
    path.write_bytes(data)
    with pytest.raises(Damaged, match=rf"`hiercal repair {tmp_path}` saves all that is intact"):
        run(design, tmp_path)
    assert bytes(data) == path.read_bytes()
    done = repair(tmp_path)
    (line,) = [line for line in done.lines if "fits saved" in line]
    with Journal(path) as journal:
        saved = journal.done(0)
    assert 0 < len(saved) < 60
    assert f"{len(saved)} fits saved, {60 - len(saved)} lost" in line
    assert (tmp_path / "journal.sqlite.damaged").read_bytes() == bytes(data)
    assert repair(tmp_path).lines == [f"{tmp_path} is whole: nothing to repair"]
    again = run(design, tmp_path)
    pd.testing.assert_frame_equal(again.records, before, check_exact=True)
    assert set(fitted_here) == set(range(60)) - saved
    _, asked = answered(tmp_path, {"double": double})
    assert asked.fits["error"].isna().all(), "the draws are all there"
    assert asked.records["rank"].tolist() == before.query("quantity == 'x'")["rank"].tolist()


def test_a_changed_number_is_told_and_costs_one_fit(mock_run, tmp_path):
    """Planted: with SQL, one rank one too high, which nothing but a seal can see."""
    design = mock_run(simulations=10)
    before = run(design, tmp_path).records
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        database.execute("UPDATE fits SET seconds = seconds + 1 WHERE simulation = 4")
    with pytest.raises(Damaged, match="1 rows of fits are not what was written"):
        run(design, tmp_path)
    assert "9 fits saved, 1 lost" in "\n".join(repair(tmp_path).lines)
    pd.testing.assert_frame_equal(run(design, tmp_path).records, before, check_exact=True)


@pytest.mark.parametrize("lost", [True, False])
def test_a_manifest_is_made_again_from_the_journal(lost, mock_run, tmp_path, capsys):
    design = mock_run(simulations=5)
    run(design, tmp_path, export=False)
    path = tmp_path / "manifest.json"
    whole = read_manifest(tmp_path)

    def spoil():
        text = path.read_text()
        path.unlink() if lost else path.write_text(text.replace('"seed": 1', '"seed": 7'))

    spoil()
    shown = show(tmp_path)
    assert shown.exit_code == 2
    assert ("is lost" if lost else "damaged, or was changed") in shown.output
    done = repair(tmp_path)
    assert any("made again from the journal" in line for line in done.lines)
    assert read_manifest(tmp_path) == whole
    spoil()
    run(design, tmp_path, progress=True)
    assert "it is made again from the journal" in capsys.readouterr().err
    assert read_manifest(tmp_path) == whole


def test_a_changed_table_is_not_shown(mock_run, tmp_path):
    design = mock_run(simulations=40)
    run(design, tmp_path, export=True)
    assert show(tmp_path).exit_code == 0
    path = tmp_path / "verdicts.csv"
    path.write_text(path.read_text().replace("calibrated", "inconclusive"))
    records = tmp_path / "records.parquet"
    data = bytearray(records.read_bytes())
    data[len(data) // 3] ^= 1
    records.write_bytes(data)
    shown = show(tmp_path)
    assert shown.exit_code == 2
    assert "is damaged, or was changed" in shown.output
    with pytest.raises(Damaged, match="records"):
        Result(tmp_path).records  # noqa: B018
    done = repair(tmp_path)
    assert any("records.parquet, verdicts.csv damaged" in line for line in done.lines)
    assert "run the same command again" in show(tmp_path).output
    run(design, tmp_path, export=True)
    assert show(tmp_path).exit_code == 0


def test_a_folder_that_is_in_use_or_no_runs_is_left_alone(mock_run, tmp_path):
    run(mock_run(simulations=3), tmp_path / "out")
    with Journal(tmp_path / "out" / "journal.sqlite"):
        done = CliRunner().invoke(main, ["repair", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "another run is using this folder" in done.output
    done = CliRunner().invoke(main, ["repair", str(tmp_path)])
    assert done.exit_code == 2
    assert "is not the folder of a run" in done.output


def test_fresh_starts_over_in_a_damaged_folder(mock_run, tmp_path):
    design = mock_run(simulations=5)
    run(design, tmp_path)
    path = tmp_path / "journal.sqlite"
    data = bytearray(path.read_bytes())
    data[PAGE : 3 * PAGE] = bytes(2 * PAGE)
    path.write_bytes(data)
    (tmp_path / "manifest.json").write_text("{")
    assert len(run(design, tmp_path, fresh=True).fits) == 5


def test_a_journal_of_the_layout_without_parts_is_read(mock_run, tmp_path, fitted_here):
    before = run(mock_run(simulations=8), tmp_path).records
    fitted_here.clear()
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        database.execute("DROP TABLE parts")
        database.execute("PRAGMA user_version = 6")
    again = run(mock_run(simulations=8), tmp_path)
    pd.testing.assert_frame_equal(again.records, before, check_exact=True)
    assert not fitted_here


def test_a_journal_without_seals_is_read_as_it_is_and_sealed(mock_run, tmp_path, capsys):
    design = mock_run(simulations=8)
    before = run(design, tmp_path).records
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        _as_layout_5(database)
    result = run(design, tmp_path, progress=True)
    assert "of an earlier version of hiercal, which could not see damage" in capsys.readouterr().err
    pd.testing.assert_frame_equal(result.records, before, check_exact=True)
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert not journal.renewed
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        database.execute("PRAGMA user_version = 4")
    with pytest.raises(JournalError, match="has layout 4, this version of hiercal reads 7"):
        run(design, tmp_path)


def _as_layout_5(database):
    """Take the seals off, as before there were any."""
    (arms,) = database.execute("SELECT arms FROM run").fetchone()
    database.execute("ALTER TABLE run DROP COLUMN arms")
    database.execute("CREATE TABLE arms (arm INTEGER PRIMARY KEY, label TEXT, quantities TEXT)")
    rows = [(i, label, json.dumps(names)) for i, (label, names) in enumerate(json.loads(arms))]
    database.executemany("INSERT INTO arms VALUES (?, ?, ?)", rows)
    for table in ("manifest", "simulated", "thinned"):
        database.execute(f"DROP TABLE {table}")
    for table in ("run", "fits", "draws"):
        database.execute(f"ALTER TABLE {table} DROP COLUMN seal")
    database.execute(f"PRAGMA user_version = {journals.WITHOUT_SEALS}")


def test_a_measurement_is_kept_or_made_again(tmp_path):
    path = tmp_path / "measurements.sqlite"
    for name in ("a", "b", "c"):
        measurements = Measurements(path, "code")
        measurements.keep(name, {"times": [{"name": name, "n": 3}]})
        measurements.close()
    (tmp_path / "manifest.json").write_text("{}")
    with sqlite3.connect(path) as database:
        database.execute("""UPDATE measurements SET tables = '{"times": []}' WHERE name = 'b'""")
    with pytest.raises(Damaged, match="1 rows are not what was written"):
        Measurements(path, "code")
    assert any("2 measurements saved" in line for line in repair(tmp_path).lines)
    measurements = Measurements(path, "code")
    assert measurements.read() == {n: {"times": [{"name": n, "n": 3}]} for n in ("a", "c")}
    measurements.close()
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE measurements DROP COLUMN seal")
    measurements = Measurements(path, "code")
    assert set(measurements.read()) == {"a", "c"}
    measurements.close()
