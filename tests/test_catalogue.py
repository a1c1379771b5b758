"""Finding things by name, and being told what is near when there is no such name."""

import pytest

import hiercal
from hiercal import Fitter, Story, catalogue, fitter, story


def test_every_name_makes_what_it_says():
    for name in catalogue.names("stories"):
        assert isinstance(story(name), Story)
        assert story(name).name == name
    for name in catalogue.names("fitters"):
        assert isinstance(fitter(name), Fitter)
        assert fitter(name).name == name
    for name in catalogue.names("studies"):
        assert catalogue.module("studies", name).__doc__


@pytest.mark.parametrize("name", hiercal.__all__)
def test_every_public_name_is_there(name):
    assert getattr(hiercal, name).__name__ in (name, "Callable")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: story("eight_school"), "'eight_school'; did you mean 'eight_schools'"),
        (lambda: fitter("numpyo"), "did you mean 'numpyro'"),
        (lambda: fitter("stan"), "valid: exact, numpyro, pymc"),
        (lambda: fitter("numpyro", target_acept=0.9), "did you mean 'target_accept'"),
        (lambda: fitter("numpyro", draws="many"), "numpyro: draws is 'many'; input should be a"),
        (lambda: fitter("numpyro", draws=-5), "draws is -5; give a whole number of at least 1"),
        (
            lambda: fitter("numpyro", target_accept=1.5),
            r"target_accept is 1.5; give a number inside",
        ),
        (lambda: fitter("pymc", sampler="hmc"), "'nutpie' or 'nuts'"),
        (lambda: story("nowhere.py:Mine"), "there is no file 'nowhere.py'"),
    ],
)
def test_mistakes_are_named_with_what_is_valid(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_file_of_ones_own(mocks_file):
    assert story(f"{mocks_file}:Revealing").name == "revealing"
    assert fitter(f"{mocks_file}:Known", always=3) == fitter(f"{mocks_file}:Known", always=3)
    with pytest.raises(ValueError, match="'Reveling'; did you mean 'Revealing'"):
        story(f"{mocks_file}:Reveling")
