"""What every fitter of the catalogue must satisfy; a new fitter is covered without an edit here."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hiercal import catalogue, fitter, story
from hiercal.fitters._fitter import STATISTICS, whole

STORY = story("eight_schools")


def short(name, **options):
    """The fitter with few draws, whatever options of these it has."""
    valid = {field.name for field in dataclasses.fields(catalogue.fitter_class(name))}
    few = {"draws": 60, "tune": 60, "chains": 2}
    return fitter(name, **{k: v for k, v in few.items() if k in valid} | options)


OWN = str(Path(__file__).parents[2] / "examples" / "own" / "prior_resampling.py:PriorResampling")
"""The template of a fitter, in CONTRIBUTING.md."""
NAMES = [*catalogue.names("fitters"), OWN]
VARIANTS = [short(name) for name in NAMES] + [short("pymc", sampler="nuts")]


@pytest.fixture(
    scope="module",
    params=VARIANTS,
    ids=lambda f: f.label + "-nuts" * (getattr(f, "sampler", "") == "nuts"),
)
def prepared(request):
    request.param.check(STORY)
    return request.param, request.param.prepare(STORY)


def test_draws_and_statistics_have_the_declared_shapes(prepared):
    one, refit = prepared
    fit = whole(one, STORY, refit(STORY.observed, 1))
    assert fit.error is None
    assert set(fit.draws) == set(one.parameters(STORY))
    for name, draws in fit.draws.items():
        assert draws.shape == (*one.shape, *(len(STORY.coords[d]) for d in STORY.dims[name]))
        assert draws.dtype == np.float64
    assert fit.seconds > 0
    if "tune" in {field.name for field in dataclasses.fields(one)}:
        assert set(fit.stats) == set(STATISTICS)
        assert {values.shape for values in fit.stats.values()} == {one.shape}
        assert (fit.stats["n_steps"] >= 1).all()
        # nutpie does not count the doubling that it rejected
        deepest = 2 ** (fit.stats["tree_depth"].astype(float) + 1) - 1
        assert (fit.stats["n_steps"] <= deepest).all()


def test_the_seed_decides_the_draws(prepared):
    _, refit = prepared
    a, b, c = (refit(STORY.observed, seed).draws["tau"] for seed in (5, 5, 2**63 - 1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_new_data_are_fitted_without_preparing_again(prepared):
    _, refit = prepared
    low, high = (
        refit({"y": STORY.observed["y"] + shift}, 3).draws["mu"].mean() for shift in (-40, 40)
    )
    assert low < -10 < 10 < high


def test_chains_differ(prepared):
    one, refit = prepared
    if one.shape[0] > 1:
        tau = refit(STORY.observed, 1).draws["tau"]
        assert not np.array_equal(tau[0], tau[1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["draws", "tune", "chains"])
@pytest.mark.parametrize("value", [-1, 0, 1.5, "many"])
def test_numbers_that_cannot_be_are_refused(name, option, value):
    if option not in {field.name for field in dataclasses.fields(catalogue.fitter_class(name))}:
        return
    with pytest.raises(ValueError, match=option):
        fitter(name, **{option: value})


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_package_names_the_extra(name, monkeypatch):
    one = fitter(name)
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    if one.requires and one.extra:
        with pytest.raises(ModuleNotFoundError, match=rf"hiercal\[{one.extra}\]"):
            one.check(STORY)
