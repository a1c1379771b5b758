"""What data sets are drawn from, and the exact errors of rules that shrink, where known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import exp1, gammaincc, gammaln, xlogy

Towards = Literal["zero", "mean"]


@dataclass(frozen=True)
class TrueEffects:
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


def stein_constant(n_groups: int, towards: Towards) -> float:
    """J - 2 towards zero, J - 3 towards the mean, which takes up one dimension; at least 0."""
    return float(max(n_groups - (2 if towards == "zero" else 3), 0))


def spectrum(sigma: np.ndarray, towards: Towards) -> tuple[np.ndarray, np.ndarray]:
    """Variances of the estimates in the dimensions that James-Stein shrinks, and their directions.

    With x = y / sigma less its part along 1 / sigma (towards the mean only), squared error weighs
    x x' by P diag(sigma^2) P, P the projection: its eigenvalues and eigenvectors, the zero of the
    part along 1 / sigma left out.

    Returns
    -------
    variances : ndarray, shape (q,)
        Ascending; towards zero the sigma_i^2 themselves.
    directions : ndarray, shape (n_groups, q)
        Of x, each of length 1; towards zero one group each.
    """
    q = len(sigma) - (towards == "mean")
    if towards == "zero":
        order = np.argsort(sigma, kind="stable")
        return sigma[order] ** 2, np.eye(q)[:, order]
    along = 1 / sigma / np.sqrt((1 / sigma**2).sum())
    projection = np.eye(len(sigma)) - np.outer(along, along)
    values, vectors = np.linalg.eigh(projection * sigma**2 @ projection)
    return values[1:], vectors[:, 1:]


def bock_constant(sigma: np.ndarray, towards: Towards) -> float:
    """tr / max - 2, of the variances of `spectrum`; at least 0. With equal errors `stein_constant`.

    James-Stein with any c from 0 to twice this is nowhere worse than the separate estimates (Bock
    1975, Annals of Statistics 3, 209); the middle gains most where it gains least, far out.

    Examples
    --------
    >>> bock_constant(np.full(8, 10.0), "zero")
    6.0
    >>> round(bock_constant(np.array([15.0, 10, 16, 11, 9, 11, 10, 18]), "zero"), 4)
    2.0988
    """
    variances, _ = spectrum(sigma, towards)
    return max(float(variances.sum() / variances.max()) - 2, 0.0)


@dataclass(frozen=True)
class Risk:
    """Exact bias and variance, or expected squared error, of each group's estimate.

    Attributes
    ----------
    bias, variance : ndarray, shape (n_groups,)
        Over data sets with these group effects; of a `TrueEffects` with scatter, over those too.
    """

    bias: np.ndarray
    variance: np.ndarray

    @property
    def mean(self) -> float:
        """Expected squared error, mean over groups."""
        return float((self.bias**2 + self.variance).mean())


def linear_risk(truth: TrueEffects, hat: np.ndarray, shift: np.ndarray | float = 0.0) -> Risk:
    """Errors of the estimate ``hat @ y + shift``, exactly."""
    off = hat - np.eye(truth.n_groups)
    variance = hat**2 @ truth.sigma**2 + off**2 @ np.full(truth.n_groups, truth.tau**2)
    return Risk(off @ truth.centre + shift, variance)


def pooling_risk(truth: TrueEffects) -> Risk:
    """Errors of the precision-weighted mean in place of every group's estimate, exactly."""
    return linear_risk(truth, _weights(truth))


def james_stein_risk(
    truth: TrueEffects, *, towards: Towards, positive: bool, constant: float | None = None
) -> Risk:
    """Errors of James-Stein at fixed group effects, exactly, whatever the standard errors.

    With x = y / sigma less its part along 1 / sigma (towards the mean only), x ~ N(rho, Q) in q
    dimensions and ``W = |x|^2`` is noncentral chi-squared, ``E f(W) x_i = rho_i E f(W_{q+2})`` and
    ``E f(W) x_i^2 = Q_ii E f(W_{q+2}) + rho_i^2 E f(W_{q+4})`` (Bock 1975, Annals of Statistics 3,
    209), of the same noncentrality ``|rho|^2``; each is a Poisson mixture of central ones.

    Raises
    ------
    ValueError
        If the group effects are not fixed, or a constant is given with one dimension to shrink.

    Examples
    --------
    >>> truth = TrueEffects(np.ones(8), np.ones(8))
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


def worst_risk(
    sigma: np.ndarray,
    distance: float,
    *,
    towards: Towards,
    positive: bool,
    constant: float | None = None,
) -> float:
    """Largest expected squared error of James-Stein, mean over groups, at a distance, exactly.

    Of all group effects whose standardised deviations from the target, rho in
    `james_stein_risk`, have length `distance`: given that, the error is linear in the squared
    components of rho along the directions of `spectrum`, so that the worst lies along one of the
    two ends. Towards zero this is a single group far out.
    """
    _, directions = spectrum(sigma, towards)
    return max(
        james_stein_risk(
            TrueEffects(sigma, distance * direction * sigma),
            towards=towards,
            positive=positive,
            constant=constant,
        ).mean
        for direction in (directions[:, 0], directions[:, -1])
    )


def james_stein_bayes_risk(
    truth: TrueEffects, *, towards: Towards, positive: bool, constant: float | None = None
) -> float:
    """Expected squared error per group of James-Stein where group effects scatter, exactly.

    For equal standard errors. In units of them y ~ N(m, v) with v = 1 + tau^2, and theta given y
    has mean A y + B m with A = tau^2 / v, B = 1 / v; so the risk is q A plus
    ``E |(h - A) y - B m|^2`` with h the factor of James and Stein, in the q dimensions that are
    shrunk.

    Raises
    ------
    ValueError
        If the standard errors differ.

    Examples
    --------
    >>> truth = TrueEffects(np.ones(8), np.zeros(8), 1.0)
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


def oracle_risk(truth: TrueEffects, *, knows_mu: bool) -> float:
    """Expected squared error per group of who knows the spread of the group effects, exactly."""
    b = truth.sigma**2 / (truth.sigma**2 + truth.spread**2)
    if knows_mu:
        return linear_risk(truth, np.diag(1 - b), b * truth.mu).mean
    return linear_risk(truth, np.diag(1 - b) + b[:, None] * _weights(truth, truth.spread)).mean


def stein_risk(truth: TrueEffects, *, towards: Towards, positive: bool) -> float:
    """Expected squared error per group of James-Stein, exactly.

    NaN where group effects scatter and standard errors differ: no formula is known.
    """
    if truth.tau == 0:
        return james_stein_risk(truth, towards=towards, positive=positive).mean
    if np.ptp(truth.sigma) == 0:
        return james_stein_bayes_risk(truth, towards=towards, positive=positive)
    return np.nan


def _weights(truth: TrueEffects, tau: float = 0.0) -> np.ndarray:
    """Matrix that takes y to its precision-weighted mean, a row for each group."""
    weights = 1 / (truth.sigma**2 + tau**2)
    return np.tile(weights / weights.sum(), (truth.n_groups, 1))


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
