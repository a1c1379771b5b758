"""The journal keeps what it was given, once, and refuses what is not its own."""

import sqlite3

import numpy as np
import pytest

from hiercal.studies._fits import COLUMNS, FitRecord
from hiercal.studies._journal import Journal, JournalError, differing

STUDY = ("digest", {"seed": 1, "stories": [{"name": "s"}]}, [("s/a", ["x", "y"]), ("s/b", ["x"])])


def record(simulation, value=0.5, error=None):
    values = np.full((2, len(COLUMNS)), value)
    return FitRecord(simulation, error, 0.1, 2, 30, 5, 0.9, values)


def test_what_goes_in_comes_out(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*STUDY)
        journal.add(0, [record(3, 0.3), record(1, 0.1), record(2, 0.2, "broke")])
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*STUDY)
        assert journal.arms() == STUDY[2]
        assert journal.done(0) == {1, 2, 3}
        assert journal.done(1) == set()
        assert journal.tally(0, 10) == (3, 1, 3)
        (fits,) = journal.fits(0, 10)
        ((first,),) = journal.fits(0, 2)
    assert first.simulation == 1
    assert [fit.simulation for fit in fits] == [1, 2, 3]
    assert [fit.error for fit in fits] == [None, "broke", None]
    np.testing.assert_array_equal(fits[0].values, record(1, 0.1).values)


def test_a_fit_is_kept_once_as_it_first_came(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*STUDY)
        journal.add(0, [record(1, 0.1)])
        journal.add(0, [record(1, 0.9), record(2, 0.2)])
        (fits,) = journal.fits(0, 10)
    assert [fit.values[0, 0] for fit in fits] == [0.1, 0.2]


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*STUDY)
        bad = record(2)
        object.__setattr__(bad, "n_steps", object())
        with pytest.raises(sqlite3.Error):
            journal.add(0, [record(1), bad])
        assert journal.done(0) == set()


def test_another_study_is_refused_with_what_differs(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*STUDY)
        with pytest.raises(JournalError, match="seed: 1 there, 2 now"):
            journal.claim("other", {"seed": 2, "stories": [{"name": "s"}]}, STUDY[2])


def test_a_folder_in_use_is_refused(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*STUDY)
        with pytest.raises(JournalError, match="another run is using this folder"):
            Journal(tmp_path / "journal.sqlite")


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "journal.sqlite").write_text("not a database " * 100)
    with pytest.raises(JournalError, match="is not a journal"):
        Journal(tmp_path / "journal.sqlite")


def test_draws_come_back(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*STUDY)
        journal.keep_draws(1, "observed", {"scale": np.arange(3.0)})
        ((data, arrays),) = journal.draws(1)
    assert data == "observed"
    assert arrays["scale"].tolist() == [0, 1, 2]


def test_differences_are_found_at_any_depth():
    stored = {"a": 1, "b": [{"c": 2}, {"c": 3}], "d": [1, 2]}
    given = {"a": 1, "b": [{"c": 2}, {"c": 4}], "d": [1], "e": 5}
    assert differing(stored, given) == [
        "b[1].c: 3 there, 4 now",
        "d: [1, 2] there, [1] now",
        "e: None there, 5 now",
    ]
