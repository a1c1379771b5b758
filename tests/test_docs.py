"""The documentation: its tables are the code's, and its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hiercal.runs import arms
from hiercal.runs.columns import QUANTITY, FitRecord
from hiercal.tables.meaning import COLUMNS as MEANING

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if "_build" not in page.parts
)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)")


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("records", QUANTITY),
        ("meaning", MEANING),
        ("fits", FitRecord.scalars()),
        ("arms", arms.COLUMNS),
    ],
)
def test_columns_are_those_of_the_code(name, columns):
    text = (ROOT / "docs" / "reference" / "files.md").read_text()
    table = text.partition(f"<!-- columns: {name} -->")[2].partition("<!-- end -->")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE)
    assert dict(rows) == columns
    assert [column for column, _ in rows] == list(columns)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page):
    for target, section in LINK.findall(page.read_text()):
        to = page.parent / target if target else page
        assert to.exists(), target
        if section and to.suffix == ".md":
            assert section in sections(to), f"{target}#{section}"


def sections(page):
    """Anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_pages_named_elsewhere_exist():
    """In docstrings, messages and other text, as in ``docs/how_to/ci.md``."""
    text = list(PAGES)
    for room in ("hiercal", "tests", "benchmarks", "examples"):
        text += (ROOT / room).rglob("*.py")
    for file in text:
        for page in re.findall(r"(?<![\w/])docs/[\w/]+\.md", file.read_text()):
            assert (ROOT / page).exists(), f"{file}: {page}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_story_of_ones_own_is_calibrated(tmp_path):
    text = (ROOT / "docs/how_to/python.md").read_text()
    (code,) = (
        c for c in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "class Schools" in c
    )
    (tmp_path / "mine.py").write_text(code)
    command = [sys.executable, "mine.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.count("schools/fit") == 9
    assert set(re.findall(r"\w*calibrated", done.stdout)) == {"calibrated"}
