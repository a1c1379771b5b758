"""Rules for claims: verdicts on known effects, and their false-alarm rate."""

import math

import numpy as np
import pandas as pd
import pytest

from hiercal.plots.claims import claims
from hiercal.studies._claims import ERRORS, Claim, above, below, every, judge, near
from hiercal.studies._ledger import page
from hiercal.studies._summaries import one


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (above(1.0, 0.1, 0.5, ""), "confirmed"),
        (above(0.0, 0.1, 0.5, ""), "refuted"),
        (above(0.6, 0.1, 0.5, ""), "undecided"),
        (below(0.0, 0.1, 0.5, ""), "confirmed"),
        (below(1.0, 0.1, 0.5, ""), "refuted"),
        (above(1.0, 0.0, 0.5, ""), "confirmed"),
        (near(0.31, 0.01, 0.3, 0.05, ""), "confirmed"),
        (near(0.34, 0.01, 0.3, 0.05, ""), "undecided"),
        (near(0.1, 0.01, 0.3, 0.05, ""), "refuted"),
        (above(math.nan, 0.1, 0.0, ""), "undecided"),
        (above(1.0, math.nan, 0.0, ""), "undecided"),
    ],
)
def test_verdicts_on_known_effects(found, verdict):
    assert found.verdict == verdict


def test_the_weakest_part_decides():
    yes, no, maybe = (above(x, 0.1, 0.0, name) for x, name in ((1, "a"), (-1, "b"), (0.1, "c")))
    assert every([yes, maybe, no]).measure == "b"
    assert every([yes, maybe]).verdict == "undecided"
    assert every([yes, above(0.5, 0.1, 0.0, "nearer")]).measure == "nearer"
    assert every([yes], "where").remark == "where"


def test_false_alarms_at_the_bound_are_once_in_740():
    """200,000 effects that are just at the bound; counts within 4 binomial standard errors."""
    effects = np.random.default_rng(3).normal(0.0, 1.0, 200_000)
    wrong = sum(above(float(effect), 1.0, 0.0, "").verdict == "confirmed" for effect in effects)
    expected = 200_000 * 0.5 * math.erfc(ERRORS / math.sqrt(2))
    assert abs(wrong - expected) < 4 * math.sqrt(expected)


LEDGER = pd.DataFrame(
    [
        {"claim": f"C{i:02d}", "study": "funnel", "says": "One is more than two.",
         "rule": "By eye.",
         "verdict": verdict, "margin": margin, "effect": 1.0, "se": se, "bound": 2.0,
         "measure": "number", "remark": "always"}
        for i, (verdict, se, margin) in enumerate(
            [("confirmed", 0.1, 1.0), ("refuted", 0.0, -1.0), ("undecided", 1.0, -1.0)], start=1
        )
    ]
)  # fmt: skip


def test_the_page_counts_and_names_every_claim():
    text = page(LEDGER, ["funnel/figures/bias.png"])
    assert "![funnel/figures/bias.png](funnel/figures/bias.png)" in text
    assert "3 claims, 1 confirmed, 1 refuted, 1 undecided" in text
    assert all(f"**C0{i}**: By eye." in text for i in (1, 2, 3))
    assert "| 1 (exact) | 2 |" in text


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
        "C1", "It is.", "If so.", lambda t: above(one(t["bias"], target=0.9)["bias"], 0, 0, "")
    )
    found = judge(claim, tables)
    assert found.verdict == "undecided"
    assert found.remark == "Not measured: 0 rows have target = 0.9."
