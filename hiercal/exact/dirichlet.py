"""Exact posteriors of Dirichlet hierarchies: multinomial counts with proportions that vary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, betaln, gammaln, logsumexp

from hiercal.exact.grid import Conditional, Grid, GridPosterior, positive_axis, unit
from hiercal.exact.independent import Independent
from hiercal.exact.posterior import Posterior

if TYPE_CHECKING:
    from scipy.interpolate import BSpline

FLOOR = np.finfo(float).tiny
SPACING, ORDER = 0.1, 5
"""Of the splines, in log r: errors of order 1e-10 times the number of observations."""
SPLITS, ZOOMS, LOG_NEGLIGIBLE = 40, 8, -32.0
POINTS, SCAN = 36, 40

_SHARE = unit("share")


def dirichlet(concentration: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws from Dirichlet distributions along the last axis, at least `FLOOR` each.

    Gamma variables of shape a below 1 underflow long before their logarithms do, so those are
    drawn: log G(a) = log G(a + 1) + log(U) / a (Marsaglia and Tsang 2000, ACM TOMS 26, 363).
    """
    log_gamma = np.log(rng.standard_gamma(concentration + 1))
    log_gamma -= rng.standard_exponential(concentration.shape) / concentration
    log_gamma -= log_gamma.max(axis=-1, keepdims=True)
    gamma = np.exp(log_gamma)
    return np.maximum(gamma / gamma.sum(axis=-1, keepdims=True), FLOOR)


def beta(a: np.ndarray, b: np.ndarray) -> Conditional:
    """A proportion that is Beta(a, b) given each node."""
    mean = a / (a + b)
    return Conditional(
        mean, mean * (1 - mean) / (a + b + 1), lambda x: betainc(a, b, np.clip(x, 0, 1)), (0.0, 1.0)
    )


def conjugate(
    concentration: np.ndarray,
    rows: Mapping[str, int | np.ndarray],
    labels: Mapping[str, Sequence[str]],
) -> Independent:
    """Independent Dirichlet vectors, some of them perhaps under several names.

    Parameters
    ----------
    concentration : ndarray, shape (n_vectors, n_categories)
    rows : dict of str to int or ndarray
        For each parameter, the vectors that it consists of.
    labels : dict of str to sequence of str
        For each parameter, the names of its scalars.
    """
    from scipy import stats

    rest = concentration.sum(axis=1, keepdims=True) - concentration
    marginals = {
        label: stats.beta(a, b)
        for name, row in rows.items()
        for label, a, b in zip(
            labels[name], concentration[row].ravel(), rest[row].ravel(), strict=True
        )
    }

    def draw(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        drawn = dirichlet(np.broadcast_to(concentration, (n, *concentration.shape)), rng)
        return {name: drawn[:, row] for name, row in rows.items()}

    return Independent(marginals, draw)


@dataclass(frozen=True)
class Block:
    """Some of the categories, with their shares of what the block has integrated out.

    Attributes
    ----------
    members : tuple of int
        The categories.
    log_weight : BSpline
        Of log r: the log of the integral, over the flat simplex of shares w, of prod_k h_k(r w_k),
        where h_k(a) = prod_g Gamma(y_gk + a) / Gamma(a) is what the counts of category k say of
        its concentration a.
    parts : tuple of Block
        The two blocks that it was made of, or none.
    """

    members: tuple[int, ...]
    log_weight: BSpline
    parts: tuple[Block, ...] = ()

    @classmethod
    def of(cls, category: int, counts: np.ndarray, log_r: np.ndarray) -> Block:
        """One category, tabulated at evenly spaced `log_r`."""
        from scipy.interpolate import make_interp_spline

        y, times = np.unique(counts[counts > 0], return_counts=True)
        # lnG(y + a) - lnG(a), without cancellation at large a
        rising = gammaln(y) - betaln(np.exp(log_r)[:, None], y)
        return cls((category,), make_interp_spline(log_r, rising @ times, k=ORDER))

    def __call__(self, log_r: np.ndarray) -> np.ndarray:
        """Log weight; a power of r beyond either end of the table."""
        ends = self.log_weight.t[[0, -1]]
        inside = np.clip(log_r, *ends)
        low, high = self.log_weight(ends, 1)
        slope = np.where(log_r < inside, low, high)
        return self.log_weight(inside) + np.where(log_r == inside, 0, slope * (log_r - inside))

    def join(self, other: Block) -> Block:
        """Both blocks: the share of the first is integrated out too."""
        from scipy.interpolate import make_interp_spline

        log_r = self._knots
        joined = Block(self.members + other.members, self.log_weight, (self, other))
        u, log_density = joined._shares(log_r)
        log_weight = logsumexp(log_density, axis=1) + np.log(u[:, 1] - u[:, 0])
        return Block(joined.members, make_interp_spline(log_r, log_weight, k=ORDER), joined.parts)

    @property
    def _knots(self) -> np.ndarray:
        """The points that the spline goes through."""
        low, high = self.log_weight.t[[0, -1]]
        return np.linspace(low, high, len(self.log_weight.c))

    def _log_density(self, u: np.ndarray, log_r: np.ndarray) -> np.ndarray:
        """Log density of the first part's share, in the coordinate u of a unit axis."""
        first, second = self.parts
        logit = np.pi * np.sinh(u)
        log_share, log_rest = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
        return (
            first(log_r + log_share)
            + second(log_r + log_rest)
            + (len(first.members) - 1) * log_share
            + (len(second.members) - 1) * log_rest
            + _SHARE.log_slope(u)
        )

    def _shares(self, log_r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Even coordinates over all that is not negligible, and the log density: (n, SPLITS).

        The weight of a category is log-concave, and so are integrals of products of such, so the
        density has one peak to zoom in on.
        """
        low, high = np.full(len(log_r), _SHARE.low), np.full(len(log_r), _SHARE.high)
        steps = np.linspace(0, 1, SPLITS)
        for _ in range(ZOOMS):
            u = low[:, None] + (high - low)[:, None] * steps
            log_density = self._log_density(u, log_r[:, None])
            held = log_density > log_density.max(axis=1, keepdims=True) + LOG_NEGLIGIBLE
            step = u[:, 1] - u[:, 0]
            ends = held.argmax(axis=1), SPLITS - 1 - held[:, ::-1].argmax(axis=1)
            before = high - low
            low, high = (np.take_along_axis(u, e[:, None], axis=1)[:, 0] for e in ends)
            low, high = low - step, high + step
            if np.all(abs(high - low - before) < 0.3 * before):
                break
        return u, log_density

    def divide(self, r: np.ndarray, rng: np.random.Generator) -> dict[int, np.ndarray]:
        """Draws of each category's part of r, given r (n,)."""
        if not self.parts:
            return {self.members[0]: r}
        share = self._draw_share(np.log(np.maximum(r, FLOOR)), rng)
        first, second = self.parts
        return first.divide(r * share, rng) | second.divide(r * (1 - share), rng)

    def _draw_share(self, log_r: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Exact draws: proposals from the linear interpolant, as in `Grid.draws`."""
        u, log_density = self._shares(log_r)
        peak = log_density.max(axis=1, keepdims=True)
        density = np.exp(log_density - peak)
        below = density.cumsum(axis=1)
        step = u[:, 1] - u[:, 0]
        drawn, left, bound = np.empty(len(log_r)), np.arange(len(log_r)), 0.0
        while left.size:
            level = rng.uniform(size=(left.size, 1)) * below[left, -1:]
            node = (below[left] < level).sum(axis=1)
            shift = rng.uniform(size=left.size) - rng.uniform(size=left.size)
            at = u[left, node] + shift * step[left]
            to = np.clip(node + np.sign(shift).astype(int), 0, SPLITS - 1)
            proposed = (1 - abs(shift)) * density[left, node] + abs(shift) * density[left, to]
            here = self._log_density(at[:, None], log_r[left, None])[:, 0] - peak[left, 0]
            ratio = np.exp(here) / proposed
            bound = max(bound, float(ratio.max()))
            accepted = rng.uniform(size=left.size) * bound < ratio
            drawn[left[accepted]] = at[accepted]
            left = left[~accepted]
        return _SHARE.value(drawn)


class OneCategory(GridPosterior):
    """Posterior of alpha and one category: of its share of pi0, and of its share in each group.

    Parameters
    ----------
    log_prior_alpha : callable
        Log density of alpha, up to a constant, vectorised.
    centre : float
        About where the posterior of alpha lies.
    everyone : Block
        The group sizes, as if they were the counts of one category.
    own, others : Block
        The category, and all the others.
    counts : ndarray, shape (n_groups, n_categories)
    names : sequence of str
        Of this category: ``pi0[k]``, ``pi[r,k]`` of each group r, ``pi_new[k]``.
    """

    def __init__(
        self,
        log_prior_alpha: Callable[[np.ndarray], np.ndarray],
        centre: float,
        everyone: Block,
        own: Block,
        others: Block,
        counts: np.ndarray,
        names: Sequence[str],
    ) -> None:
        self._own, self._others, self._counts, self._names = own, others, counts, tuple(names)

        def log_density(alpha: np.ndarray, share: np.ndarray) -> np.ndarray:
            log_alpha, log_rest = np.log(alpha), np.log1p(-share)
            return (
                log_prior_alpha(alpha)
                - everyone(log_alpha)
                + own(log_alpha + np.log(share))
                + others(log_alpha + log_rest)
                + (len(others.members) - 1) * log_rest
            )

        axes = positive_axis("alpha", centre), unit(self._names[0])
        self.grid = Grid(log_density, axes, points=POINTS, scan=SCAN)

    @property
    def names(self) -> tuple[str, ...]:
        return ("alpha", *self._names)

    def conditional(self, name: str) -> Conditional:
        alpha, share = self.grid.nodes.values()
        group = self._names.index(name) - 1
        if group == len(self._counts):
            return beta(alpha * share, alpha * (1 - share))
        mine = self._counts[group, self._own.members[0]]
        rest = self._counts[group].sum() - mine
        return beta(mine + alpha * share, rest + alpha * (1 - share))

    def complete(
        self, hyper: dict[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        alpha, share = hyper.values()
        parts = self._others.divide(alpha * (1 - share), rng)
        parts |= {self._own.members[0]: alpha * share}
        a = np.stack([parts[k] for k in range(len(parts))], axis=1)
        a = np.maximum(a, FLOOR)
        pi = dirichlet(self._counts + a[:, None, :], rng)
        return {"alpha": alpha, "pi0": a / a.sum(axis=1, keepdims=True), "pi": pi}


class DirichletMultinomial(Posterior):
    """Posterior of y_g ~ Multinomial(n_g, pi_g), pi_g ~ Dirichlet(alpha pi0), pi0 ~ Dirichlet(1).

    The proportions integrate out (Mosimann 1962, Biometrika 49, 65, equation 2), leaving a density
    of alpha and pi0 that is, up to factors of alpha, a product over categories of functions of
    alpha pi0_k. So a set of categories, given their sum r = alpha sum pi0_k, is integrated out by
    one quadrature a category, tabulated in log r; what is left for category k is a grid of alpha
    and pi0_k, given which pi_gk is Beta. Any number of categories from two up.

    Parameters
    ----------
    counts : ndarray, shape (n_groups, n_categories)
    log_prior_alpha : callable
        Log density of alpha, up to a constant, vectorised.
    size : float
        The order of magnitude of alpha in its prior.
    labels : dict of str to sequence of str
        Names of the scalars of pi0, pi and pi_new.
    """

    def __init__(
        self,
        counts: np.ndarray,
        *,
        log_prior_alpha: Callable[[np.ndarray], np.ndarray],
        size: float,
        labels: Mapping[str, Sequence[str]],
    ) -> None:
        top = np.log(size) + 9
        log_r = np.linspace(-18, top, 1 + int(np.ceil((top + 18) / SPACING)))
        leaves = [Block.of(k, column, log_r) for k, column in enumerate(counts.T)]
        everyone = Block.of(-1, counts.sum(axis=1), log_r)
        # alpha at the shares of all groups together: enough to see where its grid belongs
        shares = (counts.sum(axis=0) + 1) / (counts.sum() + counts.shape[1])
        log_density = log_prior_alpha(np.exp(log_r)) + log_r - everyone(log_r)
        log_density += sum(leaf(log_r + np.log(s)) for leaf, s in zip(leaves, shares, strict=True))
        centre = np.exp(np.exp(log_density - logsumexp(log_density)) @ log_r)
        by_category = np.stack(
            [labels["pi0"], *np.reshape(labels["pi"], counts.shape), labels["pi_new"]], axis=1
        ).tolist()
        self._names = tuple(name for part in ("pi0", "pi", "pi_new") for name in labels[part])
        self._category = {name: k for k, names in enumerate(by_category) for name in names}

        @cache
        def category(k: int) -> OneCategory:
            others = reduce(Block.join, (leaf for j, leaf in enumerate(leaves) if j != k))
            return OneCategory(
                log_prior_alpha, centre, everyone, leaves[k], others, counts, by_category[k]
            )

        self._one = category

    @property
    def names(self) -> tuple[str, ...]:
        return ("alpha", *self._names)

    def _about(self, name: str) -> OneCategory:
        return self._one(self._category.get(self._known(name), 0))

    def mean(self, name: str) -> float:
        return self._about(name).mean(name)

    def sd(self, name: str) -> float:
        return self._about(name).sd(name)

    def cdf(self, name: str, x: ArrayLike) -> np.ndarray:
        return self._about(name).cdf(name, x)

    def bracket(self, name: str) -> tuple[float, float]:
        return self._about(name).bracket(name)

    def draws(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return self._one(0).draws(n, rng)
