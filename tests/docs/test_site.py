"""What the site is made with: links to files outside, loads from the net, the reference."""

import importlib.util
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

import hiercal
from hiercal import plots, tables
from tests.docs.blocks import ROOT

DOCS = ROOT / "docs"


def made(name):
    """A module of the documentation."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listed(page):
    """Names in the lists of a page of the reference, by the module that they are of."""
    found, module = {}, ""
    for line in (DOCS / "reference" / page).read_text().splitlines():
        if match := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        elif match := re.match(r"   (\w+)$", line):
            found.setdefault(module, set()).add(match[1])
        elif match := re.match(r"\.\. py:data:: ([\w.]+)\.(\w+)$", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


def test_the_reference_has_every_public_name():
    names = listed("api.md")
    assert names["hiercal"] == set(hiercal.__all__)
    assert names["hiercal.tables"] == set(tables.__all__)
    assert names["hiercal.plots"] == set(plots.__all__)


@pytest.mark.parametrize(("page", "room"), [("statistics.md", "sbc"), ("exact.md", "exact")])
def test_the_reference_has_every_module(page, room):
    package = import_module(f"hiercal.{room}")
    modules = {m.name for m in pkgutil.iter_modules(package.__path__) if m.name[0] != "_"}
    assert listed(page)[f"hiercal.{room}"] == modules


@pytest.mark.parametrize("folder", ["tutorial", "how_to", "explanation", "studies", "reference"])
def test_an_index_has_every_page(folder):
    text = (DOCS / folder / "index.md").read_text()
    for page in (DOCS / folder).glob("*.md"):
        if page.stem not in ("index", "ledger"):
            assert f"]({page.name})" in text, page


def test_links_to_the_repository_become_pages():
    pages = made("pages")
    page = DOCS / "how_to" / "ci.md"
    said = {
        "[a](../../README.md#read-on)": "[a](../project/readme.md#read-on)",
        "[a](../../examples)": "a",
        "[a](../../results/claims.csv)": "[a](../../results/claims.csv)",
        "[a](python.md)": "[a](python.md)",
        "[a](https://b.c)": "[a](https://b.c)",
    }
    for before, after in said.items():
        assert pages.linked(before, page, page) == after
    readme = "![b](results/eight_schools/figures/ranks.png) [c](docs/how_to/ci.md#options)"
    assert pages.linked(readme, ROOT / "README.md", DOCS / "project" / "readme.md") == (
        "![b](../../results/eight_schools/figures/ranks.png) [c](../how_to/ci.md#options)"
    )


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ('<script src="https://cdn.example/a.js"></script>', "https://cdn.example/a.js"),
        ('<link rel="stylesheet" href="//cdn.example/a.css">', "//cdn.example/a.css"),
        ('<img src="http://cdn.example/a.png">', "http://cdn.example/a.png"),
        ("<style>@import url('https://cdn.example/a.css');</style>", "https://cdn.example/a.css"),
        ('<p style="background: url(https://cdn.example/a.png)">', "https://cdn.example/a.png"),
        ('<a href="https://example.org">', None),
        ('<link rel="canonical" href="https://example.org/">', None),
        ('<script src="../_static/a.js"></script>', None),
        ("<p>url(https://example.org)</p>", None),
    ],
)
def test_loads_from_the_net_are_seen(text, address, tmp_path):
    offline = made("offline")
    (tmp_path / "page.html").write_text(text)
    wanted = [(Path("page.html"), address)] if address else []
    assert list(offline.far_loads(tmp_path)) == wanted


def test_fonts_from_the_net_are_seen(tmp_path):
    offline = made("offline")
    (tmp_path / "a.css").write_text("@font-face {src: url(https://cdn.example/a.woff2)}")
    assert [address for _, address in offline.far_loads(tmp_path)] == [
        "https://cdn.example/a.woff2"
    ]


def test_importing_hiercal_needs_no_sphinx():
    import subprocess
    import sys

    code = (
        "import hiercal.cli, sys; assert not {'sphinx', 'myst_nb', 'numpydoc'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
