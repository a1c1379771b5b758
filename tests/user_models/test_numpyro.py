import pickle
import subprocess
import sys
from functools import partial

import cloudpickle
import jax
import numpy as np
import numpyro
import pytest
from jax import numpy as jnp
from numpyro import distributions as dist
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.infer.reparam import LocScaleReparam
from numpyro.infer.util import log_density

import hiercal
from hiercal.errors import ModelRefused
from hiercal.user_models import _numpyro_trace as trace
from hiercal.user_models import reparameterise_numpyro
from hiercal.user_models.numpyro import from_numpyro

from . import models


def schools():
    return from_numpyro(models.np_schools, models.ERRORS, y=models.EFFECTS)


def test_truth_and_data_are_those_of_the_model():
    story = schools()
    assert story.name == "np_schools"
    drawn, again = hiercal.simulate(1, story, 0), hiercal.simulate(1, schools(), 0)
    for name, values in drawn.truth.items():
        np.testing.assert_array_equal(values, again.truth[name])
    latent = {name: drawn.truth[name] for name in ("mu", "tau", "theta")}
    joint, _ = log_density(models.np_schools, (models.ERRORS,), {"y": drawn.data["y"]}, latent)
    assert drawn.truth["log_prior"] + drawn.truth["log_lik"] == pytest.approx(
        float(joint), rel=1e-12
    )


def test_plates_and_observations_name_the_quantities():
    story = schools()
    assert story.dims["theta"] == ("school",)
    assert tuple(story.dims)[:3] == ("mu", "tau", "theta")
    assert story.layout.labels["log_lik_at"][0] == "log_lik[y[0]]"
    assert story.noncentrable == ("theta",)


def test_every_family_keeps_its_log_density():
    numpyro.enable_x64()
    bound = partial(models.np_families, y=np.zeros(()))
    sites = trace.traced(bound)
    movable, refused = trace.movable(bound, sites)
    assert set(movable) == set(models.FAMILIES)
    assert refused == []
    for name in models.FAMILIES:
        assert trace._disagreement(bound, sites, name) < 1e-12, name


def test_a_change_that_alters_the_density_is_refused(monkeypatch):
    right = reparameterise_numpyro._location_scale

    def wrong(fn):
        standard, value_of = right(fn)
        return standard, lambda raw: value_of(2 * raw)

    monkeypatch.setattr(reparameterise_numpyro, "_location_scale", wrong)
    story = schools()
    assert story.noncentrable == ()
    assert "theta cannot be non-centred: the log density would change by" in " ".join(story.notes)


def test_fits_of_both_models_report_the_densities_of_their_draws():
    story = schools()
    data = hiercal.simulate(1, story, 0).data
    for model in story.models:
        fitter = hiercal.fitter("numpyro", model=model, draws=200, tune=200)
        fit = hiercal.fit(story, fitter, data, seed=1)
        assert fit.error is None
        draws = {name: fit.draws[name][0, 7] for name in ("mu", "tau", "theta")}
        joint, _ = log_density(models.np_schools, (models.ERRORS,), {"y": data["y"]}, draws)
        found = fit.draws["log_prior"][0, 7] + fit.draws["log_lik"][0, 7]
        assert found == pytest.approx(float(joint), rel=1e-10)


def test_learned_centring_is_pointed_out():
    model = handlers.reparam(models.np_schools, config={"theta": LocScaleReparam()})
    story = from_numpyro(model, models.ERRORS, y=models.EFFECTS, name="mine")
    assert "theta is under LocScaleReparam() without a number" in " ".join(story.notes)
    fixed = handlers.reparam(models.np_schools, config={"theta": LocScaleReparam(0.0)})
    story = from_numpyro(fixed, models.ERRORS, y=models.EFFECTS, name="mine")
    assert "LocScaleReparam" not in " ".join(story.notes)


def mixture(y=None):
    share = numpyro.sample("share", dist.Dirichlet(jnp.ones(2)))
    with numpyro.plate("component", 2):
        centre = numpyro.sample("centre", dist.Normal(0, 3))
    numpyro.sample(
        "y",
        dist.MixtureSameFamily(dist.Categorical(share), dist.Normal(centre, jnp.ones(2))).expand(
            [7]
        ),
        obs=y,
    )


def test_label_switching_is_said():
    story = from_numpyro(mixture, y=np.linspace(-3, 3, 7))
    assert set(story.interchangeable) == {"share", "centre"}
    assert schools().interchangeable == ()


def discrete(y=None):
    share = numpyro.sample("share", dist.Beta(2, 2))
    with numpyro.plate("n", 6):
        z = numpyro.sample("z", dist.Bernoulli(share), infer={"enumerate": "parallel"})
        numpyro.sample("y", dist.Normal(3.0 * z, 1), obs=y)


def test_discrete_latents_are_summed_out():
    story = from_numpyro(discrete, y=np.zeros(6))
    assert tuple(story.dims) == ("share",)
    assert "z is discrete: NumPyro sums it out" in " ".join(story.notes)
    data = hiercal.simulate(1, story, 0).data
    fit = hiercal.fit(story, hiercal.fitter("numpyro", model="as_written", draws=200), data, 1)
    assert fit.error is None


def missing(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    numpyro.sample("k", dist.Poisson(3), obs=y)
    numpyro.factor("f", -a)


def improper(y=None):
    a = numpyro.sample("a", dist.ImproperUniform(dist.constraints.real, (), ()))
    numpyro.sample("y", dist.Normal(a, 1), obs=y)


def unbounded(y=None):
    k = numpyro.sample("k", dist.Poisson(3))
    numpyro.sample("y", dist.Normal(k, 1), obs=y)


def subsampled(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    with numpyro.plate("n", 6, subsample_size=2) as index:
        numpyro.sample("y", dist.Normal(a, 1), obs=y[index])


def prior_from_data(y=None):
    a = numpyro.sample("a", dist.Normal(jnp.mean(y), 1))
    numpyro.sample("y", dist.Normal(a, 1), obs=y)


def lagged(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(a * jnp.roll(y, 1), 1), obs=y)


def conditioned_inside(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))

    def step(before, _):
        now = numpyro.sample("y", dist.Normal(a * before, 1))
        return now, now

    with handlers.condition(data={"y": y}):
        scan(step, jnp.array(0.0), jnp.arange(6))


def observed_in_scan(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))

    def step(before, at):
        now = numpyro.sample("y", dist.Normal(a * before, 1), obs=at)
        return now, now

    scan(step, jnp.array(0.0), y)


def unobserved(y=None):
    numpyro.sample("a", dist.Normal(0, 1))


def overflowing(y=None):
    a = numpyro.sample("a", dist.Normal(0, 100))
    numpyro.sample("y", dist.Poisson(jnp.exp(a)), obs=y)


def scaled(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    with handlers.scale(scale=10.0):
        numpyro.sample("y", dist.Normal(a, 1).expand([6]), obs=y)


def masked_latent(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1).mask(False))
    numpyro.sample("y", dist.Normal(a, 1).expand([6]), obs=y)


def partly_observed(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    with numpyro.plate("n", 6):
        numpyro.sample("y", dist.Normal(a, 1), obs=y, obs_mask=jnp.arange(6) < 4)


def delta(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    b = numpyro.sample("b", dist.Delta(2 * a))
    numpyro.sample("y", dist.Normal(b, 1).expand([6]), obs=y)


def random_besides(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    noise = jax.random.normal(numpyro.prng_key())
    numpyro.sample("y", dist.Normal(a + noise, 1).expand([6]), obs=y)


def listed(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(a, 1).expand([2]), obs=[0.0, 1.0])


def named_like_ours(y=None):
    a = numpyro.deterministic("log_lik", numpyro.sample("a", dist.Normal(0, 1)))
    numpyro.sample("y", dist.Normal(a, 1).expand([6]), obs=y)


def asks_a_drawn_value(y=None):
    a = numpyro.sample("a", dist.Normal(0, 1))
    numpyro.sample("y", dist.Normal(a if a > 0 else -a, 1).expand([6]), obs=y)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (missing, "factor f changes the density"),
        (improper, "a has an improper prior"),
        (unbounded, "k is discrete without an end"),
        (subsampled, "plate n is subsampled"),
        (prior_from_data, "a depends on the observed values of y"),
        (lagged, "y depends on the observed values of y"),
        (conditioned_inside, "observed inside of a scan"),
        (observed_in_scan, "observed inside of a scan"),
        (unobserved, "no site of it is observed"),
        (overflowing, r"\d+ of 300 draws .* break; the first: .*at a = "),
        (scaled, "log density of y is scaled, the forward draws are not"),
        (masked_latent, "a is drawn and masked"),
        (partly_observed, "y_unobserved is drawn and masked"),
        (delta, "b is a Delta distribution"),
        (random_besides, "y depends on random numbers that are drawn outside of a site"),
        (listed, "y is observed as a list"),
        (named_like_ours, "log_lik is what hiercal calls"),
        (asks_a_drawn_value, "Python's if asks for a drawn value"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_refused_with_variable_reason_and_remedy(model, says):
    counts = model in (missing, overflowing)
    y = jnp.array([1, 2, 3, 0, 1, 5], int if counts else float)
    with pytest.raises(ModelRefused, match=says):
        from_numpyro(model, y=y)


def drawn_in_scan(y=None):
    s = numpyro.sample("s", dist.HalfNormal(1))

    def step(before, _):
        now = numpyro.sample("x", dist.Normal(before / 2, s))
        return now, now

    _, x = scan(step, jnp.array(0.0), None, length=6)
    numpyro.sample("y", dist.Normal(x, 1), obs=y)


def test_variables_drawn_in_a_scan_are_taken():
    story = from_numpyro(drawn_in_scan, y=np.zeros(6))
    truth = hiercal.simulate(1, story, 0).truth
    x, s = np.asarray(truth["x"]), float(truth["s"])
    before = np.concatenate([[0.0], x[:-1]]) / 2
    log_prior = dist.HalfNormal(1).log_prob(s) + dist.Normal(before, s).log_prob(x).sum()
    assert truth["log_prior"] == pytest.approx(float(log_prior), rel=1e-9)


def ordinal(y=None):
    order = dist.transforms.OrderedTransform()
    normal = dist.Normal(0, 1).expand([3]).to_event(1)
    cut = numpyro.sample("cut", dist.TransformedDistribution(normal, order))
    numpyro.sample("y", dist.OrderedLogistic(jnp.zeros(4), cut), obs=y)


def test_values_that_a_distribution_refuses_are_not_interchangeable():
    """Cutpoints in another order are an error of OrderedLogistic."""
    assert from_numpyro(ordinal, y=np.array([0, 1, 2, 3])).interchangeable == ()


def test_factors_with_a_simulator_are_checked():
    def simulate(rng):
        a = rng.normal(-1, 1)
        return {"a": a}, {"k": rng.poisson(3, size=6)}

    story = from_numpyro(missing, y=np.zeros(6, int), simulate=simulate)
    assert hiercal.simulate(1, story, 0).data["k"].shape == (6,)


def test_single_precision_inputs_are_made_double():
    story = from_numpyro(
        models.np_schools, jnp.asarray(models.ERRORS, jnp.float32), y=models.EFFECTS
    )
    assert hiercal.simulate(1, story, 0).truth["theta"].dtype == np.float64
    assert story.digest == schools().digest


def test_digest_and_draws_are_the_same_in_another_process():
    code = (
        "import hiercal; from tests.user_models import models; "
        "s = hiercal.from_numpyro(models.np_schools, models.ERRORS, y=models.EFFECTS); "
        "print(s.digest, *hiercal.simulate(1, s, 0).data['y'])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    digest, *y = run.stdout.split()
    story = schools()
    assert digest == story.digest
    np.testing.assert_array_equal([float(v) for v in y], hiercal.simulate(1, story, 0).data["y"])
    assert from_numpyro(models.np_schools, models.ERRORS + 1, y=models.EFFECTS).digest != digest


def test_stories_travel():
    story = schools()
    there = pickle.loads(cloudpickle.dumps(story))
    assert there == story
    np.testing.assert_array_equal(
        hiercal.simulate(1, there, 3).data["y"], hiercal.simulate(1, story, 3).data["y"]
    )


def test_x64_is_on():
    schools()
    assert jax.config.jax_enable_x64
