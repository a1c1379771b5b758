"""Tables for papers say what the CSV files say, to as many digits as their errors allow."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hiercal import words
from hiercal.cli import main
from hiercal.report import of_folder, tables
from hiercal.report.tables import FORMATS, PaperTable, paper_tables, write
from tests.running import run

RESULTS = Path(__file__).parents[2] / "results"
STUDIES = [path.parent.name for path in sorted(RESULTS.glob("*/claims.csv"))]
NUMBER = re.compile(r"(-?[\d.]+) \(([\d.]+)\)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, mocks_file):
    from hiercal import Run, fitter, story

    known = [fitter(f"{mocks_file}:Known", always=at) for at in (-1, 40)]
    design = Run(
        stories=[story(f"{mocks_file}:Revealing")], fitters=known, simulations=60, name="a_b%"
    )
    out = tmp_path_factory.mktemp("tables") / "run"
    run(design, out, export=True)
    return out


def invoke(*args):
    return CliRunner().invoke(main, ["tables", *map(str, args)])


def test_a_number_is_within_its_rounding_and_its_error_keeps_two_digits_or_one():
    rng = np.random.default_rng(1)
    for _ in range(2000):
        error = 10 ** rng.uniform(-6, 6)
        value = rng.normal() * error * 10 ** rng.uniform(-2, 3)
        shown = words.rounded(value, error)
        number, of_error = (float(each) for each in NUMBER.fullmatch(shown).groups())
        assert of_error == pytest.approx(error, rel=0.15)
        assert abs(number - value) <= 0.5 * error, shown
        digits = re.sub(r"^0\.0*|\.", "", NUMBER.fullmatch(shown)[2]).rstrip("0") or "0"
        assert len(digits) <= 2


def test_tables_hold_what_the_files_of_the_run_hold(folder):
    made = {table.name: table for table in paper_tables(folder)}
    coverage, cells = pd.read_csv(folder / "coverage.csv"), made["coverage"].cells
    assert cells["fits"].tolist() == coverage["n"].astype(str).tolist()
    shown = cells["coverage"].str.extract(NUMBER).astype(float)
    share = coverage["coverage"]
    error = np.sqrt(share * (1 - share) / coverage["n"])
    certain = (error == 0).to_numpy()
    assert 0 < certain.sum() < len(certain)
    np.testing.assert_allclose(shown[0][~certain], share[~certain], atol=0.5 * error.max())
    np.testing.assert_allclose(shown[1][~certain], error[~certain], rtol=0.15)
    verdicts = pd.read_csv(folder / "verdicts.csv")
    assert made["verdicts"].cells["verdict"].tolist() == verdicts["verdict"].tolist()
    for table in made.values():
        assert table.caption.endswith(
            "Run a_b%: 60 simulations of revealing, ranks among 99 draws, seed 0."
        )


def test_rows_of_some_arms_and_quantities(folder):
    (arm, *_) = pd.read_csv(folder / "verdicts.csv")["arm"]
    (table,) = paper_tables(folder, only=["coverage"], arms=[arm], quantities=["x", "g[A]"])
    # of a single story, which the caption names, an arm goes by its fitter
    assert set(table.cells["arm"]) == {arm.removeprefix("revealing/")}
    assert "60 simulations of revealing" in table.caption
    assert set(table.cells["quantity"]) == {"x", "g[A]"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--only", "nope"], "there is no table 'nope'; there are verdicts, "),
        (["--arms", "nope"], "there is no arm 'nope'; there are "),
        (["--quantities", "x,nope"], "there is no quantity 'nope'; there are x, "),
    ],
)
def test_what_is_not_there_is_named(folder, tmp_path, given, said):
    done = invoke(folder, *given, "--out", tmp_path)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_of_no_run_and_a_changed_table_are_refused(folder, tmp_path):
    assert "it is not the folder of a run" in invoke(tmp_path).stderr
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "coverage.csv").write_text("arm,quantity,coverage\nx,y,0.5\n")
    done = invoke(copy)
    assert done.exit_code == 2
    assert "coverage.csv is damaged, or was changed" in done.stderr


def test_columns_are_chosen_by_their_names_and_bring_their_errors(folder, tmp_path):
    (table,) = paper_tables(folder, only=["coverage"], columns=["coverage", "quantity", "covered"])
    assert list(table.cells.columns) == ["coverage", "quantity", "covered"]
    assert NUMBER.fullmatch(table.cells["coverage"][0])
    # of all tables, those that have any of them
    made = paper_tables(folder, columns=["verdict", "quantity"])
    chosen = {table.name: list(table.cells.columns) for table in made}
    assert chosen["verdicts"] == ["verdict", "quantity"]
    assert chosen["coverage"] == ["quantity"]
    assert "mixing" not in chosen
    done = invoke(folder, "--columns", "quantity,nope", "--out", tmp_path)
    assert done.exit_code == 2
    assert "there is no column 'nope'; there are arm, quantity," in done.stderr


def test_columns_that_are_the_same_in_all_rows_are_said_in_the_caption_of_latex(folder):
    (table,) = paper_tables(folder, only=["coverage"])
    text = table.text("latex")
    assert "In all rows: fits 60." in text
    assert "& fits &" not in text
    assert "fits" in table.text("markdown").splitlines()[2]
    (chosen,) = paper_tables(folder, only=["coverage"], columns=["arm", "quantity", "n"])
    assert "In all rows" not in chosen.text("latex")
    assert "arm & quantity & fits" in chosen.text("latex")


def test_an_error_that_is_rounding_is_none(monkeypatch, tmp_path):
    own = pd.DataFrame({"rule": ["a", "b"], "ratio": [1.0, 0.5], "ratio_se": [1.1e-18, 0.01]})
    monkeypatch.setattr(tables, "finished", lambda folder: of_folder.Finished({"t": own}, "Mine."))
    (made,) = paper_tables(tmp_path)
    assert made.cells["ratio"].tolist() == ["1", "0.500 (0.010)"]


def test_files_of_each_format(folder, tmp_path):
    formats = [part for each in FORMATS for part in ("--format", each)]
    done = invoke(folder, "--only", "bias,mixing", "--out", tmp_path, *formats)
    assert done.exit_code == 2, "there is no exact arm"
    done = invoke(folder, "--only", "mixing", "--out", tmp_path, *formats)
    assert done.exit_code == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"mixing.tex", "mixing.md", "mixing.csv"}
    lines = (tmp_path / "mixing.md").read_text().splitlines()
    assert {line.count("|") - line.count(r"\|") for line in lines[2:]} == {lines[2].count("|")}
    assert pd.read_csv(tmp_path / "mixing.csv")["mixes"].tolist() == ["yes"] * 2


@pytest.mark.parametrize("study", STUDIES)
def test_tables_of_the_studies(study):
    names = {path.stem for path in (RESULTS / study).glob("*.csv")}
    made = paper_tables(RESULTS / study)
    assert {table.name for table in made} == names
    for table in made:
        for format in FORMATS:
            assert len(table.text(format).splitlines()) > len(table.cells)
        columns = pd.read_csv(RESULTS / study / f"{table.name}.csv").columns
        errors = [name for name in columns if f"{name}_se" in columns]
        shown = "".join(table.cells.astype(str).to_numpy().ravel())
        assert NUMBER.search(shown) or not errors, (table.name, errors)


def test_a_table_of_ones_own_named_as_one_of_a_run(monkeypatch, tmp_path):
    own = pd.DataFrame({"arm": ["a"], "verdict": ["fine"], "p_holm": [0.0321], "x": [1.0]})
    whole = of_folder.Finished({"verdicts": own, "coverage": own.iloc[:, :1]}, "Mine.")
    monkeypatch.setattr(tables, "finished", lambda folder: whole)
    made, _ = paper_tables(tmp_path)
    assert made.cells.iloc[0].tolist() == ["a", "fine", "0.032", "1"]


NASTY = r"50 % of {a} & b_c # $x$ \n ~ ^ < > |"


@pytest.fixture
def nasty():
    cells = pd.DataFrame(
        {
            "arm": [NASTY, "-x"],
            "quantity": ["theta[A]", "my_%thing"],
            "a_b": ["-1.20 (0.05)", "< 1e-10"],
            "c": ["3.1e-05", "12 %"],
        }
    )
    return PaperTable("nasty", cells, (False, False, True, True), NASTY)


def test_numbers_and_names_in_latex(nasty):
    text = nasty.text("latex")
    assert r"$\theta_{A}$ & $-$1.20 (0.05) & $3.1 \times 10^{-5}$ \\" in text
    assert r"-x & my\_\%thing & $<$ $10^{-10}$ & 12 \% \\" in text
    assert r"\toprule" in text


def document(tmp_path, inputs, options=""):
    """What pdflatex says of a plain article with these files, twice, as widths need it."""
    path = tmp_path / "document.tex"
    path.write_text(
        rf"\documentclass[{options}]{{article}}\usepackage[T1]{{fontenc}}"
        r"\usepackage{array,booktabs,longtable,graphicx}\begin{document}"
        + "\n".join(rf"\input{{{name}}}\clearpage" for name in inputs)
        + r"\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name]
    for _ in range(2):
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, errors="replace"
        )
        assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


def too_wide(said):
    return [
        points for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", said) if float(points) > 3
    ]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_latex_takes_what_is_written_and_none_is_too_wide(nasty, folder, tmp_path):
    many = PaperTable("many", pd.concat([nasty.cells] * 40), nasty.numeric, nasty.caption)
    long = {f"{k} & {NASTY}": ["-1.2345 (0.0012)", "< 1e-10"] * 3 for k in range(30)}
    names = {"arm": [f"{'story_' * 6}/{'fitter-' * 9}{k}" for k in range(6)]}
    wide = PaperTable("wide", pd.DataFrame(names | long), (False, *[True] * 30), NASTY)
    paths = write([nasty, many, wide, *paper_tables(folder)], tmp_path, ["latex"])
    said = document(tmp_path, [path.name for path in paths])
    assert not too_wide(said)
    assert "Float too large" not in said


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_all_tables_of_all_studies_fit_the_text_of_an_article(tmp_path):
    inputs = []
    for study in STUDIES:
        for path in write(paper_tables(RESULTS / study), tmp_path / study, ["latex"]):
            inputs.append(f"{study}/{path.name}")
    said = document(tmp_path, inputs)
    assert not too_wide(said)
    assert "Float too large" not in said
