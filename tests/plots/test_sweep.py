"""Sweeps: what is drawn is what is in the table."""

import numpy as np
import pandas as pd
import pytest

from hiercal.plots.sweep import sweep

POINTS = pd.DataFrame(
    [
        {"J": j, "risk": risk + k, "risk_se": 0.1, "rule": rule, "tau": tau}
        for tau in (0.0, 5.0)
        for k, rule in enumerate(("none", "full"))
        for j, risk in ((10, 3.0), (3, 2.0))
    ]
)


def made(**options):
    return sweep(
        POINTS,
        **({"x": "J", "y": "risk", "series": "rule", "xlabel": "J", "ylabel": "risk"} | options),
    )


def test_a_panel_for_each_case_a_line_for_each_series():
    figure = made(se="risk_se", panel="tau", titles={5.0: "tau = 5"})
    assert [axes.get_title() for axes in figure.axes] == ["0.0", "tau = 5"]
    bars = figure.axes[0].containers
    assert len(bars) == 2
    line = bars[1].lines[0]
    assert line.get_xdata().tolist() == [3, 10]
    assert line.get_ydata().tolist() == [3.0, 4.0]


def test_bars_are_two_standard_errors():
    (lower, *_), *_ = made(se="risk_se").axes[0].containers[0].lines[2][0].get_segments()
    assert np.isclose(lower[1], 2.0 - 0.2)


def test_categories_stand_side_by_side():
    figure = made(xscale="category", categories=["few", "many"], reference=1.0, reference_label="r")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["few", "many"]
    at = [container.lines[0].get_xdata() for container in axes.containers]
    assert (at[0] < at[1]).all()
    assert "r" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="got no rows"):
        sweep(POINTS[:0], x="J", y="risk", series="rule", xlabel="J", ylabel="risk")
    many = POINTS.assign(rule=range(len(POINTS))).loc[lambda t: t.index.repeat(2)]
    many["rule"] = range(len(many))
    with pytest.raises(ValueError, match="at most 8"):
        sweep(many, x="J", y="risk", series="rule", xlabel="J", ylabel="risk")
