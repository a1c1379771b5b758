"""Eight Schools: its design, data and likelihood."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hiercal import story

SCHOOLS = story("eight_schools")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": (10,)}, "two or more"),
        ({"sigma": (10, 0)}, r"sigma\[1\] is 0"),
        ({"sigma": (10, float("nan"))}, r"sigma\[1\] is nan"),
        ({"tau_scale": -1}, "tau_scale is -1"),
        ({"mu_scale": float("inf")}, "mu_scale is inf"),
        ({"schools": ("A", "B")}, "2 names in schools for 8"),
        ({"schools": ("A",) * 8}, "repeat"),
        ({"sigma": "wide"}, "sigma is 'wide'"),
    ],
)
def test_designs_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        story("eight_schools", **options)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"y": [1.0] * 7}, r"shape \(7,\); sigma asks for \(8,\)"),
        ({"y": [float("nan")] * 8}, "finite"),
        ({"x": [1.0] * 8}, "give y"),
        ({}, "give y"),
    ],
)
def test_data_that_do_not_fit_the_design_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        SCHOOLS.exact(data)


def test_any_number_of_schools():
    assert story("eight_schools", sigma=(5.0, 6.0)).coords["school"] == ("A", "B")
    many = story("eight_schools", sigma=(5.0,) * 30)
    assert many.coords["school"][:2] == ("1", "2")
    assert many.observed is None
    assert many.simulate(np.random.default_rng(0)).data["y"].shape == (30,)


def test_reading_a_table():
    frame = pd.DataFrame({"school": ["X", "Y", "Z"], "y": [1, 2, 3], "sigma": [4, 5, 6]})
    design, data = type(SCHOOLS).from_frame(frame)
    assert design.sigma == (4, 5, 6)
    assert design.coords["school"] == ("X", "Y", "Z")
    assert data["y"].tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="no column sigma among school, y"):
        type(SCHOOLS).from_frame(frame.drop(columns="sigma"))


def test_log_likelihood_is_the_joint_normal_density():
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(5, 8))
    got = SCHOOLS.log_likelihood({"theta": theta}, SCHOOLS.observed)
    np.testing.assert_allclose(got, stats.norm.logpdf(SCHOOLS.observed["y"], theta, SCHOOLS.sigma))
