"""Many data sets in one call of NumPyro: a fit is as it would be alone, or among others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import hiercal
from hiercal import Where, fitter, from_numpyro, simulate, story
from hiercal.config import read
from hiercal.errors import PreparationError, RunError
from hiercal.fitters._numpyro_batch import LANES
from hiercal.runs.fit import fit, fit_many
from hiercal.sbc import efficiency
from hiercal.simulators.eight_schools import EightSchools
from tests.running import run

STORY = story("eight_schools")
DATA = [simulate(0, STORY, i).data for i in range(LANES + 3)]
SEEDS = list(range(100, 100 + len(DATA)))
WAYS = {"in turn": {}, "in lockstep": {"vmap": True}}


def numpyro_nuts(batch=5, **options):
    return fitter("numpyro", **{"draws": 50, "tune": 50, "batch": batch} | options)


def fitted(which, one, story=STORY, data=DATA):
    """Fits of these data sets, by number."""
    fits = fit_many(story, one, [data[i] for i in which], [SEEDS[i] for i in which])
    return dict(zip(which, fits, strict=True))


def same(one, other):
    """Whether two fits are equal to the bit, in draws and statistics."""
    pairs = [(one.draws, other.draws), (one.stats, other.stats)]
    return one.error is other.error is None and all(
        a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in pairs
    )


@pytest.fixture(params=WAYS, scope="module")
def way(request):
    return WAYS[request.param]


@pytest.fixture(scope="module")
def together(way):
    return fitted(range(5), numpyro_nuts(**way))


def test_a_fit_is_the_same_among_others_in_another_place_and_alone(way, together):
    for others in ((4, 9, 0, 10), (2,)):
        for i, one in fitted(others, numpyro_nuts(**way)).items():
            if i in together:
                assert same(one, together[i])


def test_a_fit_is_the_same_in_a_larger_batch(way, together):
    # in lockstep these are all the sizes that fill one and the same number of lanes
    larger = fitted(range(7), numpyro_nuts(batch=7, **way))
    assert all(same(larger[i], together[i]) for i in together)


def test_fits_differ_by_data_and_by_seed(way, together):
    other_seed, other_data = fit_many(
        STORY, numpyro_nuts(**way), [DATA[0], DATA[1]], [SEEDS[1], SEEDS[0]]
    )
    for one in (other_seed, other_data):
        assert not any(np.array_equal(one.draws["mu"], o.draws["mu"]) for o in together.values())


def test_seconds_are_an_equal_share_of_the_call(together):
    assert len({one.seconds for one in together.values()}) == 1
    assert together[0].seconds > 0


def test_in_turn_eight_schools_is_fitted_as_without_a_batch():
    singly = {i: fit(STORY, numpyro_nuts(1, chains=2), DATA[i], SEEDS[i]) for i in range(4)}
    batch = fitted(range(4), numpyro_nuts(chains=2))
    assert all(same(singly[i], batch[i]) for i in singly)


def test_data_without_a_density_fail_alone(way, together):
    broken = [*DATA[:2], {"y": np.full(8, np.nan)}, *DATA[3:]]
    found = fitted(range(5), numpyro_nuts(**way), data=broken)
    why = "fit: ValueError: no start was found at which the log density is finite"
    assert found[2].error == why
    assert fit(STORY, numpyro_nuts(1), broken[2], 1).error == why
    assert all(same(found[i], together[i]) for i in (0, 1, 3, 4))


def test_data_sets_of_different_shapes_are_refused(way):
    ragged = [DATA[0], {"y": np.zeros(9)}]
    with pytest.raises(
        PreparationError,
        match=r"eight_schools/numpyro-noncentred: batch = 5: data sets that are fitted at once "
        r"have one shape and type; got y float64\[8\] and y float64\[9\]; leave batch out",
    ):
        fitted(range(2), numpyro_nuts(**way), data=ragged)


class CallsBack(EightSchools):
    """Eight Schools whose NumPyro model hands its data to Python, which no vmap can."""

    def numpyro_model(self, model):
        import jax

        inner = super().numpyro_model(model)

        def calling(y=None):
            like = jax.ShapeDtypeStruct((8,), np.float64)
            inner(y=jax.pure_callback(lambda values: np.asarray(values), like, y))

        return calling


def test_a_model_that_cannot_go_in_lockstep_ends_in_one_error(tmp_path):
    one = CallsBack()
    with pytest.raises(
        PreparationError,
        match=r"batch = 5: the model cannot be compiled for many data sets "
        r"\(.*vmap.*\); give vmap = false, or leave batch out",
    ):
        fitted(range(2), numpyro_nuts(vmap=True), one)
    assert all(each.error is None for each in fitted(range(2), numpyro_nuts(), one).values())
    many = numpyro_nuts(vmap=True, draws=100)
    stopped = hiercal.Run(stories=[one], fitters=[many], simulations=3)
    with pytest.raises(RunError, match=r"(?s)some arms could not be fitted.*batch = 5: the model"):
        run(stopped, tmp_path)


def wards(y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 1))
    tau = numpyro.sample("tau", dist.HalfNormal(1))
    with numpyro.plate("ward", 4):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, 1.0), obs=y)


@pytest.mark.slow
def test_a_model_of_ones_own_is_fitted_in_batches(way):
    own = from_numpyro(wards, y=np.zeros(4))
    data = [simulate(0, own, i).data for i in range(3)]
    for model in ("as_written", "noncentred"):
        found = fitted(range(3), numpyro_nuts(model=model, **way), own, data)
        assert [one.error for one in found.values()] == [None] * 3
        alone = fitted([1], numpyro_nuts(model=model, **way), own, data)
        assert same(alone[1], found[1])


def test_a_run_from_a_file_is_fitted_in_batches(tmp_path):
    def of(fitter):
        file = tmp_path / "many.toml"
        file.write_text(
            "simulations = 8\n[[stories]]\nname = 'eight_schools'\n"
            f"[[fitters]]\nname = 'numpyro'\ndraws = 100\ntune = 100\n{fitter}"
        )
        return read(file)

    together = run(of("batch = 3"), tmp_path / "together", where=Where(1))
    singly = run(of(""), tmp_path / "singly")
    assert together.records.equals(singly.records)
    assert (together.fits["seconds"].value_counts() >= 2).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 0}, "batch is 0; give a whole number of at least 1"),
        ({"batch": 2.0}, "batch is 2.0"),
        ({"batch": 2, "vmap": "yes"}, "vmap is 'yes'; give true or false"),
        ({"vmap": True}, "give a batch of 2 or more, or leave vmap out"),
    ],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        fitter("numpyro", **options)


def few_draws(order):
    """So few draws in lockstep, by data set, that rounding errors have not grown."""
    one = numpyro_nuts(LANES + 2, vmap=True, draws=5, tune=5)
    found = fitted(order, one)
    return [found[i].draws["mu"].ravel().tolist() for i in sorted(order)]


@pytest.mark.slow
def test_several_devices_share_a_batch():
    code = (
        "import jax, json; from tests.fitters.test_numpyro_batch import few_draws, LANES\n"
        "order = range(LANES + 2)\n"
        "print(json.dumps([len(jax.devices()), few_draws(order), few_draws(order[::-1])]))"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
        check=True,
        capture_output=True,
        text=True,
    )
    devices, there, in_other_places = json.loads(told.stdout)
    assert devices == 2
    assert in_other_places == there
    np.testing.assert_allclose(there, few_draws(range(LANES + 2)), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["centred", "noncentred"])
def test_lockstep_agrees_with_single_fits_within_their_errors(model):
    """z of posterior means and sds; in 2 x 2 x 10 x 16 numbers one beyond 4.6 has p below 0.003."""
    options = {"model": model, "draws": 2000, "tune": 1000, "target_accept": 0.95}
    data = [simulate(3, STORY, i).data for i in range(16)]
    singly = [fit(STORY, fitter("numpyro", **options), each, i) for i, each in enumerate(data)]
    many = fitter("numpyro", batch=16, vmap=True, **options)
    together = fit_many(STORY, many, data, [1000 + i for i in range(16)])
    for power in (1, 2):
        for one, other in zip(singly, together, strict=True):
            means, errors = zip(*(_moment(each, power) for each in (one, other)), strict=True)
            z = (means[0] - means[1]) / np.hypot(*errors)
            assert np.abs(z).max() < 4.6


def _moment(fit, power):
    """Mean of a power of each parameter, and its Monte Carlo standard error."""
    draws = np.concatenate(
        [fit.draws["mu"][..., None], fit.draws["tau"][..., None], fit.draws["theta"]], axis=-1
    )
    values = draws**power
    ess = efficiency.diagnostics(values)["ess_mean"]
    pooled = values.reshape(-1, values.shape[-1])
    return pooled.mean(axis=0), pooled.std(axis=0) / np.sqrt(ess)


@pytest.mark.nightly
def test_fits_in_lockstep_are_calibrated(tmp_path):
    """A right sampler fails this with a probability of 5 %; the seed is fixed."""
    design = hiercal.Run(
        stories=[STORY],
        fitters=[fitter("numpyro", batch=100, vmap=True, draws=500, tune=500, target_accept=0.9)],
        simulations=300,
        name="lockstep",
    )
    result = run(design, tmp_path)
    assert result.fits["error"].isna().all()
    verdicts = hiercal.tables.verdicts(result)
    assert set(verdicts["verdict"]) == {"calibrated"}, verdicts
