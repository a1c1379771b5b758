"""Strips of points: every finite number is drawn, in its strip, with its median."""

import numpy as np
import pandas as pd
import pytest

from hiercal.plots.strips import Measurement, strips


def test_every_number_is_drawn_with_its_median():
    fits = pd.DataFrame({"arm": ["a"] * 5 + ["b"] * 3, "tau": [1, 2, 3, 4, np.nan, 7, 8, 9.0]})
    figure = strips(
        fits,
        [Measurement("tau", "tau", reference=4.8), Measurement("tau", "tau", "log")],
        arm="arm",
        reference_label="exact",
    )
    for axes in figure.axes:
        lines = {line.get_gid(): line for line in axes.lines if line.get_gid() in ("a", "b")}
        np.testing.assert_array_equal(lines["a"].get_xdata(), [1, 2, 3, 4])
        assert (np.abs(np.asarray(lines["a"].get_ydata()) - 0) <= 0.3 + 1e-9).all()
        assert (np.abs(np.asarray(lines["b"].get_ydata()) - 1) <= 0.3 + 1e-9).all()
        medians = [line.get_xdata()[0] for line in axes.lines if line.get_gid() == "median"]
        assert medians == [2.5, 8]
    references = [
        line for axes in figure.axes for line in axes.lines if line.get_gid() == "reference"
    ]
    assert len(references) == 1


def test_without_rows_there_is_no_figure():
    with pytest.raises(ValueError, match="got no rows"):
        strips(pd.DataFrame({"arm": [], "tau": []}), [Measurement("tau", "tau")], arm="arm")
