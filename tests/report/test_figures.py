"""Figures for papers: as wide as a column, captions that say what they are of, arms as ever."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from matplotlib.colors import to_hex

from hiercal import Run, fitter, plots, story
from hiercal.cli import main
from hiercal.report import tables
from hiercal.report.figures import paper_figures, write
from hiercal.report.latex import mixed_in_latex
from hiercal.runs.manifest import read_manifest
from tests.running import run

pytestmark = pytest.mark.figures

RESULTS = Path(__file__).parents[2] / "results"
STUDIES = sorted(path.parent.parent.name for path in RESULTS.glob("*/figures/*.png"))
STUDIES = [name for name in dict.fromkeys(STUDIES) if (RESULTS / name / "claims.csv").exists()] + [
    "calibration"
]
ARMS = [f"revealing/known[always={at}]" for at in (-1, 40, 60)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, mocks_file):
    known = [fitter(f"{mocks_file}:Known", always=at) for at in (-1, 40, 60)]
    design = Run(
        stories=[story(f"{mocks_file}:Revealing")], fitters=known, simulations=60, seed=3, name="p"
    )
    out = tmp_path_factory.mktemp("figures") / "run"
    run(design, out, export=True)
    return out


def invoke(*args):
    return CliRunner().invoke(main, ["figures", *map(str, args)])


def width(figure):
    return figure.get_size_inches()[0]


def notes(figure):
    return [text for text in figure.texts if text.get_gid() == "note"]


@pytest.mark.parametrize(("columns", "inches"), [(1, 3.4), (2, 7.0)])
def test_all_figures_are_as_wide_as_they_are_asked_for(folder, columns, inches):
    made = paper_figures(folder, columns=columns)
    assert {one.name for one in made} >= {
        *("ranks", "ecdf", "coverage", "coverage_difference", "recovery", "zscore_contraction"),
        *("evidence", "forest", "shrinkage"),
    }
    for one in made:
        assert width(one.figure) == pytest.approx(inches), one.name
        assert not notes(one.figure)
        boxes = [axes.get_position() for axes in one.figure.axes]
        assert min(box.width * inches for box in boxes) > 0.7, one.name
        assert all(box.x0 >= 0 and box.x1 <= 1 and box.y0 >= 0 and box.y1 <= 1 for box in boxes)


def test_captions_say_of_how_many_simulations_with_which_band_and_seed(folder):
    (ecdf,) = paper_figures(folder, only=["ecdf"])
    for part in ("N = 60 simulations of revealing", "L = 99 draws", "95 %", "Seed 3."):
        assert part in ecdf.caption
    (screen,) = paper_figures(folder, only=["ecdf"], style="screen")
    (note,) = notes(screen.figure)
    assert " ".join(note.get_text().split()) == screen.figure.get_label()
    assert ecdf.figure.get_label() == screen.figure.get_label()


def test_a_form_ends_with_its_block(folder):
    records = pd.read_parquet(folder / "records.parquet")
    before = plots.rank_histogram(records, ["x", "g[A]"])
    with plots.form(columns=1, notes=False):
        assert width(plots.rank_histogram(records, ["x", "g[A]"])) == pytest.approx(3.4)
    after = plots.rank_histogram(records, ["x", "g[A]"])
    assert width(before) == width(after) == pytest.approx(7.0)
    assert notes(after)
    with pytest.raises(ValueError, match="columns is 3; give 1 or 2"), plots.form(3):
        pass


def colours(figure):
    return {
        line.get_gid(): to_hex(line.get_color())
        for axes in figure.axes
        for line in axes.lines
        if str(line.get_gid()).startswith("known")
    }


def test_an_arm_looks_the_same_whichever_others_are_shown(folder):
    (whole,) = paper_figures(folder, only=["ecdf"])
    (some,) = paper_figures(folder, only=["ecdf"], arms=ARMS[:0:-1], quantities=["x"])
    assert list(colours(some.figure)) == ["known[always=60]", "known[always=40]"]
    assert len(some.figure.axes) == 1
    every = colours(whole.figure)
    assert len(set(every.values())) == 3
    assert colours(some.figure).items() <= every.items()


def funnel_draws(n):
    rng = np.random.default_rng(1)
    scale = rng.lognormal(size=50)
    panel = {"scale": scale, "group": rng.normal(size=50), "diverging": scale < 0, "title": "a"}
    return [[panel] * n, [panel] * n]


def test_a_funnel_of_many_arms_goes_down_a_column():
    with plots.form(columns=1):
        turned = plots.funnel(funnel_draws(4), ["one", "other"])
        few = plots.funnel(funnel_draws(2), ["one", "other"])
    assert turned.axes[0].get_subplotspec().get_gridspec().get_geometry() == (4, 2)
    assert few.axes[0].get_subplotspec().get_gridspec().get_geometry() == (2, 2)
    assert "shared within a column" in turned.get_label()
    wide = plots.funnel(funnel_draws(4), ["one", "other"])
    assert wide.axes[0].get_subplotspec().get_gridspec().get_geometry() == (2, 4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--only", "nope"], "there is no figure 'nope'; there are ranks, "),
        (["--arms", "nope"], "there is no arm 'nope'; there are revealing/known"),
        (["--quantities", "x,nope"], "there is no quantity 'nope'; there are x, "),
        (["--columns", "3"], "3 is not in the range 1<=x<=2"),
    ],
)
def test_what_is_not_there_is_named(folder, tmp_path, given, said):
    done = invoke(folder, *given, "--out", tmp_path)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not list(tmp_path.iterdir())


def test_files_for_a_paper_and_for_a_screen(folder, tmp_path):
    done = invoke(folder, "--only", "ranks", "--quantities", "x", "--out", tmp_path / "a")
    assert done.exit_code == 0, done.stderr
    assert {path.name for path in (tmp_path / "a").iterdir()} == {"ranks.pdf", "ranks.tex"}
    label = f"fig:{folder.name}-ranks"
    assert rf"\label{{{label}}}" in (tmp_path / "a" / "ranks.tex").read_text()
    content = (tmp_path / "a" / "ranks.pdf").read_bytes()
    assert b"/FontFile2" in content, "fonts are embedded"
    done = invoke(folder, "--only", "ranks", "--style", "screen", "--format", "png", "--out",
                  tmp_path / "b")  # fmt: skip
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"ranks.png"}
    assert "is not the folder of a run" in invoke(tmp_path).stderr


@pytest.mark.parametrize("columns", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("study", STUDIES)
def test_figures_of_studies_are_drawn_anew_as_wide_as_they_are_asked_for(study, columns):
    made = paper_figures(RESULTS / study, columns=columns)
    options = read_manifest(RESULTS / study)["options"]
    listed = {path.stem for path in (RESULTS / study / "figures").glob("*.png")}
    assert {one.name for one in made} == listed
    for one in made:
        assert width(one.figure) == pytest.approx({1: 3.4, 2: 7.0}[columns]), one.name
        assert not notes(one.figure)
        assert one.figure.get_figheight() < 8
        assert f"Study {study}" in one.caption
        assert "seed 20" in one.caption or study == "chapter"
        for option in ("simulations", "chains", "draws"):
            if option in options:
                assert f"{option} = {options[option]}" in one.caption


def test_figures_of_a_study_have_no_arms_to_choose_and_are_named(tmp_path):
    done = invoke(RESULTS / "funnel", "--only", "bias", "--arms", "x", "--out", tmp_path)
    assert done.exit_code == 2
    assert "whose figures are drawn whole; leave arms and quantities out" in done.stderr
    done = invoke(RESULTS / "funnel", "--only", "ecdf", "--out", tmp_path)
    assert done.exit_code == 2
    assert "there is no figure 'ecdf'; there are rubin, funnel, bias, divergences" in done.stderr


def copied(study, tmp_path, change):
    """A study's folder with its manifest changed, without the seal that would tell."""
    folder = tmp_path / study
    shutil.copytree(RESULTS / study, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    manifest.pop("seal", None)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(study="mine"), "is of the study mine, which is none of hiercal's"),
        (lambda m: m["options"].update(old=1), "were made by another version (unknown option"),
        (lambda m: m.update(complete=False), "funnel has not ended"),
    ],
)
def test_a_study_that_cannot_be_drawn_says_why(tmp_path, change, said):
    done = invoke(copied("funnel", tmp_path, change), "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_table_that_a_figure_needs_is_missed_in_a_sentence(tmp_path):
    folder = copied("funnel", tmp_path, lambda m: m.update(files=["bias.csv"], hashes={}))
    done = invoke(folder, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "were made by another version (they lack 'draws')" in done.stderr


@pytest.mark.usefixtures("unrendered")
def test_a_run_in_which_every_fit_failed_has_figures_that_say_so(tmp_path, mocks_file):
    """And that of one data set is of one that was fitted."""
    never = fitter(f"{mocks_file}:Known", raises=1.0)
    some = fitter(f"{mocks_file}:Known", raises=0.4)
    stories = [story(f"{mocks_file}:Revealing")]
    run(Run(stories=stories, fitters=[never], simulations=6), tmp_path / "never", export=True)
    made = {one.name: one for one in paper_figures(tmp_path / "never", columns=1)}
    assert "forest" not in made
    assert "Failed fits are left out" in made["ecdf"].caption
    assert "Up to 6 fits of an arm failed." in made["evidence"].caption
    run(Run(stories=stories, fitters=[never, some], simulations=6), tmp_path / "some", export=True)
    (forest,) = paper_figures(tmp_path / "some", only=["forest"])
    assert "Failed on it: known" in forest.caption


@pytest.fixture(scope="module")
def ten_arms(tmp_path_factory, mocks_file):
    """Ten arms, one with a name of more letters than a line has."""
    known = [fitter(f"{mocks_file}:Known", always=at) for at in range(10)]
    design = Run(stories=[story(f"{mocks_file}:Revealing")], fitters=known, simulations=20, seed=3)
    out = tmp_path_factory.mktemp("ten") / "run"
    run(design, out, export=True)
    return out


def test_more_arms_than_can_be_told_apart_come_in_pages(ten_arms):
    made = paper_figures(ten_arms, columns=1, only=["ecdf", "evidence"], quantities=["x"])
    assert [one.name for one in made] == ["ecdf-1", "ecdf-2", "evidence-1", "evidence-2"]
    shown = [list(colours(one.figure)) for one in made[:2]]
    assert [len(arms) for arms in shown] == [5, 5]
    assert not set(shown[0]) & set(shown[1])
    written = {path.name for path in (ten_arms / "figures").iterdir()}
    assert {"ecdf-1.png", "ecdf-2.png"} <= written
    assert not (ten_arms / "not_made.csv").exists()


def test_more_panels_than_a_page_has_room_for_come_in_pages(ten_arms):
    made = paper_figures(ten_arms, columns=1, only=["ranks"])
    assert len(made) > 1
    assert all(one.figure.get_figheight() < 8 for one in made)


def test_a_figure_that_is_too_high_is_refused_in_python(ten_arms):
    records = pd.read_parquet(ten_arms / "records.parquet")
    with plots.form(columns=1), pytest.raises(plots.TooMuch, match="draw fewer quantities in eac"):
        plots.rank_histogram(records, list(records["quantity"].unique()))
    assert plots.rank_histogram(records, list(records["quantity"].unique())).axes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"a_b costs 5 \$ or $\pm 1$ of 5 %", r"a\_b costs 5 \$ or $\pm 1$ of 5 \%"),
        (r"\$x\$ < y", r"\$x\$ \textless{} y"),
        ("plain", "plain"),
    ],
)
def test_captions_keep_mathematics_and_escape_the_rest(text, shown):
    assert mixed_in_latex(text) == shown


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_an_article_takes_figures_and_tables_of_a_run_and_of_a_study(folder, tmp_path):
    study = RESULTS / "funnel"
    paths = [
        *write(paper_figures(folder, columns=1), tmp_path / "run", ["pdf"], captions=True),
        *write(
            paper_figures(study, columns=2, only=["bias"]), tmp_path / "own", ["pdf"], captions=True
        ),
        *tables.write(tables.paper_tables(folder), tmp_path / "run" / "tables", ["latex"]),
        *tables.write(tables.paper_tables(study, only=["ess"]), tmp_path / "own", ["latex"]),
    ]
    inputs = [
        rf"\graphicspath{{{{{path.parent.relative_to(tmp_path)}/}}}}"
        rf"\input{{{path.relative_to(tmp_path)}}}\clearpage"
        for path in paths
        if path.suffix == ".tex"
    ]
    document = tmp_path / "document.tex"
    document.write_text(
        r"\documentclass[twocolumn]{article}\usepackage[T1]{fontenc}"
        r"\usepackage{array,booktabs,longtable,graphicx}"
        r"\usepackage[textwidth=7.05in,textheight=9in,columnsep=.2in]{geometry}\begin{document}"
        + "\n".join(each for each in inputs if "/tables/" not in each and "ess" not in each)
        + r"\onecolumn "
        + "\n".join(each for each in inputs if "/tables/" in each or "ess" in each)
        + r"\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", document.name]
    for _ in range(2):  # the second knows the widths of long tables
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, errors="replace"
        )
        assert done.returncode == 0, done.stdout[-2000:]
    wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", done.stdout)]
    assert not [points for points in wide if points > 5]
    assert "Float too large" not in done.stdout
    assert "multiply defined" not in done.stdout, "bias is a figure of both"
    assert r"\begin{figure*}" in (tmp_path / "own" / "bias.tex").read_text()
