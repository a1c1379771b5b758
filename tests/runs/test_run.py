"""Runs as values: labels, checks, identity."""

import numpy as np
import pytest

from hiercal import Run, fitter, story
from hiercal.runs.streams import stream
from tests.running import run

SCHOOLS = story("eight_schools")


def make(**options):
    return Run(**({"stories": [SCHOOLS], "fitters": [fitter("exact")]} | options))


def test_arms_are_labelled_story_then_fitter_then_model():
    fitters = [
        fitter("numpyro", model="noncentred"),
        fitter("pymc", model="centred"),
        fitter("exact"),
    ]
    assert [arm.label for arm in make(fitters=fitters).arms] == [
        "eight_schools/numpyro-noncentred",
        "eight_schools/pymc-centred",
        "eight_schools/exact",
    ]


def test_arms_that_would_clash_say_in_what_they_differ():
    fitters = [fitter("numpyro", target_accept=t) for t in (0.8, 0.95)]
    stories = [SCHOOLS, story("eight_schools", tau_scale=1)]
    labels = [arm.label for arm in make(fitters=fitters, stories=stories).arms]
    assert labels[0] == "eight_schools[tau_scale=10.0]/numpyro-noncentred[target_accept=0.8]"
    assert len(set(labels)) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stories": []}, "stories is empty"),
        ({"fitters": []}, "fitters is empty"),
        ({"fitters": ["exact"]}, "give a Fitter"),
        ({"simulations": 0}, "simulations is 0"),
        ({"simulations": True}, "simulations is True"),
        ({"seed": -1}, "seed is -1"),
        ({"level": 1.0}, "level is 1.0"),
        ({"name": "a/b"}, "plain folder name"),
        ({"fitters": [fitter("exact", draws=98)]}, "fewer than max_rank = 99"),
        ({"fitters": [fitter("exact"), fitter("exact")]}, "appears twice"),
        ({"fitters": [fitter("numpyro", model="centered")]}, "did you mean 'centred'"),
    ],
)
def test_runs_that_cannot_be_are_refused(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make(**options)


def test_a_story_without_an_exact_posterior_is_refused_at_once(mocks_file):
    with pytest.raises(ValueError, match="no exact posterior"):
        make(stories=[story(f"{mocks_file}:Revealing")])


def test_the_digest_is_that_of_all_but_the_number_of_simulations_and_the_name():
    one = make()
    assert one.digest == make(simulations=7, name="other").digest
    for changed in ({"seed": 1}, {"max_rank": 49}, {"level": 0.5}):
        assert one.digest != make(**changed).digest
    assert one.digest != make(stories=[story("eight_schools", tau_scale=9)]).digest
    assert make(fitters=[fitter("exact", draws=200)]).digest != one.digest


def test_streams_depend_on_all_of_their_key_and_nothing_else():
    a = stream(1, "fit", "arm", 3).integers(2**62, size=4)
    assert (a == stream(1, "fit", "arm", 3).integers(2**62, size=4)).all()
    for other in (stream(2, "fit", "arm", 3), stream(1, "fit", "arm", 4), stream(1, "fit", "arm3")):
        assert (a != other.integers(2**62, size=4)).all()


def test_a_given_parameter_is_not_drawn_and_moves_no_other():
    drawn = story("eight_schools").simulate(np.random.default_rng(1)).truth
    given = story("eight_schools", given={"tau": 3.0}).simulate(np.random.default_rng(1)).truth
    assert given["tau"] == 3.0
    assert given["mu"] == drawn["mu"]


@pytest.mark.parametrize("given", [{"theta": 1.0}, {"sigma": 2.0}, {"tau": float("nan")}])
def test_only_scalar_parameters_can_be_given(given):
    with pytest.raises(ValueError, match=r"give finite numbers for some of mu, tau"):
        story("eight_schools", given=given)


def test_assumptions_change_the_model_and_not_the_data(tmp_path):
    design = Run(
        stories=[story("eight_schools")],
        fitters=[fitter("exact"), fitter("exact", assume={"tau_scale": 50.0})],
        simulations=40,
        below={"tau": 5.0},
    )
    result = run(design, tmp_path)
    tau = result.records[result.records["quantity"] == "tau"]
    means = tau.pivot(index="simulation", columns="arm", values="mean")
    truths = tau.pivot(index="simulation", columns="arm", values="truth")
    one, other = (arm.label for arm in design.arms)
    assert other == "eight_schools/exact[tau_scale=50.0]"
    assert (truths[one] == truths[other]).all()
    assert (means[other] > means[one]).mean() > 0.9
    small = result.records[result.records["quantity"] == "tau < 5"]
    assert small["truth"].tolist() == (tau["truth"] < 5).astype(float).tolist()
    assert small["mean"].between(0, 1).all()


def test_assumptions_must_be_the_storys_and_leave_its_groups():
    for assume, message in (
        ({"tau_scal": 1.0}, "did you mean 'tau_scale'"),
        ({"sigma": (1.0, 2.0)}, "changes the groups"),
    ):
        with pytest.raises(ValueError, match=message):
            Run(stories=[story("eight_schools")], fitters=[fitter("exact", assume=assume)])


def test_given_and_assumed_are_part_of_what_a_run_is():
    plain = Run(stories=[story("eight_schools")], fitters=[fitter("exact")])
    given = Run(stories=[story("eight_schools", given={"tau": 1})], fitters=[fitter("exact")])
    assumed = Run(
        stories=[story("eight_schools")], fitters=[fitter("exact", assume={"tau_scale": 1.0})]
    )
    assert len({plain.digest, given.digest, assumed.digest}) == 3
    assert "given" not in plain.describe()["stories"][0]
