import numpy as np
import pytest

from hiercal.plots import funnel
from hiercal.plots.funnel import FunnelDraws


def panel(seed, title="centred", truth=None, **replaced) -> FunnelDraws:
    rng = np.random.default_rng(seed)
    scale = rng.lognormal(1, 1, 200)
    return {
        "scale": replaced.get("scale", scale),
        "group": 5 + scale * rng.normal(size=200),
        "diverging": scale < 0.8,
        "title": title,
        "truth": truth,
    }


ROWS = [
    [panel(1, truth=(2.0, 6.0)), panel(2, "non-centred", truth=(2.0, 6.0))],
    [panel(3), panel(4, "non-centred")],
]


@pytest.fixture(scope="module")
def axes():
    figure = funnel(ROWS, ["simulated", "observed"], group_label="effect", scale_label="scale")
    return np.array(figure.axes).reshape(2, 2)


def drawn(axes, gid):
    return [child for child in axes.get_children() if child.get_gid() == gid]


def test_draws_and_divergences_are_all_there(axes):
    for panel_axes, given in zip(axes.flat, [p for row in ROWS for p in row], strict=True):
        points = np.column_stack([given["scale"], given["group"]])
        [draws], [diverging] = drawn(panel_axes, "draws"), drawn(panel_axes, "diverging")
        np.testing.assert_array_equal(draws.get_offsets(), points)
        np.testing.assert_array_equal(diverging.get_offsets(), points[given["diverging"]])
        assert diverging.get_zorder() > draws.get_zorder()
        count = given["diverging"].sum()
        assert f"{count} divergences\nin 200 draws" in [t.get_text() for t in panel_axes.texts]


def test_truth_is_marked_where_there_is_one(axes):
    for panel_axes in axes[0]:
        [star] = drawn(panel_axes, "truth")
        assert (star.get_xdata()[0], star.get_ydata()[0]) == (2.0, 6.0)
    assert not any(drawn(panel_axes, "truth") for panel_axes in axes[1])


def test_rows_share_their_axes_and_all_are_labelled(axes):
    for row in axes:
        assert row[0].get_xlim() == row[1].get_xlim()
        assert row[0].get_ylim() == row[1].get_ylim()
        assert row[0].get_ylabel() == "effect"
        assert [a.get_xlabel() for a in row] == ["scale (log scale)"] * 2
        assert [a.get_xscale() for a in row] == ["log", "log"]


def test_a_scale_that_may_be_negative_has_a_linear_axis():
    draws = [[panel(1, scale=np.array([1.0, -1.0] * 100))]]
    (axes,) = funnel(draws, ["simulated"], scale_label="scale").axes
    assert (axes.get_xscale(), axes.get_xlabel()) == ("linear", "scale")


@pytest.mark.parametrize(
    ("draws", "titles", "message"),
    [
        ([], [], "no draws"),
        ([[panel(1)], [panel(2), panel(3)]], ["a", "b"], r"rows of one length, got \[1, 2\]"),
        ([[panel(1)]], ["a", "b"], "a title for each of 1 rows, got 2"),
        ([[panel(1, scale=np.ones(3))]], ["a"], "of one shape"),
    ],
)
def test_ill_formed_input_is_refused(draws, titles, message):
    with pytest.raises(ValueError, match=message):
        funnel(draws, titles)
