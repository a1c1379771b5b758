"""Coverage against its nominal level."""

import numpy as np

from hiercal.plots import coverage
from hiercal.sbc.coverage import calibrated_counts, central_coverage


def test_lines_are_coverage_and_the_band_that_of_the_fewest_fits(records, ranks_of):
    [axes] = coverage(records, ["mu"]).axes
    lines = {line.get_gid(): line for line in axes.lines}
    for arm in ("partly", "right", "spiked"):
        result = central_coverage(ranks_of(arm, "mu"), 99)
        nominal, covered = lines[arm].get_data()
        at = np.searchsorted(result.nominal[::-1], np.sort(nominal) / 100 - 1e-9)
        np.testing.assert_allclose(np.sort(covered), 100 * np.sort(result.coverage[::-1][at]))
    [band] = [each for each in axes.collections if each.get_gid() == "band"]
    low, high = calibrated_counts(48, np.array([0.5]))
    heights = {
        tuple(np.round(band.get_paths()[0].vertices[:, 1][close], 6))
        for close in [np.isclose(band.get_paths()[0].vertices[:, 0], 50)]
    }
    assert heights == {(round(100 * low[0] / 48, 6), round(100 * high[0] / 48, 6))}


def test_a_correct_arm_lies_in_the_band_as_often_as_it_says(build):
    """Size: each level's coverage is in the band with probability 0.95 or a little more."""
    inside = []
    for seed in range(40):
        records = build(100, ("right",), ("mu",), seed=seed)
        result = central_coverage(records["rank"].to_numpy(dtype=int), 99, [5, 25, 45])
        low, high = calibrated_counts(100, result.nominal)
        inside.append((low <= result.covered) & (result.covered <= high))
    assert 0.9 < np.mean(inside) < 0.995
