"""Kinds of the fields of a design, and what follows from them."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import pytest

from hiercal import Simulation
from hiercal.simulators import Names, NormalGroups, Observed, Positives
from hiercal.simulators._fields import Finite, Positive, Rows, Sizes, kinds


@dataclass(frozen=True, kw_only=True)
class Wards(NormalGroups):
    sizes: Sizes = (2, 3)
    weight: Positives = (1.0, 2.0)
    shift: Finite = 0.0
    family: Literal["a", "b"] = "a"
    note: str = "free"
    wards: Names = ()

    name: ClassVar = "wards"
    models: ClassVar = {"centred": ("mu", "tau", "theta")}
    dims: ClassVar = {"mu": (), "tau": (), "theta": ("ward",)}
    scale: ClassVar = "tau"
    groups: ClassVar = "theta"
    observes: ClassVar = {
        "y": Observed("the stays", "counts", dims=("patient",), real=(1, 2, 3, 4, 5)),
        "z": Observed("the scores"),
    }

    def simulate(self, rng):
        return Simulation({"mu": 0.0, "tau": 1.0, "theta": rng.normal(size=self.n_groups)}, {})

    def log_prior(self, draws, model="centred"):
        return draws["mu"]

    def log_likelihood(self, draws, data):
        return draws["theta"]

    def pymc_model(self, data, model):
        raise NotImplementedError

    def numpyro_model(self, model):
        raise NotImplementedError


def test_kinds_are_those_of_the_annotations():
    assert list(kinds(Wards)) == ["sizes", "weight", "shift", "family", "wards"]
    assert [name for name, kind in kinds(Wards).items() if kind.by_group] == [
        "sizes",
        "weight",
        "wards",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (2, 0)}, r"sizes\[1\] is 0"),
        ({"sizes": (2,)}, r"sizes has 1 value\(s\)"),
        ({"weight": (1.0, 2.0, 3.0)}, r"weight has shape \(3,\); sizes asks for \(2,\)"),
        ({"weight": (1.0, -2.0)}, r"weight\[1\] is -2.0; give a finite number above 0"),
        ({"shift": np.inf}, "shift is inf; give a finite number"),
        ({"family": "c"}, "family is 'c'; give 'a' or 'b'"),
        ({"wards": ("A", "A")}, "repeat a name"),
    ],
)
def test_what_is_no_such_thing_is_refused(options, message):
    with pytest.raises(ValueError, match=f"wards: .*{message}"):
        Wards(**options)


def test_labels_sizes_and_resizing_follow():
    one = Wards()
    assert one.coords == {"ward": ("A", "B")}
    assert one.group_sizes == (2.0, 3.0)
    assert one.group_of.tolist() == [0, 0, 1, 1, 1]
    more = Wards(wards=("P", "Q")).resized(3)
    assert (more.sizes, more.weight, more.coords["ward"]) == (
        (2, 3, 2),
        (1.0, 2.0, 1.0),
        ("A", "B", "C"),
    )


def test_data_are_checked_by_their_kinds():
    good = {"y": [1, 2, 3, 4, 5], "z": [0.5, 1.5]}
    checked = Wards().check(good)
    assert checked["y"].dtype == np.int64
    assert checked["z"].tolist() == [0.5, 1.5]
    for data, message in (
        ({"y": [1]}, "data are \\['y'\\]; give y, the stays and z, the scores"),
        (good | {"y": [1, 2]}, r"y has shape \(2,\); sizes asks for \(5,\)"),
        (good | {"y": [1, 2, 3, 4, 0.5]}, r"y\[4\] is 0.5; give a whole number"),
        (good | {"z": [1, np.nan]}, r"z\[1\] not finite"),
    ):
        with pytest.raises(ValueError, match=f"wards: {message}"):
            Wards().check(data)


def test_real_data_are_those_of_the_default_design():
    assert Wards().observed["y"].tolist() == [1, 2, 3, 4, 5]
    assert Wards(shift=2.0).observed is not None
    assert Wards(sizes=(2, 4)).observed is None


def test_effects_of_a_group_not_seen():
    draws = {"mu": np.array([1.0, 2.0]), "tau": np.array([0.5, 3.0])}
    assert Wards().new_group_at(draws, -2.0).tolist() == [0.0, -4.0]
    assert Wards().new_group({"theta": np.ones(2)}, np.random.default_rng(0)) == {}
    assert Wards().pooled(draws).tolist() == [[1.0, 1.0], [2.0, 2.0]]


def test_columns_of_a_table_follow_from_the_fields():
    @dataclass(frozen=True, kw_only=True)
    class Lines(Wards):
        x: Rows = ((1.0,), (2.0, 3.0))
        slope: Positive = 1.0

    frame = pd.DataFrame({"ward": ["b", "a", "b"], "y": [1, 2, 3]})
    with pytest.raises(ValueError, match="no column weight or x or z among ward, y"):
        Lines.from_frame(frame)
