import itertools

import numpy as np
import pandas as pd
import pytest

from hiercal.plots.group_ranks import group_ranks
from hiercal.sbc.pooled import pooled_band

ARMS = ("right", "spiked", "partly", "never")


def make(arms=ARMS, n_simulations=30, effects=400, n_ranks=100, seed=11):
    """Uniform ranks, a third of them 0 in `spiked`; ten fits failed in `partly`, all in `never`."""
    rng = np.random.default_rng(seed)
    rows = []
    for arm in arms:
        done = {"partly": n_simulations - 10, "never": 0}.get(arm, n_simulations)
        for i in range(done):
            share = np.full(n_ranks, 1 / n_ranks)
            if arm == "spiked":
                share = 2 / 3 * share + np.eye(n_ranks)[0] / 3
            rows.append((arm, i, rng.multinomial(effects, share)))
    return pd.DataFrame(rows, columns=["arm", "simulation", "counts"])


@pytest.fixture(scope="module")
def ranks():
    return make()


@pytest.fixture(scope="module")
def figure(ranks):
    return group_ranks(ranks, 30, ARMS, story="stories")


@pytest.fixture(scope="module")
def panels(figure):
    return dict(zip(ARMS, figure.axes, strict=True))


def artist(axes, gid):
    [found] = [child for child in axes.get_children() if child.get_gid() == gid]
    return found


def note(figure):
    [text] = [text for text in figure.texts if text.get_gid() == "note"]
    return " ".join(text.get_text().split())


@pytest.mark.parametrize("arm", ARMS[:3])
def test_bars_are_shares_and_bands_those_between_simulations(panels, ranks, arm):
    counts = np.stack(ranks[ranks["arm"] == arm]["counts"].to_list())
    shares, half_widths = pooled_band(counts, 20)
    axes = panels[arm]
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches], 100 * shares)
    np.testing.assert_allclose([bar.get_x() for bar in axes.patches], np.arange(0, 100, 5) - 0.5)
    [path] = artist(axes, "band").get_paths()
    assert path.vertices[:, 1].max() == pytest.approx(5 + 100 * half_widths.max())
    assert set(artist(axes, "expected").get_ydata()) == {5}


def test_bars_outside_the_band_stand_out(panels):
    colours = [bar.get_facecolor() for bar in panels["spiked"].patches]
    assert len(set(colours)) == 1, "all of them: one is too high, so the others are too low"
    right = [bar.get_facecolor() for bar in panels["right"].patches]
    assert right.count(colours[0]) <= 4


def test_cut_bar_carries_its_height(panels):
    axes = panels["spiked"]
    tallest = max(bar.get_height() for bar in axes.patches)
    assert tallest > axes.get_ylim()[1]
    assert artist(axes, "cut").get_text() == f"{tallest:.0f}"


def test_fits_and_effects_are_counted(figure, panels):
    labels = [" ".join(axes.get_ylabel().split()) for axes in panels.values()]
    assert labels[2:] == ["partly n = 20 of 30", "never n = 0 of 30"]
    assert note(figure).startswith(
        "N = 30 simulations of stories with 400 effects each. L = 99 draws, among which effects "
        "are ranked. 20 bins of"
    )
    assert "Failed fits are left out" in note(figure)
    assert "0 of 30" in panels["never"].texts[0].get_text()


def test_a_single_arm_is_named_in_the_note():
    figure = group_ranks(make(ARMS[2:3]), 30, story="stories")
    assert note(figure).startswith("partly, n = 20 of 30. N = 30 simulations of stories with 400")


def test_one_simulation_has_no_band_and_no_bar_is_outside():
    [axes] = group_ranks(make(ARMS[:1], n_simulations=1), 1).axes
    assert len({bar.get_facecolor() for bar in axes.patches}) == 1


@pytest.mark.parametrize(("n_ranks", "n_bins"), [(100, 20), (99, 11), (10, 10), (11, 11)])
def test_bins_divide_the_ranks(n_ranks, n_bins):
    [axes] = group_ranks(make(ARMS[:1], n_ranks=n_ranks), 30).axes
    assert len(axes.patches) == n_bins


@pytest.mark.parametrize("arms", [ARMS[:1], ARMS, [f"{'long-' * 9}{i}" for i in range(8)]])
def test_nothing_is_cut_or_overlaps(arms):
    figure = group_ranks(make(arms), 30, list(arms))
    figure.draw_without_rendering()  # a legend has its place from then on
    renderer = figure._get_renderer()
    found = [*figure.texts, *figure.legends[0].get_texts()]
    for axes in figure.axes:
        found += [axes.title, axes.yaxis.label, *axes.texts]
        low, high = axes.get_ylim()
        ticks = axes.yaxis.get_major_ticks()
        found += [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
    placed = [(text, text.get_window_extent(renderer)) for text in found if text.get_text()]
    page = figure.bbox
    for text, box in placed:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1
        assert inside, f"{text.get_text()!r} is cut off"
    for (one, box), (other, other_box) in itertools.combinations(placed, 2):
        width = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
        height = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
        assert min(width, height) < 1.5, f"{one.get_text()!r} covers {other.get_text()!r}"


def test_what_cannot_be_drawn_is_refused(ranks):
    with pytest.raises(ValueError, match=r"lack the columns \['counts'\]"):
        group_ranks(ranks.drop(columns="counts"), 30)
    with pytest.raises(ValueError, match="no arm to draw"):
        group_ranks(ranks[:0], 30)
    mixed = pd.concat([ranks, make(ARMS[:1], n_ranks=50)])
    with pytest.raises(ValueError, match=r"one number of ranks in all fits, got \[50, 100\]"):
        group_ranks(mixed, 30)
