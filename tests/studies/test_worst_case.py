"""The worst of several cells: its bias by selection, its error, and its exact small cases."""

import numpy as np
import pytest

from hiercal.studies.parameterisation.worst_case import worst_case


def test_a_clear_worst_cell_is_estimated_by_all_its_data():
    rng = np.random.default_rng(1)
    cells = {"bad": rng.normal(5, 1, 50), "good": rng.normal(0, 1, 50)}
    found = worst_case(cells)
    assert found["chosen"] == "bad"
    assert found["value"] == pytest.approx(cells["bad"].mean())
    assert found["naive"] == pytest.approx(cells["bad"].mean())
    assert found["value_se"] == pytest.approx(cells["bad"].std(ddof=1) / 50**0.5, rel=0.1)


def test_selection_does_not_bias_and_the_error_is_honest():
    """Twenty cells that are all as bad, 2,000 times.

    The mean of the estimates lies within 4.5 standard errors of the truth (P about 1e-5), their
    spread within 15 % of the error stated; the largest mean is too large by 1.9 of its own errors.
    """
    rng = np.random.default_rng(7)
    found = [worst_case({str(k): rng.normal(3, 1, 40) for k in range(20)}) for _ in range(2000)]
    value, se, naive = (np.array([f[key] for f in found]) for key in ("value", "value_se", "naive"))
    assert abs(value.mean() - 3) < 4.5 * value.std() / 2000**0.5
    assert value.std() == pytest.approx(np.sqrt((se**2).mean()), rel=0.15)
    assert naive.mean() - 3 > 1.5 / 40**0.5


def test_cells_with_too_few_data_sets_are_left_out():
    assert np.isnan(worst_case({"a": np.ones(3)})["value"])
    assert worst_case({"a": np.full(3, 9.0), "b": np.ones(4)})["chosen"] == "b"
