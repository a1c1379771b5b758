"""Quantities of one's own and products: ranked beside the story's, and part of what a run is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hiercal
from hiercal import Result, Run, fitter, simulate, story
from hiercal.config import ConfigError, read
from hiercal.errors import JournalError
from hiercal.runs import batches
from tests.running import run

QUANTITIES = '''
"""Questions about Eight Schools."""

import numpy as np
from numpy import linalg  # not a function of this file


def spread(draws, data):
    return draws["theta"].max(axis=-1) - draws["theta"].min(axis=-1)


def gap(draws, data):
    return _distance(draws["theta"], data["y"])


def best(draws, data):
    return draws["theta"].argmax(axis=-1)


def _distance(theta, y):
    return np.abs(theta - y).mean(axis=-1)
'''
OWN = ["spread", "gap", "best"]
TOML = """
simulations = 12
seed = 3
quantities = {quantities}
stories = [{{ name = "eight_schools" }}]
fitters = [{{ name = "exact", draws = 200 }}]
"""


def total(draws, data):
    return draws["theta"].sum(axis=-1)


def double(draws, data):
    return 2 * draws["mu"]


def misspelt(draws, data):
    return draws["thta"]


def whole(draws, data):
    return draws["theta"].max()


def vector(draws, data):
    return draws["theta"]


def words(draws, data):
    return np.full(np.shape(draws["mu"]), "large")


def undefined(draws, data):
    return draws["mu"] * np.nan


def sometimes(draws, data):
    if data["y"].max() > 20:
        raise ArithmeticError("planted")
    return draws["mu"]


def of_draws(draws, data):
    if np.ndim(draws["mu"]) == 2 and draws["mu"].size > 6 and data["y"].max() > 20:
        raise ArithmeticError("planted")
    return draws["mu"]


def closing(number):
    def shifted(draws, data):
        return draws["mu"] + number

    return shifted


def design(simulations=12, fitters=None, **options):
    return Run(
        stories=[story("eight_schools")],
        fitters=fitters or [fitter("exact", draws=200)],
        simulations=simulations,
        seed=3,
        **options,
    )


@pytest.fixture
def questions(tmp_path):
    path = tmp_path / "q.py"
    path.write_text(QUANTITIES)
    return path


def of_quantity(result, name):
    return result.records.query("quantity == @name").reset_index(drop=True)


def test_quantities_are_ranked_beside_the_storys_and_move_none_of_them(tmp_path):
    own = {"total": total, "double": double}
    plain = run(design(), tmp_path / "plain")
    result = run(
        design(quantities=own, products=[("mu", "tau"), ("mu", "total")]), tmp_path / "own"
    )
    names = list(result.records["quantity"].cat.categories)
    before = list(plain.records["quantity"].cat.categories)
    assert names == [*before, "total", "double", "mu * tau", "mu * total"]
    storys = result.records[result.records["quantity"].isin(before).to_numpy()]
    pd.testing.assert_frame_equal(
        storys.reset_index(drop=True).astype({"quantity": str}),
        plain.records.astype({"quantity": str}),
    )
    truth = simulate(3, story("eight_schools"), 5).truth
    assert of_quantity(result, "total")["truth"][5] == pytest.approx(truth["theta"].sum())
    assert of_quantity(result, "mu * tau")["truth"][5] == truth["mu"] * truth["tau"]
    mu, doubled = of_quantity(result, "mu"), of_quantity(result, "double")
    for column in ("rank", "ess_bulk", "r_hat"):
        assert mu[column].tolist() == doubled[column].tolist(), column
    assert 2 * mu["mean"].to_numpy() == pytest.approx(doubled["mean"].to_numpy())


def test_functions_and_stories_without_models_have_them_too(tmp_path, mocks_file):
    towns = Path("examples/own/towns.py")
    result = run(
        Run(
            stories=[story(f"{towns}:Towns")],
            fitters=[fitter(f"{towns}:conjugate")],
            simulations=8,
            quantities={"total": total},
        ),
        tmp_path,
    )
    assert (of_quantity(result, "total")["status"] == "ok").all()


def test_a_bound_may_be_of_a_quantity_of_ones_own(tmp_path):
    result = run(design(4, quantities={"total": total}, below={"total": 50.0}), tmp_path)
    truth = of_quantity(result, "total")["truth"]
    assert of_quantity(result, "total < 50")["truth"].tolist() == (truth < 50).tolist()


def test_all_products_are_of_all_pairs_of_scalars(tmp_path):
    names = run(design(2, products=True), tmp_path).records["quantity"].cat.categories
    products = [name for name in names if " * " in name]
    assert len(products) == 10 * 9 / 2
    assert {"mu * tau", "tau * theta[A]", "theta[A] * theta[B]"} <= set(products)
    many = story("eight_schools").resized(30)
    with pytest.raises(ValueError, match=r"32 scalar parameters are 496, more than 200; name the"):
        run(Run(stories=[many], fitters=[fitter("exact")], products=True), tmp_path / "many")


@pytest.mark.parametrize("quantities", ['"q.py"', '["q.py"]', '["q.py:gap", "q.py:spread"]'])
def test_toml_names_a_file_or_functions_from_its_own_folder(questions, quantities, monkeypatch):
    path = questions.with_name("run.toml")
    path.write_text(TOML.format(quantities=quantities))
    monkeypatch.chdir(questions.parents[1])
    names = [one.name for one in read(path).quantities]
    assert names == (OWN if "gap" not in quantities else ["gap", "spread"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('quantities = "none.py"', "there is no file .*none.py"),
        ('quantities = "q.py:spred"', "unknown function in .* 'spred'; did you mean 'spread'"),
        ('quantities = ["q.py", "q.py:gap"]', "quantity gap is asked for twice"),
        ('products = [["mu"]]', "products"),
        ('products = "mu"', "products"),
        ('keep_draws = "perhaps"', "keep_draws"),
        ('quantites = "q.py"', "did you mean 'quantities'"),
    ],
)
def test_mistakes_in_toml_are_told(questions, more, message):
    path = questions.with_name("run.toml")
    path.write_text(f"{more}\n" + TOML.replace("quantities = {quantities}", "").format())
    with pytest.raises(ConfigError, match=message):
        read(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantities": {"x": lambda draws, data: 1}}, "quantity x is <function .*give a function"),
        ({"quantities": {"x": closing(1)}}, "quantity x uses number of the function around it"),
        ({"quantities": {"": total}}, "named ''; give it a name"),
        ({"quantities": total}, "give functions by name"),
        ({"quantities": [total]}, "give a file"),
        ({"products": ["mu", "tau"]}, "products holds 'mu'; give pairs"),
        ({"keep_draws": 1}, "keep_draws is 1"),
    ],
)
def test_what_is_no_quantity_is_refused(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        design(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantities": {"tau": total}}, "quantity tau has the name of one that is ranked already"),
        (
            {"quantities": {"m": misspelt}},
            r"quantity m \(function misspelt\) raised KeyError: 'thta'; draws has mu, tau, theta, "
            "data has y",
        ),
        ({"quantities": {"w": whole}}, r"function whole\) returned shape \(\), expected \(2, 3\)"),
        ({"quantities": {"v": vector}}, r"function vector\) returned shape \(8,\), expected \(\)"),
        ({"quantities": {"t": words}}, r"function words\) returned .*<U5; expected numbers"),
        ({"quantities": {"u": undefined}}, r"function undefined\) is not a number at the truth"),
        ({"products": [("mu", "tua")]}, "in products 'tua'; did you mean 'tau'"),
    ],
)
def test_what_no_simulation_answers_is_refused_before_any_fit(
    options, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(batches, "fit_many", None)
    with pytest.raises(ValueError, match=message):
        run(design(**options), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("function", [sometimes, of_draws])
def test_a_function_that_fails_at_some_simulations_fails_these(function, tmp_path):
    result = run(design(20, quantities={"some": function}), tmp_path)
    large = [simulate(3, story("eight_schools"), i).data["y"].max() > 20 for i in range(20)]
    assert 0 < sum(large) < 20
    assert result.fits["error"].notna().tolist() == large
    assert "summary: ValueError: quantity some" in result.fits["error"].dropna().iloc[0]
    assert "ArithmeticError: planted" in result.fits["error"].dropna().iloc[0]


def test_workers_get_the_functions_with_their_files(questions, tmp_path):
    options = {"quantities": questions, "products": [("mu", "spread")], "keep_draws": True}
    here = run(design(**options), tmp_path / "here")
    there = run(design(**options), tmp_path / "there", workers=2)
    pd.testing.assert_frame_equal(here.records, there.records)
    assert set(OWN) < set(here.records["quantity"])
    again = [hiercal.requantify(one.folder, questions) for one in (here, there)]
    pd.testing.assert_frame_equal(again[0].records, again[1].records)


def test_quantities_are_part_of_what_a_run_is(questions, tmp_path):
    assert "quantities" not in design().describe()
    out = tmp_path / "out"
    result = run(design(quantities=questions), out)
    assert str(questions) in result.manifest["given"]
    assert result.manifest["run"]["quantities"] == {name: name for name in OWN}
    questions.write_text(QUANTITIES.replace("# not a function of this file", "# nor this"))
    run(design(quantities=questions), out)
    questions.write_text(QUANTITIES.replace(".mean(axis=-1)", ".max(axis=-1)"))
    with pytest.raises(JournalError, match=r"made by other code:\n  .*q\.py changed"):
        run(design(quantities=questions), out)
    questions.write_text(QUANTITIES)
    with pytest.raises(JournalError, match=r"products: None there, \[\['mu', 'tau'\]\] now"):
        run(design(quantities=questions, products=[("mu", "tau")]), out)
    with pytest.raises(JournalError, match=r"quantities\.total: None there, total now"):
        run(design(quantities={"total": total}), out)


def test_keeping_draws_asks_for_another_folder_or_a_fresh_start(tmp_path):
    run(design(), tmp_path)
    with pytest.raises(JournalError, match=r"(?s)keep_draws: None there, True now.*--fresh"):
        run(design(keep_draws=True), tmp_path)
    fresh = run(design(keep_draws=True), tmp_path, fresh=True)
    assert Result(fresh.folder).manifest["run"]["keep_draws"]
