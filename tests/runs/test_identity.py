"""A run never shows old results for new code: refused by name, started over only when asked."""

import json
import os
import signal
import subprocess
import sys
from importlib import metadata

import pandas as pd
import pytest
from click.testing import CliRunner

from hiercal import Result, Run, fitter, story
from hiercal.cli import main
from hiercal.errors import JournalError
from hiercal.runs import engine, identity, manifest
from hiercal.runs.columns import FitRecord
from hiercal.runs.journal import Journal
from hiercal.tables import export
from tests.running import run

FITTER = """
import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from hiercal.fitters.exact import Exact


@dataclass(frozen=True, kw_only=True)
class Mine(Exact):
    name: ClassVar = "mine"

    def prepare(self, story):
        refit = super().prepare(story)

        def mine(data, seed):
            fit = refit(data, seed)
            return dataclasses.replace(fit, draws={**fit.draws, "tau": fit.draws["tau"] * 1})

        return mine
"""
TOML = """
simulations = 20
stories = [{ name = "eight_schools" }]
fitters = [{ name = "mine.py:Mine", draws = 200 }]
"""
STUDY = '''
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from hiercal import Run, Study, fitter, story
import counted


@dataclass(frozen=True, kw_only=True)
class Counting(Study):
    """How many fits there are."""

    name: ClassVar = "counting"
    quick: ClassVar = {}

    def runs(self):
        mine = fitter(f"{counted.HERE}/mine.py:Mine", draws=200)
        return {"own": Run(stories=[story("eight_schools")], fitters=[mine], simulations=5)}

    def tables(self, results, say):
        return counted.tables(results)

    def figures(self, tables):
        return {}
'''
COUNTED = """
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent


def tables(results):
    return {"fits": pd.DataFrame({"n": [len(results["own"].fits)]})}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(FITTER)
    (tmp_path / "run.toml").write_text(TOML)
    (tmp_path / "named.py").write_text(STUDY)
    (tmp_path / "counted.py").write_text(COUNTED)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def design(folder, simulations=20, **options):
    mine = fitter(f"{folder}/mine.py:Mine", **({"draws": 200} | options))
    return Run(stories=[story("eight_schools")], fitters=[mine], simulations=simulations)


def invoke(*args):
    return CliRunner().invoke(main, [str(a) for a in args], catch_exceptions=False)


def tau(result):
    return result.records.query("quantity == 'tau'")["mean"].to_numpy()


def test_new_code_is_refused_with_what_changed_and_the_ways_out(folder):
    out = folder / "out"
    command = ("run", folder / "run.toml", "--out", out, "--workers", 0)
    done = invoke(*command)
    assert done.exit_code == 0, done.output
    assert set(Result(out).manifest["given"]) == {str(folder / "run.toml"), str(folder / "mine.py")}
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    edit(folder / "mine.py", "* 1", "* 5")
    for more in ((), ("--simulations", 22)):
        refused = invoke(*command, *more)
        assert refused.exit_code == 2
        assert "mine.py changed\n" in refused.output
        for way in ("restore what was run", "--out", "--fresh"):
            assert way in refused.output
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    edit(folder / "mine.py", "* 5})", "* 1})  # times one")
    assert invoke(*command).exit_code == 0, "a comment is not code"


@pytest.mark.figures
def test_fresh_starts_over_and_leaves_what_is_not_its_own(folder):
    out = folder / "out"
    old = tau(run(design(folder), out, export=True))
    for name in ("notes.txt", "mine.csv", "figures/mine.png"):
        (out / name).write_text("mine")
    edit(folder / "mine.py", "* 1", "* 5")
    new = run(design(folder, simulations=10), out, fresh=True)
    assert tau(new) == pytest.approx(5 * old[:10], rel=1e-12)
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        "notes.txt",
        "mine.csv",
        "figures/mine.png",
        "journal.sqlite",
        "manifest.json",
        "records.parquet",
        "fits.parquet",
        "draws.npz",
    }


def test_fresh_removes_nothing_before_all_is_right(folder):
    out = folder / "out"
    run(design(folder), out)
    before = (out / "records.parquet").read_bytes()
    with pytest.raises(ValueError, match="workers is -1"):
        run(design(folder), out, fresh=True, workers=-1)
    edit(folder / "run.toml", "draws = 200", "draws = -2")
    toml = folder / "run.toml"
    assert invoke("run", toml, "--out", out, "--fresh").exit_code == 2
    with (
        Journal(out / "journal.sqlite"),
        pytest.raises(JournalError, match="another run is using this folder"),
    ):
        run(design(folder), out, fresh=True)
    assert (out / "records.parquet").read_bytes() == before
    assert len(run(design(folder), out).fits) == 20


def test_other_versions_are_refused_by_name(folder, monkeypatch):
    out = folder / "out"
    run(design(folder), out)
    real = identity.version_of
    monkeypatch.setattr(identity, "version_of", lambda n: "9.9" if n == "scipy" else real(n))
    with pytest.raises(JournalError, match=r"scipy 1\.[0-9.]+ there, 9\.9 now"):
        run(design(folder), out)


def test_a_journal_without_its_code_on_record_is_refused(folder):
    out = folder / "out"
    run(design(folder), out)
    with Journal(out / "journal.sqlite") as journal:
        arms = journal.arms()
        described = design(folder).describe() | {"code": {}}
        journal.clear()
        journal.claim("x", described, arms)
        journal.add(0, [FitRecord(0, None, 0.1)])
    with pytest.raises(JournalError, match="what code it was made by is not on record"):
        run(design(folder), out)


def test_corrected_code_takes_over_a_run_without_a_fit_that_succeeded(folder):
    out = folder / "out"
    edit(folder / "mine.py", "fit = refit(data, seed)", "fit = refit(data, sed)")
    assert run(design(folder), out).fits["error"].str.contains("NameError").all()
    edit(folder / "mine.py", "fit = refit(data, sed)", "fit = refit(data, seed)")
    assert run(design(folder), out).fits["error"].isna().all()
    with pytest.raises(JournalError, match=r"draws: 200 there, 300 now"):
        run(design(folder, draws=300), out)


def test_complete_is_written_last_and_tables_are_of_their_own_simulations(folder, monkeypatch):
    out = folder / "out"
    run(design(folder, 10), out, export=True)

    def killed(*_):
        raise KeyboardInterrupt

    for owner, cut, shown in (
        (engine, "outcomes", "10 simulations"),
        (engine, "write_records", None),
        (export, "table_makers", None),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, cut, killed)
            with pytest.raises(KeyboardInterrupt):
                run(design(folder, 15), out, export=True)
        assert not Result(out).manifest["complete"]
        done = invoke("show", out)
        assert "15 simulations, seed" not in done.output
        if shown:
            assert f"{shown}, seed" in done.output
            assert "A run of 15 simulations has not ended" in done.output.replace("\n", " ")
        else:
            assert done.exit_code == 2
            assert "before its tables were written; run the same command again" in done.output
    run(design(folder, 15), out, export=True)
    assert "15 simulations, seed" in invoke("show", out).output


@pytest.mark.slow
def test_a_run_killed_while_it_exports_shows_no_old_verdicts(folder):
    out = folder / "out"
    run(design(folder, 10), out, export=True)
    code = (
        "import os, signal\n"
        "from hiercal.cli import main\n"
        "from hiercal.tables import export\n"
        "export.table_makers = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"main(['run', {str(folder / 'run.toml')!r}, '--out', {str(out)!r}, '--workers', '0'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(pd.read_parquet(out / "fits.parquet")) == 20
    shown = invoke("show", out)
    assert shown.exit_code == 2
    assert "calibrated" not in shown.output
    assert os.path.exists(out / "verdicts.csv")


def test_an_extension_says_what_looking_does(folder, capsys):
    out = folder / "out"
    run(design(folder, 10), out, export=True, progress=True)
    assert "false alarms" not in capsys.readouterr().err
    run(design(folder, 12), out, progress=True)
    assert "12 % of runs" in capsys.readouterr().err
    assert "12 % with five looks" in " ".join(invoke("run", "--help").output.split())


def test_a_manifest_of_an_earlier_layout_is_told_and_is_no_obstacle(folder):
    """As in a checkout, where tables and manifests are committed, and journals are not."""
    out = folder / "out"
    out.mkdir()
    old = {"name": "run", "complete": True, "arms": ["a/b"], "roles": {}, "study": {}}
    (out / "manifest.json").write_text(json.dumps(old | {"versions": {"python": "3.12"}}))
    shown = invoke("show", str(out))
    assert shown.exit_code == 2
    assert "another version of hiercal" in shown.output
    assert len(run(design(folder, 5), out).fits) == 5


def test_another_processor_is_noted_and_both_are_kept(folder, capsys, monkeypatch):
    out = folder / "out"
    run(design(folder, 5), out)
    first = Result(out).manifest["versions"]
    other = {"cpu": "Abacus", "instructions": "beads"}
    monkeypatch.setattr(manifest, "processor", lambda: other)
    result = run(design(folder, 6), out, progress=True)
    noted = capsys.readouterr().err
    assert f"cpu {first['cpu']} -> Abacus" in noted
    assert result.manifest["earlier_versions"] == [first]
    assert result.manifest["versions"] == first | other


def test_the_processor_is_read(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("model name\t: Some CPU @ 3 GHz\nflags\t\t: sse2 avx avx2 fma\n")
    assert manifest.processor(path) == {"cpu": "Some CPU @ 3 GHz", "instructions": "avx2"}
    path.write_text("Features\t: fp asimd sve\n")
    assert manifest.processor(path)["instructions"] == "sve"
    assert manifest.processor(tmp_path / "none")["instructions"] == "unknown"


def test_versions_are_of_all_that_is_required_or_can_be_used():
    found = manifest.versions()
    for name in ("statsmodels", "pandas", "xarray", "zarr", "pyarrow", "matplotlib", "jaxlib"):
        assert name in found
    assert "pytest" not in found


def test_a_named_study_of_a_users_file(folder):
    out = folder / "out"
    command = ("run", f"{folder}/named.py:Counting", "--out", out, "--workers", 0)
    first = invoke(*command)
    assert first.exit_code == 0, first.output
    assert "counting: taken from" in invoke(*command).output
    journal = out / "runs" / "own" / "fits.parquet"
    fits = pd.read_parquet(journal)
    edit(folder / "counted.py", 'len(results["own"].fits)', '-len(results["own"].fits)')
    remade = invoke(*command)
    assert "made again (counted.py changed)" in remade.output.replace("\n", " ")
    assert pd.read_csv(out / "fits.csv")["n"].tolist() == [-5]
    pd.testing.assert_frame_equal(pd.read_parquet(journal), fits)
    edit(folder / "mine.py", "* 1", "* 5")
    edit(folder / "counted.py", "pd.DataFrame({", "pd.DataFrame({'m': [0], ")
    refused = invoke(*command)
    assert refused.exit_code == 2
    assert "mine.py changed" in refused.output
    assert json.loads((out / "manifest.json").read_text())["complete"]
    (out / "notes.csv").write_text("mine\n")
    assert invoke(*command, "--fresh").exit_code == 0
    assert (out / "notes.csv").exists()
    assert list(pd.read_csv(out / "fits.csv")) == ["m", "n"]
    again = Result(out / "runs" / "own")
    old = fits.set_index("simulation")
    assert len(again.fits) == len(old) == 5


def test_hiercals_own_named_studies_say_that_other_code_made_them(tmp_path):
    out = tmp_path / "new_group"
    command = ("run", "new_group", "--quick", "--simulations", 20, "--out", out, "--workers", 0)
    assert invoke(*command).exit_code == 0
    path = out / "manifest.json"
    stored = manifest.read_manifest(out)
    stored["code"]["hiercal.studies.new_group.study"] = "other"
    stored["packages"]["numpy"] = "1.0"
    manifest.write_sealed(path, stored)
    done = invoke(*command)
    assert done.exit_code == 0
    said = done.output.splitlines()[0]
    assert said.startswith(f"new_group: taken from {out}, made by commit")
    assert "hiercal.studies.new_group.study changed, numpy 1.0 there," in said
    assert said.endswith("--fresh runs it again")


def test_packages_are_held_by_what_all_lists_of_files_say():
    held = metadata.packages_distributions()
    assert {name: sorted(set(identity._holders(name))) for name in held} == {
        name: sorted(set(holders)) for name, holders in held.items()
    }
