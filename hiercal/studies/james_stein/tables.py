"""What the tables on James-Stein hold: squared errors of rules that met the same data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from hiercal.exact.normal_normal_sets import NormalNormalSets
from hiercal.exact.shrinkage_rules import (
    BOTH_KNOWN,
    COMPLETE,
    NO_POOLING,
    TAU_KNOWN,
    Rule,
    rules,
    stein_name,
)
from hiercal.exact.stein_risk import (
    TrueEffects,
    bock_constant,
    james_stein_risk,
    linear_risk,
    pooling_risk,
    stein_constant,
    worst_risk,
)
from hiercal.simulators.batting import HITS, SEASON_AVERAGES, Batting
from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS, EightSchools
from hiercal.tables.estimates import mean_se, named, paired

if TYPE_CHECKING:
    from hiercal.runs.result import Result

PRIOR = "the story's prior"
"""What true mu and tau are drawn from, if they are not fixed."""
RUBIN = "Rubin's data"
USUAL, BOCK, ONE = "usual", "Bock", "one"
"""Constants of James-Stein: J - 2 (to the mean J - 3), `bock_constant`, and 1."""

Row = dict[str, Any]


def root_mean_square(sigma: np.ndarray) -> float:
    return float(np.sqrt(np.mean(sigma**2)))


def outlier(sigma: np.ndarray, group: int, distance: float) -> TrueEffects:
    """Effects of 0 but for one group, so many of its standard errors away."""
    effects = np.zeros(len(sigma))
    effects[group] = distance * sigma[group]
    return TrueEffects(sigma, effects)


def normal_scores(ranks: np.ndarray) -> np.ndarray:
    """Normal quantiles in the order of `ranks`, with mean 0 and root mean square 1."""
    scores = ndtri((ranks + 0.5) / len(ranks))
    return scores / np.sqrt(np.mean(scores**2))


def risks(
    compared: Sequence[Rule], truth: TrueEffects, simulations: int, rng: np.random.Generator
) -> list[Row]:
    """Squared errors of all rules on the same data, and the exact ones where known."""
    theta, y = truth.simulate(simulations, rng)
    none = ((y - theta) ** 2).mean(axis=1)
    exact_none = float((truth.sigma**2).mean())
    rows = []
    for rule in compared:
        losses = ((rule.estimate(y, truth) - theta) ** 2).mean(axis=1)
        risk, risk_se = mean_se(losses)
        ratio, ratio_se = _controlled(losses, none, exact_none)
        if not rule.has_error(truth.n_groups):
            risk_se = ratio_se = np.nan
        exact = rule.risk(truth)
        z = (risk - exact) / risk_se if risk_se > 1e-12 else np.nan
        rows.append(
            {
                "rule": rule.name,
                "n": simulations,
                **named(risk=(risk, risk_se), ratio=(ratio, ratio_se)),
                "exact": exact,
                "z": z,
            }
        )
    return rows


def dominance(sigma: np.ndarray, distances: Sequence[float]) -> list[Row]:
    """Exact errors of James-Stein over that of no pooling, in the worst of all configurations.

    With the usual constant, with Bock's, and where the usual one is 0, since no more than two
    dimensions are left to shrink, with 1.
    """
    none = float((sigma**2).mean())
    rows = []
    for towards, part in itertools.product(("zero", "mean"), (False, True)):
        usual = stein_constant(len(sigma), towards)
        constants = {USUAL: usual, BOCK: bock_constant(sigma, towards)}
        # without the positive part its expected squared error is infinite
        if len(sigma) - (towards == "mean") == 2 and part:
            constants[ONE] = 1.0
        for (kind, constant), distance in itertools.product(constants.items(), distances):
            worst = worst_risk(sigma, distance, towards=towards, positive=part, constant=constant)
            rows.append(
                {
                    "rule": stein_name(towards, part),
                    "towards": towards,
                    "kind": kind,
                    "constant": constant,
                    "distance": distance,
                    "ratio": worst / none,
                }
            )
    return rows


def moments(
    compared: Sequence[Rule], truth: TrueEffects, simulations: int, rng: np.random.Generator
) -> tuple[list[Row], list[Row]]:
    """Bias and variance of each school's estimate at fixed effects, and their means."""
    theta, y = truth.simulate(simulations, rng)
    exact = {
        NO_POOLING: linear_risk(truth, np.eye(truth.n_groups)),
        COMPLETE: pooling_risk(truth),
        stein_name("mean", True): james_stein_risk(truth, towards="mean", positive=True),
    }
    groups, means = [], []
    for rule in compared:
        key = {"rule": rule.name, "n": simulations}
        errors = rule.estimate(y, truth) - theta
        known = exact.get(rule.name)
        for i, school in enumerate(EightSchools().coords["school"]):
            groups.append(
                {
                    **key,
                    "school": school,
                    "theta": truth.centre[i],
                    "sigma": truth.sigma[i],
                    **named(bias=mean_se(errors[:, i]), variance=_variance_se(errors[:, i])),
                    "exact_bias": known.bias[i] if known else np.nan,
                    "exact_variance": known.variance[i] if known else np.nan,
                }
            )
        means.append(
            {
                **key,
                **_tradeoff(errors),
                "exact_squared_bias": (known.bias**2).mean() if known else np.nan,
                "exact_variance": known.variance.mean() if known else np.nan,
            }
        )
    return groups, means


def weights(
    story: EightSchools, mu: float, tau: float, simulations: int, rng: np.random.Generator
) -> tuple[list[Row], list[Row]]:
    """Posterior mean of each school's weight B, and whether larger errors have larger ones.

    B_i = sigma_i^2 / (sigma_i^2 + tau^2) is the share of the way that group i is pulled to mu.
    With a tau of NaN, mu and tau are drawn from the prior of the story.

    Returns
    -------
    schools : list
        A row per school: mean of E(B_i | y) over data sets and its standard error.
    order : list
        A row: the share of data sets in which all schools are in order, and over all data sets
        and every two schools of different standard errors the least difference of their weights.
    """
    sigma = np.array(story.sigma)
    centre, spread = np.full((simulations, 1), mu), np.full((simulations, 1), tau)
    if np.isnan(tau):
        centre = rng.normal(0, story.mu_scale, (simulations, 1))
        spread = abs(rng.normal(0, story.tau_scale, (simulations, 1)))
    y = centre + spread * rng.standard_normal((simulations, len(sigma)))
    y += sigma * rng.standard_normal(y.shape)
    return weights_of(story, y, PRIOR if np.isnan(tau) else f"tau = {tau:g}", tau)


def weights_of(
    story: EightSchools, y: np.ndarray, data: str, tau: float = np.nan
) -> tuple[list[Row], list[Row]]:
    """`weights` of the data sets `y`, shape (n_sets, n_groups)."""
    sigma = np.array(story.sigma)
    posterior = NormalNormalSets(y, sigma, mu_scale=story.mu_scale, tau_scale=story.tau_scale)
    ahead = differences(posterior.shrinkage_mean, sigma)
    key = {"data": data, "tau": tau, "n": len(y)}
    schools = [
        key
        | {"school": school, "sigma": s}
        # of a single data set the weight is exact
        | named(weight=mean_se(own) if len(y) > 1 else (float(own[0]), 0.0))
        for school, s, own in zip(
            story.coords["school"], sigma, posterior.shrinkage_mean.T, strict=True
        )
    ]
    in_order = float((ahead > 0).all(axis=1).mean())
    return schools, [key | {"in_order": in_order, "least_difference": float(ahead.min())}]


def differences(weight: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Weight of the larger standard error less that of the smaller, of every two that differ.

    Returns
    -------
    ndarray, shape (n_sets, n_pairs)
    """
    less, more = np.nonzero(sigma[:, None] < sigma)
    return weight[:, more] - weight[:, less]


def estimates(compared: Sequence[Rule]) -> list[Row]:
    """What each rule makes of the effects that Rubin reported."""
    y, sigma = np.array([RUBIN_EFFECTS]), np.array(RUBIN_STANDARD_ERRORS)
    unknown = TrueEffects(sigma, np.full(len(sigma), np.nan))
    return [
        {"rule": rule.name, "school": school, "sigma": s, "y": effect, "estimate": estimate}
        for rule in compared
        if rule.name not in (TAU_KNOWN, BOTH_KNOWN)
        for school, s, effect, estimate in zip(
            EightSchools().coords["school"],
            sigma,
            y[0],
            rule.estimate(y, unknown)[0],
            strict=True,
        )
    ]


def batting() -> list[Row]:
    """Total squared error over the rest of the season, on two scales, by rule.

    Efron and Morris (1975): sqrt(n) arcsin(2 p - 1), of unit variance, and the averages as they
    are, with the binomial variance of their mean. For hierarchical Bayes data are taken in
    standard errors, with tau ~ HalfNormal(1).
    """
    at_bats = Batting().at_bats[0]
    early, late = np.array(HITS) / at_bats, np.array(SEASON_AVERAGES)
    mean = early.mean()
    rows = []
    for scale, y, truth, sigma in (
        ("arcsine", *(np.sqrt(at_bats) * np.arcsin(2 * p - 1) for p in (early, late)), 1.0),
        ("average", early, late, float(np.sqrt(mean * (1 - mean) / at_bats))),
    ):
        units = TrueEffects(np.ones(len(y)), np.full(len(y), np.nan))
        for rule in rules(tau_scales=(1.0,)):
            if rule.name in (TAU_KNOWN, BOTH_KNOWN):
                continue
            estimate = rule.estimate(y[None] / sigma, units)[0] * sigma
            total = float(((estimate - truth) ** 2).sum())
            rows.append({"scale": scale, "rule": rule.name, "total_squared_error": total})
    return rows


def mcmc(result: Result, schools: Sequence[str]) -> list[Row]:
    """Squared error per school of posterior means by NUTS and from exact draws, on the same data.

    A failed fit is counted, and missing from both sides of the comparison.
    """
    (exact,) = result.arms.loc[result.arms["is_exact"], "arm"]
    (nuts,) = result.arms.loc[~result.arms["is_exact"], "arm"]
    pairs = [paired(result, nuts, exact, name) for name in schools]
    means, others, truth = (
        np.stack([pair[column].to_numpy(float) for pair in pairs], axis=1)
        for column in ("mean", "other_mean", "truth")
    )
    done = np.isfinite(means).all(axis=1) & np.isfinite(others).all(axis=1)
    losses = {
        nuts: ((means - truth) ** 2).mean(axis=1)[done],
        exact: ((others - truth) ** 2).mean(axis=1)[done],
    }
    distance = ((means - others) ** 2).mean(axis=1)[done]
    return [
        {
            "arm": arm, "n": int(done.sum()), "n_failed": int((~done).sum()),
            **named(
                risk=mean_se(losses[arm]),
                difference=mean_se(losses[arm] - losses[exact]),
                squared_distance=mean_se(distance * (arm == nuts)),
            ),
        }
        for arm in (nuts, exact)
    ]  # fmt: skip


def _controlled(losses: np.ndarray, none: np.ndarray, exact_none: float) -> tuple[float, float]:
    """Squared error over that of no pooling, and its standard error.

    No pooling met the same data and its expected error is known, so it serves as a control
    variate: its chance deviation is taken out by regression.
    """
    slope = np.cov(losses, none)[0, 1] / none.var(ddof=1)
    mean, se = mean_se(losses - slope * (none - exact_none))
    return mean / exact_none, se / exact_none


def _variance_se(errors: np.ndarray) -> tuple[float, float]:
    """Variance and its standard error, from the fourth moment."""
    squares = (errors - errors.mean()) ** 2
    return float(squares.sum() / (len(errors) - 1)), mean_se(squares)[1]


def _tradeoff(errors: np.ndarray) -> dict[str, float]:
    """Squared bias and variance, means over groups, of errors (n_sets, n_groups)."""
    bias, variance = errors.mean(axis=0), errors.var(axis=0, ddof=1)
    squared = float((bias**2 - variance / len(errors)).mean())
    _, slope_se = mean_se((2 * bias * (errors - bias)).mean(axis=1))
    _, spread_se = mean_se(((errors - bias) ** 2).mean(axis=1))
    return named(
        squared_bias=(squared, slope_se),
        variance=(float(variance.mean()), spread_se),
        risk=mean_se((errors**2).mean(axis=1)),
    )
