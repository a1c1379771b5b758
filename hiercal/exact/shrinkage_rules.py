"""Rules that shrink separate estimates towards each other."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hiercal.exact.normal_normal_sets import NormalNormalSets
from hiercal.exact.reml import plug_in, reml
from hiercal.exact.stein_risk import (
    Towards,
    TrueEffects,
    oracle_risk,
    pooling_risk,
    stein_constant,
    stein_risk,
)

NO_POOLING = "no pooling"
COMPLETE = "complete pooling"
SURE = "SURE"
EMPIRICAL = "empirical Bayes (REML)"
TAU_KNOWN = "oracle, tau known"
BOTH_KNOWN = "oracle, mu and tau known"

_NODES = 300
"""Values of tau: groups may lie 50 standard errors off, where fewer are wrong by 0.02 points."""
_SETS = 2000
"""Data sets that the posterior is found for at once, so that its table stays in the cache."""


def pooled_mean(y: np.ndarray, sigma: np.ndarray, tau2: np.ndarray | float = 0.0) -> np.ndarray:
    """Precision-weighted mean, shape (n_sets, 1), given tau^2 of shape (n_sets,)."""
    weights = 1 / (sigma**2 + np.atleast_1d(tau2)[:, None])
    return (weights * y).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)


def james_stein(
    y: np.ndarray,
    sigma: np.ndarray,
    *,
    towards: Towards,
    positive: bool,
    constant: float | None = None,
) -> np.ndarray:
    """One-factor James-Stein: m + (1 - c / W) (y - m), W = sum ((y_i - m) / sigma_i)^2.

    James and Stein (1961), Fourth Berkeley Symposium 1, 361; towards the mean, Efron and Morris
    (1975), JASA 70, 311, here with the precision-weighted mean.

    Parameters
    ----------
    y : ndarray, shape (n_sets, n_groups)
    sigma : ndarray, shape (n_groups,)
    towards : {"zero", "mean"}
    positive : bool
        Whether a negative factor becomes 0.
    constant : float, optional
        c, by default `stein_constant`.

    Examples
    --------
    >>> james_stein(
    ...     np.array([[3.0, 0.0, 4.0]]), np.ones(3), towards="zero", positive=True
    ... ).tolist()
    [[2.88, 0.0, 3.84]]
    """
    c = stein_constant(len(sigma), towards) if constant is None else constant
    centre = pooled_mean(y, sigma) if towards == "mean" else 0.0
    deviation = y - centre
    factor = 1 - c / ((deviation / sigma) ** 2).sum(axis=1, keepdims=True)
    return centre + (np.maximum(factor, 0.0) if positive else factor) * deviation


def sure(y: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Shrinkage to the grand mean that minimises Stein's unbiased estimate of its risk.

    With A_i = sigma_i^2 and B_i = A_i / (A_i + l), the estimate of the risk is the mean of
    B_i^2 (y_i - ybar)^2 + A_i (1 - 2 B_i + 2 B_i / J); l >= 0 minimises it (Xie, Kou and Brown
    2012, JASA 107, 1465). Found on a grid, then by golden sections.
    """
    n_groups, variance = len(sigma), sigma**2
    centre = y.mean(axis=1, keepdims=True)
    squares = (y - centre) ** 2
    scale = np.median(variance)

    def shrinkage(u: np.ndarray) -> np.ndarray:
        """B_i at l = scale u / (1 - u), shape (..., n_groups)."""
        kept = (1 - u)[..., None] * variance
        return kept / (kept + scale * u[..., None])

    def penalty(b: np.ndarray) -> np.ndarray:
        return (variance * (1 - 2 * b + 2 * b / n_groups)).sum(axis=-1)

    grid = np.linspace(0, 1, 101)
    b = shrinkage(grid)
    best = (squares @ (b**2).T + penalty(b)).argmin(axis=1)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, 100)]
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(25):
        inner = high - golden * (high - low), low + golden * (high - low)
        left, right = ((b**2 * squares).sum(axis=1) + penalty(b) for b in map(shrinkage, inner))
        low, high = np.where(left < right, low, inner[0]), np.where(left < right, inner[1], high)
    return y - shrinkage((low + high) / 2) * (y - centre)


def empirical_bayes(y: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Posterior means at the REML estimate of tau and the weighted mean, as if those were known."""
    return plug_in(y, sigma, reml(y, sigma))[0]


def oracle(y: np.ndarray, truth: TrueEffects, *, knows_mu: bool) -> np.ndarray:
    """Linear shrinkage by who knows the spread of the group effects, and perhaps their mean."""
    b = truth.sigma**2 / (truth.sigma**2 + truth.spread**2)
    return y - b * (y - (truth.mu if knows_mu else pooled_mean(y, truth.sigma, truth.spread**2)))


@dataclass(frozen=True)
class Rule:
    """A rule by its name.

    Attributes
    ----------
    name : str
    estimate : callable
        Takes estimates (n_sets, n_groups) and their truth, of which all but the oracle look at the
        standard errors only; returns shrunken estimates (n_sets, n_groups).
    risk : callable
        Takes `TrueEffects`, returns the exact expected squared error per group, NaN if unknown.
    plain : {"zero", "mean"}, optional
        Of a James-Stein rule without its positive part: where it shrinks to.
    """

    name: str
    estimate: Callable[[np.ndarray, TrueEffects], np.ndarray]
    risk: Callable[[TrueEffects], float] = lambda truth: np.nan
    plain: Towards | None = None

    def has_error(self, n_groups: int) -> bool:
        """Whether its squared error has a variance, so that a simulation has a standard error.

        Without the positive part it holds c^2 / W, whose variance is infinite up to 4 degrees of
        freedom.
        """
        if self.plain is None or stein_constant(n_groups, self.plain) == 0:
            return True
        return n_groups - (self.plain == "mean") > 4


def rules(*, mu_scale: float = 20.0, tau_scales: Sequence[float] = (10.0,)) -> tuple[Rule, ...]:
    """All rules, no pooling first; hierarchical Bayes once for each prior scale of tau."""
    made = [
        Rule(NO_POOLING, lambda y, truth: y, lambda truth: float((truth.sigma**2).mean())),
        Rule(
            COMPLETE,
            lambda y, truth: np.broadcast_to(pooled_mean(y, truth.sigma), y.shape),
            lambda truth: pooling_risk(truth).mean,
        ),
    ]
    for towards, positive in itertools.product(("zero", "mean"), (False, True)):
        options: dict[str, Any] = {"towards": towards, "positive": positive}
        made.append(
            Rule(
                stein_name(towards, positive),
                functools.partial(_by_errors, functools.partial(james_stein, **options)),
                functools.partial(stein_risk, **options),
                None if positive else towards,
            )
        )
    made.append(Rule(SURE, functools.partial(_by_errors, sure)))
    made.append(Rule(EMPIRICAL, functools.partial(_by_errors, empirical_bayes)))
    for scale in tau_scales:
        made.append(Rule(bayes_name(scale), functools.partial(_bayes, mu_scale, scale)))
    for name, knows_mu in ((TAU_KNOWN, False), (BOTH_KNOWN, True)):
        known = {"knows_mu": knows_mu}
        made.append(
            Rule(
                name,
                functools.partial(oracle, **known),
                functools.partial(oracle_risk, **known),
            )
        )
    return tuple(made)


def stein_name(towards: Towards, positive: bool) -> str:
    """Name of a James-Stein rule; + is for its positive part."""
    return f"James-Stein{'+' if positive else ''} to {'0' if towards == 'zero' else 'the mean'}"


def bayes_name(tau_scale: float) -> str:
    """Name of hierarchical Bayes with this prior scale of tau."""
    return f"hierarchical Bayes, HN({tau_scale:g})"


def _by_errors(
    rule: Callable[[np.ndarray, np.ndarray], np.ndarray], y: np.ndarray, truth: TrueEffects
) -> np.ndarray:
    return rule(y, truth.sigma)


def _bayes(mu_scale: float, tau_scale: float, y: np.ndarray, truth: TrueEffects) -> np.ndarray:
    def means(part: np.ndarray) -> np.ndarray:
        return NormalNormalSets(
            part, truth.sigma, mu_scale=mu_scale, tau_scale=tau_scale, nodes=_NODES
        ).theta_mean

    return np.concatenate([means(y[first : first + _SETS]) for first in range(0, len(y), _SETS)])
