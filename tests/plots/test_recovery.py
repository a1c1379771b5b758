"""Recovery: posterior means and intervals against true values."""

import numpy as np
import pytest

from hiercal.plots import recovery


def drawn(axes, gid):
    return [child for child in axes.get_children() if child.get_gid() == gid]


def test_points_are_truths_and_means_of_completed_fits(records):
    [axes] = recovery(records, ["mu"], arms=["partly"]).axes
    rows = records[((records["arm"] == "partly") & (records["quantity"] == "mu")).to_numpy()]
    done = rows[(rows["status"] == "ok").to_numpy()]
    [points] = drawn(axes, "fits")
    np.testing.assert_allclose(points.get_offsets(), done[["truth", "mean"]].to_numpy())
    assert not drawn(axes, "intervals")
    [text] = drawn(axes, "r")
    r = np.corrcoef(done["truth"], done["mean"])[0, 1]
    assert text.get_text() == f"r = {r:.2f} ({(1 - r**2) / np.sqrt(48):.2f})"


def test_intervals_are_drawn_of_few_fits_and_points_binned_of_many(build):
    few = build(40, ("right",), ("mu",))
    few = few.assign(hdi_lower=few["mean"] - 1, hdi_upper=few["mean"] + 2)
    [axes] = recovery(few, ["mu"]).axes
    [bars] = drawn(axes, "intervals")
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    np.testing.assert_allclose(ends, few[["hdi_lower", "hdi_upper"]])
    many = build(1600, ("right",), ("mu",))
    [axes] = recovery(many.assign(hdi_lower=0.0, hdi_upper=1.0), ["mu"]).axes
    assert not drawn(axes, "intervals")
    [bins] = drawn(axes, "fits")
    assert bins.get_array().sum() == pytest.approx(1600, abs=8)


def test_columns_have_scales_of_their_own_and_fits_beyond_are_counted(build):
    records = build(60, ("right", "other"), ("mu", "tau"))
    tau = (records["quantity"] == "tau").to_numpy()
    records.loc[tau, ["truth", "mean"]] *= 1000
    records.loc[3, "mean"] = 1e6
    figure = recovery(records, ["mu", "tau"])
    assert "1 fits lie beyond the axes" in figure.get_label()
    mu, tau, mu_other, _ = figure.axes
    assert mu.get_xlim() == mu_other.get_xlim()
    assert tau.get_xlim()[1] > 500 * mu.get_xlim()[1]
    assert mu.get_ylim()[1] < 100
