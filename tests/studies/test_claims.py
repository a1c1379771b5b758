"""Rules for claims: verdicts on known effects, and their false-alarm rate."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from hiercal.plots.claims import claims
from hiercal.studies._claims import (
    ERRORS,
    Claim,
    NotMeasured,
    above,
    all_of,
    any_of,
    below,
    by_regime,
    judge,
    near,
)
from hiercal.studies._ledger import page
from hiercal.tables.estimates import one


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (above(1.0, 0.1, 0.5, ""), "holds"),
        (above(0.0, 0.1, 0.5, ""), "fails"),
        (above(0.6, 0.1, 0.5, ""), "undecided"),
        (below(0.0, 0.1, 0.5, ""), "holds"),
        (below(1.0, 0.1, 0.5, ""), "fails"),
        (above(1.0, 0.0, 0.5, ""), "holds"),
        (near(0.31, 0.01, 0.3, 0.05, ""), "holds"),
        (near(0.34, 0.01, 0.3, 0.05, ""), "undecided"),
        (near(0.1, 0.01, 0.3, 0.05, ""), "fails"),
        (above(math.nan, 0.1, 0.0, ""), "undecided"),
        (above(1.0, math.nan, 0.0, ""), "undecided"),
    ],
)
def test_verdicts_on_known_effects(found, verdict):
    assert found.verdict == verdict


def test_the_weakest_part_decides():
    yes, no, maybe = (above(x, 0.1, 0.0, name) for x, name in ((1, "a"), (-1, "b"), (0.1, "c")))
    assert all_of([yes, maybe, no]).measure == "b"
    assert all_of([yes, maybe, no]).verdict == "fails"
    assert all_of([yes, maybe]).verdict == "undecided"
    regime = by_regime({"here": yes, "there": above(-5, 0.1, 0.0, "d")}, "a.csv")
    assert all_of([yes, regime]).verdict == "holds in a regime"
    assert all_of([no, regime]).measure == "b"
    with pytest.raises(NotMeasured):
        all_of([])
    assert all_of([yes, above(0.5, 0.1, 0.0, "nearer")]).measure == "nearer"
    assert all_of([yes], "where").remark == "where"


def test_false_alarms_at_the_bound_are_once_in_740():
    """200,000 effects that are just at the bound; counts within 4 binomial standard errors."""
    effects = np.random.default_rng(3).normal(0.0, 1.0, 200_000)
    wrong = sum(above(float(effect), 1.0, 0.0, "").verdict == "holds" for effect in effects)
    expected = 200_000 * 0.5 * math.erfc(ERRORS / math.sqrt(2))
    assert abs(wrong - expected) < 4 * math.sqrt(expected)


@pytest.mark.parametrize("n", [1, 5, 40])
def test_false_alarms_of_a_whole_claim_are_once_in_740(n):
    """A conjunction fails, or a disjunction holds, with all of its n parts at their bounds.

    100,000 claims of n independent parts; counts at most 4 binomial standard errors above.
    """
    repeats = 100_000
    worst = np.sort(np.random.default_rng(n).normal(size=(repeats, n)))[:, [0, -1]]
    most = (alarms := repeats * norm.sf(ERRORS)) + 4 * math.sqrt(alarms)
    for effects, judge_parts, verdict in (
        (worst[:, 0], all_of, "fails"),
        (worst[:, 1], any_of, "holds"),
    ):
        candidates = effects[np.abs(effects) > ERRORS]
        rest = [above(0.0, 1.0, 0.0, "")] * (n - 1)
        found = [judge_parts([above(float(x), 1.0, 0.0, ""), *rest]) for x in candidates]
        assert sum(f.verdict == verdict for f in found) <= most


def test_one_of_several_parts_has_to_pass_by_more():
    near = above(-3.2, 1.0, 0.0, "near")
    assert near.verdict == "fails"
    assert all_of([near, *[above(9.0, 1.0, 0.0, "")] * 9]).verdict == "undecided"
    assert all_of([above(-3.7, 1.0, 0.0, ""), *[above(9.0, 1.0, 0.0, "")] * 9]).verdict == "fails"
    assert any_of([above(3.2, 1.0, 0.0, ""), *[above(-9.0, 1.0, 0.0, "")] * 9]).verdict == (
        "undecided"
    )
    assert any_of([above(-3.2, 1.0, 0.0, ""), *[above(-9.0, 1.0, 0.0, "")] * 9]).verdict == "fails"


def test_a_claim_holds_in_a_regime_where_some_parts_hold_and_some_fail():
    yes, no, maybe = (above(x, 0.1, 0.0, "") for x in (1, -1, 0.1))
    where = "map.csv and figures/map.png"
    assert by_regime({"a": yes, "b": yes}, where).verdict == "holds"
    both = by_regime({"a": yes, "b": no, "c": maybe}, where)
    assert (both.verdict, both.where) == ("holds in a regime", where)
    assert both.remark == "Holds at a. Fails at b. Undecided at c."
    assert by_regime({"b": no, "c": maybe}, where).verdict == "fails"
    assert by_regime({"a": yes, "c": maybe}, where).verdict == "undecided"


def test_a_distance_that_is_told_apart_is_found_with_a_power_of_90_per_cent():
    found = above(0.5, 0.1, 0.0, "")
    effects = np.random.default_rng(8).normal(found.tells_apart, 0.1, 20_000)
    share = np.mean([above(float(x), 0.1, 0.0, "").verdict == "holds" for x in effects])
    assert abs(share - 0.9) < 4 * math.sqrt(0.9 * 0.1 / 20_000)
    more = above(0.1, 0.1 / math.sqrt(above(0.1, 0.1, 0.0, "").times_the_data), 0.0, "")
    assert more.tells_apart == pytest.approx(0.1)


LEDGER = pd.DataFrame(
    [
        {"claim": f"C{i:02d}", "study": "funnel", "says": "One is more than two.",
         "rule": "By eye.",
         "source": "L1", "fixed": "before its full run", "parts": 1, "where": "",
         "tells_apart": 4 * se, "times_the_data": 16.0,
         "verdict": verdict, "margin": margin, "effect": 1.0, "se": se, "bound": 2.0,
         "measure": "number", "remark": "always"}
        for i, (verdict, se, margin) in enumerate(
            [("holds", 0.1, 1.0), ("fails", 0.0, -1.0), ("undecided", 1.0, -1.0)], start=1
        )
    ]
)  # fmt: skip


def test_the_page_counts_and_names_every_claim():
    text = page(LEDGER, ["funnel/figures/bias.png"])
    assert "![funnel/figures/bias.png](funnel/figures/bias.png)" in text
    assert "3 claims, 1 holds, 1 fails, 0 holds in a regime, 1 undecided" in text
    assert all(f"**C0{i}** (fixed before its full run): By eye." in text for i in (1, 2, 3))
    assert "| 1 (exact) | 2 | any |" in text
    assert "Decided by about 20 times this run." in text
    assert "Decided by about 20 times this run of 4 min." in page(LEDGER, minutes={"funnel": 4.2})


def test_the_figure_shows_on_which_side_of_its_bound_an_effect_is():
    axes = claims(LEDGER).axes[0]
    assert len(axes.get_yticklabels()) == 3
    drawn = {tuple(line.get_ydata()): line.get_xdata()[-1] for line in axes.lines[1:]}
    assert drawn[(0, 0)] > 0
    assert drawn[(1, 1)] < 0
    assert drawn[(2, 2)] == -1.0


def test_what_was_not_measured_is_undecided_and_says_so():
    tables = {"bias": pd.DataFrame({"target": [0.8], "bias": [1.0]})}
    claim = Claim(
        "C1",
        "L1",
        "It is.",
        "If so.",
        lambda t: above(one(t["bias"], target=0.9)["bias"], 0, 0, ""),
    )
    found = judge(claim, tables)
    assert found.verdict == "undecided"
    assert found.remark == "Not measured: 0 rows have target = 0.9."
    claim = Claim("C2", "L1", "It is.", "If so.", lambda t: t["bias"]["of an earlier version"])
    assert judge(claim, tables).verdict == "undecided"
    assert "'of an earlier version'; run the study again" in judge(claim, tables).remark
