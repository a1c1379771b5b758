import numpy as np
import pytest

from hiercal.plots import ecdf_difference
from hiercal.sbc.bands import ecdf_band

Z = np.arange(101) / 100


@pytest.fixture(scope="module")
def axes(records):
    return ecdf_difference(records, ["mu", "tau"]).axes


def drawn(axes, gid):
    return [child for child in axes.get_children() if child.get_gid() == gid]


def test_lines_are_the_counted_ecdf(axes, ranks_of):
    for panel, quantity in zip(axes, ["mu", "tau"], strict=True):
        for arm in ("right", "spiked", "partly"):
            [line] = drawn(panel, arm)
            ranks = ranks_of(arm, quantity)
            # A rank r is reached at (r + 1) / 100: below the first rank nothing is counted.
            expected = [np.sum(ranks + 1 <= k) / len(ranks) - k / 100 for k in range(101)]
            np.testing.assert_allclose(line.get_xdata(), Z)
            np.testing.assert_allclose(line.get_ydata(), expected, atol=1e-15)


def test_bands_are_those_of_the_fewest_and_most_fits(axes):
    for panel in axes:
        bands = drawn(panel, "band")
        for band, n in zip(bands, (48, 60), strict=True):
            _, lower, upper = ecdf_band(n, 100, 0.95)
            vertices = band.get_paths()[0].vertices
            for count in (lower, upper):
                points = np.column_stack([Z, np.append(0, count) / n - Z])
                distance = np.abs(points[:, None] - vertices[None]).sum(axis=2).min(axis=1)
                assert distance.max() < 1e-12


def test_one_band_when_all_arms_completed(build):
    [panel] = ecdf_difference(build(30, ("a/right", "a/spiked"), ("mu",)), ["mu"]).axes
    assert len(drawn(panel, "band")) == 1


def test_y_axis_is_symmetric_and_shared(axes):
    limits = {panel.get_ylim() for panel in axes}
    assert len(limits) == 1
    [(low, high)] = limits
    assert low == -high


def test_an_arm_keeps_its_look_when_others_are_left_out(records, axes):
    [panel] = ecdf_difference(records, ["mu"], arms=["spiked"]).axes
    [alone], [among] = drawn(panel, "spiked"), drawn(axes[0], "spiked")
    assert alone.get_color() == among.get_color()
    assert alone.get_marker() == among.get_marker()
