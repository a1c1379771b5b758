"""Every figure of one panel can be drawn on axes of one's own, which keep their place."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from hiercal import plots
from tests.plots.test_of_tables import BIAS, RISK, STRATA
from tests.report.test_figures import funnel_draws

MAP = pd.DataFrame({"n": [1, 9, 1, 9], "tau": [2, 2, 8, 8], "log2_ratio": [3.0, 1, 0, -2]})
RECORDS = ("rank_histogram", "ecdf_difference", "coverage", "coverage_difference", "recovery",
           "zscore_contraction")  # fmt: skip


def of_one_panel(name, records, axes):
    """Draw a figure of one panel on axes."""
    if name in RECORDS:
        return getattr(plots, name)(records, ["mu"], ["right"], axes=axes)
    counts = np.random.default_rng(1).multinomial(40, np.full(20, 0.05), size=30)
    ranks = pd.DataFrame({"arm": "a", "simulation": range(30), "counts": list(counts)})
    draw = {
        "forest": lambda: plots.forest(records, ["mu", "tau"], simulation=40, axes=axes),
        "shrinkage": lambda: plots.shrinkage(records, ["mu", "tau"], simulation=40, axes=axes),
        "funnel": lambda: plots.funnel([funnel_draws(1)[0]], ["data"], axes=axes),
        "group_ranks": lambda: plots.group_ranks(ranks, 30, axes=axes),
        "evidence": lambda: plots.evidence({"a": [0.1, 2.0]}, 7.0, axes=axes),
        "bias": lambda: plots.bias(BIAS, axes=axes),
        "strata": lambda: plots.strata(STRATA, by="truth", axes=axes),
        "risk": lambda: plots.risk(RISK, axes=axes),
        "interval_width": lambda: plots.interval_width(RISK, x="tau", y="risk", axes=axes),
        "parameterisation_map": lambda: plots.parameterisation_map(MAP, axes=axes),
        "sweep": lambda: plots.sweep(
            RISK, x="tau", y="risk", series="rule", xlabel="x", ylabel="y", axes=axes
        ),
        "heat_map": lambda: plots.heat_map(
            MAP, x="n", y="tau", value="log2_ratio", xlabel="x", ylabel="y", low="l", high="h",
            axes=axes,
        ),
        "strips": lambda: plots.strips(
            RISK, [plots.Measurement("risk", "risk")], arm="rule", axes=axes
        ),
    }  # fmt: skip
    return draw[name]()


NOT_FIGURES = {"Measurement", "TooMuch", "form", "quantity_label", "save"}


@pytest.mark.parametrize("name", sorted(set(plots.__all__) - NOT_FIGURES))
def test_on_axes_of_ones_own(name, records):
    figure = Figure((7, 3))
    left, right = figure.subplots(1, 2)
    before = left.get_position().bounds, figure.get_size_inches().tolist()
    assert of_one_panel(name, records, left) is figure
    figure.draw_without_rendering()
    assert (left.get_position().bounds, figure.get_size_inches().tolist()) == before
    assert left.has_data()
    assert not right.has_data()
    assert not figure.texts
    assert not figure.legends
    assert left.get_legend() is not None
    assert left.get_xlabel() or name in ("shrinkage",)
    if name not in ("strips", "sweep", "heat_map", "parameterisation_map"):  # whose notes are given
        assert left.get_label()
    assert not figure.get_label()


@pytest.mark.parametrize("name", RECORDS)
def test_more_than_one_panel_does_not_fit_on_one_axes(name, records):
    axes = Figure().subplots()
    with pytest.raises(ValueError, match="axes takes one panel, got 2 quantities; choose one quan"):
        getattr(plots, name)(records, ["mu", "tau"], ["right"], axes=axes)
    assert not axes.has_data()
    with pytest.raises(TypeError, match="give one matplotlib Axes"):
        getattr(plots, name)(records, ["mu"], ["right"], axes=[axes])


def test_panels_with_own_axes_show_what_figures_show(records):
    axes = Figure().subplots()
    plots.ecdf_difference(records, ["mu"], axes=axes)
    [own] = plots.ecdf_difference(records, ["mu"]).axes
    for one, other in zip(axes.lines, own.lines, strict=True):
        np.testing.assert_array_equal(one.get_ydata(), other.get_ydata())
        assert one.get_color() == other.get_color()
