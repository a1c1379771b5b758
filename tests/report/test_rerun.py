"""A rerun says what is the same to the bit, and is right about the rest."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile

import pandas as pd
import pytest

from hiercal.report import _expected, _zip
from hiercal.runs import batches
from tests.report.archives import COINS, EXACT, archived, done, full, place, rerun

MOCK = """
simulations = 60
stories = [{ name = "mocks.py:Revealing" }]
fitters = [%s]
"""


@pytest.fixture(scope="module")
def quick():
    """Runs write their tables, but neither figures nor the store of ArviZ."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hiercal.tables.export.figure_makers", lambda _: {})
        patch.setattr("hiercal.tables.export._store", lambda _: [])
        yield


@pytest.fixture(scope="module")
def own(tmp_path_factory, quick):
    """An archive of a story and a fitter of a user's own."""
    return archived(place(tmp_path_factory.mktemp("own") / "p"))


@pytest.fixture(scope="module")
def exact(tmp_path_factory, quick):
    """An archive of exact fits."""
    return archived(place(tmp_path_factory.mktemp("exact") / "p", our__toml=EXACT))


def found(out):
    return json.loads((out / "rerun.json").read_text())


def test_what_repeats_is_the_same_to_the_bit(own, tmp_path):
    again = rerun(own, tmp_path / "out", "--yes")
    assert again.exit_code == 0, again.output
    assert "Everything is the same, to the bit." in again.output
    (row,) = pd.read_csv(tmp_path / "out" / "rerun.csv").to_dict("records")
    assert row["verdict"] == "to the bit"
    kinds = ("fits", "same", "truths", "data", "ranks", "estimates", "statistics")
    assert {row[kind] for kind in kinds} == {60}
    assert rerun(own, tmp_path / "out", "--yes").exit_code == 0, "the same command again"


@pytest.mark.parametrize(
    ("planted", "code", "said"),
    [
        ("noise", 0, "agrees as well as can be expected"),
        ("rounding", 0, "the same but for rounding, of at most"),
        ("shifted", 1, "the posterior mean of theta differs by more than chance"),
        ("wide", 1, "the posterior sd of theta differs by more than chance"),
        ("failing", 1, "the share of failed fits differs by more than chance"),
    ],
)
def test_a_fitter_that_does_not_repeat(own, tmp_path, monkeypatch, planted, code, said):
    """Planted: other random numbers; draws with other last digits, 0.3 sd too high, or 1.2 times
    too wide; failures.
    """
    monkeypatch.setenv("PLANTED", planted)
    again = rerun(own, tmp_path / "out", "--yes")
    assert again.exit_code == code, again.output
    assert said in again.output
    if planted == "noise":
        assert "a fitter of your own, which may not follow its seed" in again.output
    (row,) = found(tmp_path / "out")["arms"]
    assert (row["truths"], row["data"]) == (60, 60)
    assert row["same"] < 60


@pytest.fixture
def other_seeds(monkeypatch):
    """Samplers get other seeds than they had."""
    seed = batches.sampler_seed
    monkeypatch.setattr(batches, "sampler_seed", lambda *key: seed(*key) ^ 1)


def test_exact_fits_that_do_not_repeat_are_a_disagreement(exact, tmp_path, other_seeds):
    again = rerun(exact, tmp_path / "out")
    assert again.exit_code == 1, again.output
    assert "its fits should repeat to the bit" in " ".join(again.output.split())
    assert found(tmp_path / "out")["arms"][0]["p_holm"] > 0.01


@pytest.mark.parametrize(
    ("name", "changed"),
    [("other_machine", ["instructions avx512 there, neon here"]),
     ("other_code", ["numpy 2.0 there, 3.0 here"])],
)  # fmt: skip
def test_another_machine_or_version_excuses_them(
    exact, tmp_path, other_seeds, monkeypatch, name, changed
):
    monkeypatch.setattr(_expected, name, lambda *_: changed)
    again = rerun(exact, tmp_path / "out")
    assert again.exit_code == 0, again.output
    (row,) = found(tmp_path / "out")["arms"]
    assert (row["verdict"], row["why"]) == ("agrees", changed[0])
    assert 0 < row["detectable_shift"] < 0.2


def test_other_data_are_a_disagreement_unless_excused(exact, tmp_path, monkeypatch):
    """Planted: the generator of the simulations is another one."""
    from hiercal.runs import fit

    stream = fit.stream
    monkeypatch.setattr(fit, "stream", lambda seed, *key: stream(seed + 1, *key))
    again = rerun(exact, tmp_path / "out")
    assert again.exit_code == 1
    assert "draws from more than its generator" in " ".join(again.output.split())
    monkeypatch.setattr(_expected, "other_code", lambda *_: ["numpy 2.0 there, 3.0 here"])
    again = rerun(exact, tmp_path / "out")
    assert again.exit_code == 0, again.output
    (row,) = found(tmp_path / "out")["arms"]
    assert (row["verdict"], row["truths"], row["data"]) == ("agrees", 0, 0)


def test_fewer_simulations_and_then_all(exact, tmp_path):
    again = rerun(exact, tmp_path / "out", "--simulations", 25)
    assert again.exit_code == 0
    assert "Only 25 simulations were run again" in again.output
    assert found(tmp_path / "out")["arms"][0]["fits"] == 25
    assert rerun(exact, tmp_path / "out").exit_code == 0
    assert found(tmp_path / "out")["arms"][0]["fits"] == 40
    fewer = rerun(exact, tmp_path / "out", "--simulations", 25)
    assert (fewer.exit_code, "holds a rerun of 40 simulations" in fewer.stderr) == (2, True)


def test_too_few_fits_say_nothing(exact, tmp_path, other_seeds, monkeypatch):
    monkeypatch.setattr(_expected, "other_machine", lambda *_: ["instructions"])
    again = rerun(exact, tmp_path / "out", "--simulations", 5)
    assert again.exit_code == 3
    assert "Too few fits to say" in again.output


def test_own_code_is_run_only_when_allowed(own, tmp_path):
    refused = rerun(own, tmp_path / "out")
    assert refused.exit_code == 2
    for text in ("archive/source/line.py", "archive/source/helper.py", "give --yes"):
        assert text in refused.stderr
    assert not (tmp_path / "out" / "rerun").exists()
    assert rerun(own, tmp_path / "out", "--yes").exit_code == 0


def test_code_that_is_changed_after_unpacking_is_not_run(own, tmp_path):
    rerun(own, tmp_path / "out")
    (tmp_path / "out" / "archive" / "source" / "line.py").write_text("raise SystemExit\n")
    refused = rerun(own, tmp_path / "out", "--yes")
    assert (refused.exit_code, "source/line.py is damaged" in refused.stderr) == (2, True)


def test_a_flipped_byte_anywhere_is_told(own, tmp_path):
    """But where it changes nothing, as in the bits that fill the last byte of a compressed file."""
    data = own.read_bytes()
    with zipfile.ZipFile(own) as file:
        held = [(info.header_offset + 30 + len(info.filename.encode()), info.compress_size)
                for info in file.infolist()]  # fmt: skip
        whole = {info.filename.partition("/")[2]: file.read(info) for info in file.infolist()}
    bad, out, told = tmp_path / "bad.zip", tmp_path / "out", 0
    for start, size in held:
        for at in (start, start + size // 2, start + size - 1):
            spoilt = bytearray(data)
            spoilt[at] ^= 0x10
            bad.write_bytes(spoilt)
            try:
                _zip.unpack(bad, out)
            except _zip.BadArchive:
                told += 1
                assert not out.exists()
                continue
            there = {path.relative_to(out).as_posix(): path.read_bytes()
                     for path in out.rglob("*") if path.is_file()}  # fmt: skip
            assert there == whole
            shutil.rmtree(out)
    assert told >= 2 * len(held)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.zip"]


def remade(archive, path, change):
    """The archive with other files, its checksums made again or not."""
    with zipfile.ZipFile(archive) as file:
        files = {info.filename: file.read(info) for info in file.infolist()}
    change(files)
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            if isinstance(name, zipfile.ZipInfo) or isinstance(content, bytes):
                file.writestr(name, content)
    return path


def link(files):
    info = zipfile.ZipInfo("our/source/line.py")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    del files["our/source/line.py"]
    files[info] = b"/etc/passwd"


def later(files):
    content = json.loads(files["our/archive.json"]) | {"layout": 2}
    files["our/archive.json"] = json.dumps(content).encode()
    resum(files)


def resum(files):
    import hashlib

    sums = {name.partition("/")[2]: hashlib.sha256(content).hexdigest()
            for name, content in files.items() if not name.endswith("CHECKSUMS")}  # fmt: skip
    files["our/CHECKSUMS"] = _zip.checksums(sums).encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.update({"our/../../x": b""}), "leads out of its folder"),
        (lambda f: f.update({"/our/x": b""}), "leads out of its folder"),
        (lambda f: f.update({"our/C:x": b""}), "leads out of its folder"),
        (link, "which is no plain file"),
        (later, "has layout 2, and this version of hiercal reads 1"),
        (lambda f: f.pop("our/CHECKSUMS"), "it lacks CHECKSUMS"),
        (lambda f: f.update({"other/x": b""}), "no archive that hiercal archive wrote"),
        (lambda f: f.pop("our/source/line.py"), "source/line.py is missing"),
        (lambda f: f.update({"our/source/more.py": b""}), "source/more.py does not belong there"),
        (lambda f: f.update({"our/results/verdicts.csv": b"arm\n"}), "verdicts.csv is damaged"),
        (lambda f: f.update({"our/CHECKSUMS": b"\xff"}), "CHECKSUMS cannot be read"),
        (lambda f: (f.pop("our/archive.json"), resum(f)), "archive.json cannot be read"),
    ],
)
def test_archives_that_are_not_used(own, tmp_path, change, said):
    bad = remade(own, tmp_path / "bad.zip", change)
    refused = rerun(bad, tmp_path / "a" / "out", "--yes")
    assert refused.exit_code == 2, refused.output
    assert said in refused.stderr
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "a" / "out" / "rerun").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda data: data[: len(data) // 2], "is damaged or cut short"),
        (lambda data: data[:-1], "is damaged or cut short"),
        (lambda data: b"", "it is empty"),
        (lambda data: b"simulations = 3\n" * 50, "is no zip file"),
    ],
)
def test_what_is_no_whole_zip_file(own, tmp_path, content, said):
    bad = tmp_path / "bad.zip"
    bad.write_bytes(content(own.read_bytes()))
    refused = rerun(bad, tmp_path / "out", "--yes")
    assert (refused.exit_code, said in refused.stderr) == (2, True), refused.output
    assert [path.name for path in tmp_path.iterdir()] == ["bad.zip"]


def test_other_mistakes(own, exact, tmp_path):
    assert "is no file; give one" in rerun(tmp_path, tmp_path / "out").stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    assert "give another --out" in rerun(own, tmp_path / "mine").stderr
    rerun(own, tmp_path / "out")
    refused = rerun(exact, tmp_path / "out")
    assert (refused.exit_code, "of a rerun of this archive" in refused.stderr) == (2, True)


def test_an_archive_without_its_design_and_missing_packages(own, tmp_path, monkeypatch, quick):
    folder = own.parent
    done("archive", "made", "--results-only", "--out", tmp_path / "r.zip", at=folder)
    refused = rerun(tmp_path / "r.zip", tmp_path / "r")
    assert (refused.exit_code, "no design" in refused.stderr) == (2, True)
    monkeypatch.setattr(_expected.identity, "version_of", lambda name: None)
    refused = rerun(own, tmp_path / "out", "--yes")
    assert refused.exit_code == 2
    assert "this archive needs" in refused.stderr
    assert "numpy==" in refused.stderr


def test_a_rerun_that_is_killed_goes_on(tmp_path, mocks_file, quick):
    folder = place(
        tmp_path / "p",
        our__toml=MOCK % '{ name = "mocks.py:Known", seconds = 0.1 }',
        mocks__py=mocks_file.read_text(),
    )
    packed = archived(folder)
    shutil.rmtree(folder / "made")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "hiercal.cli", "rerun", packed, "--yes", "--workers", "0"]
    process = subprocess.Popen([*map(str, command), "--out", str(out)], stdout=subprocess.DEVNULL)
    journal = out / "rerun" / "journal.sqlite"
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        if journal.exists() and journal.stat().st_size > 40_000:
            break
        time.sleep(0.05)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    again = rerun(packed, out, "--yes")
    assert again.exit_code == 0, again.output
    assert found(out)["verdict"] == "to the bit"


def test_fits_that_all_fail_are_the_same_if_they_fail_again(tmp_path, mocks_file, quick):
    folder = place(
        tmp_path / "p",
        our__toml=MOCK % '{ name = "mocks.py:Known", raises = 1.0 }, { name = "mocks.py:Known" }',
        mocks__py=mocks_file.read_text(),
    )
    packed = archived(folder)
    again = rerun(packed, tmp_path / "out", "--yes")
    assert again.exit_code == 0, again.output
    assert {row["verdict"] for row in found(tmp_path / "out")["arms"]} == {"to the bit"}
    assert found(tmp_path / "out")["arms"][0]["failed_now"] == 60


def test_fits_that_the_machine_ended_are_left_out_and_counted(exact, tmp_path, monkeypatch):
    """Planted: every second fit of the rerun ran into a limit of time."""
    from hiercal.report import agreement

    fits = agreement._fits

    def limited(result, arm, simulations):
        own = fits(result, arm, simulations)
        if "rerun" in str(result.folder):
            late = own.index % 2 == 0
            own["error"] = own["error"].mask(late, "fit: TimeLimit: planted")
        return own

    monkeypatch.setattr(agreement, "_fits", limited)
    again = rerun(exact, tmp_path / "out")
    assert again.exit_code == 0, again.output
    (row,) = found(tmp_path / "out")["arms"]
    assert (row["verdict"], row["fits"], row["left_out"]) == ("to the bit", 20, 20)
    assert "20 (+20)" in again.output


def test_pooled_ranks_of_groups_are_compared(tmp_path, quick, monkeypatch):
    packed = archived(place(tmp_path / "p", our__toml=f'groups = "summary"\n{EXACT}'))
    assert rerun(packed, tmp_path / "out").exit_code == 0
    assert found(tmp_path / "out")["verdict"] == "to the bit"
    seed = batches.sampler_seed
    monkeypatch.setattr(batches, "sampler_seed", lambda *key: seed(*key) ^ 1)
    assert rerun(packed, tmp_path / "other").exit_code == 1
    assert found(tmp_path / "other")["arms"][0]["ranks"] == 0


@pytest.mark.parametrize("size", [1_000, 100_000])
def test_a_full_disk_cannot_be_taken_for_a_disagreement(exact, tmp_path, size):
    """There is no room for what is unpacked, or for the fits."""
    with full(size):
        stopped = rerun(exact, tmp_path / "out")
    assert stopped.exit_code == 2, stopped.output
    assert "cannot be written" in stopped.stderr
    assert rerun(exact, tmp_path / "out").exit_code == 0


@pytest.mark.parametrize("by", ["coins.py:Coins", "our.toml"])
def test_a_study(tmp_path, by, monkeypatch):
    folder = place(
        tmp_path / "p", our__toml='study = "coins.py:Coins"\nflips = 50\n', coins__py=COINS
    )
    done("run", by, "--out", "made", "--workers", 0, at=folder)
    packed = archived(folder)
    with zipfile.ZipFile(packed) as file:
        names = {name.partition("/")[2] for name in file.namelist()}
    wanted = {"heads.csv", "claims.csv", "measurements.sqlite", "runs/a/records.parquet"}
    assert {f"results/{each}" for each in wanted} <= names
    again = rerun(packed, tmp_path / "out", "--yes")
    assert again.exit_code == 0, again.output
    assert "Everything is the same, to the bit." in again.output
    assert pd.read_csv(tmp_path / "out" / "tables.csv")["table"].tolist() == ["claims", "heads"]
    monkeypatch.setenv("PLANTED", "yes")
    turned = rerun(packed, tmp_path / "turned", "--yes")
    assert turned.exit_code == 1, turned.output
    assert "claim C99: holds there, fails now" in turned.output
    assert found(tmp_path / "turned")["broken_claims"] == ["C99"]


MODEL = """
import numpy as np
import numpyro
import numpyro.distributions as dist

Y = np.array([2.0, -1.0, 0.5])


def model():
    mu = numpyro.sample("mu", dist.Normal(0, 2))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    with numpyro.plate("group", 3):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, 1), obs=Y)
"""


@pytest.mark.slow
def test_a_model_of_ones_own_with_numpyro(tmp_path, quick):
    folder = place(tmp_path / "p", mine__py=MODEL)
    done("run", "mine.py:model", "--simulations", 20, "--out", "made", "--workers", 0, at=folder)
    again = rerun(archived(folder), tmp_path / "out", "--yes")
    assert again.exit_code == 0, again.output
    rows = found(tmp_path / "out")["arms"]
    assert [row["verdict"] for row in rows] == ["to the bit"] * 2
