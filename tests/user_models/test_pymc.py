import pickle
import subprocess
import sys

import cloudpickle
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pymc.distributions import transforms
from pytensor.graph.replace import clone_replace

import hiercal
from hiercal.errors import ModelRefused
from hiercal.user_models import _pymc_graph as graph
from hiercal.user_models import reparameterise_pymc
from hiercal.user_models.pymc import from_pymc

from . import models


@pytest.fixture(autouse=True)
def interpreted():
    """Graphs are run as they are: compiling them takes longer than all these tests."""
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        yield


@pytest.mark.parametrize("make", models.HANDLED, ids=lambda make: make.__name__)
def test_log_density_of_the_simulated_data_is_that_of_the_model(make):
    """And that of the copy that takes data is, at the model's own data, the model's."""
    model = make()
    story = from_pymc(model)
    drawn, again = hiercal.simulate(1, story, 0), hiercal.simulate(1, story, 0)
    for name, values in drawn.truth.items():
        np.testing.assert_array_equal(values, again.truth[name])

    complete = graph.completed(graph.driven(make()))
    there = complete(drawn.truth, drawn.data)
    assert there["log_lik"] == pytest.approx(drawn.truth["log_lik"], rel=1e-9)
    assert there["log_prior"] == pytest.approx(drawn.truth["log_prior"], rel=1e-9)

    own = {rv.name: model.rvs_to_values[rv].eval() for rv in model.observed_RVs}
    at_own_data = complete(drawn.truth, own)
    point = {}
    for rv in model.free_RVs:
        transform, value = model.rvs_to_transforms[rv], drawn.truth[rv.name]
        if transform is not None:
            at = {each: pt.as_tensor(drawn.truth[each.name]) for each in model.free_RVs}
            value = clone_replace(transform.forward(rv, *rv.owner.inputs), at).eval()
        point[model.rvs_to_values[rv].name] = value
    log_density = model.compile_logp(jacobian=False)(point)
    found = at_own_data["log_prior"] + at_own_data["log_lik"]
    assert found == pytest.approx(log_density, rel=1e-6)


def test_dims_and_coords_name_the_quantities():
    story = from_pymc(models.schools(), name="radon")
    assert story.name == "radon"
    assert story.layout.labels["theta"] == tuple(f"theta[{school}]" for school in models.SCHOOLS)
    assert story.layout.labels["log_lik_at"][:2] == ("log_lik[y[0]]", "log_lik[y[1]]")
    assert story.noncentrable == ("theta",)
    assert tuple(story.models) == ("as_written", "noncentred")


def test_own_data_named_like_ours_is_kept_apart():
    story = from_pymc(models.data_and_dims())
    drawn = hiercal.simulate(1, story, 0)
    assert drawn.data["y"].shape == (5,)
    assert story.layout.labels["level"] == ("level[x]", "level[y]")


def test_constants_and_copies_are_no_quantities_and_that_is_said():
    story = from_pymc(models.deterministics())
    assert story.layout.labels["twice"] == ("twice",)
    assert "many" not in story.dims
    assert "undefined" not in story.dims
    assert story.layout.labels["fixed"] == ()
    said = " ".join(story.notes)
    assert "many, computed from others, has 101 elements" in said
    assert "undefined, computed from others, is not always finite" in said
    assert "constant are no quantities: 2 of fixed" in said
    corr = from_pymc(models.correlated())
    assert corr.layout.labels["chol_corr"] == ("chol_corr[0,1]",)


def test_draws_obey_an_ordered_transform_and_that_is_said():
    story = from_pymc(models.ordered())
    cuts = [hiercal.simulate(1, story, i).truth["cut"] for i in range(30)]
    assert all(np.diff(cut) > 0 for cut in cuts)
    assert "sample_prior_predictive shows another model" in " ".join(story.notes)
    assert story.noncentrable == ()
    with pm.Model() as hopeless:
        cut = pm.Normal("cut", [9, 0], 0.1, transform=transforms.ordered)
        pm.Normal("y", cut, 1, observed=[0.0, 0.0])
    with pytest.raises(ModelRefused, match=r"none of 10000 draws of the prior obeys .* of cut"):
        from_pymc(hopeless)


def test_ordered_hierarchical_variable_is_not_moved():
    """Moved off its scale it would lose its order, and with it the prior."""
    with pm.Model() as model:
        tau = pm.HalfNormal("tau", 1)
        cut = pm.Normal("cut", 0, tau, shape=2, transform=transforms.ordered)
        pm.Normal("y", cut, 1, observed=[0.0, 0.0])
    assert from_pymc(model).noncentrable == ()


def test_initial_values_are_carried_over_and_left_as_they_were():
    model = models.initial_values()
    story = from_pymc(model)
    assert model.rvs_to_initial_values[model["a"]] == 0.25
    copy = story.pymc_model({}, "as_written")
    assert copy.initial_point()["a"] == 0.25


def test_label_switching_is_said_and_sorted_quantities_are_offered():
    story = from_pymc(models.mixture())
    assert set(story.interchangeable) == {"share", "centre"}
    assert "label switching" in " ".join(story.notes)
    drawn = hiercal.simulate(1, story, 0)
    ranked = story.quantities(drawn.truth, drawn.data, np.random.default_rng(0))
    assert ranked["centre sorted[0]"] <= ranked["centre sorted[1]"]
    assert from_pymc(models.schools()).interchangeable == ()
    with pm.Model() as held:
        share = pm.Dirichlet("share", np.ones(2))
        centre = pm.Normal("centre", 0, 3, shape=2, transform=transforms.ordered)
        pm.NormalMixture("y", share, centre, 1.0, observed=np.linspace(-3, 3, 7))
    assert from_pymc(held).interchangeable == ()


def test_missing_values_are_parameters():
    story = from_pymc(models.missing())
    drawn = hiercal.simulate(1, story, 0)
    assert drawn.data["y_observed"].shape == (2,)
    assert story.layout.labels["y_unobserved"] == ("y_unobserved[0]",)
    assert "y_unobserved" not in story.noncentrable


def potential():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        pm.Potential("bound", -a)
        pm.Normal("y", a, 1, observed=[0.0])
    return model


def flat():
    with pm.Model() as model:
        pm.Normal("y", pm.Flat("a"), pm.HalfFlat("b"), observed=[0.0])
    return model


def nothing_observed():
    with pm.Model() as model:
        pm.Normal("a", 0, 1)
    return model


def discrete():
    with pm.Model() as model:
        pm.Normal("y", pm.Poisson("k", 3), 1, observed=[0.0])
    return model


def minibatch():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        pm.Normal("y", a, 1, observed=pm.Minibatch(np.zeros(50), batch_size=10), total_size=50)
    return model


def prior_from_data():
    with pm.Model() as model:
        y = pm.Data("given", [1.0, 2.0, 3.0])
        pm.Normal("y", pm.Normal("a", y.mean(), 1), 1, observed=y)
    return model


def lagged():
    with pm.Model() as model:
        y = pm.Data("series", np.arange(5.0))
        pm.Normal("y", pm.Normal("rho", 0, 1) * y[:-1], 1, observed=y[1:])
    return model


def overflowing():
    with pm.Model() as model:
        pm.Poisson("y", pt.exp(pm.Normal("a", 0, 100)), observed=[1])
    return model


def no_generator():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        pm.CustomDist("y", a, logp=lambda value, a: -((value - a) ** 2), observed=[0.0])
    return model


def simulated():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        pm.Simulator("y", lambda rng, a, size: rng.normal(a, 1, size), a, observed=np.zeros(3))
    return model


def named_like_ours():
    with pm.Model() as model:
        a = pm.Normal("log_lik", 0, 1)
        pm.Deterministic("log_joint", 2 * a)
        pm.Normal("y", a + pm.Normal("y_data", 0, 1), 1, observed=[0.0])
    return model


def empty():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        pm.Normal("y", a, 1, observed=np.zeros(0))
        pm.Normal("z", a, 1, observed=np.zeros(2))
    return model


def observed_flat():
    with pm.Model() as model:
        pm.Normal("z", pm.Normal("a", 0, 1), 1, observed=[0.0])
        pm.Flat("y", observed=[0.0])
    return model


def wrong_shapes():
    with pm.Model() as model:
        x = pm.Data("x", np.zeros(3))
        pm.Normal("y", pm.Normal("a", 0, 1) * x, 1, observed=np.zeros(3))
        model.set_data("x", np.zeros(4))
    return model


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (potential, "potential bound .*write it as a distribution, or give a simulator"),
        (flat, "a has an improper prior .*Flat.* and b has an improper prior .*HalfFlat"),
        (nothing_observed, "no observed variable"),
        (discrete, "k is discrete"),
        (minibatch, "y is a minibatch"),
        (prior_from_data, "a depends on given, the observed values of y"),
        (lagged, "y depends on series, the observed values of y"),
        (overflowing, r"\d+ of 300 draws .*break; the first: .*at a = "),
        (simulated, "y is a pm.Simulator"),
        (named_like_ours, "log_lik is what hiercal calls .* log_joint is .* y_data is what"),
        (empty, r"y has shape \(0,\), no observed value"),
        (observed_flat, "y has no distribution"),
        (wrong_shapes, "300 of 300 draws .* mend the model if its own library cannot draw"),
        (no_generator, "give its distribution a `random` function"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_refused_with_variable_reason_and_remedy(make, says):
    with pytest.raises(ModelRefused, match=says):
        from_pymc(make(), name="mine")


def test_a_rare_break_of_the_prior_goes_on_and_is_counted():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        b = pm.Deterministic("b", pt.switch(a > 2.2, np.inf, a))
        pm.Normal("y", b, 1, observed=[0.0])
    story = from_pymc(model)
    (note,) = [note for note in story.notes if "break" in note]
    assert "count as failed" in note
    assert "not finite at a = " in note
    n = int(note.split()[0])
    assert 0 < n < 15
    failing = 0
    for i in range(200):
        try:
            hiercal.simulate(1, story, i)
        except ValueError:
            failing += 1
    assert 0 < failing < 10


def test_potentials_with_a_simulator_are_checked():
    def simulate(rng):
        a = rng.normal(-1, 1)  # a prior N(0, 1) times exp(-a) is N(-1, 1)
        return {"a": a}, {"y": rng.normal(a, 1, size=1)}

    story = from_pymc(potential(), simulate=simulate)
    drawn = hiercal.simulate(1, story, 0)
    a = drawn.truth["a"]
    assert drawn.truth["log_prior"] == pytest.approx(-(a**2) / 2 - np.log(2 * np.pi) / 2 - a)


def test_every_family_keeps_its_log_density():
    copy = graph.driven(models.families())
    assert set(reparameterise_pymc.candidates(copy)) == set(models.FAMILIES)
    for name in models.FAMILIES:
        moved, log_jacobian = reparameterise_pymc._moved(copy, name)
        assert reparameterise_pymc._disagreement(copy, moved, log_jacobian) < 1e-12, name
        assert moved.named_vars_to_dims.get(name) == copy.named_vars_to_dims.get(name)
        assert f"{name}_raw" in moved.named_vars
        assert f"{name}_log_jacobian" not in moved.named_vars


def test_a_change_that_alters_the_density_is_refused(monkeypatch):
    right = reparameterise_pymc._location_scale

    def wrong(rv):
        change = right(rv)
        return reparameterise_pymc.Change(change.raw, lambda raw: change.value_of(2 * raw))

    monkeypatch.setattr(reparameterise_pymc, "_location_scale", wrong)
    story = from_pymc(models.schools())
    assert story.noncentrable == ()
    assert "theta cannot be non-centred: the log density would change by" in " ".join(story.notes)


def test_a_name_that_the_standardised_variable_would_have_is_not_taken_twice():
    with pm.Model() as model:
        theta = pm.Normal("theta", 0, pm.HalfNormal("tau", 1), shape=2)
        pm.Normal("y", theta + pm.Normal("theta_raw", 0, 1), 1, observed=np.zeros(2))
    story = from_pymc(model)
    assert story.noncentrable == ()
    assert "theta cannot be non-centred: there is a theta_raw already" in " ".join(story.notes)


def test_two_quantities_of_one_name_are_refused():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1, shape=2)
        pm.Deterministic("a[0]", 2 * a[1])
        pm.Normal("y", a, 1, observed=np.zeros(2))
    with pytest.raises(ValueError, match=r"a\[0\] is the name of two quantities"):
        from_pymc(model)


def test_variable_by_variable():
    with pm.Model() as model:
        spread = pm.HalfNormal("spread", 1)
        one = pm.Normal("one", 0, spread, shape=2)
        two = pm.Normal("two", 0, spread, shape=2)
        pm.Normal("y", one + two, 1, observed=np.zeros(2))
    story = from_pymc(model)
    assert tuple(story.models) == (
        "as_written", "noncentred", "noncentred(one)", "noncentred(two)",
    )  # fmt: skip
    free = {rv.name for rv in story.pymc_model({}, "noncentred(one)").free_RVs}
    assert free == {"spread", "one_raw", "two"}
    free = {rv.name for rv in story.pymc_model({}, "noncentred").free_RVs}
    assert free == {"spread", "one_raw", "two_raw"}


def test_digest_is_that_of_what_the_model_computes():
    same, other = (graph.digest(make()) for make in (models.schools, models.schools))
    assert same == other
    with pm.Model(coords={"school": models.SCHOOLS}) as changed:
        mu = pm.Normal("mu", 0, 21)
        tau = pm.HalfNormal("tau", 10)
        theta = pm.Normal("theta", mu, tau, dims="school")
        pm.Normal("y", theta, models.ERRORS, observed=models.EFFECTS, dims="school")
    assert graph.digest(changed) != same


def test_digest_and_draws_are_the_same_in_another_process():
    """Of a model whose variables a rewritten graph puts in another order."""
    code = (
        "import hiercal, pytensor; pytensor.config.mode = 'FAST_COMPILE'; "
        "from hiercal.user_models.pymc import from_pymc; "
        "from tests.user_models import models; s = from_pymc(models.autoregression()); "
        "print(s.digest, *hiercal.simulate(1, s, 0).data['y'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    story = from_pymc(models.autoregression())
    digest, *y = run.stdout.split()
    assert digest == story.digest
    np.testing.assert_array_equal([float(v) for v in y], hiercal.simulate(1, story, 0).data["y"])


def test_stories_travel():
    story = from_pymc(models.schools())
    there = pickle.loads(cloudpickle.dumps(story))
    assert there == story
    for name, values in hiercal.simulate(1, there, 3).truth.items():
        np.testing.assert_array_equal(values, hiercal.simulate(1, story, 3).truth[name])
