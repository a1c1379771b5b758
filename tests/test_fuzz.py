"""Whatever a file or a fitter holds, it works or it ends in an error of ours, on record."""

import copy
import dataclasses
import json
import math
import sqlite3

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hiercal import Fit, Run, fitter, story
from hiercal.cli import main
from hiercal.config import read
from hiercal.errors import ConfigError, DrawsRefused
from hiercal.fitters._fitter import STATISTICS
from hiercal.fitters._function import FunctionFitter
from hiercal.runs.columns import COLUMNS, FIELDS
from hiercal.runs.fit import fit
from hiercal.runs.record import record
from hiercal.studies import Study
from hiercal.user_models._draws_files import read_draws
from tests.mocks_bad import DRAWS, Planted, Untold


def cases(some, many):
    """So many cases in the usual run, and so many more at night; the same ones each time."""
    night = pytest.param(many, marks=pytest.mark.nightly, id="many")
    return pytest.mark.parametrize("number", [pytest.param(some, id="some"), night])


def holds(number, check, *strategies):
    """Check a property in so many cases."""
    options = settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    options(given(*strategies)(check))()


def or_refused(refusal, path, make):
    """What is made of a file, or None if it is refused in words that name the file."""
    try:
        return make(path)
    except refusal as error:
        said = str(error)
    assert str(path) in said
    return None


LARGE = [-1, 0, 1, 2, 3, 99, 1000, 10**6 + 1, 10**9, 2**63, 10**30]
NUMBERS = [0.0, -1.5, 2.0, 1e-320, 1e308, math.nan, math.inf]
TEXTS = [
    "",
    "3",
    "exact",
    "funnel",
    "numpyro",
    "centred",
    "m.py:Class",
    ":",
    "..",
    "a/b",
    "mu",
    "ü",
]
LEAVES = st.one_of(
    st.booleans(),
    st.sampled_from(LARGE),
    st.sampled_from(NUMBERS),
    st.sampled_from(TEXTS),
    st.text(max_size=5),
    st.dates(),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "tau", "mu", "x"]), inner, max_size=3)
    ),
    max_leaves=4,
)
RUN = {
    "simulations": 20,
    "seed": 3,
    "max_rank": 49,
    "level": 0.5,
    "groups": "each",
    "name": "mine",
    "keep_draws": False,
    "below": {"tau": 1.0},
    "products": [["mu", "tau"]],
    "stories": [{"name": "eight_schools", "tau_scale": 5.0, "sigma": [1.0, 2.0, 3.0]}],
    "fitters": [{"name": "exact", "draws": 200, "assume": {"tau_scale": 7.0}}],
}
STUDY = {"study": "funnel", "simulations": 20, "targets": [0.7, 0.8], "seed": 1, "chains": 2}


def places(value, path=()):
    """Each place of a nested value."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(
        value, list) else ()  # fmt: skip
    for key, each in inside:
        yield from places(each, (*path, key))


@st.composite
def spoilt(draw):
    """A right configuration with one to three things changed, left out or added."""
    content = copy.deepcopy(draw(st.sampled_from([RUN, RUN, STUDY])))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([p for p in places(content) if p]))
        inside = content
        for key in path[:-1]:
            inside = inside[key]
        how = draw(st.sampled_from(["change", "change", "leave out", "add"]))
        if how == "leave out":
            del inside[path[-1]]
        elif how == "add" and isinstance(inside, dict):
            inside[draw(st.sampled_from(["simulation", "given", "around", "x"]))] = draw(VALUES)
        else:
            inside[path[-1]] = draw(VALUES)
        if not content:
            break
    return content


def as_toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {as_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007F")
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def same(given, kept):
    """Whether what is kept of a number is the number that was given, and no other type of it."""
    return type(given) is type(kept) and given == kept


@cases(20, 600)
def test_a_spoilt_configuration_is_run_as_it_is_or_refused(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def check(content):
        path = tmp_path / "t.toml"
        path.write_text("".join(f"{json.dumps(k)} = {as_toml(v)}\n" for k, v in content.items()))
        found = or_refused(ConfigError, path, read)
        if found is None:
            return
        if isinstance(found, Study):
            assert all(
                same(value, getattr(found, name))
                for name, value in content.items()
                if isinstance(value, int)
            )
            return
        for name in ("simulations", "seed", "max_rank", "keep_draws"):
            assert same(content.get(name, getattr(found, name)), getattr(found, name))
        assert len(found.stories) == len(content["stories"])
        assert found.digest

    holds(number, check, spoilt())


RIGHT = """
simulations = 20
[[stories]]
name = "eight_schools"
tau_scale = 5.0
[[fitters]]
name = "exact"
draws = 200
"""


@st.composite
def edited(draw, text):
    """Bytes of a text after a few slips."""
    content = text.encode()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        to = min(len(content), at + draw(st.integers(0, 6)))
        more = draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from(
                    [b",", b'"', b"\n", b"[", b"]", b"=", b"1e308", b"nan", b"\0", b"-"]
                ),
            )
        )
        content = content[:at] + more + content[to:]
    return content


@cases(20, 500)
def test_an_edited_file_is_run_or_refused(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def check(content):
        path = tmp_path / "t.toml"
        path.write_bytes(content)
        or_refused(ConfigError, path, read)

    holds(number, check, edited(RIGHT))


TABLES = {
    "eight_schools": "school,y,sigma\nX,28,15\nY,8,10\nZ,-3,16\n",
    "private_schools": "school,y,sigma,x\nX,28,15,0\nY,8,10,1\nZ,-3,16,1\n",
    "hospitals": "hospital,y,exposure\nA,4,2\nB,3,4\n",
    "batting": "player,hits,at_bats\nA,12,45\nB,3,40\n",
    "instructors": "instructor,y\nA,50\nA,60\nB,55\nB,47\n",
    "slopes": "group,x,y\nA,1,2\nA,2,3\nB,1,1\nB,3,2\n",
}


def ended(args):
    """What a command printed; an error if it did not end by itself."""
    done = CliRunner().invoke(main, [str(a) for a in args])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code in (0, 1, 2)
    assert "Traceback" not in done.output
    if done.exit_code:
        said = done.output.strip().splitlines()
        assert len([line for line in said if line.startswith("hiercal: ")]) == 1, done.output
    return done


@cases(15, 250)
def test_an_edited_table_is_fitted_or_refused(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def check(of):
        name, content = of
        path = tmp_path / "d.csv"
        path.write_bytes(content)
        done = ended(["fit", name, "--data", path, "--fitter", "exact", "--draws", 20])
        if done.exit_code == 0:
            assert "nan" not in done.output.replace("d.csv", "")

    tables = st.sampled_from(list(TABLES)).flatmap(
        lambda name: edited(TABLES[name]).map(lambda content: (name, content))
    )
    holds(number, check, tables)


GIVEN = "simulation,draw,mu\n" + "".join(
    f"{i},{d or ''},{(i + d) / 7}\n" for i in range(1, 4) for d in range(11)
)


@cases(15, 400)
def test_an_edited_file_of_draws_is_read_or_refused(number, tmp_path):
    def check(content):
        path = tmp_path / "d.csv"
        path.write_bytes(content)
        found = or_refused(DrawsRefused, path, read_draws)
        if found is None:
            return
        for i in range(found.n_simulations):
            assert all(np.isfinite(v).all() for v in found.simulation(i).truth.values())

    holds(number, check, edited(GIVEN))


BOX = [None]


def anything(data, seed):
    """Returns, or raises, what is in the box."""
    if isinstance(BOX[0], BaseException):
        raise BOX[0]
    return BOX[0]


DTYPES = st.one_of(
    arrays.floating_dtypes(sizes=(16, 32, 64)),
    arrays.integer_dtypes(),
    arrays.boolean_dtypes(),
    arrays.complex_number_dtypes(),
    arrays.unicode_string_dtypes(max_len=3),
    arrays.datetime64_dtypes(),
)
SHAPES = st.sampled_from([(DRAWS,), (1, DRAWS), (1, DRAWS), (2, DRAWS), (DRAWS, 1), (), (0,), (3,)])
ARRAYS = st.builds(lambda dtype, shape: (dtype, shape), DTYPES, SHAPES).flatmap(
    lambda of: arrays.arrays(*of)
)
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=3)
)
RIGHT_DRAWS = st.integers(0, 99).map(
    lambda seed: np.random.default_rng(seed).normal(size=(1, DRAWS))
)
NAMED = st.dictionaries(st.sampled_from(["x", "y", 1]), ARRAYS | JUNK | RIGHT_DRAWS, max_size=2)
STATS = st.dictionaries(st.sampled_from([*STATISTICS, "other"]), ARRAYS | JUNK, max_size=3)
ERRORS = st.sampled_from(
    [ValueError("a\0\udc80"), Untold(), SystemExit(0), BaseException(), MemoryError(), KeyError(())]
)
RETURNED = st.one_of(
    NAMED,
    RIGHT_DRAWS.map(lambda x: {"x": x}),
    JUNK,
    ERRORS,
    st.builds(Fit, NAMED | JUNK, STATS | JUNK, JUNK, st.none() | JUNK | ERRORS),
    st.builds(Fit, RIGHT_DRAWS.map(lambda x: {"x": x}), STATS, st.just(1.0), st.none() | JUNK),
)


@cases(40, 1000)
def test_whatever_a_fitter_returns_is_a_record_of_numbers_or_of_a_failure(number):
    own = FunctionFitter(function=anything, draws=DRAWS)
    design = Run(stories=[Planted()], fitters=[own], max_rank=DRAWS - 1)
    (arm,), truth = design.arms, Planted().simulate(np.random.default_rng(0))
    truth = dataclasses.replace(truth, truth={k: np.asarray(v) for k, v in truth.truth.items()})
    journal = sqlite3.connect(":memory:")
    columns = (f'"{each.name}" {each.metadata["sql"]}' for each in FIELDS)
    journal.execute(f"CREATE TABLE fits ({', '.join(columns)})")
    insert = f"INSERT INTO fits VALUES ({', '.join('?' * len(FIELDS))})"
    completed = []

    def check(returned):
        BOX[0] = returned
        fitted = fit(arm.story, arm.fitter, truth.data, 1)
        kept = record(arm, design.recording, 0, truth, fitted)
        journal.execute(insert, kept.row())
        if kept.error is None:
            draws = returned.draws if isinstance(returned, Fit) else returned
            mean = kept.values[0, COLUMNS.index("mean")]
            assert np.isfinite(kept.values[:, : COLUMNS.index("ess_bulk")]).all()
            clipped = np.clip(np.asarray(draws["x"], float), -1e100, 1e100)
            assert np.isclose(mean, clipped.mean(), rtol=1e-6)
            completed.append(returned)
        else:
            assert kept.error.startswith(("fit: ", "summary: "))
            assert np.isnan(kept.values[:, 1:]).all()

    holds(number, check, RETURNED)
    assert 0 < len(completed) < number


def test_the_unspoilt_inputs_are_right(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "t.toml"
    for content in (RUN, STUDY):
        path.write_text("".join(f"{k} = {as_toml(v)}\n" for k, v in content.items()))
        assert read(path).seed == content["seed"]
    path.write_text(RIGHT)
    assert read(path).fitters == (fitter("exact", draws=200),)
    for name, text in TABLES.items():
        (tmp_path / "d.csv").write_text(text)
        assert story(name).name == name
        assert ended(["fit", name, "--data", "d.csv", "--fitter", "exact"]).exit_code == 0
    (tmp_path / "given.csv").write_text(GIVEN)
    assert read_draws(tmp_path / "given.csv").n_simulations == 3
