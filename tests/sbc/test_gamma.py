"""The gamma statistic over simulations."""

import numpy as np
import pytest

from hiercal.sbc.gamma import gamma_path
from hiercal.sbc.uniformity import ecdf_test


def test_below_zero_is_where_the_test_rejects():
    rng = np.random.default_rng(3)
    for shift in (0, 8):
        ranks = np.clip(rng.integers(0, 100, 300) + shift, 0, 99)
        n, ratio = gamma_path(ranks, 99)
        assert n[0] == 10
        assert n[-1] == 300
        for size, value in zip(n.tolist(), ratio, strict=True):
            p = ecdf_test(ranks[:size], 99, n_cells=20).p
            assert (value < -1e-9) == (p < 0.05 - 1e-9), size


def test_too_few_ranks_have_no_path_and_wrong_ones_are_refused():
    assert [len(each) for each in gamma_path([1] * 9, 99)] == [0, 0]
    with pytest.raises(ValueError, match=r"expected 0\.\.9"):
        gamma_path([10] * 20, 9)


def test_missing_ranks_are_the_least_evidence_that_they_could_be():
    from hiercal.sbc.sequential import rank_log_e, rank_log_e_path

    ranks = np.array([0, 0, -1, 5, -1, 0])
    low, _ = rank_log_e(np.bincount(ranks[ranks >= 0], minlength=100), 99, failed=2)
    assert rank_log_e_path(ranks, 99, least=True)[-1] == pytest.approx(float(low))
    assert rank_log_e_path(ranks, 99)[-1] > low
