"""Damaged files are told as what they are: no record is ever read that was not written."""

import hashlib
import re
import shutil
import sqlite3
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hiercal.errors import JournalError
from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.journal import TABLES, Journal
from hiercal.runs.manifest import JOURNAL, MANIFEST, write_sealed
from hiercal.runs.repair import repair
from hiercal.runs.thinned_draws import Kept, to_bytes

PAGE = 4096
ARMS = [("s/a", ["x", "y", "z"]), ("s/b", ["x"])]
DESCRIBED = {"seed": 1, "keep_draws": True, "stories": [{"name": "s"}]}
MANIFEST_OF_IT = {
    "name": "run",
    "digest": "digest",
    "run": DESCRIBED,
    "ranked": ARMS,
    "arms": [{"arm": label, "story": "s"} for label, _ in ARMS],
    "complete": True,
    "made_of": {"records": 40},
}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder with a journal of two arms that keep draws, and its content."""
    folder, rng = tmp_path_factory.mktemp("original"), np.random.default_rng(0)
    write_sealed(folder / MANIFEST, MANIFEST_OF_IT)
    with Journal(folder / JOURNAL) as journal:
        journal.claim("digest", DESCRIBED, ARMS)
        journal.keep_manifest((folder / MANIFEST).read_text())
        for arm, (_, names) in enumerate(ARMS):
            for first in range(0, 40, 10):
                numbers = range(first, first + 10)
                records = [
                    FitRecord(
                        i,
                        "fit: broke" if i % 7 == 3 else None,
                        rng.uniform(),
                        n_steps=int(rng.integers(9999)),
                        values=rng.normal(size=(len(names), len(COLUMNS))),
                    )
                    for i in numbers
                ]
                size = 300 if first else 10  # some go on in overflow pages
                kept = [
                    Kept(
                        i,
                        to_bytes({"x": np.full(2, i)}),
                        to_bytes({"y": np.full(size, i)}),
                        None
                        if records[i - first].error
                        else to_bytes({"x": rng.normal(size=size)}),
                    )
                    for i in numbers
                ]
                journal.add(arm, records, "s", kept)
        journal.keep_draws(0, "3", {"scale": rng.normal(size=1000)})
    with Journal(folder / JOURNAL) as journal:
        return Original(folder, content(journal))


class Original(NamedTuple):
    """A folder before it is damaged."""

    folder: Path
    content: dict

    def __repr__(self):
        return "the original"


def content(journal):
    """A hash of everything that a journal gives, by what it is of."""
    found = {("arms",): journal.arms(), ("manifest",): journal.manifest()}
    for arm, _ in enumerate(ARMS):
        fits = [one for records in journal.fits(arm, 10**9) for one in records]
        assert journal.done(arm) == {one.simulation for one in fits}
        found |= {("fit", arm, one.simulation): one.row() for one in fits}
        found |= {("draws", arm, data): arrays for data, arrays in journal.draws(arm)}
        found |= {("thinned", arm, i): journal.thinned(arm, i) for i in range(45)}
    found |= {("simulated", i): journal.simulated("s", i) for i in range(45)}
    return {key: _hash(value) for key, value in found.items() if value is not None}


def _hash(value):
    return hashlib.sha256(repr(value).encode()).hexdigest()[:8]


VALUES = st.one_of(
    st.none(), st.integers(-9, 999), st.floats(), st.binary(max_size=9), st.text(max_size=9)
)
FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1)
DAMAGE = st.one_of(
    st.tuples(st.just("flip"), FLIPS),
    st.tuples(st.just("cut"), st.floats(0, 1)),
    st.tuples(st.just("zero"), st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4)),
    st.tuples(
        st.just("set"), st.lists(st.tuples(*[st.integers(0, 10**6)] * 3, VALUES), min_size=1)
    ),
    st.tuples(st.just("swap"), st.tuples(*[st.integers(0, 10**6)] * 3)),
)


def spoil(path, damage):
    """Damage a file as a disk does, or its rows as a stranger with SQL does."""
    kind, how = damage
    if kind in ("set", "swap"):
        return _by_sql(path, kind, how)
    data = bytearray(path.read_bytes())
    if kind == "cut":
        data = data[: int(how * len(data))]
    for place in how if kind == "zero" else ():
        start = int(place * len(data)) // PAGE * PAGE
        data[start : start + PAGE] = bytes(min(PAGE, len(data) - start))
    for place, bits in how if kind == "flip" else ():
        data[int(place * len(data))] ^= bits
    path.write_bytes(data)


def _by_sql(path, kind, how):
    database = sqlite3.connect(path, isolation_level=None)
    names = list(TABLES)
    for table, column, row, value in how if kind == "set" else ():
        name = names[table % len(names)]
        columns = [c for _, c, *_ in database.execute(f"PRAGMA table_info({name})")]
        rows = database.execute(f"SELECT * FROM {name}").fetchall()
        if not rows:
            continue
        chosen = rows[row % len(rows)]
        where = " AND ".join(f'"{c}" IS ?' for c in columns)
        try:
            database.execute(
                f'UPDATE {name} SET "{columns[column % len(columns)]}" = ? WHERE {where}',
                (value, *chosen),
            )
        except sqlite3.IntegrityError:
            continue
    if kind == "swap":  # the numbers of two fits, whole as they are
        column, first, second = how
        name = ("values", "error", "seconds", "n_steps")[column % 4]
        pick = f'(SELECT "{name}" FROM fits LIMIT 1 OFFSET %d)'
        of = "(arm, simulation) = (SELECT arm, simulation FROM fits LIMIT 1 OFFSET %d)"
        statement = f'UPDATE fits SET "{name}" = {pick % (second % 80)} WHERE {of % (first % 80)}'
        database.execute(statement)
    database.close()


def holds(original, damage, folder):
    """Read and repair a spoilt copy; what was read, None for an error, and what was saved."""
    before = original.content
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original.folder, folder)
    spoil(folder / JOURNAL, damage)
    read = _read(folder, r"damaged|layout")
    assert read is None or read.items() <= before.items()
    try:
        repair(folder)
    except JournalError as error:
        if "nothing says any more" not in str(error):
            raise
        return read, None
    saved = _read(folder, "never")
    assert saved.items() <= before.items()
    assert read is None or saved == read, "what is whole stays as it is"
    return read, saved


def _read(folder, error):
    """What the journal of a folder gives, or None where it says what is wrong with it."""
    try:
        with Journal(folder / JOURNAL) as journal:
            # one that is nobody's has lost all
            return content(journal) if journal.check("digest", DESCRIBED) else {}
    except JournalError as raised:
        if not re.search(error, str(raised)):
            raise
        return None


@settings(
    max_examples=30, deadline=None, database=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(damage=DAMAGE)
def test_no_damage_gives_other_records(original, tmp_path, damage):
    holds(original, damage, tmp_path / "spoilt")


@pytest.mark.nightly
@settings(
    max_examples=2000, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(damage=DAMAGE)
def test_no_damage_gives_other_records_at_night(original, tmp_path, damage):
    holds(original, damage, tmp_path / "spoilt")
