"""What the tables on James-Stein hold: squared errors of rules that met the same data."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from hiercal.simulators.batting import HITS, SEASON_AVERAGES, Batting
from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS, EightSchools
from hiercal.studies._exact_risks import (
    Truth,
    james_stein_risk,
    linear_risk,
    pooling_risk,
    stein_constant,
)
from hiercal.studies._shrinkage import (
    BOTH_KNOWN,
    COMPLETE,
    NO_POOLING,
    TAU_KNOWN,
    Rule,
    posterior_means,
    rules,
    stein_name,
)
from hiercal.studies._summaries import mean_se, named, paired, share_se

if TYPE_CHECKING:
    from hiercal.studies._result import Result
    from hiercal.studies._study import Study

PRIOR = "the story's prior"
"""What true mu and tau are drawn from, if they are not fixed."""
TOLERANCE = 1e-6
"""Numerical error of a realised shrinkage."""

Row = dict[str, Any]


def root_mean_square(sigma: np.ndarray) -> float:
    return float(np.sqrt(np.mean(sigma**2)))


def outlier(sigma: np.ndarray, group: int, distance: float) -> Truth:
    """Effects of 0 but for one group, so many of its standard errors away."""
    effects = np.zeros(len(sigma))
    effects[group] = distance * sigma[group]
    return Truth(sigma, effects)


def normal_scores(ranks: np.ndarray) -> np.ndarray:
    """Normal quantiles in the order of `ranks`, with mean 0 and root mean square 1."""
    scores = ndtri((ranks + 0.5) / len(ranks))
    return scores / np.sqrt(np.mean(scores**2))


def risks(
    compared: Sequence[Rule], truth: Truth, simulations: int, rng: np.random.Generator
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
    """Exact risks of James-Stein over that of no pooling, one group far out.

    With two groups there is nothing to shrink by; what shrinking by 1 would do is beside it.
    """
    n_groups = len(sigma)
    # Of equal standard errors any group stands for all.
    places = {"largest": int(sigma.argmax()), "smallest": int(sigma.argmin())}
    if np.ptp(sigma) == 0:
        places = {"any": 0}
    rows = []
    for towards, part in itertools.product(("zero", "mean"), (False, True)):
        constants = [stein_constant(n_groups, towards)]
        if n_groups == 2 and towards == "zero" and part:
            constants.append(1.0)
        for constant, (place, i), distance in itertools.product(
            constants, places.items(), distances
        ):
            truth = outlier(sigma, i, distance)
            risk = james_stein_risk(truth, towards=towards, positive=part, constant=constant)
            rows.append(
                {
                    "rule": stein_name(towards, part),
                    "towards": towards,
                    "constant": constant,
                    "outlier_error": place,
                    "distance": distance,
                    "ratio": risk.mean / float((sigma**2).mean()),
                }
            )
    return rows


def moments(
    compared: Sequence[Rule], truth: Truth, simulations: int, rng: np.random.Generator
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


def order(
    story: EightSchools, mu: float, tau: float, simulations: int, rng: np.random.Generator
) -> list[Row]:
    """In how many data sets groups of larger standard error are shrunk more.

    With a tau of NaN, mu and tau are drawn from the prior of the story.
    """
    sigma = np.array(story.sigma)
    centre, spread = np.full((simulations, 1), mu), np.full((simulations, 1), tau)
    if np.isnan(tau):
        centre = rng.normal(0, story.mu_scale, (simulations, 1))
        spread = abs(rng.normal(0, story.tau_scale, (simulations, 1)))
    y = centre + spread * rng.standard_normal((simulations, len(sigma)))
    y += sigma * rng.standard_normal(y.shape)
    posterior = posterior_means(y, sigma, mu_scale=story.mu_scale, tau_scale=story.tau_scale)
    realised = (y - posterior.theta) / (y - posterior.mu[:, None])
    rows = []
    for measure, shrunk in (("weight", posterior.shrinkage), ("realised", realised)):
        held = ordered(shrunk, sigma)
        rows.append(
            {
                "truths": PRIOR if np.isnan(tau) else f"tau = {tau:g}",
                "tau": tau,
                "measure": measure,
                "n": simulations,
                **named(
                    data_sets=share_se(held.all(axis=1)),
                    pairs=mean_se(held.mean(axis=1)),
                    outside=share_se(((shrunk < 0) | (shrunk > 1)).any(axis=1)),
                ),
            }
        )
    return rows


def ordered(shrunk: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """For every two groups of different standard errors, whether the larger is shrunk more.

    Returns
    -------
    ndarray, shape (n_sets, n_pairs)
    """
    less, more = np.nonzero(sigma[:, None] < sigma)
    return shrunk[:, less] <= shrunk[:, more] + TOLERANCE


def estimates(compared: Sequence[Rule]) -> list[Row]:
    """What each rule makes of the effects that Rubin reported."""
    y, sigma = np.array([RUBIN_EFFECTS]), np.array(RUBIN_STANDARD_ERRORS)
    unknown = Truth(sigma, np.full(len(sigma), np.nan))
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
        units = Truth(np.ones(len(y)), np.full(len(y), np.nan))
        for rule in rules(tau_scales=(1.0,)):
            if rule.name in (TAU_KNOWN, BOTH_KNOWN):
                continue
            estimate = rule.estimate(y[None] / sigma, units)[0] * sigma
            total = float(((estimate - truth) ** 2).sum())
            rows.append({"scale": scale, "rule": rule.name, "total_squared_error": total})
    return rows


def mcmc(result: Result, study: Study) -> list[Row]:
    """Squared error per school of posterior means by NUTS and from exact draws, on the same data.

    A failed fit is counted, and missing from both sides of the comparison.
    """
    nuts, exact = (arm.label for arm in study.arms)
    pairs = [paired(result, nuts, exact, name) for name in study.stories[0].labels("theta")]
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
