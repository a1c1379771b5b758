from itertools import product

import numpy as np
import pytest
from scipy.stats import multinomial

from hiercal.sbc.histogram_band import histogram_band


def test_histogram_band_is_exact_and_tight():
    n, bins, level = 60, 4, 0.9
    found = histogram_band(n, bins, level)

    def covers(low, high):
        cells = [x for x in product(range(low, high + 1), repeat=bins) if sum(x) == n]
        return multinomial.pmf(cells, n, np.full(bins, 1 / bins)).sum()

    low, high = found.simultaneous_lower, found.simultaneous_upper
    assert covers(low, high) >= level
    assert covers(low + 1, high - 1) < level
    assert low <= found.lower <= found.expected <= found.upper <= high


@pytest.mark.parametrize("arguments", [(0, 10, 0.95), (10, 1, 0.95), (10, 10, 1.0)])
def test_arguments_are_checked(arguments):
    with pytest.raises(ValueError, match="expected n >= 1"):
        histogram_band(*arguments)
