"""The posterior of the Dirichlet-multinomial against check values and other quadratures."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import gammaln, logsumexp

from hiercal import story
from hiercal.exact.dirichlet import DirichletMultinomial, dirichlet
from tests.exact.shares import beta_p_values

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


def test_dirichlet_draws_have_beta_marginals():
    """At family-wise 0.1 %, over shapes where gamma variables underflow and where not."""
    rng = np.random.default_rng(9)
    p = [
        beta_p_values(dirichlet(np.full((20_000, 3), a), rng)[:, 0], a, 2 * a)
        for a in (0.001, 0.05, 40.0)
    ]
    assert np.min(p) > 1e-3 / 9, p
