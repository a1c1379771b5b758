"""The cost study: slopes of made-up times, its rules, and its design."""

import dataclasses
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from hiercal import study as make_study
from hiercal.simulators.eight_schools import EightSchools
from hiercal.studies._claims import judge
from hiercal.studies.cost import study as cost
from hiercal.studies.cost.claims import CLAIMS
from hiercal.studies.cost.operations import COUNTS

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


def test_slopes_of_times_leave_out_cut_trajectories():
    table = timed(1.5)
    assert abs(table["slope"].iloc[0] - 1.5) < 4 * table["slope_se"].iloc[0]
    assert table.set_index("size").loc[2048, "kept"] == pytest.approx(5 / 8)


def counted(*powers):
    """Operations whose powers are given, of a series each."""
    rows = [
        {"series": f"series {k}", "model": "noncentred", "library": "numpyro", "size": size,
         "power": power if size > 128 else np.nan}
        for k, power in enumerate(powers)
        for size in (128, 512)
    ]  # fmt: skip
    both = pd.concat([timed(0.8), timed(1.2, fitter="pymc"), timed(2.0, fitter="exact")])
    return {"operations": pd.DataFrame(rows), "scaling": both}


@pytest.mark.parametrize(
    ("powers", "verdict"), [((1.0, 0.9), "holds"), ((1.0, 1.15), "fails"), ((2.0,), "fails")]
)
def test_operations_and_not_times_are_judged(powers, verdict):
    found = judge(RULES["C28"], counted(*powers))
    assert found.verdict == verdict
    assert found.se == 0
    assert "with the 0.80th to 1.20th power" in found.remark


@dataclasses.dataclass(frozen=True, kw_only=True)
class AllPairs(EightSchools):
    """Eight Schools with a term for every pair of schools: a gradient of order J squared."""

    name: ClassVar = "all_pairs"

    def pymc_model(self, data, model):
        import pymc as pm

        made = super().pymc_model(data, model)
        with made:
            pm.Potential("pairs", 1e-9 * (made["theta"][:, None] * made["theta"][None, :]).sum())
        return made

    def numpyro_model(self, model):
        import numpyro

        def pairs(y=None):
            original(y)
            theta = numpyro.sample("own", numpyro.distributions.Normal(0, np.ones(len(self.sigma))))
            numpyro.factor("pairs", 1e-9 * (theta[:, None] * theta[None, :]).sum())

        original = super().numpyro_model(model)
        return pairs


@pytest.mark.parametrize("library", ["numpyro", "pymc"])
def test_operations_of_pairs_are_found_and_those_of_groups_are_linear(library):
    def power(story, model="noncentred"):
        counts = []
        for n in (128, 512):
            made = story.resized(n)
            data = made.simulate(np.random.default_rng(n)).data
            counts.append(COUNTS[library](made, model, data))
        return np.log(counts[1] / counts[0]) / np.log(4)

    assert 0.9 < power(EightSchools()) <= 1
    assert power(AllPairs()) > 1.5


def test_xla_counts_known_operations():
    """Normal(0, 1) of one number: a handful of operations, and each observation adds the same."""
    counts = []
    for n in (8, 16, 24):
        story = EightSchools().resized(n)
        data = story.simulate(np.random.default_rng(n)).data
        counts.append(COUNTS["numpyro"](story, "noncentred", data))
    assert counts[2] - counts[1] == counts[1] - counts[0] > 8 * 5


def trajectory_rows(**inside):
    """Shares of fits inside the range, by story, with codings that are not the textbook's."""
    rows = [
        {"story": story, "library": library, "model": "noncentred", "textbook": textbook,
         "inside": share if textbook else 0.0, "inside_se": 0.02, "steps": 12.0, "steps_se": 1.0}
        for story, share in inside.items()
        for library in ("numpyro", "pymc")
        for textbook in (True, False)
    ]  # fmt: skip
    return {"trajectories": pd.DataFrame(rows)}


@pytest.mark.parametrize(
    ("inside", "verdict"),
    [
        ({"a": 0.9, "b": 0.8}, "holds"),
        ({"a": 0.1, "b": 0.0}, "fails"),
        ({"a": 0.9, "b": 0.0}, "holds in a regime"),
        ({"a": 0.9, "b": 0.5}, "undecided"),
    ],
)
def test_how_long_trajectories_are(inside, verdict):
    found = judge(RULES["C29"], trajectory_rows(**inside))
    assert found.verdict == verdict
    assert "in 8 of 8; longest: 12 (1) steps" in found.remark
    assert bool(found.where) == (verdict == "holds in a regime")


def test_the_textbooks_codings_are_marked():
    study = make_study("cost", simulations=2, others=2, libraries=("numpyro",))
    arms = [arm for each in study.runs().values() for arm in each.arms]
    codings = {(arm.story.name, arm.fitter.model) for arm in arms}
    assert len(codings) == len(arms) == 10
    marked = {(name, model) for name, models in cost.TEXTBOOK.items() for model in models}
    assert marked <= codings


def test_exact_draws_are_timed():
    series = "eight_schools: groups"
    study = make_study("cost", sizes=(128, 256), series=(series,), rounds=2)
    timed = study.measurements()[f"time, {series}, exact"]
    assert timed.alone
    rows = timed.measure()["times"]
    assert [row["size"] for row in rows] == [128, 256, 128, 256]
    assert all(row["microseconds"] > 0 and row["whole"] == 1.0 for row in rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (8, 128)}, "give two or more of at least 128"),
        ({"series": ("schools",)}, r"series holds \['schools'\]"),
        ({"series": ()}, "series is empty"),
        ({"rounds": 1}, "rounds is 1"),
        ({"others": 1}, "others is 1"),
    ],
)
def test_the_design_is_checked(options, message):
    with pytest.raises(ValueError, match=message):
        make_study("cost", **options)
