"""What every figure of records must do, whatever it shows."""

import itertools
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import hiercal.plots
from hiercal.plots import (
    coverage,
    coverage_difference,
    ecdf_difference,
    rank_histogram,
    recovery,
    zscore_contraction,
)

MATRICES = [rank_histogram, recovery, zscore_contraction]
FIGURES = [ecdf_difference, coverage, coverage_difference, *MATRICES]
FOURTEEN = ("mu", "tau", *(f"theta[{c}]" for c in "ABCDEFGH"), "theta_new", "log_lik", "beta[1,2]",
            "sigma_school_level[Hennepin]")  # fmt: skip
EIGHT = ("right", "spiked", "partly", "never", "nutpie-noncentred-target-0.99",
         "numpyro-no-pooling", "exact", "pymc-nuts-centred")  # fmt: skip

CASES = {
    "one": (30, ("partly",), ("mu",)),
    "typical": (30, ("right", "spiked", "partly"), ("mu", "tau", "theta[A]", "log_lik")),
    "long names": (20, ("long-" * 12 + "right", "never"), FOURTEEN[-1:]),
    "all failed": (20, ("never",), ("mu", "tau")),
}


@pytest.fixture(
    scope="module",
    params=[(f, c) for f in FIGURES for c in CASES],
    ids=lambda param: f"{param[0].__name__}, {param[1]}",
)
def figure(request, build) -> Figure:
    draw, case = request.param
    n_simulations, arms, quantities = CASES[case]
    return draw(build(n_simulations, arms, quantities), quantities)


def texts(figure):
    """Every visible text with its place in pixels, tick labels within the limits only."""
    renderer = figure._get_renderer()
    found = [*figure.texts, *figure.legends[0].get_texts()]
    for axes in figure.axes:
        found += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [
                label
                for tick in axis.get_major_ticks()
                if low <= tick.get_loc() <= high
                for label in (tick.label1,)
                if label.get_visible()
            ]
    return [(t, t.get_window_extent(renderer)) for t in found if t.get_text() and t.get_visible()]


def shared(one, other):
    """Width and height that two boxes have in common, in pixels."""
    return min(
        min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
    )


def check_layout(figure):
    figure.draw_without_rendering()  # a legend has its place from then on
    placed = texts(figure)
    page = figure.bbox
    for text, box in placed:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1
        assert inside, f"{text.get_text()!r} is cut off"
    for (one, box), (other, other_box) in itertools.combinations(placed, 2):
        # Boxes of text have some air, 1.5 pixels of 200 per inch of which may be shared.
        assert shared(box, other_box) < 1.5, f"{one.get_text()!r} covers {other.get_text()!r}"
    outside = [figure.legends[0].get_window_extent(figure._get_renderer())]
    outside += [box for text, box in placed if text in figure.texts]
    panels = [axes.get_window_extent() for axes in figure.axes]
    for box, panel in itertools.product(outside, panels):
        assert shared(box, panel) < 0, "legend or note lies over a panel"
    for one, other in itertools.combinations(panels, 2):
        assert shared(one, other) < 0, "panels overlap"


def test_nothing_is_cut_or_overlaps(figure):
    check_layout(figure)


@pytest.mark.parametrize("dpi", [72, 100, 150, 300])
def test_note_and_legend_are_whole_at_any_resolution(dpi, build):
    figure = rank_histogram(build(30, ("partly",), ("mu", "tau")), ("mu", "tau"))
    figure.set_dpi(dpi)
    figure.draw_without_rendering()
    for drawn in (*figure.texts, figure.legends[0]):
        box = drawn.get_window_extent(figure._get_renderer())
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1, drawn


@pytest.mark.parametrize("draw", FIGURES)
def test_nothing_is_cut_or_overlaps_in_the_largest_figure(draw, build):
    # Eight quantities already make two blocks of rows, and a hundred panels take long to lay out.
    quantities = FOURTEEN[-8:] if draw in MATRICES else FOURTEEN
    drawn = draw(build(20, EIGHT, quantities), quantities)
    check_layout(drawn)
    width, height = drawn.get_size_inches()
    assert (width, height <= 9.5) == (7.0, True)


def test_axes_are_labelled(figure):
    assert figure.get_supxlabel()
    assert figure.get_supylabel()
    assert all(axes.get_title() for axes in figure.axes[:1])
    shown = [axes for axes in figure.axes if axes.xaxis.get_tick_params()["labelbottom"]]
    assert shown


def test_failed_fits_and_simulations_are_counted(figure):
    words = " ".join(
        " ".join(text.get_text().replace("-\n", "-").split()) for text, _ in texts(figure)
    )
    assert "N = " in words
    if "partly" in words:
        assert "n = 24 of 30" in words
    if "never" in words:
        assert "n = 0 of 20" in words


@pytest.mark.parametrize("draw", FIGURES)
def test_unknown_names_are_refused_with_the_known_ones(draw, records):
    with pytest.raises(ValueError, match=r"quantity 'nu'; available: log_lik, mu, tau, theta\[A\]"):
        draw(records, ["mu", "nu"])
    with pytest.raises(ValueError, match="arm 'left'; available: partly, right"):
        draw(records, ["mu"], arms=["left"])
    with pytest.raises(TypeError, match=r"pass \['mu'\]"):
        draw(records, "mu")


@pytest.mark.parametrize("draw", FIGURES)
def test_unusable_records_are_refused(draw, records):
    with pytest.raises(ValueError, match=r"lack the columns \['max_rank'\]"):
        draw(records.drop(columns="max_rank"), ["mu"])
    mixed = records.assign(max_rank=np.where(records["arm"] == "right", 99, 199))
    with pytest.raises(ValueError, match=r"one max_rank in all records, got \[99, 199\]"):
        draw(mixed, ["mu"])
    with pytest.raises(ValueError, match="more than once"):
        draw(records.iloc[[0, 0, 1]], [records["quantity"].iloc[0]])


@pytest.mark.parametrize("draw", FIGURES)
def test_missing_and_empty_panels_say_so(draw, records):
    lacking = records[(records["arm"] != "right") | (records["quantity"] != "tau")]
    figure = draw(lacking, ["mu", "tau"])
    found = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert ("not\nranked" in found) == (draw in MATRICES)


@pytest.mark.parametrize("draw", FIGURES)
def test_rows_may_come_in_any_order_and_index(draw, records):
    shuffled = records.sample(frac=1, random_state=1).set_index("simulation", drop=False)
    left, right = draw(records, ["mu"]), draw(shuffled.rename_axis(None), ["mu"])
    for one, other in zip(left.axes, right.axes, strict=True):
        assert one.dataLim.bounds == pytest.approx(other.dataLim.bounds)


@pytest.mark.parametrize("draw", FIGURES)
def test_records_may_come_in_pieces(draw, records):
    cells = [rows for _, rows in records.groupby(["arm", "quantity"], observed=True)]
    one, other = draw(iter(cells), ["mu", "tau"]), draw(records, ["mu", "tau"])
    assert [text.get_text() for text, _ in texts(one)] == [
        text.get_text() for text, _ in texts(other)
    ]
    for left, right in zip(one.axes, other.axes, strict=True):
        assert left.dataLim.bounds == right.dataLim.bounds
    split = [cells[0][:5], cells[0][5:]]
    with pytest.raises(ValueError, match="in several pieces"):
        draw(split, [cells[0]["quantity"].iloc[0]])
    mixed = [rows.assign(max_rank=99 + i) for i, rows in enumerate(cells[:2])]
    with pytest.raises(ValueError, match=r"got \[99, 100\]"):
        draw(mixed, [rows["quantity"].iloc[0] for rows in mixed])


def test_drawing_leaves_no_trace_and_needs_no_pyplot(records, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    before = mpl.rcParams.copy()
    for draw in FIGURES:
        draw(records, ["mu"])
    assert {k for k in before if k != "backend" and mpl.rcParams[k] != before[k]} == set()
    [folder] = hiercal.plots.__path__
    sources = [path.read_text(encoding="utf-8") for path in Path(folder).glob("*.py")]
    assert not any("import pyplot" in text or "matplotlib.pyplot" in text for text in sources)
