"""An archive holds what anyone needs to check and repeat a run, and nothing of the machine."""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from hiercal import Result, Run, fitter, story
from hiercal.report.archive import archive
from hiercal.runs.manifest import made_of, read_manifest, write_sealed
from tests.report.archives import (
    COINS,
    DESIGN,
    EXACT,
    LINE,
    archived,
    done,
    full,
    invoke,
    place,
    rerun,
)
from tests.running import run

ODD = "<script> & 'one' \"two\" $(x) `y` \\ züri"


@pytest.fixture
def made(tmp_path):
    """A folder under a home with a name, in which a design was run."""
    folder = place(tmp_path / "home" / "ann-secret" / "project")
    done("run", "our.toml", "--out", "made", "--workers", 0, at=folder)
    return folder


def entries(path):
    with zipfile.ZipFile(path) as file:
        return {name.partition("/")[2]: file.read(name) for name in file.namelist()}


def test_the_same_folder_gives_the_same_bytes_and_standard_tools_read_them(made, tmp_path):
    first, second = archived(made), archived(made, "again.zip")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as file:
        file.extractall(tmp_path / "out")
    (top,) = (tmp_path / "out").iterdir()
    assert top.name == "our"
    if shutil.which("sha256sum"):
        command = ["sha256sum", "--strict", "-c", "CHECKSUMS"]
        checked = subprocess.run(command, cwd=top, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout
        assert len(checked.stdout.splitlines()) == len(entries(first)) - 1
    packed, there = Result(top / "results"), Result(made / "made")
    packed.check()
    pd.testing.assert_frame_equal(packed.records, there.records, check_exact=True)
    assert packed.manifest["digest"] == there.manifest["digest"]
    assert (top / "source" / "helper.py").read_text() == (made / "helper.py").read_text()
    assert done("show", top / "results").output.startswith(done("show", made / "made").output[:400])


def test_nothing_of_the_machine_is_in_it(made, tmp_path):
    """Run with absolute paths, from another folder."""
    config = made / "our.toml"
    out = tmp_path / "elsewhere"
    done("run", config, "--out", out, "--workers", 0)
    assert "ann-secret" in (out / "manifest.json").read_text()
    packed = done("archive", out, "--out", tmp_path / "a.zip")
    assert "note:" not in packed.stderr
    for name, content in entries(tmp_path / "a.zip").items():
        assert b"ann-secret" not in content, name
        assert os.fsencode(tmp_path) not in content, name


def test_what_still_names_a_folder_is_told(tmp_path):
    own = LINE.replace('ArithmeticError("planted")', 'OSError("/home/ann/data.csv")').replace(
        'planted == "failing"', "True"
    )
    folder = place(tmp_path / "p", line__py=own)
    archived(folder)
    told = done("archive", "made", "--out", "made.zip", at=folder).stderr
    assert "results/fits.parquet names a folder of this machine" in told
    assert "source/line.py names a folder" in told


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda at: (at / "our.toml").write_text(DESIGN + "# edited\n"), "our.toml has changed"),
        (lambda at: (at / "line.py").write_text(LINE + "\n"), "line.py has changed since: restore"),
        (lambda at: (at / "line.py").unlink(), "line.py, which it was read from, is not in"),
        (lambda at: (at / "helper.py").write_text("SD = 2.0\n"), "helper.py changed"),
        (lambda at: (at / "helper.py").unlink(), "No module named 'helper'"),
    ],
)
def test_a_design_that_is_not_what_was_run_is_refused(made, spoil, said):
    spoil(made)
    refused = invoke("archive", "made", at=made)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert "--results-only" in refused.stderr
    assert not (made / "made.zip").exists()
    done("archive", "made", "--results-only", at=made)
    assert not [name for name in entries(made / "made.zip") if name.startswith("source/")]
    assert b"hiercal cannot run it again" in entries(made / "made.zip")["README.md"]


def test_a_run_from_elsewhere_needs_its_folder(made, tmp_path):
    refused = invoke("archive", made / "made", at=tmp_path)
    assert refused.exit_code == 2
    assert "by --source" in refused.stderr
    done("archive", made / "made", "--source", made, at=tmp_path)
    assert (made / "made.zip").exists()


def test_a_comment_in_a_neighbour_is_packed_as_it_is_now(made):
    (made / "helper.py").write_text("# a remark\nSD = 1.0\n")
    assert entries(archived(made))["source/helper.py"] == b"# a remark\nSD = 1.0\n"


def test_folders_that_hold_nothing_to_pack(made, tmp_path):
    assert "is not the folder of a run" in invoke("archive", tmp_path).stderr
    path = made / "made" / "verdicts.csv"
    before = path.read_text()
    path.write_text(before.replace("calibrated", "inconclusive"))
    refused = invoke("archive", "made", at=made)
    assert (refused.exit_code, "verdicts.csv is damaged, or was changed" in refused.stderr) == (
        2,
        True,
    )
    path.write_text(before)
    (made / "made" / "records.parquet").unlink()
    assert "records.parquet is not there" in invoke("archive", "made", at=made).stderr


def test_a_run_that_has_not_ended_is_refused(made):
    made_of(made / "made", tables=None)
    refused = invoke("archive", "made", at=made)
    assert (refused.exit_code, "has not ended" in refused.stderr) == (2, True)


def test_what_is_no_archive_is_not_written_over(made):
    (made / "made.zip").write_text("a thesis")
    refused = invoke("archive", "made", at=made)
    assert (refused.exit_code, "is no archive of hiercal's" in refused.stderr) == (2, True)
    assert (made / "made.zip").read_text() == "a thesis"
    assert "is a folder" in invoke("archive", "made", "--out", ".", at=made).stderr
    assert "there is no folder" in invoke("archive", "made", "--out", "no/a.zip", at=made).stderr


def test_a_full_disk_leaves_no_half_of_an_archive(made):
    with full(2_000):
        refused = invoke("archive", "made", at=made)
    assert refused.exit_code == 1
    assert "cannot be written" in refused.stderr
    assert not list(made.glob("made.zip*"))
    archived(made)


def test_data_that_code_reads_are_packed(tmp_path):
    own = LINE.replace("from helper import SD", 'SD = float(open("sd.txt").read())')
    folder = place(tmp_path / "p", line__py=own, sd__txt="1.0")
    assert entries(archived(folder))["source/sd.txt"] == b"1.0"


def test_data_under_a_name_that_code_puts_together(tmp_path):
    own = LINE.replace("from helper import SD", 'SD = float(open("".join(["s", "d"])).read())')
    folder = place(tmp_path / "p", line__py=own)
    (folder / "sd").write_text("1.0")
    done("run", "our.toml", "--out", "made", "--workers", 0, at=folder)
    refused = invoke("archive", "made", at=folder)
    assert refused.exit_code == 2
    assert "name it by --include" in refused.stderr
    assert entries(archived(folder, "made.zip", "--include", "sd"))["source/sd"] == b"1.0"


def test_absolute_names_in_a_design_are_refused(tmp_path):
    folder = place(tmp_path / "p")
    (folder / "our.toml").write_text(DESIGN.replace("line.py", f"{folder}/line.py"))
    done("run", "our.toml", "--out", "made", "--workers", 0, at=folder)
    refused = invoke("archive", "made", at=folder)
    assert (refused.exit_code, "on this machine alone" in refused.stderr) == (2, True)


def test_odd_names(tmp_path):
    folder = place(tmp_path / "p")
    (folder / "our.toml").write_text(f"name = {json.dumps(ODD)}\n{EXACT}")
    path = archived(folder)
    with zipfile.ZipFile(path) as file:
        assert {name.partition("/")[0] for name in file.namelist()} == {ODD}
    assert b"<script>" not in entries(path)["README.md"].split(b"## Run it again")[0]
    assert rerun(path, tmp_path / "again").exit_code == 0


def test_a_run_made_in_python_is_written_out_as_a_design(tmp_path, mocks_file):
    mocks = Path(shutil.copy(mocks_file, tmp_path))
    design = Run(
        stories=[story("eight_schools", tau_scale=5, given={"tau": 2.0})],
        fitters=[fitter("exact", draws=150), fitter(f"{mocks}:Permuted", parts=("mu",))],
        simulations=12,
        name="by hand",
        below={"tau": 1.5},
    )
    run(design, tmp_path / "made", export=True)
    packed = archive(tmp_path / "made")
    files = entries(packed.path)
    assert b'name = "mocks.py:Permuted"' in files["source/design.toml"]
    assert os.fsencode(tmp_path) not in b"".join(files.values())


def test_what_no_file_holds_is_refused(tmp_path):
    from tests.mocks import Known, Revealing

    run(Run(stories=[Revealing()], fitters=[Known()], simulations=20), tmp_path / "m", export=True)
    refused = invoke("archive", tmp_path / "m")
    assert refused.exit_code == 2
    assert "revealing of its stories is in no file that hiercal could read" in refused.stderr


def test_a_manifest_of_an_earlier_version_says_less(made):
    """Planted: it lacks what the command was given."""
    manifest = read_manifest(made / "made")
    del manifest["config"], manifest["references"]
    write_sealed(made / "made" / "manifest.json", manifest)
    assert json.loads(entries(archived(made))["archive.json"])["config"] == "our.toml"


def test_a_study_without_its_runs_is_refused(tmp_path):
    folder = place(tmp_path / "p", coins__py=COINS)
    done("run", "coins.py:Coins", "--out", "made", "--workers", 0, at=folder)
    shutil.rmtree(folder / "made" / "runs")
    refused = invoke("archive", "made", at=folder)
    assert (refused.exit_code, "lacks the runs a of its study" in refused.stderr) == (2, True)


def test_a_journal_is_packed_when_asked_for(made):
    assert "results/journal.sqlite" not in entries(archived(made))
    names = set(entries(archived(made, "more.zip", "--with", "journal", "--with", "store")))
    assert "results/journal.sqlite" in names
