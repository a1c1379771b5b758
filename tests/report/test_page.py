"""The page of a run says what its tables say, in words, and takes no name for markup."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from hiercal import Result, Run, fitter, plots, story, words
from hiercal.cli import main
from hiercal.report.page import cells
from hiercal.report.page.drawings import HIGH, WIDE, Drawings
from hiercal.report.page.methods import references
from hiercal.report.page.of_run import run_page
from hiercal.report.page.origin import command
from hiercal.report.page.render import page
from hiercal.runs.manifest import read_manifest
from tests.mocks import NASTY
from tests.running import run

ROOT = Path(__file__).parents[2]
MAX_RANK = 99


class Read(HTMLParser):
    """Elements, attributes and text of a page, without what its style and script hold."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text, self._inside = [], [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("style", "script"):
            self.text.append(data)


def text_of(html):
    return " ".join("".join(Read(html).text).split())


def invoke(*args):
    return CliRunner().invoke(main, ["report", *map(str, args)])


def planted(n=400, shift=12, seed=1):
    rng = np.random.default_rng(seed)
    return np.clip(rng.integers(0, MAX_RANK + 1, n) + shift, 0, MAX_RANK)


def records(ranks):
    return pd.DataFrame(
        {"arm": "a", "simulation": range(len(ranks)), "quantity": "mu", "status": "ok",
         "rank": ranks, "max_rank": MAX_RANK}
    )  # fmt: skip


def shared(drawings, kind):
    """What a kind of graphic shares, as its paths by class."""
    (content,) = [text for key, (_, text) in drawings._symbols.items() if key[0] == kind]
    return dict(re.findall(r'<path class="(\w)" d="([^"]*)"', content))


def line(path):
    """Points of a path of relative steps."""
    start, steps = re.fullmatch(r"M(-?\d+ -?\d+)l([-\d ]*)z?", path).groups()
    moves = np.array([start.split(), *np.array(steps.split()).reshape(-1, 2)], float)
    return np.cumsum(moves, axis=0)


def test_histogram_is_that_of_the_plots():
    ranks, drawings = planted(), Drawings()
    drawn = str(drawings.histogram(ranks, MAX_RANK))
    figure = plots.rank_histogram(records(ranks), ["mu"])
    (axes,) = figure.axes
    heights = np.array([bar.get_height() for bar in axes.patches])
    band = next(c for c in axes.collections if c.get_gid() == "band").get_datalim(axes.transData)
    drawn_band = shared(drawings, "histogram")["g"]
    top, bottom = map(float, re.fullmatch(r"M0 (\d+)H\d+V(\d+)H0z", drawn_band).groups())
    scale = (bottom - top) / band.height  # units a count
    shown = re.findall(r"M(\d+) \d+V(\d+)H\d+V\d+", drawn)
    found = {round(int(x) / WIDE * len(heights)): (HIGH - int(y)) / scale for x, y in shown}
    within = 1.5 / scale
    limit = HIGH / scale
    assert len(heights) == 20
    for i, height in enumerate(heights):
        assert found.get(i, 0) == pytest.approx(min(height, limit), abs=2 * within)
    outside = ((heights < band.y0) | (heights > band.y1)).sum()
    assert outside > 0
    assert f"{outside} outside the band" in drawn
    cut = [int(n) for n in re.findall(r">(\d+)</text>", drawn)]
    assert cut == [int(h) for h in heights if h > limit]
    plt.close(figure)


def test_ecdf_is_that_of_the_plots():
    ranks, drawings = planted(shift=3), Drawings()
    drawn = str(drawings.ecdf(ranks, MAX_RANK))
    figure = plots.ecdf_difference(records(ranks), ["mu"])
    (axes,) = figure.axes
    (curve,) = [each for each in axes.lines if each.get_gid() == "a"]
    points = line(re.search(r'<path class="l" d="([^"]*)"', drawn)[1])
    band = next(c for c in axes.collections if c.get_gid() == "band").get_datalim(axes.transData)
    shown = line(shared(drawings, "ecdf")["g"])
    units = np.ptp(shown[:, 1]) / band.height
    np.testing.assert_allclose(points[:, 0] / WIDE, curve.get_xdata(), atol=0.6 / WIDE)
    np.testing.assert_allclose(
        (HIGH / 2 - points[:, 1]) / units, curve.get_ydata(), atol=0.02 * np.ptp(curve.get_ydata())
    )
    assert "leaves the band" in drawn
    assert "stays inside the band" in str(drawings.ecdf(planted(shift=0), MAX_RANK))


def test_coverage_is_that_of_the_plots():
    ranks, drawings = planted(), Drawings()
    drawn = str(drawings.coverage(ranks, MAX_RANK))
    figure = plots.coverage_difference(records(ranks), ["mu"])
    (axes,) = figure.axes
    markers = next(each for each in axes.lines if len(each.get_xdata()) > 2)
    dots = np.array(re.findall(r"M(\d+) (-?\d+)h0", drawn), float)
    of_bars = re.search(r'"l" d="([^"]*)"', drawn)[1]
    bars = np.array(re.findall(r"M\d+ (-?\d+)V(-?\d+)", of_bars), float)
    limit = float(re.search(r">\+([\d.]+)<", str(drawings.symbols()))[1])
    order = np.argsort(markers.get_xdata())
    deviation = limit * (1 - 2 * dots[:, 1] / HIGH)
    np.testing.assert_allclose(
        np.sort(100 * dots[:, 0] / WIDE), markers.get_xdata()[order], atol=0.3
    )
    np.testing.assert_allclose(
        deviation[np.argsort(dots[:, 0])], markers.get_ydata()[order], atol=2 * limit / HIGH
    )
    (segments,) = [c.get_segments() for c in axes.collections if len(c.get_segments()) > 2]
    lengths = sorted(abs(s[1][1] - s[0][1]) for s in segments)
    ours = sorted(2 * limit / HIGH * np.abs(np.diff(bars, axis=1)).ravel())
    np.testing.assert_allclose(ours, lengths, atol=3 * limit / HIGH)


def test_many_ranks_are_drawn_by_their_extremes():
    ranks = np.random.default_rng(2).integers(0, 1000, 300)
    drawn = str(Drawings().ecdf(ranks, 999))
    points = line(re.search(r'<path class="l" d="([^"]*)"', drawn)[1])
    assert WIDE < len(points) <= 4 * (WIDE + 1)
    assert points[-1].tolist() == [WIDE, HIGH / 2]
    assert len(drawn) < 8000


def test_the_first_screen_says_the_verdict_in_words(finished):
    html = page(finished.folder)
    first = text_of(html.partition("<nav")[0])
    assert "1 of 5 arms is miscalibrated. Every fit of 1 arm failed. 1 of 5 arms is" in first
    assert "2 of 5 arms are calibrated, as far as this run can see." in first
    assert "chains do not mix, or could not be checked, in 1 arm" in first
    assert "at most 5 % of such runs would call any of the 20 quantities" in first
    assert "Smallest error that would have been found, with probability 0.9" in first
    assert re.search(r"\d+ fits failed: fit: ArithmeticError: planted failure", first)
    assert 'class="state bad"' in html
    rows = {row.name: row for row in run_page(finished.folder).arms}
    assert rows[finished.arms["lost"]].failed == "60 of 60"
    assert rows[finished.arms["lost"]].finds == "nothing"
    meaning = pd.read_csv(finished.folder / "meaning.csv")
    wrong = rows[finished.arms["wrong"]]
    assert wrong.shift.startswith(f"{meaning['shift'].iloc[0]:+.2f} (")
    assert [row.verdict for row in rows.values()] == [
        "miscalibrated", "inconclusive", "inconclusive", "calibrated", "calibrated"
    ]  # fmt: skip


def test_cells_hold_what_the_tables_hold(finished):
    grid = run_page(finished.folder).grid
    verdicts = pd.read_csv(finished.folder / "verdicts.csv").set_index(["arm", "quantity"])
    seen = [cell for row in grid.rows for cell in row]
    assert len(seen) == len(verdicts)
    for cell in seen:
        row = verdicts.loc[cell.arm, cell.quantity]
        assert cell.verdict == row["verdict"]
        assert cell.p == words.p_value(row["p_holm"])
        assert bool(cell.drawings) == (row["n"] > 0)
    order = [cell.verdict for cell in grid.opened]
    assert order == sorted(order, key=cells.attention.SEVERITY.index)


def test_what_there_is_no_room_for_is_said(finished, monkeypatch):
    monkeypatch.setattr(cells, "MOST_CELLS", 10)
    monkeypatch.setattr(cells, "MOST_DRAWN", 3)
    grid = run_page(finished.folder).grid
    assert len(grid.quantities) == 2
    assert len(list(grid.opened)) == 3
    assert "Of 4 quantities, the 2 with the strongest evidence are shown" in grid.left_out
    assert "Of 10 cells, the 3 with the strongest evidence open" in grid.left_out
    assert {cell.verdict for cell in grid.opened} <= {"miscalibrated", "inconclusive"}


def test_names_are_text_and_never_markup(nasty):
    html = page(nasty)
    read = Read(html)
    shown = "".join(read.text)
    for name in NASTY:
        assert f"g[{name}]" in shown
    assert "a & <b>" in shown
    assert {"img", "i", "b"}.isdisjoint(read.tags)
    assert read.tags.count("script") == read.tags.count("style") == 1
    assert not [name for name, _ in read.attributes if name.startswith("on") or name == "style"]


def test_a_page_asks_for_nothing(finished):
    html = page(finished.folder)
    read = Read(html)
    assert {"link", "img", "iframe", "object"} & set(read.tags) == {"link"}
    links = [value for name, value in read.attributes if name in ("href", "src", "xlink:href")]
    assert set(links) - {"data:,"} == {value for value in links if value.startswith("#")}
    targets = {value for name, value in read.attributes if name == "id"}
    assert {value[1:] for value in links if value.startswith("#")} <= targets
    assert "default-src &#39;none&#39;" in html
    assert "url(" not in html
    assert "@import" not in html


def test_the_command_that_repeats_a_run(tmp_path, monkeypatch, mocks_file):
    monkeypatch.chdir(tmp_path)
    shutil.copy(mocks_file, "my mocks.py")
    Path("my run.toml").write_text(
        "simulations = 20\n[[stories]]\nname = 'my mocks.py:Revealing'\n[[fitters]]\n"
        "name = 'my mocks.py:Known'\n"
    )
    args = ["run", "my run.toml", "--workers", "0", "--simulations", "30", "--out", "out"]
    assert CliRunner().invoke(main, args).exit_code == 0
    said = command(read_manifest(Path("out")))
    assert said == "hiercal run 'my run.toml' --simulations 30 --seed 0"
    text = text_of(page(Path("out")))
    assert said in text
    assert "my mocks.py" in text
    assert "Whether the draws of known repeat depends on that code" in text


def test_a_run_of_python_has_no_command(finished):
    text = text_of(page(finished.folder))
    assert "made in Python, by hiercal.run, so there is no command" in text


def test_methods_cite_what_the_bibtex_and_the_references_have(finished):
    made = run_page(finished.folder).methods
    text = " ".join(sentence for _, sentence in [*made.ademp, *made.barg])
    cited = set(re.findall(r"(\w+)(?: and \w+| et al\.)? \(?(\d{4})\b", text))
    keys = {(key[:-4], key[-4:]) for key in re.findall(r"@\w+{([a-z]+\d{4})", made.bibtex)}
    plain = str.maketrans("áäü", "aau")
    assert {(name.lower().translate(plain), year) for name, year in cited} <= keys
    assert "60 simulations" in text
    assert "seed 3" in text
    assert "fits failed" in text
    listed = (ROOT / "docs" / "reference" / "references.md").read_text().translate(plain)
    for entry in references():
        name, year = re.match(r"@\w+{([a-z]+)(\d{4})", entry).groups()
        assert re.search(rf"(?i){name}.*?\({year}\)", listed), (name, year)


def test_the_page_of_a_study(tmp_path):
    html = page(ROOT / "results" / "funnel")
    claims = pd.read_csv(ROOT / "results" / "funnel" / "claims.csv")
    text = text_of(html)
    for says in claims["says"]:
        assert " ".join(says.split()) in text
    assert f"{len(claims)} claims" in text
    assert "hiercal run funnel" in text
    assert html.count("data:image/png;base64,") == 4
    assert len(html.encode()) < 2e6
    done = invoke(ROOT / "results" / "funnel", "--arms", "a", "--out", tmp_path / "x.html")
    assert done.exit_code == 2
    assert "is the folder of a study, which has no arms" in done.stderr


def test_a_run_of_a_study_has_a_page_without_tables(mock_run, tmp_path):
    folder = run(mock_run(simulations=20), tmp_path / "runs" / "one").folder
    assert not (folder / "verdicts.csv").exists()
    assert "The arm is calibrated" in text_of(page(folder))
    assert not (folder / "verdicts.csv").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("empty", "is not the folder of a run"),
        ("table", "is damaged, or was changed"),
        ("unfinished", "has not ended"),
        ("check", "is of hiercal check"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_sentence(finished, tmp_path, change, said):
    copy = tmp_path / "copy"
    if change == "empty":
        copy.mkdir()
    else:
        shutil.copytree(finished.folder, copy)
    if change == "table":
        (copy / "verdicts.csv").write_text("arm,quantity\n")
    if change == "unfinished":
        manifest = json.loads((copy / "manifest.json").read_text())
        manifest["made_of"]["tables"] = None
        manifest.pop("seal")
        (copy / "manifest.json").write_text(json.dumps(manifest))
    if change == "check":
        (copy / "verdicts.csv").rename(copy / "evidence.csv")
    done = invoke(copy)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (copy / "report.html").exists()


def test_chosen_arms_and_quantities(finished, tmp_path):
    out = tmp_path / "new" / "x.html"
    done = invoke(finished.folder, "--arms", "nope", "--out", out)
    assert done.exit_code == 2
    assert "there is no arm 'nope'; there are revealing/known" in done.stderr
    done = invoke(finished.folder, "--quantities", "x", "--out", out)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.strip() == str(out)
    assert 'data-name="x"' in out.read_text()
    assert 'data-name="g[A]"' not in out.read_text()


def test_one_arm_of_one_quantity_that_is_right(tmp_path, mocks_file):
    design = Run(
        stories=[story(f"{mocks_file}:Flat")], fitters=[fitter(f"{mocks_file}:Alone")],
        simulations=20,
    )  # fmt: skip
    folder = run(design, tmp_path / "run", export=True).folder
    text = text_of(page(folder))
    assert "The arm is calibrated, as far as this run can see." in text


def test_a_run_in_which_every_fit_failed(tmp_path, mock_run):
    folder = run(mock_run(raises=1.0, simulations=20), tmp_path / "run", export=True).folder
    made = run_page(folder)
    assert made.headline == "Every fit failed: nothing can be said."
    assert made.state == "unsure"
    assert "No fit was completed, so no error could have been found." in text_of(page(folder))
    assert Result(folder).fits["error"].notna().all()


def test_a_report_goes_with_the_run_that_it_is_of(tmp_path, mock_run):
    folder = run(mock_run(simulations=20), tmp_path / "run", export=True).folder
    assert invoke(folder).exit_code == 0
    assert "20 simulations" in (folder / "report.html").read_text()
    run(mock_run(simulations=25), folder, export=True)
    assert not (folder / "report.html").exists(), "it would be of fewer simulations"
    assert invoke(folder).exit_code == 0
    run(mock_run(simulations=25), folder, fresh=True)
    assert not (folder / "report.html").exists()


def test_a_disk_that_cannot_be_written_is_told(tmp_path, finished):
    (tmp_path / "file").write_text("")
    done = invoke(finished.folder, "--out", tmp_path / "file" / "x.html")
    assert done.exit_code in (1, 2)
    assert len(done.stderr.strip().splitlines()) == 1


def test_answers_about_an_earlier_run(tmp_path, mock_run):
    import dataclasses

    from hiercal.tables.export import requantify

    design = dataclasses.replace(mock_run(simulations=20), keep_draws=True)
    folder = run(design, tmp_path / "run", export=True).folder
    (tmp_path / "q.py").write_text("def twice(draws, data):\n    return 2 * draws['x']\n")
    answers = requantify(folder, tmp_path / "q.py").folder
    text = text_of(page(answers))
    assert f"These are answers about the draws kept by the run in {folder}" in text
    assert f"hiercal requantify {folder} --quantities {tmp_path / 'q.py'}" in text


def test_a_run_at_given_truths_says_on_top_that_its_ranks_are_not_uniform(tmp_path):
    design = Run(
        stories=[story("eight_schools", given={"tau": 2.0})], fitters=[fitter("exact")],
        simulations=20,
    )  # fmt: skip
    folder = run(design, tmp_path / "run", export=True).folder
    first = text_of(page(folder).partition('<table class="cards"')[0])
    assert "eight_schools with tau = 2 given are not uniform even for the exact posterior" in first
