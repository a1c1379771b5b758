"""What code a run is made by: found without running it, and told by name when it changes."""

import sys

import pytest

from hiercal import Run, catalogue, fitter, story
from hiercal.runs import identity
from hiercal.runs.source import Root, closure, code_of
from tests.running import run

FITTER = '''
"""A fitter of one's own."""
from dataclasses import dataclass
from typing import ClassVar

import helper
from hiercal.fitters.exact import Exact


@dataclass(frozen=True, kw_only=True)
class Mine(Exact):
    name: ClassVar = "mine"

    def prepare(self, story):
        from lazy import factor

        assert factor() == 2
        return helper.spoilt(super().prepare(story))
'''
HELPER = """
import dataclasses


def spoilt(refit):
    def mine(data, seed):
        fit = refit(data, seed)
        return dataclasses.replace(fit, draws={**fit.draws, "tau": fit.draws["tau"] * 1})
    return mine
"""
LAZY = """
import xarray

def factor():
    return 2
"""


@pytest.fixture
def folder(tmp_path):
    for name, text in (("mine", FITTER), ("helper", HELPER), ("lazy", LAZY)):
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "unrelated.py").write_text("import statsmodels\n")
    return tmp_path


def design(folder, **options):
    mine = fitter(f"{folder}/mine.py:Mine", draws=200)
    schools = [story("eight_schools")]
    return Run(**({"stories": schools, "fitters": [mine], "simulations": 20} | options))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_prose_and_layout_are_not_code():
    code = code_of("def f(x):\n    return 2 * x\n")
    assert code == code_of('"""Twice."""\ndef f( x ):  # twice\n    "Twice."\n    return 2*x\n')
    assert code != code_of("def f(x):\n    return 3 * x\n")
    assert code != code_of("def f(x=1):\n    return 2 * x\n")


def test_a_run_rests_on_its_files_and_what_they_import(folder):
    made_by = design(folder).describe()
    assert {"mine.py", "helper.py", "lazy.py"} <= set(made_by["code"])
    assert "unrelated.py" not in made_by["code"]
    assert {"hiercal.fitters.exact", "hiercal.runs.fit", "hiercal.sbc.ranks"} <= set(
        made_by["code"]
    )
    for shown_only in ("hiercal.plots", "hiercal.runs.engine", "hiercal.tables.verdicts"):
        assert shown_only not in made_by["code"]
    assert {"python", "numpy", "xarray"} <= set(made_by["packages"])
    assert not {"statsmodels", "pymc", "numpyro"} & set(made_by["packages"])


def test_packages_are_those_of_the_fitters_and_what_computes_for_them():
    schools = [story("eight_schools")]
    numpyro = Run(stories=schools, fitters=[fitter("numpyro")]).describe()["packages"]
    assert {"jax", "jaxlib", "numpyro"} <= set(numpyro)
    assert "pymc" not in numpyro
    pymc = Run(stories=schools, fitters=[fitter("pymc")]).describe()["packages"]
    assert {"pymc", "pytensor", "nutpie", "numba"} <= set(pymc)
    assert "numpyro" not in pymc


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("mine", "assert factor() == 2", "assert factor() > 1"),
        ("helper", 'fit.draws["tau"] * 1', 'fit.draws["tau"] * 5'),
        ("lazy", "return 2", "return 2 + 0"),
    ],
)
def test_exactly_the_file_that_changed_is_named(folder, name, old, new):
    before = design(folder)
    described = before.describe()
    edit(folder / f"{name}.py", old, new)
    after = design(folder)
    found = identity.changed(described, after.describe())
    assert found == [f"{name}.py changed"]
    assert before.digest != after.digest
    assert before.describe() == described, "it still runs what was loaded"


def test_data_that_a_file_names_count_like_its_code(tmp_path):
    (tmp_path / "scale.csv").write_text("1.0\n")
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n\n"
        "from hiercal.simulators.eight_schools import EightSchools\n\n"
        "SCALE = float((Path(__file__).parent / 'scale.csv').read_text())\n\n\n"
        "class Mine(EightSchools):\n    name = 'mine'\n"
    )

    def made_by():
        stories = [story(f"{tmp_path}/mine.py:Mine")]
        return identity.of_run(stories, [fitter("exact")])

    before = made_by()
    assert identity.changed(before, made_by()) == []
    (tmp_path / "scale.csv").write_text("50.0\n")
    assert identity.changed(before, made_by()) == ["scale.csv changed"]


def test_a_changed_version_is_told(folder, monkeypatch):
    before = design(folder).describe()
    real = identity.version_of
    changed = {"numpy": "9.9"}
    monkeypatch.setattr(identity, "version_of", lambda name: changed.get(name) or real(name))
    found = identity.changed(before, design(folder).describe())
    assert found == [f"numpy {before['packages']['numpy']} there, 9.9 now"]


def test_packages_inside_a_folder_and_names_asked_of_the_catalogue(tmp_path):
    (tmp_path / "lab" / "deep").mkdir(parents=True)
    (tmp_path / "lab" / "__init__.py").write_text("from . import a\n")
    (tmp_path / "lab" / "a.py").write_text("from .deep.b import x\n")
    (tmp_path / "lab" / "deep" / "__init__.py").write_text("")
    (tmp_path / "lab" / "deep" / "b.py").write_text("from typing import TYPE_CHECKING\nx = 1\n")
    (tmp_path / "main.py").write_text("import lab.deep.b\nfrom hiercal import fitter\n")
    files, _ = closure([(Root(tmp_path), "main")])
    names = {file.module for file in files}
    assert {"main", "lab", "lab.a", "lab.deep", "lab.deep.b"} <= names
    everything = {f"hiercal.fitters.{name}" for name in catalogue.names("fitters")}
    assert everything <= names, "any of them may be asked for by name"


def test_a_file_named_like_a_package_means_the_package(tmp_path):
    (tmp_path / "numpy.py").write_text("import numpy\n")
    files, packages = closure([(Root(tmp_path), "numpy")])
    assert [file.module for file in files] == ["numpy"]
    assert packages == {"numpy"}


def test_neighbours_are_imported_and_two_of_one_name_do_not_clash(tmp_path):
    for name, value in (("a", 1), ("b", 2)):
        folder = tmp_path / name
        (folder / "pack").mkdir(parents=True)
        (folder / "pack" / "__init__.py").write_text("")
        (folder / "pack" / "inner.py").write_text(f"number = {value}\n")
        (folder / "helper.py").write_text("import pack.inner\nnumber = pack.inner.number\n")
        text = FITTER.replace("assert factor() == 2", "").replace(
            'name: ClassVar = "mine"',
            'name: ClassVar = "mine"\n    number: ClassVar = helper.number',
        )
        (folder / "mine.py").write_text(text)
    assert catalogue.fitter_class(f"{tmp_path}/a/mine.py:Mine").number == 1
    assert catalogue.fitter_class(f"{tmp_path}/b/mine.py:Mine").number == 2
    assert not {"helper", "pack", "mine"} & set(sys.modules)
    both = Run(
        stories=[story("eight_schools")],
        fitters=[fitter(f"{tmp_path}/{n}/mine.py:Mine", draws=100 + i) for i, n in enumerate("ab")],
    )
    assert {"a/mine.py", "b/mine.py", "a/helper.py", "b/helper.py"} <= set(both.describe()["code"])


def test_an_edited_file_is_read_anew_and_an_unedited_one_is_not(folder):
    first = catalogue.fitter_class(f"{folder}/mine.py:Mine")
    assert catalogue.fitter_class(f"{folder}/mine.py:Mine") is first
    edit(folder / "helper.py", "* 1", "* 5")
    second = catalogue.fitter_class(f"{folder}/mine.py:Mine")
    assert second is not first
    (arm,) = design(folder).arms
    data = arm.story.observed
    new, old = (cls(draws=200).prepare(arm.story)(data, 1).draws["tau"] for cls in (second, first))
    assert (new == 5 * old).all()


def test_workers_import_neighbours_as_they_were_loaded(folder, tmp_path_factory):
    here = run(design(folder), tmp_path_factory.mktemp("here"))
    loaded = design(folder)
    edit(folder / "helper.py", "* 1", "* 5")
    there = run(loaded, tmp_path_factory.mktemp("there"), workers=1)
    assert there.fits["error"].isna().all()
    assert (there.records["mean"] == here.records["mean"]).all()


def test_a_file_that_is_not_python_is_one_message(tmp_path):
    (tmp_path / "bad.py").write_text("class Mine(\n")
    with pytest.raises(ValueError, match=r"bad\.py is not Python"):
        fitter(f"{tmp_path}/bad.py:Mine")
    (tmp_path / "text.txt").write_text("class Mine: pass\n")
    with pytest.raises(ValueError, match="not a Python file"):
        fitter(f"{tmp_path}/text.txt:Mine")
