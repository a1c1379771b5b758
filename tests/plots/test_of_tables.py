"""Figures of tables: what is drawn is what the tables hold."""

import numpy as np
import pandas as pd
import pytest

from hiercal.plots import bias, evidence, interval_width, parameterisation_map, risk, strata

BIAS = pd.DataFrame(
    [
        {"arm": arm, "quantity": "tau", "truth_from": low, "truth_to": high, "n": 30,
         "n_failed": 2 * (arm == "b"), "bias": low / 10 + shift, "se": 0.05}
        for shift, arm in enumerate(("a", "b"))
        for low, high in ((0.01, 9.0), (0.01, 3.0), (3.0, 9.0))
    ]
)  # fmt: skip
STRATA = pd.DataFrame(
    [
        {"arm": arm, "by": by, "stratum": k, "shift": k / 100, "shift_se": 0.01}
        for arm in ("a", "b")
        for by in ("truth", "data")
        for k in (1, 2, 3, 4)
    ]
)
RISK = pd.DataFrame(
    {"tau": [0.0, 5.0] * 2, "rule": ["JS"] * 2 + ["Bayes"] * 2, "risk": [1.0, 2.0, 3.0, 4.0],
     "risk_se": 0.1}
)  # fmt: skip


def points(axes):
    return {
        c.lines[0].get_gid(): np.column_stack(c.lines[0].get_data()).astype(float)
        for c in axes.containers
    }


def test_bias_of_a_run_by_the_range_of_the_truth():
    figure = bias(BIAS)
    [axes] = figure.axes
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.01 to 9", "0.01 to 3", "3 to 9"]
    np.testing.assert_allclose(points(axes)["b"][:, 1], BIAS["bias"][3:])
    (lower, *_), *_ = axes.containers[0].lines[2][0].get_segments()
    assert lower[1] == pytest.approx(BIAS["bias"][0] - 0.1)
    assert figure.get_label() == (
        "Bars are two Monte Carlo standard errors to either side. N = 30 fits in each range. Up to "
        "2 failed and are left out."
    )
    assert figure.get_supxlabel() == "true value of tau, in ranges"


def test_bias_over_a_column_of_arms_that_are_chosen():
    table = BIAS.assign(target=[0.8, 0.9, 0.99] * 2, bias_se=0.2)
    [axes] = bias(table, ["b"], x="target").axes
    shown = points(axes)
    assert list(shown) == ["b"]
    np.testing.assert_allclose(shown["b"][:, 0], [0.8, 0.9, 0.99])


def test_strata_have_a_panel_for_each_kind_or_one():
    assert [a.get_title() for a in strata(STRATA).axes] == [
        "quarters of the true scale", "quarters of its exact posterior mean",
    ]  # fmt: skip
    [axes] = strata(STRATA, by="data").axes
    np.testing.assert_allclose(points(axes)["a"][:, 1], [0.01, 0.02, 0.03, 0.04])


def test_risk_of_rules_in_the_order_they_are_given():
    [axes] = risk(RISK, ["Bayes", "JS"]).axes
    assert list(points(axes)) == ["Bayes", "JS"]
    np.testing.assert_allclose(points(axes)["JS"], [[0, 1], [5, 2]])


def test_interval_widths_of_a_column_each_and_of_a_series():
    table = RISK.rename(columns={"tau": "size", "risk": "width", "risk_se": "width_se"})
    [axes] = interval_width(table, series="rule").axes
    assert list(points(axes)) == ["JS", "Bayes"]
    wide = pd.DataFrame({"size": [1, 10], "some": [1.0, 2.0], "none": [3.0, 4.0]})
    [axes] = interval_width(wide, y=["some", "none"], labels=["partial pooling", "none"]).axes
    np.testing.assert_allclose(points(axes)["partial pooling"], [[1, 1], [10, 2]])


def test_a_map_names_both_models_and_writes_errors():
    table = pd.DataFrame(
        {"n": [1, 9, 1, 9], "tau": [2, 2, 8, 8], "log2_ratio": [3.0, 1, 0, -2],
         "log2_ratio_se": 0.2}
    )  # fmt: skip
    figure = parameterisation_map(table)
    assert "+3.0\n(0.2)" in [text.get_text() for text in figure.axes[0].texts]
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["non-centred better", "centred better"]


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: bias(BIAS.drop(columns="bias")), "the table lacks bias; it has arm"),
        (lambda: bias(BIAS.drop(columns="truth_to")), "the table lacks truth_to; give x"),
        (lambda: bias(BIAS, ["c"]), "there is no arm 'c'; there are a, b"),
        (lambda: risk(RISK, ["none"]), "there is no rule 'none'; there are JS, Bayes"),
        (lambda: strata(STRATA[:0]), "got no rows"),
        (lambda: interval_width(RISK), "the table lacks width, size"),
    ],
)
def test_what_is_not_there_is_named(draw, said):
    with pytest.raises(ValueError, match=said):
        draw()


def test_evidence_with_gamma_says_that_looking_again_is_not_free():
    gamma = {"a": (np.array([10, 20]), np.array([0.5, -0.2]))}
    figure = evidence({"a": [0.1, 3.0]}, 7.0, gamma=gamma)
    above, below = figure.axes
    [line] = [line for line in below.lines if line.get_gid() == "gamma a"]
    np.testing.assert_allclose(line.get_ydata(), [0.5, -0.2])
    assert "fixed beforehand" in figure.get_label()
    [threshold] = [line for line in above.lines if line.get_gid() == "threshold"]
    assert threshold.get_ydata()[0] == pytest.approx(7 / np.log(10))
    assert "fixed beforehand" not in evidence({"a": [0.1, 3.0]}, 7.0).get_label()
