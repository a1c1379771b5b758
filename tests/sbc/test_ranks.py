from unittest.mock import Mock

import numpy as np
import pytest

from hiercal.sbc.ranks import effective_ranks, randomised_pit, ranks, thin
from hiercal.sbc.uniformity import uniformity_test


@pytest.mark.parametrize(("n_draws", "n_thinned"), [(1, 1), (99, 99), (1000, 99), (199, 100)])
def test_thin_is_evenly_spaced_and_ends_at_the_last_draw(n_draws, n_thinned):
    kept = thin(n_draws, n_thinned)
    assert kept.shape == (n_thinned,)
    assert kept[-1] == n_draws - 1
    assert kept[0] >= 0
    assert set(np.diff(kept)) <= {n_draws // n_thinned}


@pytest.mark.parametrize(("n_draws", "n_thinned"), [(98, 99), (10, 0)])
def test_thin_says_what_it_got(n_draws, n_thinned):
    with pytest.raises(ValueError, match=f"n_thinned={n_thinned} of n_draws={n_draws}"):
        thin(n_draws, n_thinned)


def test_rank_counts_draws_below_the_truth():
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(99, 20))
    truth = rng.normal(size=20)
    found = ranks(truth, draws, rng)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, (draws < truth).sum(axis=0))


def test_ties_are_broken_uniformly():
    rng = np.random.default_rng(2)
    # Truth and draws are exchangeable coin tosses, so r is uniform in spite of the ties.
    found = ranks(rng.integers(0, 2, 5000), rng.integers(0, 2, (9, 5000)), rng)
    assert uniformity_test(found, 9).p > 0.01
    assert set(ranks(np.zeros(2000), np.zeros((4, 2000)), rng)) == {0, 1, 2, 3, 4}


def test_infinite_values_have_ranks():
    rng = np.random.default_rng(3)
    assert ranks([-np.inf, np.inf], np.zeros((5, 2)), rng).tolist() == [0, 5]


@pytest.mark.parametrize("where", ["truth", "draws"])
def test_nan_is_an_error_that_names_the_quantity(where):
    truth, draws = np.zeros(3), np.zeros((5, 3))
    if where == "truth":
        truth[1] = np.nan
    else:
        draws[4, 1] = np.nan
    with pytest.raises(ValueError, match=r"quantities \[1\]"):
        ranks(truth, draws, np.random.default_rng(1))


def test_shapes_that_do_not_match_are_an_error():
    with pytest.raises(ValueError, match=r"\(3,\) and draws of shape \(5, 2\)"):
        ranks(np.zeros(3), np.zeros((5, 2)), np.random.default_rng(1))


@pytest.mark.parametrize("u", [0.0, np.nextafter(1.0, 0.0)])
def test_pit_stays_strictly_inside_the_unit_interval(u):
    rng = Mock(spec=np.random.Generator)
    rng.random.return_value = np.full(2, u)
    pit = randomised_pit([0, 99], 99, rng)
    assert (pit > 0).all()
    assert (pit < 1).all()


def test_pit_lies_in_the_cell_of_its_rank():
    found = np.arange(100)
    pit = randomised_pit(found, 99, np.random.default_rng(1))
    np.testing.assert_array_equal(np.floor(pit * 100), found)


def test_pit_rejects_ranks_above_the_largest():
    with pytest.raises(ValueError, match=r"0 to 100, expected 0\.\.99"):
        randomised_pit([0, 100], 99, np.random.default_rng(1))


def test_effective_ranks_are_plain_ranks_where_draws_abound():
    rng = np.random.default_rng(1)
    draws, truth = rng.normal(size=(1000, 5)), rng.normal(size=5)
    plain = ranks(truth, draws[thin(1000, 99)], rng)
    assert effective_ranks(truth, draws, [300, 500, 1000, 297, 4000], 99, rng).tolist() == (
        plain.tolist()
    )


@pytest.mark.parametrize("ess", [np.nan, 1.0, 20.0, 150.0, 900.0])
def test_effective_ranks_of_independent_draws_are_uniform(ess):
    """Chi-square on 20 bins, 1 % each; the generator is fixed."""
    rng = np.random.default_rng(2)
    truth, draws = rng.normal(size=4000), rng.normal(size=(300, 4000))
    found = effective_ranks(truth, draws, np.full(4000, ess), 99, rng)
    assert (found.min(), found.max()) == (0, 99)
    counts = np.bincount(found // 5, minlength=20)
    assert ((counts - 200) ** 2 / 200).sum() < 36.2
