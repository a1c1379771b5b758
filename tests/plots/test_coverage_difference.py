import numpy as np
import pytest

from hiercal.plots import coverage_difference
from hiercal.sbc.coverage import central_coverage

ARMS = ("partly", "right", "spiked")


@pytest.fixture(scope="module")
def axes(records):
    return coverage_difference(records, ["mu", "tau"]).axes


def test_points_and_bars_are_central_coverage(axes, ranks_of):
    for panel, quantity in zip(axes, ["mu", "tau"], strict=True):
        for container, arm in zip(panel.containers, ARMS, strict=True):
            result = central_coverage(ranks_of(arm, quantity), 99, np.r_[2, 5:50:5])
            points, _, (bars,) = container
            deviation = result.coverage - result.nominal
            np.testing.assert_allclose(points.get_ydata(), 100 * deviation, atol=1e-12)
            ends = np.array([segment[:, 1] for segment in bars.get_segments()])
            np.testing.assert_allclose(ends[:, 0], 100 * (result.lower - result.nominal), atol=1e-9)
            np.testing.assert_allclose(ends[:, 1], 100 * (result.upper - result.nominal), atol=1e-9)


def test_markers_of_a_level_stand_side_by_side_around_it(axes):
    places = np.array([container[0].get_xdata() for container in axes[0].containers])
    nominal = 100 * (1 - 2 * np.r_[2, 5:50:5] / 100)
    np.testing.assert_allclose(places.mean(axis=0), nominal)
    # No marker comes nearer to another level than to its own.
    assert np.ptp(places, axis=0).max() < 6


def test_fewer_levels_for_many_arms(build):
    records = build(20, tuple(f"{k}" for k in range(8)), ("mu",))
    [panel] = coverage_difference(records, ["mu"]).axes
    assert [len(c[0].get_xdata()) for c in panel.containers] == [5] * 8
    assert [t.get_text() for t in panel.get_xticklabels()] == ["10", "30", "50", "70", "90"]
