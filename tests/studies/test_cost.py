"""The cost study: slopes of made-up times, its rules, and its design."""

import numpy as np
import pandas as pd
import pytest

from hiercal import experiment
from hiercal.fitters.exact import Exact
from hiercal.studies import cost
from hiercal.studies._claims import judge
from hiercal.studies._cost_claims import CLAIMS

RULES = {claim.id: claim for claim in CLAIMS}


def timed(power, noise=0.01, fitter="numpyro"):
    """Times that grow as a power of the size; small sizes, and cut trajectories, do not count."""
    rng = np.random.default_rng(1)
    rows = [
        {"series": "groups", "fitter": fitter, "size": size,
         "microseconds": size**power * np.exp(noise * rng.normal()), "whole": 1.0}
        for size in (8, 128, 512, 2048)
        for _ in range(5)
    ]  # fmt: skip
    spoilt = [row | {"microseconds": 1e9, "whole": 0.5} for row in rows[-3:]]
    return cost._scaling(pd.DataFrame(rows + spoilt))


@pytest.mark.parametrize(
    ("power", "noise", "verdict"),
    [(1.0, 0.01, "holds"), (1.5, 0.01, "fails"), (1.1, 0.3, "undecided")],
)
def test_how_cost_grows(power, noise, verdict):
    table = timed(power, noise)
    assert abs(table["slope"].iloc[0] - power) < 4 * table["slope_se"].iloc[0]
    assert table.set_index("size").loc[2048, "kept"] == pytest.approx(5 / 8)
    assert judge(RULES["C28"], {"scaling": table}).verdict == verdict


def test_exact_draws_are_not_what_the_claim_is_about():
    both = pd.concat([timed(1.0), timed(2.0, fitter="exact")])
    assert judge(RULES["C28"], {"scaling": both}).verdict == "holds"


@pytest.mark.parametrize(
    ("steps", "verdict"), [((7, 15), "holds"), ((7, 40), "fails"), ((7, 20), "undecided")]
)
def test_how_long_trajectories_are(steps, verdict):
    table = pd.DataFrame({"story": ["a", "b"], "library": "pymc", "steps": steps, "steps_se": 0.5})
    found = judge(RULES["C29"], {"trajectories": table})
    assert found.verdict == verdict
    assert "of 2; farthest: " in found.remark


def test_exact_draws_are_timed():
    rows = cost._times("eight_schools: groups", Exact(draws=cost.EXACT), (8, 16), 2, seed=1)
    assert len(rows) == 4
    assert all(row["microseconds"] > 0 and row["whole"] == 1.0 for row in rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (8, 128)}, "give two or more of at least 128"),
        ({"series": ("schools",)}, r"series holds \['schools'\]"),
        ({"series": ()}, "series is empty"),
        ({"rounds": 1}, "rounds is 1"),
    ],
)
def test_the_design_is_checked(options, message):
    with pytest.raises(ValueError, match=message):
        experiment("cost", **options)
