"""Smallest errors in closed form, against those that are simulated."""

import math

import pytest

from hiercal.sbc.sequential import detectable, exact_detectable
from hiercal.sbc.smallest_errors import smallest_by_exact, smallest_by_ranks


@pytest.mark.parametrize(("n", "alpha"), [(100, 1e-3), (300, 3e-5)])
def test_by_ranks(n, alpha):
    simulated, found = detectable(n, 99, alpha), smallest_by_ranks(n, 99, alpha)
    assert 0.98 < found.shift / simulated.shift < 1.07
    assert 0.95 < (found.scale - 1) / (simulated.scale - 1) < 1.08


@pytest.mark.parametrize(("n", "ess", "alpha"), [(10, 1000.0, 1e-3), (50, 200.0, 1e-5)])
def test_by_the_exact_posterior(n, ess, alpha):
    simulated, found = exact_detectable(n, ess, alpha), smallest_by_exact(n, ess, alpha)
    assert found.shift == pytest.approx(simulated.shift, rel=0.03)
    assert found.scale - 1 == pytest.approx(simulated.scale - 1, rel=0.08)


def test_nothing_is_found_in_no_simulation():
    for found in (smallest_by_ranks(0, 99, 0.01), smallest_by_exact(0, 100.0, 0.01)):
        assert found == (math.inf, math.inf)
    assert smallest_by_exact(1, 100.0, 1e-9) == (math.inf, math.inf)
