"""The journal keeps what it was given, once, and refuses what is not its own."""

import dataclasses
import sqlite3

import numpy as np
import pytest

from hiercal.errors import JournalError
from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.differences import differing
from hiercal.runs.journal import Journal

RUN = ("digest", {"seed": 1, "stories": [{"name": "s"}]}, [("s/a", ["x", "y"]), ("s/b", ["x"])])


def record(simulation, value=0.5, error=None):
    values = np.full((2, len(COLUMNS)), value)
    return FitRecord(
        simulation, error, 0.1, divergences=2, n_steps=30, max_tree_depth=5, e_bfmi=0.9,
        values=values,
    )  # fmt: skip


def test_what_goes_in_comes_out(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*RUN)
        journal.add(0, [record(3, 0.3), record(1, 0.1), record(2, 0.2, "broke")])
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*RUN)
        assert journal.arms() == RUN[2]
        assert journal.done(0) == {1, 2, 3}
        assert journal.done(1) == set()
        assert journal.tally(0, 10) == (3, 1, 3)
        (fits,) = journal.fits(0, 10)
        ((first,),) = journal.fits(0, 2)
    assert first.simulation == 1
    assert [fit.simulation for fit in fits] == [1, 2, 3]
    assert [fit.error for fit in fits] == [None, "broke", None]
    np.testing.assert_array_equal(fits[0].values, record(1, 0.1).values)


WHOLE = FitRecord(
    simulation=7,
    error=None,
    seconds=0.25,
    divergences=3,
    n_steps=4321,
    max_tree_depth=9,
    e_bfmi=0.5,
    values=np.arange(2.0 * len(COLUMNS)).reshape(2, -1),
    ess_bulk_min=41.5,
    ess_tail_min=12.25,
    r_hat_max=1.75,
    scale_at_divergences=0.125,
    group_ranks=np.arange(100),
    group_covariance=np.eye(4) / 3,
)
BARE = FitRecord(8, "fit: broke", np.nan, values=np.full((2, len(COLUMNS)), np.nan))


@pytest.mark.parametrize("kept", [WHOLE, BARE], ids=["whole", "bare"])
def test_every_field_of_a_record_comes_back(kept, tmp_path):
    """Planted: a value in each field that no other field has; and NaN or nothing in each."""
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*RUN)
        journal.add(1, [kept])
        ((found,),) = journal.fits(1, 10)
    for field in dataclasses.fields(FitRecord):
        before, after = getattr(kept, field.name), getattr(found, field.name)
        if before is None:
            assert after is None, field.name
        else:
            np.testing.assert_array_equal(after, before, strict=field.name == "values")


def test_the_layout_is_that_of_the_record(tmp_path):
    """A new column is declared once, as a field of the record."""
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        journal.claim(*RUN)
    with sqlite3.connect(path) as database:
        columns = database.execute("PRAGMA table_info(fits)").fetchall()
    fields = dataclasses.fields(FitRecord)
    assert [name for _, name, *_ in columns] == ["arm", *(field.name for field in fields), "seal"]
    numbers = [name for _, name, kind, *_ in columns[1:-1] if kind != "BLOB"]
    assert numbers == list(FitRecord.scalars())
    assert all(FitRecord.scalars().values()), "each says what it means"


def test_a_fit_is_kept_once_as_it_first_came(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*RUN)
        journal.add(0, [record(1, 0.1)])
        journal.add(0, [record(1, 0.9), record(2, 0.2)])
        (fits,) = journal.fits(0, 10)
    assert [fit.values[0, 0] for fit in fits] == [0.1, 0.2]


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*RUN)
        bad = record(2)
        object.__setattr__(bad, "n_steps", object())
        with pytest.raises(sqlite3.Error):
            journal.add(0, [record(1), bad])
        assert journal.done(0) == set()


def test_another_run_is_refused_with_what_differs(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*RUN)
        journal.add(0, [record(1, error="fit: broke")])
        with pytest.raises(JournalError, match="seed: 1 there, 2 now"):
            journal.claim("other", {"seed": 2, "stories": [{"name": "s"}]}, RUN[2])


def test_a_journal_without_a_fit_is_claimed_by_another_run(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*RUN)
        other = [("t/a", ["z"])]
        assert journal.claim("other", {"seed": 2, "stories": [{"name": "t"}]}, other) == 0
        assert journal.arms() == other


def test_a_folder_in_use_is_refused(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*RUN)
        with pytest.raises(JournalError, match="another run is using this folder"):
            Journal(tmp_path / "journal.sqlite")


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "journal.sqlite").write_text("not a database " * 100)
    with pytest.raises(JournalError, match="is not a journal"):
        Journal(tmp_path / "journal.sqlite")


def test_draws_come_back(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.claim(*RUN)
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
