"""Each mutant makes whole fits, and differs from its honest fitter in the way that it says."""

import inspect

import numpy as np
import pytest
from scipy.stats import kstest

from hiercal.mutants import all_mutants, label_of, names
from hiercal.mutants._chains import ChainFitter
from hiercal.mutants._honest import HonestHmc, HonestNuts, HonestSlice
from hiercal.mutants._numpyro import WrongNumPyroModel
from hiercal.mutants._targets import Gaussian, Labels, Location, Spread
from hiercal.mutants.correlation_lost import CorrelationLost
from hiercal.mutants.dropped_observation import DroppedObservation
from hiercal.mutants.narrow import Narrow
from hiercal.mutants.no_accept_step import NoAcceptStep
from hiercal.mutants.numpyro_826 import Numpyro826
from hiercal.mutants.numpyro_1523 import Numpyro1523
from hiercal.mutants.prior_twice import PriorTwice
from hiercal.mutants.pymc_1421 import Pymc1421
from hiercal.mutants.shifted import Shifted
from hiercal.mutants.stan_2178 import Stan2178
from hiercal.mutants.stuck import Stuck
from hiercal.mutants.venture_448 import Venture448
from hiercal.mutants.warmup_kept import WarmupKept
from hiercal.runs.fit import fit, simulate

MUTANTS = all_mutants()
COMPILED = (WrongNumPyroModel, WarmupKept)
LABELS = [label_of(mutant) for mutant in MUTANTS]
QUICK = [mutant for mutant in MUTANTS if not isinstance(mutant, COMPILED)]
ONE_OF_A_KIND = [mutant for mutant in MUTANTS if isinstance(mutant, COMPILED)]


def scores(fitter, story, n, name=None, model="centred"):
    """Draws of n fits, less their exact means and in exact sds, one row a fit."""
    rows = []
    for i in range(n):
        data = simulate(0, story, i).data
        fitted = fit(story, fitter, data, i)
        assert fitted.error is None, fitted.error
        exact = story.exact(data, model)
        (parameter,) = [name] if name else list(story.dims)
        label = story.labels(parameter)[0]
        values = fitted.draws[parameter].reshape(fitted.draws[parameter][..., None].shape)
        first = values.reshape(-1, *values.shape[2:]).reshape(np.prod(fitter.shape), -1)[:, 0]
        rows.append((first - exact.mean(label)) / exact.sd(label))
    return np.array(rows)


def test_every_file_is_a_mutant_and_none_is_in_the_catalogue():
    from hiercal import catalogue

    assert {mutant.name for mutant in MUTANTS} == set(names())
    assert not set(names()) & set(catalogue.names("fitters"))
    assert len(set(LABELS)) == len(LABELS)


def test_at_least_twelve_real_errors_each_name_their_thread():
    real = [mutant for mutant in MUTANTS if mutant.thread]
    assert len({mutant.thread for mutant in real}) >= 12
    for mutant in real:
        assert mutant.thread in (inspect.getdoc(inspect.getmodule(type(mutant))) or "")


@pytest.mark.parametrize("mutant", QUICK, ids=[label_of(mutant) for mutant in QUICK])
def test_a_fit_is_whole_and_depends_on_its_seed_alone(mutant):
    story = mutant.story
    data = simulate(0, story, 0).data
    mutant.check(story)
    first, again, other = (fit(story, mutant, data, seed) for seed in (1, 1, 2))
    assert first.error is None, first.error
    for name in mutant.parameters(story):
        assert first.draws[name].shape[:2] == mutant.shape
        assert np.array_equal(first.draws[name], again.draws[name])
        assert not np.array_equal(first.draws[name], other.draws[name])


@pytest.mark.slow
@pytest.mark.parametrize("mutant", ONE_OF_A_KIND, ids=[m.name for m in ONE_OF_A_KIND])
def test_a_compiled_fit_is_whole(mutant):
    story = mutant.story
    fitted = fit(story, mutant, simulate(0, story, 0).data, 1)
    assert fitted.error is None, fitted.error
    assert fitted.draws[next(iter(story.dims))].shape[:2] == mutant.shape


@pytest.mark.slow
def test_loc_scale_reparam_leaves_the_support_of_a_log_normal():
    mutant = Numpyro1523()
    fits = [fit(mutant.story, mutant, simulate(0, mutant.story, i).data, i) for i in range(20)]
    assert min(one.draws["x"].min() for one in fits) < 0


# Tolerances are four standard errors of the draws that are pooled.
@pytest.mark.parametrize("factor", [0.95, 0.9, 0.8])
def test_narrow_has_the_sd_that_it_says(factor):
    z = scores(Narrow(factor=factor), Narrow().story, 20, "mu")
    assert abs(z.std() - factor) < 4 * factor / np.sqrt(2 * z.size)


@pytest.mark.parametrize("by", [0.05, 0.1, 0.2])
def test_shifted_is_as_far_off_as_it_says(by):
    z = scores(Shifted(by=by), Shifted().story, 20, "mu")
    assert abs(z.mean() - by) < 4 / np.sqrt(z.size)


def test_prior_twice_has_the_sd_of_one_prior_more():
    z = scores(PriorTwice(), Location(), 20)
    expected = np.sqrt(5 / 6)  # precisions 1 + 4 and 2 + 4
    assert abs((z - z.mean(axis=1, keepdims=True)).std() - expected) < 4 / np.sqrt(2 * z.size)


def test_stan_2178_has_the_sds_of_the_thread():
    z = scores(Stan2178(), Stan2178().story, 20)
    assert abs(z.std() - 0.95) < 4 * 0.95 / np.sqrt(2 * z.size)


def test_no_accept_step_has_the_sd_of_its_step():
    z = scores(NoAcceptStep(), Gaussian(), 20)
    assert abs(z.std() - (1 - 0.5**2 / 4) ** -0.5) < 0.02


def test_without_weights_nuts_is_too_wide():
    few = Pymc1421(chains=2, draws=50)
    wrong = scores(few, Gaussian(), 12).std()
    right = scores(HonestNuts(chains=2, draws=50), Gaussian(), 12).std()
    # a step of 1 makes the sd 1.15; 1200 draws, half of them effective: standard errors of .03
    assert abs(right - 1) < 0.1
    assert wrong > right + 0.04


def test_a_second_accept_step_makes_the_posterior_narrow():
    assert scores(Venture448(), Location(), 10).std() < 0.85


def test_correlation_lost_keeps_every_marginal_and_nothing_else():
    mutant, story = CorrelationLost(), CorrelationLost().story
    data = {"y": np.zeros(8)}
    spoilt, honest = (fit(story, one, data, 3).draws["theta"][0] for one in (mutant, mutant.honest))
    assert np.array_equal(np.sort(spoilt, axis=0), np.sort(honest, axis=0))
    assert np.corrcoef(honest.T)[0, 1] > 0.2
    assert abs(np.corrcoef(spoilt.T)[0, 1]) < 4 / np.sqrt(mutant.draws)


def test_dropped_observation_does_not_look_at_the_last_school():
    mutant, story = DroppedObservation(), DroppedObservation().story
    other = {"y": np.append(np.zeros(7), 50.0)}
    one, two = (fit(story, mutant, data, 1) for data in ({"y": np.zeros(8)}, other))
    assert all(np.array_equal(one.draws[name], two.draws[name]) for name in story.dims)


def test_stuck_repeats_its_smallest_tau():
    fitted = fit(Stuck().story, Stuck(), {"y": np.zeros(8)}, 1)
    tau = fitted.draws["tau"][0]
    assert (tau == tau.min()).sum() >= 50


def test_the_wrong_correction_samples_p_squared_times_one_less_p():
    mutant, story = Numpyro826(chains=400, draws=50), Labels()
    data = {"y": np.zeros(1)}
    z = fit(story, mutant, data, 1).draws["z"].astype(int).ravel()
    p = story.exact(data).mass
    expected = p**2 * (1 - p) / (p**2 * (1 - p)).sum()
    assert np.abs(np.bincount(z, minlength=4) / z.size - expected).max() < 0.02


@pytest.mark.parametrize("honest", [HonestHmc(), HonestSlice()], ids=["hmc", "slice"])
def test_the_kernels_without_an_error_are_right(honest):
    z = scores(honest, Location(), 20)
    # of chains that start from the prior; four standard errors at half the draws effective
    assert abs(z.mean()) < 4 / np.sqrt(z.size / 2)
    assert abs(z.std() - 1) < 4 / np.sqrt(z.size)


@pytest.mark.parametrize(
    "story",
    [Gaussian(means=(0.0, 3.0), sds=(1.0, 2.0), correlation=0.5), Location(),
     Location(prior="uniform"), Location(prior="cauchy"), Spread()],
    ids=["gaussian", "normal", "uniform", "cauchy", "spread"],
)  # fmt: skip
def test_the_small_stories_are_exact(story):
    """Places of truths under their posteriors are uniform; five tests at p = .001."""
    places = []
    for i in range(400):
        drawn = simulate(7, story, i)
        label = story.labels(next(iter(story.dims)))[0]
        truth = np.ravel(next(iter(drawn.truth.values())))[0]
        places.append(float(story.exact(drawn.data).cdf(label, truth)))
    assert kstest(places, "uniform").pvalue > 0.001


def test_the_small_stories_draw_from_their_exact_posterior():
    for story in (Location(prior="uniform"), Location(prior="cauchy"), Spread()):
        exact = story.exact(simulate(1, story, 0).data)
        (name,) = exact.names
        draws = exact.draws(20_000, np.random.default_rng(1))[name]
        assert kstest(exact.cdf(name, draws), "uniform").pvalue > 0.001
        assert abs(draws.mean() - exact.mean(name)) < 4 * exact.sd(name) / np.sqrt(20_000)


def test_chains_of_every_sampler_say_their_shape():
    for mutant in MUTANTS:
        if isinstance(mutant, ChainFitter):
            assert mutant.shape == (mutant.chains, mutant.draws)
