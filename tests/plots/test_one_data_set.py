"""Forests and shrinkage: the estimates of one data set."""

import numpy as np
import pytest

from hiercal.plots import forest, shrinkage

GROUPS = [f"theta[{letter}]" for letter in "ABC"]


@pytest.fixture(scope="module")
def data_sets(build):
    records = build(20, ("none", "some", "partly"), tuple(GROUPS))
    # one truth a data set and group, whatever the arm
    key = [records["simulation"], records["quantity"]]
    truth = records.groupby(key, observed=True)["truth"].transform("first")
    return records.assign(truth=truth, hdi_lower=records["mean"] - 1, hdi_upper=records["mean"] + 1)


def value(records, arm, group, column, simulation):
    rows = records[
        ((records["arm"] == arm) & (records["quantity"] == group)
         & (records["simulation"] == simulation)).to_numpy()
    ]  # fmt: skip
    return rows[column].iloc[0]


def test_a_forest_shows_means_intervals_and_truths(data_sets):
    [axes] = forest(data_sets, GROUPS, simulation=7).axes
    marks = {}
    for line in axes.lines:
        marks.setdefault(line.get_gid(), []).append(line)
    for arm in ("none", "some", "partly"):
        means = [float(line.get_xdata()[0]) for line in marks[arm]]
        np.testing.assert_allclose(means, [value(data_sets, arm, g, "mean", 7) for g in GROUPS])
    truths = [float(line.get_xdata()[0]) for line in marks["truth"]]
    np.testing.assert_allclose(truths, [value(data_sets, "none", g, "truth", 7) for g in GROUPS])
    assert len(marks["interval"]) == 9
    np.testing.assert_allclose(np.diff(marks["interval"][0].get_xdata()), 2)


@pytest.mark.parametrize("draw", [forest, shrinkage])
def test_arms_that_failed_on_the_data_set_are_named(draw, data_sets):
    figure = draw(data_sets, GROUPS, simulation=0)
    assert figure.get_label().endswith("Failed on it: partly.")
    assert figure.get_label().startswith("Simulation 0 of stories, N = 1 data set.")


def test_shrinkage_has_a_line_for_each_group_over_the_arms_in_order(data_sets):
    arms = ["some", "none"]
    figure = shrinkage(data_sets, GROUPS, arms, simulation=7, labels=["partial", "no pooling"])
    [axes] = figure.axes
    ticks = [tick.get_text().replace("\n", " ") for tick in axes.get_xticklabels()]
    assert ticks == ["partial", "no pooling", "truth"]
    for group in GROUPS:
        [line] = [line for line in axes.lines if line.get_gid() == f"line {group}"]
        expected = [value(data_sets, arm, group, "mean", 7) for arm in arms]
        np.testing.assert_allclose(line.get_ydata(), expected)
    names = [text for text in axes.texts if text.get_gid() == "name"]
    heights = sorted(text.xyann[1] for text in names)
    assert np.diff(heights).min() > 0


@pytest.mark.parametrize("draw", [forest, shrinkage])
def test_what_cannot_be_drawn_is_refused(draw, data_sets):
    with pytest.raises(ValueError, match="there is no simulation 99; there are 0 to 19"):
        draw(data_sets, GROUPS, simulation=99)
    with pytest.raises(ValueError, match="unknown arm 'nope'"):
        draw(data_sets, GROUPS, ["nope"])
    failed = data_sets[(data_sets["arm"] == "partly").to_numpy()]
    with pytest.raises(ValueError, match="no fit of simulation 0 came back"):
        draw(failed, GROUPS)


def test_labels_are_one_for_each_arm(data_sets):
    with pytest.raises(ValueError, match="got 1 labels for 3 arms"):
        shrinkage(data_sets, GROUPS, simulation=7, labels=["a"])
