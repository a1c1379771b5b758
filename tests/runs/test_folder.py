"""A folder that is another's, or no folder, is refused before anything is fitted."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hiercal.cli import main
from hiercal.errors import JournalError
from hiercal.runs import engine
from hiercal.runs.journal import Journal
from hiercal.runs.manifest import write_sealed
from tests.running import run


def invoke(*args):
    return CliRunner().invoke(main, [str(a) for a in args], catch_exceptions=False)


@pytest.fixture
def config(tmp_path, mocks_file):
    path = tmp_path / "mock.toml"

    def write(name="revealing", **options):
        more = "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())
        path.write_text(
            f'simulations = 12\nname = "{name}"\nstories = [{{ name = "{mocks_file}:Revealing" }}]'
            f'\n[[fitters]]\nname = "{mocks_file}:Known"\n{more}'
        )
        return path

    return write


@pytest.mark.parametrize("name", ["figures", "sbc.zarr"])
@pytest.mark.parametrize("what", ["file", "link"])
def test_a_file_or_link_in_place_of_a_folder(name, what, config, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "fit_missing", lambda *_, **__: pytest.fail("fitted"))
    out = tmp_path / "out"
    out.mkdir()
    if what == "file":
        (out / name).write_text("mine")
    else:
        (out / name).symlink_to(tmp_path)
    done = invoke("run", config(), "--out", out, "--workers", 0)
    assert done.exit_code == 2
    assert f"{out / name} is a {what}" in done.output
    assert [path.name for path in out.iterdir()] == [name]


@pytest.mark.parametrize("command", ["run {config}", "check {config}", "mutants", "claims"])
def test_a_tilde_that_no_shell_has_expanded(command, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args = command.format(config=config()).split()
    for out in ("~", "~/results"):
        done = invoke(*args, "--out", out)
        assert done.exit_code == 2
        assert f"give {Path.home()}" in done.output
    assert not (tmp_path / "~").exists()


def test_a_file_in_place_of_the_folder(config, mock_run, tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    for out in (path, path / "under"):
        assert invoke("run", config(), "--out", out, "--workers", 0).exit_code == 2
        with pytest.raises(JournalError, match="is a file, not a folder"):
            run(mock_run(simulations=2), out)
    assert path.read_text() == "mine"


def test_the_folder_of_another_study(config, mock_run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    write_sealed(out / "manifest.json", {"study": "funnel", "complete": True, "options": {}})
    before = (out / "manifest.json").read_bytes()
    for more in ((), ("--fresh",)):
        done = invoke("run", config(), "--out", out, "--workers", 0, *more)
        assert done.exit_code == 2
        assert "is the folder of the study funnel" in done.output
        done = invoke("run", "new_group", "--quick", "--out", out, "--workers", 0, *more)
        assert done.exit_code == 2
        assert "is the folder of the study funnel" in done.output
    assert (out / "manifest.json").read_bytes() == before
    run(mock_run(simulations=2), tmp_path / "run")
    done = invoke("run", "new_group", "--quick", "--out", tmp_path / "run", "--workers", 0)
    assert done.exit_code == 2
    assert "is the folder of the run mock" in done.output


def test_a_folder_without_a_fit_is_claimed_by_the_corrected_file(config, tmp_path):
    out = tmp_path / "out"
    command = ("--out", out, "--workers", 0)
    done = invoke("run", config(broken=True), *command)
    assert done.exit_code == 1
    assert "the compiler is out of order" in done.output
    done = invoke("run", config(broken=False, draws=500), *command)
    assert done.exit_code == 0, done.output
    assert "files of another" not in done.output
    with Journal(out / "journal.sqlite") as journal:
        assert len(journal.done(0)) == 12
    done = invoke("run", config(draws=600), *command)
    assert done.exit_code == 2
    assert "holds another run" in done.output


STUDY = """
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from hiercal import Run, Study, fitter, story


@dataclass(frozen=True, kw_only=True)
class Small(Study):
    \"\"\"How many fits there are.\"\"\"

    broken: bool = True

    name: ClassVar = "small"
    quick: ClassVar = {}

    def runs(self):
        known = fitter("MOCKS:Known", broken=self.broken)
        return {"own": Run(stories=[story("MOCKS:Revealing")], fitters=[known], simulations=4)}

    def tables(self, results, measured):
        return {"fits": pd.DataFrame({"n": [len(results["own"].fits)]})}

    def figures(self, tables):
        return {}
"""


def test_so_is_that_of_a_study(tmp_path, mocks_file):
    (tmp_path / "small.py").write_text(STUDY.replace("MOCKS", str(mocks_file)))
    (tmp_path / "small.toml").write_text('study = "small.py:Small"\n')
    command = ("run", tmp_path / "small.toml", "--out", tmp_path / "out", "--workers", 0)
    assert invoke(*command).exit_code == 1
    (tmp_path / "small.toml").write_text('study = "small.py:Small"\nbroken = false\n')
    done = invoke(*command)
    assert done.exit_code == 0, done.output
    assert "4" in (tmp_path / "out" / "fits.csv").read_text()
