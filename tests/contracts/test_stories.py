"""What every story of the catalogue must satisfy; a new story is covered without an edit here."""

import numpy as np
import pytest
from scipy import stats

from hiercal import catalogue, fitter, story
from hiercal.sbc.efficiency import diagnostics

STORIES = catalogue.names("stories")
MODELS = [(name, model) for name in STORIES for model in story(name).models]
HIERARCHICAL = [(name, model) for name, model in MODELS if model in ("centred", "noncentred")]


def simulations(one, n, seed=0):
    drawn = [one.simulate(np.random.default_rng([seed, i])) for i in range(n)]
    stack = {name: np.stack([s.truth[name] for s in drawn]) for name in drawn[0].truth}
    return drawn, stack


@pytest.mark.parametrize("name", STORIES)
def test_a_simulation_is_a_pure_function_of_its_generator(name):
    one = story(name)
    a, b, c = (one.simulate(np.random.default_rng(seed)) for seed in (1, 1, 2))
    for key in a.truth:
        np.testing.assert_array_equal(a.truth[key], b.truth[key])
    assert any(not np.array_equal(a.data[key], c.data[key]) for key in a.data)


@pytest.mark.parametrize("name", STORIES)
def test_shapes_and_support(name):
    one = story(name)
    drawn, truths = simulations(one, 50)
    for parameter, dims in one.dims.items():
        assert truths[parameter].shape == (50, *(len(one.coords[dim]) for dim in dims))
    assert (truths[one.scale] > 0).all()
    for simulation in drawn:
        one.check(simulation.data)
    data = drawn[0].data
    assert np.isfinite(one.log_prior(truths)).all()
    assert one.log_likelihood(truths, data).shape[:1] == (50,)
    assert np.isfinite(one.log_likelihood(truths, data)).all()


@pytest.mark.parametrize("name", STORIES)
def test_quantities_of_draws_and_of_a_truth_have_the_same_names(name):
    one = story(name)
    drawn, truths = simulations(one, 7)
    rng = np.random.default_rng(0)
    of_truth = one.quantities(drawn[0].truth, drawn[0].data, rng)
    of_draws = one.quantities({k: v[None] for k, v in truths.items()}, drawn[0].data, rng)
    assert list(of_truth) == list(of_draws)
    assert {np.shape(v) for v in of_truth.values()} == {()}
    assert {np.shape(v) for v in of_draws.values()} == {(1, 7)}
    assert {one.scale, "log_lik"} <= set(of_truth)


@pytest.mark.parametrize("name", STORIES)
def test_bad_data_are_refused_before_any_sampler_starts(name):
    one = story(name)
    data = one.simulate(np.random.default_rng(0)).data
    for key, values in data.items():
        broken = np.array(values, float)
        broken.flat[0] = np.nan
        with pytest.raises(ValueError, match=name):
            one.check(data | {key: broken})
        with pytest.raises(ValueError, match=name):
            one.check(data | {key: values[:-1]})
    with pytest.raises(ValueError, match=name):
        one.check({})


@pytest.mark.parametrize(("name", "model"), MODELS)
def test_log_densities_of_the_three_codings_agree(name, model):
    """NumPy, PyMC and NumPyro at simulated points, up to one constant, in double precision."""
    import jax
    import numpyro
    from numpyro.infer.util import log_density

    numpyro.enable_x64()
    one = story(name)
    drawn, truths = simulations(one, 12, seed=3)
    data = drawn[0].data
    latent = one.latent(truths, model)
    by_hand = one.log_prior(truths, model)
    if model == "complete_pooling":
        truths = truths | {
            one.groups: np.broadcast_to(truths["mu"][:, None], truths["theta"].shape)
        }
    by_hand = by_hand + one.log_likelihood(truths, data).sum(axis=-1)

    pymc_model = one.pymc_model(data, model)
    pymc_density = pymc_model.compile_logp(jacobian=False)
    in_pymc = [pymc_density(unconstrained(pymc_model, point(latent, i))) for i in range(12)]

    code = one.numpyro_model(model)
    density = jax.jit(lambda values: log_density(code, (), data, values)[0])
    in_numpyro = [float(density(point(latent, i))) for i in range(12)]

    for other in (in_pymc, in_numpyro):
        difference = np.array(other) - by_hand
        np.testing.assert_allclose(
            difference, difference[0], rtol=0, atol=1e-6 * abs(by_hand).max()
        )


def point(values, i):
    return {name: value[i] for name, value in values.items()}


def unconstrained(model, values):
    """Values of a PyMC model's free variables on the scale that its density takes."""
    found = {}
    for variable in model.free_RVs:
        value = np.asarray(values[variable.name])
        transform = model.rvs_to_transforms[variable]
        if transform is not None:
            value = transform.forward(value, *variable.owner.inputs).eval()
        found[model.rvs_to_values[variable].name] = value
    return found


@pytest.mark.parametrize(("name", "model"), HIERARCHICAL)
def test_prior_predictives_match_the_simulator(name, model):
    """Two-sample Kolmogorov-Smirnov at family-wise 0.1 % over all scalars of both libraries."""
    import jax
    import pymc as pm
    from numpyro.infer import Predictive

    one = story(name)
    drawn, ours = simulations(one, 2000, seed=5)
    ours |= {key: np.stack([s.data[key] for s in drawn]) for key in drawn[0].data}
    with one.pymc_model(drawn[0].data, model) as pymc_model:
        names = [key for key in ours if key in pymc_model.named_vars]
        values = pm.draw([pymc_model[key] for key in names], 2000, random_seed=7)
    of_numpyro = Predictive(one.numpyro_model(model), num_samples=2000)(jax.random.key(7))
    p = {}
    for label, theirs in (("PyMC", dict(zip(names, values, strict=True))), ("NumPyro", of_numpyro)):
        assert set(ours) <= set(theirs)
        for key, values in ours.items():
            pairs = zip(columns(values), columns(theirs[key]), strict=True)
            for i, (a, b) in enumerate(pairs):
                p[label, key, i] = stats.ks_2samp(a, b).pvalue
    worst = min(p, key=lambda key: p[key])
    assert p[worst] > 1e-3 / len(p), (worst, p[worst])


def columns(values):
    return np.asarray(values, float).reshape(len(values), -1).T


@pytest.mark.slow
@pytest.mark.parametrize(("name", "model"), HIERARCHICAL)
@pytest.mark.parametrize("library", ["numpyro", "pymc"])
def test_exact_posterior_matches_a_long_run(name, model, library):
    """Means within 5 Monte Carlo standard errors, and fractions below exact quantiles too.

    The data are those of the simulation with the largest scale among twenty, away from the
    funnel's neck, where the centred model can be sampled.
    """
    one = story(name)
    drawn, truths = simulations(one, 20, seed=11)
    data = drawn[int(np.argmax(truths[one.scale]))].data
    exact = one.exact(data)
    if exact is None:
        pytest.skip(f"{name} has no exact posterior")
    long = fitter(library, model=model, draws=5000, chains=4, target_accept=0.95)
    fit = long.prepare(one)(data, 1)
    quantities = one.quantities(fit.draws, data, np.random.default_rng(1))
    draws = np.stack(list(quantities.values()), axis=-1)
    below = np.stack(
        [values <= exact.quantile(q, 0.3) for q, values in quantities.items()], axis=-1
    ).astype(float)
    for sample, expected in ((draws, [exact.mean(q) for q in quantities]), (below, 0.3)):
        pooled = sample.reshape(-1, sample.shape[-1])
        mcse = pooled.std(axis=0) / np.sqrt(diagnostics(sample)["ess_mean"])
        z = dict(zip(quantities, (pooled.mean(axis=0) - expected) / mcse, strict=True))
        assert max(map(abs, z.values())) < 5, z
