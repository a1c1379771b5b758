import numpy as np
import pytest

from hiercal.plots import rank_histogram
from hiercal.sbc.histogram_band import histogram_band

ARMS = ("right", "spiked", "partly")
QUANTITIES = ("mu", "tau")


def artist(axes, gid):
    [found] = [child for child in axes.get_children() if child.get_gid() == gid]
    return found


@pytest.fixture(scope="module")
def panels(records):
    # Categories are in alphabetical order, and rows follow the argument.
    figure = rank_histogram(records, QUANTITIES, arms=ARMS)
    return dict(zip([(a, q) for a in ARMS for q in QUANTITIES], figure.axes, strict=True))


def test_bars_are_counts(panels, ranks_of):
    for (arm, quantity), axes in panels.items():
        # 60 simulations ask for 6 bins; 5 is the nearest divisor of 100.
        expected, _ = np.histogram(ranks_of(arm, quantity), bins=np.arange(0, 101, 20))
        np.testing.assert_array_equal([bar.get_height() for bar in axes.patches], expected)
        np.testing.assert_allclose(
            [bar.get_x() for bar in axes.patches], np.arange(0, 100, 20) - 0.5
        )


def test_band_and_expectation_are_those_of_the_completed_fits(panels, ranks_of):
    for (arm, quantity), axes in panels.items():
        n = len(ranks_of(arm, quantity))
        band = histogram_band(n, 5, 0.95)
        [path] = artist(axes, "band").get_paths()
        assert path.vertices[:, 1].min() == band.simultaneous_lower
        assert path.vertices[:, 1].max() == band.simultaneous_upper
        assert set(artist(axes, "expected").get_ydata()) == {n / 5}


def test_bars_outside_the_band_stand_out(panels):
    colours = {bar.get_height(): bar.get_facecolor() for bar in panels["spiked", "mu"].patches}
    assert colours[max(colours)] != panels["right", "mu"].patches[0].get_facecolor()


def test_cut_bar_carries_its_count(build):
    records = build(400, ("spiked",), ("tau",))
    [axes] = rank_histogram(records, ["tau"]).axes
    tallest = max(bar.get_bbox().height for bar in axes.containers[0])
    assert tallest > axes.get_ylim()[1]
    assert artist(axes, "cut").get_text() == f"{tallest:.0f}"


@pytest.mark.parametrize(
    ("ranks", "side", "counts"),
    [((6, 12), "left", ["267", "133"]), ((92, 88), "right", ["133", "267"])],
)
def test_counts_of_neighbours_that_are_cut_stand_one_below_the_other(ranks, side, counts, build):
    records = build(400, ("right",), ("tau",)).assign(max_rank=99)
    records["rank"] = np.resize([ranks[0], ranks[0], ranks[1]], len(records))
    [axes] = rank_histogram(records, ["tau"]).axes
    text = artist(axes, "cut")
    assert text.get_text().split() == counts
    assert text.get_horizontalalignment() == side


@pytest.mark.parametrize(
    ("n_simulations", "max_rank", "n_bins"), [(200, 99, 20), (20, 99, 5), (2000, 98, 11)]
)
def test_bins_divide_the_ranks(n_simulations, max_rank, n_bins, build):
    records = build(n_simulations, ("right",), ("mu",)).assign(max_rank=max_rank)
    records["rank"] = records["rank"].clip(upper=max_rank)
    [axes] = rank_histogram(records, ["mu"]).axes
    assert len(axes.patches) == n_bins


def test_single_arm_is_named_in_the_note(build):
    figure = rank_histogram(build(40, ("partly",), ("mu",)), ["mu"])
    [note] = [text for text in figure.texts if text.get_gid() == "note"]
    assert note.get_text().startswith("partly, n = 32 of 40. N = 40 simulations of stories.")
