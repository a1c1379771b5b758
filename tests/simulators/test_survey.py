"""The survey against its check values, other quadratures and the densities of gamma variables."""

import io

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from scipy.special import digamma, gammaln, polygamma, softmax

from hiercal import story
from hiercal.exact.dirichlet import FLOOR
from hiercal.simulators import _log_gamma, survey
from tests.exact.shares import beta_p_values

SURVEY = story("survey")
EXACT = SURVEY.exact(SURVEY.observed)


def test_collapsed_model_draws_pi_from_its_posterior():
    """Given one alpha and pi0, at family-wise 0.1 % over 72 tests; over all, within 4.5 errors."""
    rng = np.random.default_rng(8)
    one = {"alpha": np.full((2, 1000), 0.5), "pi0": np.tile([0.2, 0.3, 0.4, 0.1], (2, 1000, 1))}
    pi = SURVEY.draw_integrated(one, SURVEY.observed, "collapsed", rng)["pi"]
    assert pi.shape == (2, 1000, 6, 4)
    shapes = SURVEY.observed["counts"] + [0.1, 0.15, 0.2, 0.05]
    p = [
        beta_p_values(pi[..., r, k].ravel(), a, shapes[r].sum() - a)
        for (r, k), a in np.ndenumerate(shapes)
    ]
    assert np.min(p) > 1e-3 / 72

    draws = EXACT.draws(4000, rng)
    found = SURVEY.draw_integrated(draws, SURVEY.observed, "collapsed", rng)
    assert set(found) == {"pi"}
    exact = [[f(label) for label in SURVEY.labels("pi")] for f in (EXACT.mean, EXACT.sd)]
    z = (found["pi"].reshape(4000, 24).mean(axis=0) - exact[0]) / exact[1] * 4000**0.5
    assert np.abs(z).max() < 4.5
    assert SURVEY.draw_integrated(draws, SURVEY.observed, "centred", rng) == {}


def test_observed_answers_are_those_of_the_default_design():
    assert SURVEY.observed["counts"].sum(axis=1).tolist() == list(SURVEY.n)
    assert SURVEY.check(SURVEY.observed)["counts"].dtype == np.int64
    assert story("survey", n=(5, 6)).observed is None


@pytest.mark.parametrize("alpha", [0.5, 8.0, 300.0])
def test_the_simulators_own_proportions_are_those_of_numpy(alpha):
    """Two-sample Kolmogorov-Smirnov, family-wise 0.1 % over alpha and categories."""
    a = alpha * np.array([0.1, 0.2, 0.3, 0.4])
    rng = np.random.default_rng(11)
    one = story("survey", n=(1,) * 4000)
    own, numpys = one.proportions(a, rng), rng.dirichlet(a, size=4000)
    for ours, theirs in zip(own.T, numpys.T, strict=True):
        assert stats.ks_2samp(ours, theirs).pvalue > 1e-3 / 12


def test_the_simulator_does_not_use_the_draws_of_its_exact_posterior(monkeypatch):
    """So the exact arm sees a fault in either."""

    def broken(concentration, rng):
        raise AssertionError("the simulator uses the exact posterior's draws")

    monkeypatch.setattr("hiercal.exact.dirichlet.dirichlet", broken)
    monkeypatch.setattr(survey, "dirichlet", broken)
    SURVEY.simulate(np.random.default_rng(1))


def test_simulator_survives_a_tiny_alpha():
    tiny = story("survey", alpha_rate=1000)
    for seed in range(20):
        drawn = tiny.simulate(np.random.default_rng(seed))
        tiny.check(drawn.data)
        assert drawn.truth["pi"].min() >= FLOOR
        for model in tiny.models:
            assert np.isfinite(tiny.log_joint(drawn.truth, drawn.data, model))
    draws = tiny.exact(drawn.data).draws(100, np.random.default_rng(0))
    assert all(np.isfinite(values).all() for values in draws.values())


@pytest.mark.parametrize("a", [0.05, 0.5, 5.0])
def test_z_has_the_density_of_a_standardised_log_gamma_variable(a):
    """Integral, mean and variance by quadrature; both libraries' draws; their pi."""
    import jax
    import numpyro

    numpyro.enable_x64()
    mean, sd = digamma(a), polygamma(1, a) ** 0.5
    # beyond log G = 6 the density is below 1e-150
    top, bottom = (6 - mean) / sd, -60.0
    edge = (np.log(a) - mean) / sd
    for power, moment in enumerate((1, 0, 1)):
        found, _ = integrate.quad(
            lambda z: z**power * np.exp(_log_gamma.log_density(mean + sd * z, np.array(a))),  # noqa: B023
            bottom,
            top,
            points=(edge - 1, edge),
            limit=500,
        )
        assert found == pytest.approx(moment, abs=1e-7)
    concentration = np.array([a, 2 * a])
    of_pymc = _log_gamma.draw(concentration, np.random.default_rng(1), (100_000, 2))
    of_numpyro = _log_gamma.numpyro_distribution()(concentration).sample(
        jax.random.key(1), (100_000,)
    )
    for z in (of_pymc, np.asarray(of_numpyro)):
        assert np.abs(z.mean(axis=0)).max() < 4 / 100_000**0.5
        assert np.abs(z.std(axis=0) - 1).max() < 0.02
        pi = softmax(digamma(concentration) + polygamma(1, concentration) ** 0.5 * z, axis=1)
        assert min(beta_p_values(pi[:, 0], a, 2 * a)) > 1e-4


def test_density_of_z_and_its_gradient_are_stable():
    """Three codings from tiny to huge shapes, against the derivatives worked out by hand."""
    import jax
    import numpyro
    import pytensor
    import pytensor.tensor as pt

    numpyro.enable_x64()
    a = np.array([1e-4, 0.03, 1.0, 29.0, 31.0, 1e3, 1e4, 1e6])[:, None]
    z = np.broadcast_to([-2.5, -0.3, 0.0, 0.7, 0.99], (8, 5))
    mean, variance, third = digamma(a), polygamma(1, a), polygamma(2, a)
    log_gamma = mean + variance**0.5 * z
    by_hand = _log_gamma.log_density(log_gamma, a)
    naive = np.log(variance) / 2 + a * log_gamma - np.exp(log_gamma) - gammaln(a)
    np.testing.assert_allclose(by_hand[:5], naive[:5], rtol=1e-10, atol=1e-10)
    # a - exp(log_gamma), without the cancellation
    off = -a * np.expm1(log_gamma - np.log(a))
    by_z = variance**0.5 * off
    by_a = third / (2 * variance) + variance**0.5 * z
    by_a = by_a + off * (variance + third * z / (2 * variance**0.5))

    make = _log_gamma.numpyro_distribution()
    value = make(np.broadcast_to(a, z.shape)).log_prob(z)
    slopes = jax.grad(lambda z, a: make(a).log_prob(z).sum(), (0, 1))(z, np.broadcast_to(a, (8, 5)))
    np.testing.assert_allclose(value, by_hand, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(slopes[0], by_z, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(slopes[1], by_a, rtol=1e-7, atol=1e-9)

    zs, shapes = pt.dmatrix(), pt.dmatrix()
    density = _log_gamma.pymc_log_density(zs, shapes)
    slopes = pt.grad(density.sum(), [zs, shapes])
    compiled = pytensor.function([zs, shapes], [density, *slopes], mode="FAST_COMPILE")
    value, *slopes = compiled(z, np.broadcast_to(a, (8, 5)))
    np.testing.assert_allclose(value, by_hand, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(slopes[0], by_z, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(slopes[1], by_a, rtol=1e-7, atol=1e-9)


def test_likelihood_is_the_multinomial_with_its_coefficient():
    truth = SURVEY.simulate(np.random.default_rng(2)).truth
    got = SURVEY.log_likelihood(truth, SURVEY.observed)
    expected = stats.multinomial.logpmf(SURVEY.observed["counts"], SURVEY.n, truth["pi"])
    np.testing.assert_allclose(got, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": (10,)}, "two or more"),
        ({"n": (10, 0)}, r"n\[1\] is 0"),
        ({"n": (10, 2.5)}, r"n\[1\] is 2.5"),
        ({"categories": ("yes",)}, "categories are .*yes.*two"),
        ({"categories": ("yes", "yes")}, "categories .* repeat"),
        ({"regions": ("North", "South")}, "2 names in regions for 6"),
        ({"regions": ("North",) * 6}, "regions .* repeat"),
        ({"alpha_shape": 0}, "alpha_shape is 0"),
        ({"alpha_rate": float("nan")}, "alpha_rate is nan"),
    ],
)
def test_designs_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        story("survey", **options)


def changed(row, column, value):
    y = np.array(survey.ANSWERS, float)
    y[row, column] = value
    return {"counts": y}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(1, 2, 29), "counts of region B add up to 121; n says 120"),
        (changed(0, 1, -1), r"counts\[0, 1\] is -1"),
        (changed(0, 1, 18.5), r"counts\[0, 1\] is 18.5"),
        (changed(0, 1, np.inf), "finite"),
        ({"counts": np.ones((6, 3))}, r"shape \(6, 3\)"),
        ({"y": np.array(survey.ANSWERS)}, "give counts"),
    ],
)
def test_data_that_do_not_fit_the_design_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        SURVEY.exact(data)


def test_reading_a_table():
    frame = pd.DataFrame({"region": ["N", "S"], "yes": [3, 4], "no": [5, 1], "unsure": [0, 2]})
    design, data = type(SURVEY).from_frame(frame)
    assert design.n == (8, 7)
    assert design.coords == {"region": ("N", "S"), "category": ("yes", "no", "unsure")}
    assert data["counts"].tolist() == [[3, 5, 0], [4, 1, 2]]
    assert type(SURVEY).from_frame(frame.drop(columns="region"))[0].regions == ()
    with_index = pd.read_csv(io.StringIO(frame.to_csv()))
    with pytest.raises(ValueError, match=r"column 'Unnamed: 0' has no name .* index=False"):
        type(SURVEY).from_frame(with_index)
    with pytest.raises(ValueError, match="column yes holds"):
        type(SURVEY).from_frame(frame.assign(yes=["a", "b"]))
    with pytest.raises(ValueError, match="not finite"):
        type(SURVEY).from_frame(frame.assign(yes=[1, np.nan]))
    with pytest.raises(ValueError, match="two answers or more"):
        type(SURVEY).from_frame(frame[["region", "yes"]])
