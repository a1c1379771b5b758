"""Rules that shrink separate estimates towards each other, and their exact risks."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import exp1, gammaincc, gammaln, xlogy

from hiercal.studies._meta_analysis import reml

Towards = Literal["zero", "mean"]

NO_POOLING = "no pooling"
COMPLETE = "complete pooling"
SURE = "SURE"
EMPIRICAL = "empirical Bayes (REML)"
TAU_KNOWN = "oracle, tau known"
BOTH_KNOWN = "oracle, mu and tau known"

_PANELS, _ORDER = 20, 12
_SETS = 2000
"""Data sets that the posterior is found for at once, so that its table stays in the cache."""


@dataclass(frozen=True)
class Truth:
    """What data sets are drawn from: theta_i ~ N(centre_i, tau^2), y_i ~ N(theta_i, sigma_i^2).

    Parameters
    ----------
    sigma, centre : ndarray, shape (n_groups,)
        Standard errors, and the group effects, or what they scatter about.
    tau : float
        Their scatter; with 0 the group effects are fixed.
    """

    sigma: np.ndarray
    centre: np.ndarray
    tau: float = 0.0

    @property
    def n_groups(self) -> int:
        return len(self.sigma)

    @property
    def mu(self) -> float:
        """Mean of the group effects."""
        return float(self.centre.mean())

    @property
    def spread(self) -> float:
        """Root mean squared deviation of the group effects from `mu`."""
        return float(np.sqrt(self.tau**2 + self.centre.var()))

    def simulate(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Group effects and estimates of `n` data sets, each of shape (n, n_groups)."""
        theta = self.centre + self.tau * rng.standard_normal((n, self.n_groups))
        return theta, theta + self.sigma * rng.standard_normal((n, self.n_groups))


@dataclass(frozen=True)
class Posterior:
    """Posterior means in each data set.

    Attributes
    ----------
    theta, shrinkage : ndarray, shape (n_sets, n_groups)
        Of the group effects and of B_i = sigma_i^2 / (sigma_i^2 + tau^2).
    mu : ndarray, shape (n_sets,)
        Of the population mean.
    """

    theta: np.ndarray
    shrinkage: np.ndarray
    mu: np.ndarray


def posterior_means(
    y: np.ndarray, sigma: np.ndarray, *, mu_scale: float = 20.0, tau_scale: float = 10.0
) -> Posterior:
    """Exact posterior means under mu ~ N(0, mu_scale), tau ~ HalfNormal(tau_scale).

    Everything but tau integrates out (Gelman et al. 2013, BDA3, section 5.4); tau is done by
    Gauss-Legendre quadrature on v = tau / (c + tau), the same nodes for all data sets.

    Parameters
    ----------
    y : ndarray, shape (n_sets, n_groups)
    sigma : ndarray, shape (n_groups,)

    Examples
    --------
    >>> from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS
    >>> posterior = posterior_means(np.array([RUBIN_EFFECTS]), np.array(RUBIN_STANDARD_ERRORS))
    >>> round(float(posterior.mu[0]), 3), round(float(posterior.theta[0, 0]), 3)
    (7.453, 9.81)
    """
    nodes, node_weights = np.polynomial.legendre.leggauss(_ORDER)
    v = ((np.arange(_PANELS)[:, None] + (nodes + 1) / 2) / _PANELS).ravel()
    tau = tau_scale / 2 * v / (1 - v)
    variance = sigma**2 + tau[:, None] ** 2
    weights = 1 / variance
    precision = weights.sum(axis=1) + mu_scale**-2
    shrinkage = sigma**2 * weights
    log_density = np.log(np.tile(node_weights, _PANELS)) - 2 * np.log1p(-v)
    log_density -= 0.5 * ((tau / tau_scale) ** 2 + np.log(precision) + np.log(variance).sum(axis=1))
    parts = []
    for first in range(0, len(y), _SETS):
        own = y[first : first + _SETS]
        mean = own @ weights.T / precision
        log_p = log_density - 0.5 * ((own * own) @ weights.T - mean * mean * precision)
        p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        b = p @ shrinkage
        mean *= p
        parts.append((own - b * own + mean @ shrinkage, b, mean.sum(axis=1)))
    return Posterior(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def pooled_mean(y: np.ndarray, sigma: np.ndarray, tau2: np.ndarray | float = 0.0) -> np.ndarray:
    """Precision-weighted mean, shape (n_sets, 1), given tau^2 of shape (n_sets,)."""
    weights = 1 / (sigma**2 + np.atleast_1d(tau2)[:, None])
    return (weights * y).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)


def stein_constant(n_groups: int, towards: Towards) -> float:
    """J - 2 towards zero, J - 3 towards the mean, which takes up one dimension; at least 0."""
    return float(max(n_groups - (2 if towards == "zero" else 3), 0))


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
    tau2 = reml(y, sigma)
    b = sigma**2 / (sigma**2 + tau2[:, None])
    return y - b * (y - pooled_mean(y, sigma, tau2))


def oracle(y: np.ndarray, truth: Truth, *, knows_mu: bool) -> np.ndarray:
    """Linear shrinkage by who knows the spread of the group effects, and perhaps their mean."""
    b = truth.sigma**2 / (truth.sigma**2 + truth.spread**2)
    return y - b * (y - (truth.mu if knows_mu else pooled_mean(y, truth.sigma, truth.spread**2)))


@dataclass(frozen=True)
class Risk:
    """Exact bias and variance, or expected squared error, of each group's estimate.

    Attributes
    ----------
    bias, variance : ndarray, shape (n_groups,)
        Over data sets with these group effects; of a `Truth` with scatter, over those too.
    """

    bias: np.ndarray
    variance: np.ndarray

    @property
    def mean(self) -> float:
        """Expected squared error, mean over groups."""
        return float((self.bias**2 + self.variance).mean())


def linear_risk(truth: Truth, hat: np.ndarray, shift: np.ndarray | float = 0.0) -> Risk:
    """Errors of the estimate ``hat @ y + shift``, exactly."""
    off = hat - np.eye(truth.n_groups)
    variance = hat**2 @ truth.sigma**2 + off**2 @ np.full(truth.n_groups, truth.tau**2)
    return Risk(off @ truth.centre + shift, variance)


def pooling_risk(truth: Truth) -> Risk:
    """Errors of the precision-weighted mean in place of every group's estimate, exactly."""
    return linear_risk(truth, _weights(truth))


def james_stein_risk(
    truth: Truth, *, towards: Towards, positive: bool, constant: float | None = None
) -> Risk:
    """Errors of `james_stein` at fixed group effects, exactly, whatever the standard errors.

    With x = y / sigma less its part along 1 / sigma (towards the mean only), x ~ N(rho, Q) in q
    dimensions and W = |x|^2 is noncentral chi-squared, E f(W) x_i = rho_i E f(W_{q+2}) and
    E f(W) x_i^2 = Q_ii E f(W_{q+2}) + rho_i^2 E f(W_{q+4}) (Bock 1975, Annals of Statistics 3,
    209), of the same noncentrality |rho|^2; each is a Poisson mixture of central ones.

    Raises
    ------
    ValueError
        If the group effects are not fixed, or a constant is given with one dimension to shrink.

    Examples
    --------
    >>> truth = Truth(np.ones(8), np.ones(8))
    >>> round(8 * james_stein_risk(truth, towards="zero", positive=False).mean, 4)
    5.1978
    """
    if truth.tau:
        raise ValueError(f"tau is {truth.tau}; give fixed group effects, tau = 0")
    c = stein_constant(truth.n_groups, towards) if constant is None else constant
    sigma = truth.sigma
    if c == 0:
        return Risk(np.zeros(truth.n_groups), sigma**2)
    along = 1 / sigma / np.sqrt((1 / sigma**2).sum()) * (towards == "mean")
    rho = truth.centre / sigma
    rho = rho - along * (along @ rho)
    q = truth.n_groups - (towards == "mean")
    if q < 2:
        raise ValueError(f"{truth.n_groups} groups leave {q} dimension to shrink; give more groups")
    k, p = _poisson(rho @ rho / 2)
    cut = c if positive else 0.0

    def factor(df: np.ndarray, power: int) -> float:
        """E (1 - c / W)^power, or of its positive part."""
        inverse = [_tail(df, cut, -i) for i in range(power + 1)]
        signs = [1.0, -c] if power == 1 else [1.0, -2 * c, c * c]
        return float(p @ sum(s * m for s, m in zip(signs, inverse, strict=True)))

    first, second = factor(q + 2 + 2 * k, 1), factor(q + 2 + 2 * k, 2)
    fourth = factor(q + 4 + 2 * k, 2)
    bias = sigma * rho * (first - 1)
    inside = (1 - along**2) * second + rho**2 * (fourth - 2 * first + 1)
    return Risk(bias, sigma**2 * (along**2 + inside) - bias**2)


def james_stein_bayes_risk(
    truth: Truth, *, towards: Towards, positive: bool, constant: float | None = None
) -> float:
    """Expected squared error per group of `james_stein` where group effects scatter, exactly.

    For equal standard errors. In units of them y ~ N(m, v) with v = 1 + tau^2, and theta given y
    has mean A y + B m with A = tau^2 / v, B = 1 / v; so the risk is q A plus E |(h - A) y - B m|^2
    with h the factor of James and Stein, in the q dimensions that are shrunk.

    Raises
    ------
    ValueError
        If the standard errors differ.

    Examples
    --------
    >>> truth = Truth(np.ones(8), np.zeros(8), 1.0)
    >>> james_stein_bayes_risk(truth, towards="mean", positive=False)
    0.6875
    """
    sigma = float(truth.sigma[0])
    if np.ptp(truth.sigma):
        raise ValueError(f"sigma is {truth.sigma.tolist()}; give equal standard errors")
    n_groups = truth.n_groups
    c = stein_constant(n_groups, towards) if constant is None else constant
    if c == 0:
        return sigma**2
    m = truth.centre / sigma
    q = n_groups - (towards == "mean")
    lam = float(((m - m.mean()) ** 2).sum() if towards == "mean" else m @ m)
    v = 1 + (truth.tau / sigma) ** 2
    a, b, cut = 1 - 1 / v, 1 / v, c / v
    k, p = _poisson(lam / v / 2)
    df = q + 2 * k
    above = cut if positive else 0.0
    zeroth, one, minus = (_tail(df, above, i) for i in (0, 1, -1))
    square = one - 2 * cut * zeroth + cut**2 * minus - 2 * a * (one - cut * zeroth) + a**2 * df
    cross = _tail(df + 2, above, 0) - cut * _tail(df + 2, above, -1) - a
    total = q * a + v * (p @ square) - 2 * b * lam * (p @ cross) + b**2 * lam
    return float(total + (towards == "mean")) / n_groups * sigma**2


def _poisson(mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of a Poisson variable and their probabilities, all but 1e-30 of them."""
    reach = 12 * np.sqrt(mean) + 40
    k = np.arange(max(0, int(mean - reach)), int(mean + reach) + 1)
    return k, np.exp(xlogy(k, mean) - mean - gammaln(k + 1))


def _tail(df: np.ndarray, cut: float, power: int) -> np.ndarray:
    """E[X^power; X > cut] of a central chi-squared X, infinite where it diverges."""
    half = np.asarray(df, float) / 2
    a = half + power
    regular = np.where(a > 0, a, 1.0)
    upper = gammaincc(regular, cut / 2) * np.exp(gammaln(regular) - gammaln(half))
    at_zero = exp1(cut / 2) if cut > 0 else np.inf
    return 2.0**power * np.where(a > 0, upper, at_zero)


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
        Takes a `Truth`, returns the exact expected squared error per group, NaN where unknown.
    plain : {"zero", "mean"}, optional
        Of a James-Stein rule without its positive part: where it shrinks to.
    """

    name: str
    estimate: Callable[[np.ndarray, Truth], np.ndarray]
    risk: Callable[[Truth], float] = lambda truth: np.nan
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
                functools.partial(_stein_risk, options),
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
                functools.partial(_oracle_risk, knows_mu),
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
    rule: Callable[[np.ndarray, np.ndarray], np.ndarray], y: np.ndarray, truth: Truth
) -> np.ndarray:
    return rule(y, truth.sigma)


def _bayes(mu_scale: float, tau_scale: float, y: np.ndarray, truth: Truth) -> np.ndarray:
    return posterior_means(y, truth.sigma, mu_scale=mu_scale, tau_scale=tau_scale).theta


def _weights(truth: Truth, tau: float = 0.0) -> np.ndarray:
    """Matrix that takes y to its precision-weighted mean, a row for each group."""
    weights = 1 / (truth.sigma**2 + tau**2)
    return np.tile(weights / weights.sum(), (truth.n_groups, 1))


def _oracle_risk(knows_mu: bool, truth: Truth) -> float:
    b = truth.sigma**2 / (truth.sigma**2 + truth.spread**2)
    if knows_mu:
        return linear_risk(truth, np.diag(1 - b), b * truth.mu).mean
    return linear_risk(truth, np.diag(1 - b) + b[:, None] * _weights(truth, truth.spread)).mean


def _stein_risk(options: dict[str, Any], truth: Truth) -> float:
    if truth.tau == 0:
        return james_stein_risk(truth, **options).mean
    if np.ptp(truth.sigma) == 0:
        return james_stein_bayes_risk(truth, **options)
    return np.nan
