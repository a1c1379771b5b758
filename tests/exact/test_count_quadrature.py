"""Exact posteriors of count models against quadrature that shares no code with them, to 1e-5."""

import numpy as np
import pytest

from hiercal import story
from tests.exact import quadrature

TOLERANCE = 1e-5
LEVELS = {"scale": [0.055, 0.3, 0.945], "centre": [0.3], "new": [0.2], 0: [0.945], -1: [0.4]}

NAMED = {
    "hospitals": {
        "no events": ((0, 0, 0), (2.1, 5.0, 1.3)),
        "large counts, alike": ((10_000, 10_100), (5000.0, 5000.0)),
        "large counts beside none": ((100_000, 100_100, 0), (50_000.0, 50_000.0, 0.01)),
        "very unequal exposures": ((100_000, 30, 0), (50_000.0, 5000.0, 0.01)),
    },
    "batting": {
        "few at bats": ((1, 3, 5), (10, 12, 11)),
        "no hits": ((0, 0), (1, 10_000)),
        "millions of at bats": ((100_000, 100_300, 0), (400_000, 400_000, 1)),
    },
}
CASES = [(name, *case) for name, cases in NAMED.items() for case in cases.values()]


def random_case(seed: int) -> tuple[str, tuple[int, ...], tuple[float, ...]]:
    """Two or three groups, sizes over five decades, scales from 0.0003 to 2."""
    rng = np.random.default_rng(seed)
    n, scale = rng.integers(2, 4), 10 ** rng.uniform(-3.5, 0.3)
    if seed % 2:
        size = 10 ** rng.uniform(-2, 5.5, n)
        drawn = rng.poisson(size * np.exp(rng.normal(rng.normal(0, 1), scale, n)))
        return "hospitals", tuple(drawn.tolist()), tuple(size.tolist())
    size = (10 ** rng.uniform(0, 5.5, n)).astype(int)
    effect = rng.normal(rng.normal(-1, 0.5), scale, n)
    drawn = rng.binomial(size, 1 / (1 + np.exp(-effect)))
    return "batting", tuple(drawn.tolist()), tuple(size.tolist())


def both(name, drawn, size, order=8):
    """Exact and quadrature's distribution functions at the exact quantiles of `LEVELS`."""
    if name == "hospitals":
        design = story(name, exposure=size)
        exact = design.exact({"y": np.array(drawn)})
        groups = [quadrature.poisson(*each) for each in zip(drawn, size, strict=True)]
        priors, effect = (0.0, design.mu_scale, design.sigma_scale), "lambda"
        names = {"centre": "mu_log", "scale": "sigma_log", "new": "lambda_new"}
    else:
        design = story(name, at_bats=size)
        exact = design.exact({"hits": np.array(drawn)})
        groups = [quadrature.binomial(*each) for each in zip(drawn, size, strict=True)]
        priors, effect = (design.mu_mean, design.mu_scale, design.tau_scale), "theta"
        names = {"centre": "mu", "scale": "tau", "new": "theta_new"}
    names |= {i: design.labels(effect)[i] for i in (0, -1)}
    at = {key: exact.quantile(names[key], p) for key, p in LEVELS.items()}
    found = {key: exact.cdf(names[key], x) for key, x in at.items()}
    if effect == "lambda":
        at |= {key: np.log(x) for key, x in at.items() if key not in ("centre", "scale")}
    posterior = quadrature.Posterior(tuple(groups), *priors, order)
    return found, posterior.cdf(at)


@pytest.mark.parametrize("case", [*CASES, *map(random_case, range(6))], ids=str)
def test_distribution_functions_against_quadrature(case):
    """Centre, scale, effects (of rates: their rates) and the effect of a group not seen."""
    found, expected = both(*case)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, atol=TOLERANCE, err_msg=str(key))


def test_the_quadrature_has_converged():
    case = CASES[2]
    _, coarse = both(*case)
    _, fine = both(*case, order=14)
    for key, value in fine.items():
        np.testing.assert_allclose(coarse[key], value, atol=1e-7, err_msg=str(key))


def test_quantiles_of_the_textbooks_hospitals_do_not_step_with_the_grid():
    """Each interval against 40,000 exact draws: 5 standard errors each end."""
    design = story("hospitals")
    exact = design.exact(design.observed)
    assert float(exact.quantile("lambda[D]", 0.945)) == pytest.approx(1.98383, abs=1e-5)
    n, tails = 40_000, np.array([0.055, 0.945])
    draws = exact.draws(n, np.random.default_rng(0))["lambda"]
    below = [(draws[:, i, None] <= exact.quantile(name, tails)).mean(axis=0)
             for i, name in enumerate(design.labels("lambda"))]  # fmt: skip
    se = np.sqrt(tails * (1 - tails) / n)
    np.testing.assert_array_less(abs(np.array(below) - tails), 5 * np.tile(se, (8, 1)))


def test_many_groups_do_not_move_when_the_grid_is_refined(monkeypatch):
    """Mostly zero counts: the centre's mode is far from what the groups' own estimates say."""
    from hiercal.exact import count_model

    design = story("hospitals", exposure=tuple(np.geomspace(0.01, 2, 120).tolist()))
    data = design.simulate(np.random.default_rng(3)).data
    names = ("mu_log", "sigma_log", "lambda_new", design.labels("lambda")[7])
    coarse = design.exact(data)
    at = {name: coarse.quantile(name, [0.055, 0.5, 0.945]) for name in names}
    grid = count_model.Grid
    monkeypatch.setattr(
        count_model, "Grid", lambda density, axes, points: grid(density, axes, points=60)
    )
    monkeypatch.setattr(count_model, "EFFECT_NODES", 90)
    fine = design.exact(data)
    for name, x in at.items():
        np.testing.assert_allclose(coarse.cdf(name, x), fine.cdf(name, x), atol=TOLERANCE)
