"""The survey against its check values, other quadratures and the densities of gamma variables."""

import io

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from scipy.special import digamma, gammaln, logsumexp, polygamma, softmax

from hiercal import story
from hiercal.simulators import _log_gamma, survey
from hiercal.simulators._dirichlet import FLOOR, DirichletMultinomial, dirichlet

SURVEY = story("survey")
EXACT = SURVEY.exact(SURVEY.observed)
FIVE = np.array([(12, 5, 3), (8, 9, 2), (20, 4, 6), (3, 3, 1), (15, 10, 5)])


def reference(counts, log_prior_alpha, size):
    groups, categories = map(range, counts.shape)
    labels = {
        "pi0": [f"pi0[{k}]" for k in categories],
        "pi": [f"pi[{g},{k}]" for g in groups for k in categories],
        "pi_new": [f"pi_new[{k}]" for k in categories],
    }
    return DirichletMultinomial(counts, log_prior_alpha=log_prior_alpha, size=size, labels=labels)


def beta_p_values(draws, a, b):
    """Of the shares at the floor and below one half, and of the distribution between the two.

    Above, proportions pile up at 1 as those of the other categories fall below rounding.
    """
    cdf = stats.beta(a, b).cdf
    low, high = cdf(FLOOR), cdf(0.5)
    inner = draws[(draws > FLOOR) & (draws < 0.5)]
    return (
        stats.binomtest(int((draws <= FLOOR).sum()), len(draws), low).pvalue,
        stats.binomtest(int((draws < 0.5).sum()), len(draws), high).pvalue,
        stats.kstest(inner, lambda x: (cdf(x) - low) / (high - low)).pvalue,
    )


def log_normal_prior(alpha):
    return -np.log(alpha) - (np.log(alpha) - 2.5) ** 2 / 2


def test_check_values_of_the_dirichlet_multinomial():
    """alpha ~ LogNormal(2.5, 1), whose heavy tail leaves the check value of its mean +-0.01."""
    exact = reference(FIVE, log_normal_prior, 12.0)
    pi0 = [exact.mean(f"pi0[{k}]") for k in range(3)]
    np.testing.assert_allclose(pi0, [0.52314, 0.30045, 0.17641], atol=1.5e-5)
    assert round(exact.mean("pi[0,0]"), 5) == pytest.approx(0.55734, abs=1.5e-5)
    assert exact.mean("alpha") == pytest.approx(38.32, abs=0.015)


SPARSE = np.array([(0, 9, 0), (0, 1, 30), (0, 12, 3)])


@pytest.mark.parametrize(
    ("counts", "log_prior", "size"),
    [
        (FIVE, lambda alpha: -alpha, 1.0),
        (FIVE, log_normal_prior, 12.0),
        (SPARSE, lambda alpha: -alpha, 1.0),
        (20 * FIVE, lambda alpha: 3 * np.log(alpha) - alpha / 2, 8.0),
    ],
)
def test_exact_posterior_against_quadrature_over_the_whole_simplex(counts, log_prior, size):
    """All three hyperparameters at once, a never-seen category among the cases."""
    t = np.linspace(-14, 12, 500)
    x, w = np.polynomial.legendre.leggauss(40)
    s, w = (np.sin(np.pi * (x + 1) / 4) ** 2, w * np.sin(np.pi * (x + 1) / 2))
    first, second = (a.ravel() for a in np.meshgrid(s, s, indexing="ij"))
    shares = np.stack([first, (1 - first) * second, (1 - first) * (1 - second)])
    log_w = np.log(np.outer(w, w).ravel() * (1 - first))
    alpha = np.exp(t)[:, None]
    log_density = log_prior(alpha) + t[:, None] + log_w
    log_density = log_density + (gammaln(alpha) - gammaln(counts.sum(1) + alpha)).sum(1)[:, None]
    for share, column in zip(shares, counts.T, strict=True):
        for y in column[column > 0]:
            log_density += gammaln(y + alpha * share) - gammaln(alpha * share)
    weights = np.exp(log_density - logsumexp(log_density))
    exact = reference(counts, log_prior, size)
    assert exact.mean("alpha") == pytest.approx((weights * alpha).sum(), rel=1e-5)
    for k, share in enumerate(shares):
        assert exact.mean(f"pi0[{k}]") == pytest.approx((weights * share).sum(), rel=1e-5)
        square = (weights * share**2).sum() - (weights * share).sum() ** 2
        assert exact.sd(f"pi0[{k}]") == pytest.approx(square**0.5, rel=1e-4)
        given = (counts[0, k] + alpha * share) / (counts[0].sum() + alpha)
        assert exact.mean(f"pi[0,{k}]") == pytest.approx((weights * given).sum(), rel=1e-5)


def test_shares_add_up_and_every_category_has_the_same_alpha():
    assert sum(EXACT.mean(f"pi0[{c}]") for c in SURVEY.categories) == pytest.approx(1, abs=1e-8)
    assert sum(EXACT.mean(f"pi[B,{c}]") for c in SURVEY.categories) == pytest.approx(1, abs=1e-8)
    means = [EXACT._one(k).mean("alpha") for k in range(4)]
    np.testing.assert_allclose(means, means[0], rtol=1e-8)


def test_exact_draws_of_pi0():
    """Moments within 4.5 errors, whichever category is divided off first."""
    n = 6000
    order = [2, 0, 3, 1]
    moved = SURVEY.exact({"counts": SURVEY.observed["counts"][:, order]})
    for exact, places in ((EXACT, range(4)), (moved, order)):
        draws = exact.draws(n, np.random.default_rng(1))
        for k, place in enumerate(places):
            label = f"pi0[{SURVEY.categories[place]}]"
            z = (draws["pi0"][:, k].mean() - EXACT.mean(label)) / EXACT.sd(label) * n**0.5
            assert abs(z) < 4.5
            assert draws["pi0"][:, k].std() == pytest.approx(EXACT.sd(label), rel=0.06)
        np.testing.assert_allclose(draws["pi0"].sum(axis=1), 1)
        np.testing.assert_allclose(draws["pi"].sum(axis=2), 1)


@pytest.mark.parametrize("n_categories", [2, 8])
def test_any_number_of_categories(n_categories):
    many = story("survey", categories=tuple(map(str, range(n_categories))))
    data = many.simulate(np.random.default_rng(3)).data
    exact = many.exact(data)
    assert sum(exact.mean(f"pi0[{c}]") for c in many.categories) == pytest.approx(1, abs=1e-6)
    draws = exact.draws(2000, np.random.default_rng(4))["pi0"]
    p = [
        stats.kstest(draws[:, k], lambda x, c=c: exact.cdf(f"pi0[{c}]", x)).pvalue
        for k, c in enumerate(many.categories)
    ]
    assert min(p) > 1e-3 / n_categories


@pytest.mark.parametrize(("regions", "respondents"), [(3, 5), (500, 500)])
def test_few_and_many_regions(regions, respondents):
    """Twice, from both ends of the categories: the same alpha, near the one simulated if many."""
    design = story("survey", n=(respondents,) * regions, alpha_shape=4, alpha_rate=0.5)
    drawn = design.simulate(np.random.default_rng(5))
    exact = design.exact(drawn.data)
    assert exact._one(0).mean("alpha") == pytest.approx(exact._one(3).mean("alpha"), rel=1e-3)
    if regions == 500:
        assert exact.sd("alpha") < 0.1 * exact.mean("alpha")
        assert abs(drawn.truth["alpha"] - exact.mean("alpha")) < 4 * exact.sd("alpha")
    draws = exact.draws(50, np.random.default_rng(6))
    assert draws["pi"].shape == (50, regions, 4)
    assert design.quantities(draws, drawn.data, np.random.default_rng(7))["log_lik"].shape == (50,)


def test_no_pooling_and_complete_pooling_are_conjugate():
    y = SURVEY.observed["counts"]
    alone = SURVEY.exact(SURVEY.observed, "no_pooling")
    assert alone.mean("pi[A,A]") == pytest.approx(20 / 49)
    assert alone.sd("pi[A,A]") == pytest.approx(stats.beta(20, 29).std())
    together = SURVEY.exact(SURVEY.observed, "complete_pooling")
    total = y[:, 0].sum() + 1
    assert together.mean("pi0[SA]") == together.mean("pi[F,SA]")
    assert together.quantile("pi[F,SA]", 0.3) == pytest.approx(
        stats.beta(total, y.sum() + 4 - total).ppf(0.3)
    )
    draws = together.draws(10, np.random.default_rng(0))
    np.testing.assert_array_equal(draws["pi"], SURVEY.pooled(draws))


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


def test_dirichlet_draws_have_beta_marginals():
    """At family-wise 0.1 %, over shapes where gamma variables underflow and where not."""
    rng = np.random.default_rng(9)
    p = [
        beta_p_values(dirichlet(np.full((20_000, 3), a), rng)[:, 0], a, 2 * a)
        for a in (0.001, 0.05, 40.0)
    ]
    assert np.min(p) > 1e-3 / 9, p


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
