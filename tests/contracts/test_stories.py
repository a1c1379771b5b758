"""What every story of the catalogue must satisfy; a new story is covered without an edit here."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from hiercal import catalogue, fitter, story
from hiercal.fitters._fitter import whole
from hiercal.sbc.efficiency import diagnostics
from hiercal.simulators._parity import TOLERANCE, disagreement

OWN = str(Path(__file__).parents[2] / "examples" / "own" / "clinics.py:Clinics")
"""The template of a story, in CONTRIBUTING.md."""
STORIES = [*catalogue.names("stories"), OWN]
MODELS = [(name, model) for name in STORIES for model in story(name).models]
HIERARCHICAL = [(name, model) for name, model in MODELS if model in ("centred", "noncentred")]
SAMPLED = [
    (name, model, library)
    for name, model in MODELS
    for library in ("numpyro", "pymc")
    if model not in story(name).unreliable
    and (library == "numpyro" or story(name).scale in story(name).models[model])
]
"""Models compared with the exact posterior: all in NumPyro, the hierarchical ones in PyMC too."""
MINUTES = [("survey", "noncentred", "pymc"), ("survey", "noncentred", "numpyro")]
"""Those whose long run takes a minute or more."""


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
    assert all(np.array_equal(a.data[key], b.data[key]) for key in a.data)
    drawn = (a.data, c.data) if a.data else (a.truth, c.truth)
    assert any(not np.array_equal(drawn[0][key], drawn[1][key]) for key in drawn[0])


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
    assert one.scale in of_truth
    assert {"log_lik", "log_prior"} & set(of_truth)


@pytest.mark.parametrize("name", STORIES)
def test_bad_data_are_refused_before_any_sampler_starts(name):
    one = story(name)
    data = one.simulate(np.random.default_rng(0)).data
    for key, values in data.items():
        broken = np.array(values, float)
        broken.flat[0] = np.nan
        with pytest.raises(ValueError, match=one.name):
            one.check(data | {key: broken})
        with pytest.raises(ValueError, match=one.name):
            one.check(data | {key: values[:-1]})
    with pytest.raises(ValueError, match=one.name):
        one.check({"nonsense": 1.0})
    if data:
        with pytest.raises(ValueError, match=one.name):
            one.check({})


@pytest.mark.parametrize("n_groups", [3, 500])
@pytest.mark.parametrize("name", STORIES)
def test_any_number_of_groups(name, n_groups):
    one = story(name).resized(n_groups)
    assert len(one.labels(one.groups)) % n_groups == 0
    drawn, truths = simulations(one, 3)
    assert truths[one.groups].shape[:2] == (3, n_groups)
    for simulation in drawn:
        one.check(simulation.data)
    for model in one.models:
        assert np.isfinite(one.log_joint(truths, drawn[0].data, model)).all()
    exact = one.exact(drawn[0].data) if n_groups == 3 else None
    if exact is not None:
        assert np.isfinite(exact.quantile(one.labels(one.groups)[-1], 0.5))


@pytest.mark.parametrize("name", STORIES)
def test_one_group_is_refused(name):
    one = story(name)
    with pytest.raises(ValueError, match=f"{one.name}: .*(two or more|at least 2)"):
        one.resized(1)


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_hundreds_of_groups_are_fitted(name):
    one = story(name).resized(500)
    data = one.simulate(np.random.default_rng(0)).data
    short = fitter("numpyro", model="noncentred", draws=20, tune=200, max_treedepth=5)
    fit = whole(short, one, short.prepare(one)(data, 1))
    assert fit.error is None
    assert np.ptp(fit.draws[one.scale]) > 0


@pytest.mark.parametrize("name", STORIES)
def test_models_report_parameters_that_there_are(name):
    one = story(name)
    for model, reported in one.models.items():
        assert set(reported) <= set(one.dims)
        assert one.groups in reported
        assert set(one.integrated.get(model, ())) < set(reported)
    assert one.dims[one.scale] == ()
    assert set(one.unreliable) <= set(one.models)


@pytest.mark.parametrize(("name", "model"), MODELS)
def test_log_densities_of_the_three_codings_agree(name, model):
    """NumPy, PyMC and NumPyro at simulated points, up to one constant, in double precision."""
    worst = disagreement(story(name), model)
    assert max(worst.values()) < TOLERANCE, worst


@pytest.mark.parametrize(("name", "model"), HIERARCHICAL)
def test_prior_predictives_match_the_simulator(name, model):
    """Two-sample Kolmogorov-Smirnov at family-wise 0.1 % over all scalars of both libraries."""
    import jax
    import numpyro
    import pymc as pm
    from numpyro.infer import Predictive

    numpyro.enable_x64()
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


@pytest.mark.parametrize(("name", "model"), MODELS)
def test_exact_draws_follow_the_exact_distribution(name, model):
    """Kolmogorov-Smirnov at family-wise 0.1 % over the quantities of all models."""
    one = story(name)
    rng = np.random.default_rng(4)
    data = one.simulate(rng).data
    exact = one.exact(data, model)
    if exact is None:
        pytest.skip(f"{name} has no exact posterior of {model}")
    parameters = exact.draws(500, rng)
    assert set(parameters) == set(one.models[model])
    draws = one.quantities(parameters, data, rng)
    assert set(exact.names) <= set(draws)
    assert {one.labels(one.groups)[0], *one.new_group(parameters, rng)} <= set(exact.names)
    p = {
        q: stats.kstest(draws[q], lambda x, q=q: exact.cdf(q, x)).pvalue
        for q in exact.names
        if np.ptp(draws[q]) > 0
    }
    assert min(p.values()) > 1e-3 / len(p) / len(MODELS), p
    for q in exact.names:
        inner = exact.quantile(q, [0.2, 0.5])
        np.testing.assert_allclose(exact.cdf(q, inner), [0.2, 0.5], atol=1e-5)
        assert exact.bracket(q)[0] <= inner[0] <= inner[1] <= exact.bracket(q)[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "model", "library"),
    [pytest.param(*each, marks=pytest.mark.nightly if each in MINUTES else ()) for each in SAMPLED],
)
def test_exact_posterior_matches_a_long_run(name, model, library):
    """Means within 5 Monte Carlo standard errors, and fractions below exact quantiles too.

    The data are those of the simulation with the largest scale among twenty, away from the
    funnel's neck, where the centred model can be sampled.
    """
    one = story(name)
    drawn, truths = simulations(one, 20, seed=11)
    data = drawn[int(np.argmax(truths[one.scale]))].data
    exact = one.exact(data, model)
    if exact is None:
        pytest.skip(f"{name} has no exact posterior of {model}")
    draws = 1000 if name == "survey" else 2500  # whose trajectories are twenty times as long
    long = fitter(library, model=model, draws=draws, chains=4, target_accept=0.95)
    fit = long.prepare(one)(data, 1)
    quantities = one.quantities(fit.draws, data, np.random.default_rng(1))
    names = [q for q in exact.names if np.ptp(quantities[q]) > 0]
    draws = np.stack([quantities[q] for q in names], axis=-1)
    below = np.stack([quantities[q] <= exact.quantile(q, 0.3) for q in names], axis=-1)
    finite = [exact.mean(q) if np.isfinite(exact.sd(q)) else np.nan for q in names]
    for sample, expected in ((draws, finite), (below.astype(float), 0.3)):
        pooled = sample.reshape(-1, sample.shape[-1])
        mcse = pooled.std(axis=0) / np.sqrt(diagnostics(sample)["ess_mean"])
        z = dict(zip(names, (pooled.mean(axis=0) - expected) / mcse, strict=True))
        assert np.nanmax(np.abs(list(z.values()))) < 5, z
