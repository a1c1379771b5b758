"""Distribution functions of densities on even nodes."""

import numpy as np
from scipy.special import ndtr

from hiercal.exact.even_densities import EvenDensities


def test_distribution_functions_of_normals_with_two_nodes_a_standard_deviation_or_more():
    nodes_to_sd = np.array([2.0, 3.0, 4.0])
    first, step = np.array([-3.0, 5.0, -9.0]), np.array([1.0, 0.01, 30.0])
    z = (np.arange(64) - 31.3) / nodes_to_sd[:, None]
    densities = EvenDensities.of(first, step, -z * z / 2)
    mean, sd = first + 31.3 * step, nodes_to_sd * step
    for row, (m, s) in enumerate(zip(mean, sd, strict=True)):
        x = m + s * np.linspace(-7, 7, 1001)
        np.testing.assert_allclose(densities.cdf(x)[:, row], ndtr((x - m) / s), atol=1e-8)


def test_distribution_functions_beyond_the_nodes():
    z = np.linspace(-8, 8, 40)
    densities = EvenDensities.of(np.array([-8.0]), np.array([z[1] - z[0]]), -(z[None] ** 2) / 2)
    below, above = densities.cdf(np.array([-np.inf, np.inf]))[:, 0]
    assert below < 1e-9
    assert above > 1 - 1e-9
