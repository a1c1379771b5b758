"""Records are written and read piece by piece: they are the journal's, and memory is bounded."""

import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hiercal.runs import cells, journal
from hiercal.runs.cells import cells_of, contents_of
from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.journal import Journal
from hiercal.runs.manifest import MANIFEST, write_sealed
from hiercal.runs.parquet import write_records

ARMS = [("s/a", ["x", "y", "z"]), ("s/b", ["w", "y"])]
"""Of the second, neither the names nor their order are those of the first."""
WIDE = [("s/a", [f"x[{i}]" for i in range(14)])]
FEW, MANY = 1_000, 10_000
COLUMNS_READ = ("status", "rank", "rank_effective", "max_rank", "ess_bulk")


def journalled(path, arms, simulations):
    """A journal of ranks at random, in which a fifth of the fits failed."""
    rng = np.random.default_rng(1)
    with Journal(path) as kept:
        kept.claim("digest", {}, arms)
        for arm, (_, names) in enumerate(arms):
            for start in range(0, simulations, 500):
                ids = range(start, min(start + 500, simulations))
                kept.add(arm, [fitted(rng, i, len(names)) for i in ids])


def fitted(rng, simulation, n_quantities):
    values = rng.normal(size=(n_quantities, len(COLUMNS)))
    values[:, 1:3] = rng.integers(100, size=(n_quantities, 2))
    if simulation % 5 == 3:
        values[:, 1:] = np.nan
        return FitRecord(simulation, "fit: broke", 0.1, values=values)
    return FitRecord(simulation, None, 0.1, divergences=simulation % 3, values=values)


def written(folder):
    """The records of the journal in a folder, as a file."""
    write_sealed(folder / MANIFEST, {"run": {"max_rank": 99}})
    with Journal(folder / "journal.sqlite") as kept:
        write_records(folder, kept, 10**9)
    return folder / "records.parquet"


@pytest.fixture
def in_pieces(monkeypatch):
    """Few rows at once, so that a small run has many pieces."""
    monkeypatch.setattr(journal, "ROWS_AT_ONCE", 20 + 6 * 16)
    monkeypatch.setattr(cells, "ROWS_AT_ONCE", 50)
    monkeypatch.setattr(cells, "PASSES", 1000)


@pytest.mark.usefixtures("in_pieces")
def test_the_records_are_those_of_the_journal(tmp_path):
    journalled(tmp_path / "journal.sqlite", ARMS, 23)
    path = written(tmp_path)
    assert pq.ParquetFile(path).num_row_groups == 4 + 4
    rows = []
    with Journal(tmp_path / "journal.sqlite") as kept:
        for arm, (label, names) in enumerate(ARMS):
            for fit in (one for some in kept.fits(arm, 23) for one in some):
                for name, values in zip(names, fit.values, strict=True):
                    status = "failed" if fit.error else "ok"
                    rows.append((label, fit.simulation, name, status, *values, fit.divergences))
    names = ["arm", "simulation", "quantity", "status", *COLUMNS, "divergences"]
    expected = pd.DataFrame(rows, columns=names)
    found = pd.read_parquet(path)
    assert (found.pop("max_rank") == 99).all()
    assert list(found["quantity"].cat.categories) == ["x", "y", "z", "w"]
    found = found.astype({name: expected[name].dtype for name in expected})
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.usefixtures("in_pieces")
@pytest.mark.parametrize("columns", [(), ("simulation", "rank")])
def test_cells_are_the_rows_of_the_records(columns, tmp_path):
    journalled(tmp_path / "journal.sqlite", ARMS, 23)
    path = written(tmp_path)
    whole, found = pd.read_parquet(path), contents_of(path)
    assert {arm: list(rows) for arm, rows in found.rows.items()} == dict(ARMS)
    read = {(arm, name): rows for arm, name, rows in cells_of(path, found, columns)}
    # quantities in the order of the tables, which is that in which the run first has them
    assert list(read) == [("s/a", name) for name in "xyz"] + [("s/b", "y"), ("s/b", "w")]
    for (arm, name), rows in read.items():
        own = whole[((whole["arm"] == arm) & (whole["quantity"] == name)).to_numpy()]
        expected = own[["arm", "quantity", *columns]] if columns else own
        pd.testing.assert_frame_equal(
            rows.reset_index(drop=True), expected.reset_index(drop=True), check_exact=True
        )
    some = cells_of(path, found, columns, arms=["s/b"], quantities=["x", "y"])
    assert [(arm, name) for arm, name, _ in some] == [("s/b", "y")]


@pytest.fixture(scope="module")
def journals(tmp_path_factory):
    folders = {n: tmp_path_factory.mktemp(f"of_{n}") for n in (FEW, MANY)}
    for n, folder in folders.items():
        journalled(folder / "journal.sqlite", WIDE, n)
        written(folder)
    return folders


def opened(folder):
    Journal(folder / "journal.sqlite").__exit__()


def read(folder):
    path = folder / "records.parquet"
    for _ in cells_of(path, contents_of(path), COLUMNS_READ):
        pass


def most_allocated(function, folder):
    """Bytes that NumPy, pandas and Arrow hold at most at once in a call."""
    usual, counted = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(counted)
    tracemalloc.start()
    try:
        function(folder)
        return tracemalloc.get_traced_memory()[1] + counted.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(usual)


def growth(function, journals):
    """Memory with ten times the simulations, over that with one time."""
    function(journals[FEW])  # what is imported and cached at first
    few, many = (most_allocated(function, journals[n]) for n in (FEW, MANY))
    return many / few


@pytest.mark.parametrize("function", [opened, written, read])
def test_memory_does_not_grow_with_simulations(function, journals, monkeypatch):
    monkeypatch.setattr(cells, "ROWS_AT_ONCE", FEW * len(WIDE[0][1]))
    monkeypatch.setattr(journal, "ROWS_AT_ONCE", FEW * len(WIDE[0][1]))
    assert growth(function, journals) < 2


def test_memory_grows_where_all_is_read_at_once(journals, monkeypatch):
    """The measure above sees what it is to see."""
    monkeypatch.setattr(cells, "ROWS_AT_ONCE", 10**9)
    assert growth(read, journals) > 4
