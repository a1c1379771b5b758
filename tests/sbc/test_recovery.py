import numpy as np
import pytest

from hiercal.sbc.recovery import contraction, z_score


def test_conjugate_normal_has_the_known_contraction_and_unit_z_scores():
    rng = np.random.default_rng(1)
    n, prior_sd, noise_sd = 20_000, 2.0, 1.0
    truth = prior_sd * rng.normal(size=n)
    observed = truth + noise_sd * rng.normal(size=n)
    sd = 1 / np.sqrt(1 / prior_sd**2 + 1 / noise_sd**2)
    z = z_score(truth, observed * sd**2 / noise_sd**2, sd)
    assert contraction(sd, prior_sd) == pytest.approx(0.8)
    assert abs(z.mean()) < 4 / np.sqrt(n)
    assert abs(np.mean(z**2) - 1) < 4 * np.sqrt(2 / n)


def test_broadcasting_and_nan():
    found = z_score([0.0, 1.0], [[1.0, np.nan]], [0.5, 0.5])
    np.testing.assert_array_equal(found, [[2.0, np.nan]])


@pytest.mark.parametrize("sd", [0.0, -1.0])
def test_sd_must_be_positive(sd):
    with pytest.raises(ValueError, match="expected positive"):
        z_score(0.0, 0.0, [1.0, sd])
    with pytest.raises(ValueError, match="prior_sd"):
        contraction(1.0, sd)
