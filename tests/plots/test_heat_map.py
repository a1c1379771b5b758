"""Heat maps: what is drawn is what is in the table."""

import numpy as np
import pandas as pd
import pytest

from hiercal.plots.heat_map import heat_map

CELLS = pd.DataFrame(
    [
        {"n": n, "tau": tau, "gain": gain, "gain_se": 0.2, "library": library}
        for library in ("numpyro", "pymc")
        for n, tau, gain in ((9, 2.0, -1.0), (1, 2.0, 3.0), (1, 0.5, np.nan))
    ]
)


def made(table=CELLS, **options):
    names = {"x": "n", "y": "tau", "value": "gain", "xlabel": "observations", "ylabel": "tau"}
    return heat_map(table, **(names | {"low": "worse", "high": "better"} | options))


def test_a_panel_for_each_case_with_a_number_in_each_cell_that_has_one():
    figure = made(se="gain_se", panel="library", titles={"pymc": "PyMC"})
    assert [axes.get_title() for axes in figure.axes] == ["numpyro", "PyMC"]
    texts = [text.get_text() for text in figure.axes[1].texts]
    assert texts == ["-1.0\n(0.2)", "+3.0\n(0.2)"]
    (mesh,) = figure.axes[0].collections
    shown = np.ma.filled(mesh.get_array(), np.nan)
    np.testing.assert_array_equal(shown, [[np.nan, np.nan], [3.0, -1.0]])
    assert mesh.get_clim() == (-3.0, 3.0)


def test_an_estimate_that_rounds_to_nothing_has_no_minus():
    figure = made(CELLS[:3].assign(gain=-0.04))
    assert {text.get_text() for text in figure.axes[0].texts} == {"+0.0"}


def test_lines_go_through_their_panels_and_the_legend_names_them():
    figure = made(panel="library", lines={"pymc": lambda n: 2 / n}, line="as good")
    drawn = [[line for line in axes.lines if line.get_gid() == "line"] for axes in figure.axes]
    assert [len(lines) for lines in drawn] == [0, 1]
    x, y = drawn[1][0].get_data()
    np.testing.assert_allclose(x * y, 2)
    assert (x[0], x[-1]) == pytest.approx(figure.axes[1].get_xlim())
    assert legend(figure) == ["better", "worse", "as good"]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("lines", [None, {}])
def test_without_lines_the_legend_has_none(lines):
    figure = made(CELLS[:3], lines=lines, line="as good")
    assert legend(figure) == ["better", "worse"]


def test_a_map_without_numbers_is_white():
    figure = made(CELLS[:3].assign(gain=np.nan))
    assert not figure.axes[0].texts


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match=r"tau is .* two or more values above 0"):
        made(CELLS[:3].assign(tau=1.0))
    with pytest.raises(ValueError, match=r"n is .* two or more values above 0"):
        made(CELLS[:3].assign(n=[0, 1, 1]))
    with pytest.raises(ValueError, match="two or more"):
        made(CELLS[:0])
