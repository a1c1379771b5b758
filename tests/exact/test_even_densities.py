"""Distribution functions of densities on even nodes."""

import numpy as np
from scipy.special import ndtr

from hiercal.exact.even_densities import EvenDensities


def test_distribution_functions_of_normals_on_nodes_of_one_standard_deviation_and_closer():
    nodes_to_sd = np.array([1.0, 1.5, 2.0, 3.0, 4.0])
    first, step = np.array([-3.0, 0.0, 5.0, 1.0, -9.0]), np.array([1.0, 0.01, 2.0, 30.0, 0.5])
    z = (np.arange(64) - 31.3) / nodes_to_sd[:, None]
    densities = EvenDensities.of(first, step, -z * z / 2)
    mean, sd = first + 31.3 * step, nodes_to_sd * step
    for row, (m, s) in enumerate(zip(mean, sd, strict=True)):
        x = m + s * np.linspace(-4.5, 4.5, 1001)
        np.testing.assert_allclose(densities.cdf(x)[:, row], ndtr((x - m) / s), atol=1e-7)


def test_distribution_functions_beyond_the_nodes():
    z = np.linspace(-8, 8, 40)
    densities = EvenDensities.of(np.array([-8.0]), np.array([z[1] - z[0]]), -(z[None] ** 2) / 2)
    below, above = densities.cdf(np.array([-np.inf, np.inf]))[:, 0]
    assert below < 1e-7
    assert above > 1 - 1e-7
