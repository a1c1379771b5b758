import numpy as np
import pytest

from hiercal.plots import zscore_contraction


def drawn(axes, gid):
    [found] = [child for child in axes.get_children() if child.get_gid() == gid]
    return found


@pytest.mark.parametrize("arm", ["right", "partly"])
def test_points_are_contraction_and_z(records, arm):
    rows = records[(records["arm"] == arm) & (records["quantity"] == "mu")]
    # The prior sd comes from all truths, those of failed fits included.
    prior_sd = rows["truth"].std(ddof=1)
    completed = rows[rows["status"] == "ok"]
    [axes] = zscore_contraction(records, ["mu"], arms=[arm]).axes
    points = np.asarray(drawn(axes, "fits").get_offsets())
    np.testing.assert_allclose(points[:, 0], 1 - completed["sd"] ** 2 / prior_sd**2)
    z = (completed["mean"] - completed["truth"]) / completed["sd"]
    np.testing.assert_allclose(points[:, 1], z)
    [mark] = axes.containers
    centre, _, (bar,) = mark
    np.testing.assert_allclose(np.asarray(centre.get_ydata(), dtype=float), np.median(z))
    [segment] = bar.get_segments()
    np.testing.assert_allclose(segment[:, 1], np.quantile(z, [0.16, 0.84]))


def test_many_fits_are_binned_and_none_lost(build):
    records = build(1600, ("right",), ("mu",))
    [axes] = zscore_contraction(records, ["mu"]).axes
    # Without a count in some bin it would not be drawn; their sum is the number of fits.
    assert drawn(axes, "fits").get_array().sum() == 1600


def test_fits_beyond_the_axes_are_counted(build):
    records = build(30, ("right",), ("mu",))
    records.loc[3, "mean"] += 1000
    records.loc[4, "sd"] = 1000.0
    figure = zscore_contraction(records, ["mu"])
    [note] = [text for text in figure.texts if text.get_gid() == "note"]
    assert "2 fits beyond the axes" in " ".join(note.get_text().split())


def test_fits_without_spread_are_counted_not_divided_by(build):
    records = build(30, ("right",), ("mu",))
    records.loc[3, "sd"] = 0.0
    figure = zscore_contraction(records, ["mu"])
    [note] = [text for text in figure.texts if text.get_gid() == "note"]
    assert "1 values without a positive sd" in " ".join(note.get_text().split())
    assert len(drawn(figure.axes[0], "fits").get_offsets()) == 29
