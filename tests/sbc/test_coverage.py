import numpy as np
import pytest

from hiercal.sbc.coverage import central_coverage, clopper_pearson, coverage_p


@pytest.mark.parametrize("max_rank", [2, 9, 99, 100])
def test_central_levels_are_exact_under_uniform_ranks(max_rank):
    found = central_coverage(np.arange(max_rank + 1), max_rank)
    assert found.k.tolist() == list(range(1, max_rank // 2 + 1))
    np.testing.assert_allclose(found.coverage, found.nominal, rtol=1e-14)
    assert ((found.lower < found.nominal) & (found.nominal < found.upper)).all()


def test_the_levels_the_chapter_uses():
    found = central_coverage(np.arange(1000), 999, k=[55, 25])
    np.testing.assert_allclose(found.nominal, [0.89, 0.95], rtol=1e-14)


def test_rank_condition_is_the_interval_between_order_statistics():
    rng = np.random.default_rng(1)
    draws, truth = np.sort(rng.normal(size=(300, 19)), axis=1), rng.normal(size=300) * 1.5
    ranks = (draws < truth[:, None]).sum(axis=1)
    found = central_coverage(ranks, 19)
    inside = [
        ((draws[:, k - 1] <= truth) & (truth <= draws[:, 19 - k])).sum() for k in found.k.tolist()
    ]
    assert found.covered.tolist() == inside


@pytest.mark.parametrize("k", [[0], [50], [1, 50]])
def test_central_k_is_checked(k):
    with pytest.raises(ValueError, match=r"expected whole numbers in 1\.\.49"):
        central_coverage(np.arange(100), 99, k=k)


def test_no_ranks_is_an_error():
    with pytest.raises(ValueError, match="non-empty"):
        central_coverage([], 99)


def test_published_intervals_of_882_in_1000():
    np.testing.assert_allclose(clopper_pearson(882, 1000), [0.8604, 0.9013], atol=5e-5)
    np.testing.assert_allclose(coverage_p(882, 1000, 0.89), 0.419, atol=5e-4)


def test_clopper_pearson_of_none_and_all():
    lower, upper = clopper_pearson([0, 10], 10)
    np.testing.assert_allclose(lower, [0, 0.025 ** (1 / 10)], rtol=1e-12)
    np.testing.assert_allclose(upper, [1 - 0.025 ** (1 / 10), 1], rtol=1e-12)


def test_clopper_pearson_never_covers_less_than_its_level():
    from scipy.stats import binom

    lower, upper = clopper_pearson(np.arange(31), 30)
    for p in np.linspace(0.001, 0.999, 333):
        covers = (lower <= p) & (p <= upper)
        assert binom.pmf(np.arange(31), 30, p)[covers].sum() >= 0.95


@pytest.mark.parametrize(("x", "n", "level"), [(11, 10, 0.95), (-1, 10, 0.95), (0, 0, 0.95)])
def test_counts_are_checked(x, n, level):
    with pytest.raises(ValueError, match="expected 0 <= x <= n"):
        clopper_pearson(x, n, level)
    with pytest.raises(ValueError, match="expected 0 <= x <= n"):
        coverage_p(x, n, level)
