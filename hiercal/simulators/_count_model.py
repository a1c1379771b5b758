"""Exact posterior of hierarchies with normal effects and a log-concave likelihood of each group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import elementwise
from scipy.special import expit, ndtr, sici

from hiercal.simulators._grid import Conditional, Grid, GridReference, positive_axis, real
from hiercal.simulators._mixed_model import Scale

NODES = 40
"""Nodes of the integral over a group's effect."""
REACH, DROP, LARGEST = 8.0, 60.0, 600.0
AT_ONCE = 4_000_000
"""Values of the likelihood held in memory together."""


@dataclass(frozen=True)
class Likelihood:
    """Log likelihood of each group's effect, log-concave, and its derivative.

    Both take effects and the groups that these are of: a slice, for effects (..., n), or an index
    for each effect.
    """

    log: Callable[[np.ndarray, slice | np.ndarray], np.ndarray]
    score: Callable[[np.ndarray, slice | np.ndarray], np.ndarray]
    n_groups: int


@dataclass(frozen=True)
class Link:
    """What is reported of an effect: its name, an increasing function of it, and the inverse."""

    name: str
    value: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]


class CountModel(GridReference):
    """Posterior of theta_i ~ N(centre, scale^2), data_i ~ likelihood(theta_i).

    Each theta_i is integrated out by the trapezoidal rule, on nodes spread over what its
    log-concave conditional density covers; centre and scale are on a grid.

    Parameters
    ----------
    likelihood : Likelihood
    centre : tuple of str, float and float
        Name of the centre and its normal prior's mean and standard deviation.
    scale : Scale or None
        None pools completely: every theta_i is the centre.
    link : Link
        What is reported of the effects.
    labels : sequence of str
        Names of the effects' scalars.
    finite_moments : bool
        Whether the effect of a group not seen has a variance.
    """

    def __init__(
        self,
        likelihood: Likelihood,
        *,
        centre: tuple[str, float, float],
        scale: Scale | None,
        link: Link,
        labels: Sequence[str],
        finite_moments: bool,
    ) -> None:
        self._likelihood, self._scale, self._link = likelihood, scale, link
        self._labels, self._finite_moments = tuple(labels), finite_moments
        self._centre, self._prior_mean, self._prior_sd = centre
        axes = [real(self._centre, self._prior_mean, self._prior_sd)]
        if scale is not None:
            axes.append(positive_axis(scale.name, scale.size))
        self.grid = Grid(self._log_density, axes, points=40)

    @property
    def names(self) -> tuple[str, ...]:
        new = (f"{self._link.name}_new",) if self._scale is not None else ()
        return (*self.grid.nodes, *self._labels, *new)

    def _log_density(self, centre: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
        found = -0.5 * ((centre - self._prior_mean) / self._prior_sd) ** 2
        if self._scale is None or scale is None:
            return found + self._likelihood.log(centre[:, None], slice(None)).sum(axis=1)
        found = found + self._scale.log_prior(scale)
        for groups in self._chunks(len(centre)):
            _, step, log_density = self._nodes(centre, scale, groups)
            peak = log_density.max(axis=-1)
            integral = np.exp(log_density - peak[..., None]).sum(axis=-1) * step
            found += (peak + np.log(integral)).sum(axis=1)
        return found

    def _chunks(self, n: int) -> list[slice]:
        """Groups, as many at once as fit in memory for `n` values of the hyperparameters."""
        size = max(1, AT_ONCE // (n * NODES))
        return [slice(i, i + size) for i in range(0, self._likelihood.n_groups, size)]

    def _log_conditional(
        self, z: np.ndarray, centre: np.ndarray, scale: np.ndarray, groups: slice
    ) -> np.ndarray:
        """Log density (n, n_groups) of z = (theta - centre) / scale, up to a constant."""
        return self._likelihood.log(centre[:, None] + scale[:, None] * z, groups) - z * z / 2

    def _nodes(
        self, centre: np.ndarray, scale: np.ndarray, groups: slice
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First node and spacing (n, n_groups) of z, and log density (n, n_groups, NODES)."""
        c, s = centre[:, None], scale[:, None]
        most = s * self._likelihood.score(c, groups)  # z solves z = s score(c + s z)
        mode = elementwise.find_root(
            lambda z, c, s, group: s * self._likelihood.score(c + s * z, group) - z,
            (np.minimum(most, 0.0), np.maximum(most, 0.0)),
            args=(
                np.broadcast_to(c, most.shape),
                np.broadcast_to(s, most.shape),
                np.broadcast_to(np.arange(self._likelihood.n_groups)[groups], most.shape),
            ),
            tolerances={"xatol": 1e-6, "xrtol": 1e-6},
        ).x
        peak = self._log_conditional(mode, centre, scale, groups)
        ends = []
        for side in (-1.0, 1.0):
            reach = np.full(mode.shape, REACH)  # the prior alone makes it negligible there
            for _ in range(30):
                at = self._log_conditional(mode + side * reach, centre, scale, groups)
                far = peak - at > DROP
                if not far.any():
                    break
                reach = np.where(far, 0.75 * reach, reach)
            ends.append(mode + side * reach)
        step = (ends[1] - ends[0]) / (NODES - 1)
        z = ends[0][..., None] + step[..., None] * np.arange(NODES)
        log_density = np.stack(
            [self._log_conditional(z[..., k], centre, scale, groups) for k in range(NODES)], axis=-1
        )
        return ends[0], step, log_density

    def conditional(self, name: str) -> Conditional:
        centre = self.grid.nodes[self._centre]
        if self._scale is None:
            value, inverse = self._link.value, self._link.inverse

            def at_centre(x: np.ndarray) -> np.ndarray:
                below = self.grid.cdf(self._centre, inverse(x))
                return np.broadcast_to(below, (len(x), len(centre)))

            low, high = self.grid.bracket(self._centre)
            bracket = float(value(np.array(low))), float(value(np.array(high)))
            return Conditional(value(centre), np.zeros(len(centre)), at_centre, bracket)
        scale = self.grid.nodes[self._scale.name]
        if name not in self._labels:
            return self._unseen(centre, scale)
        i = self._labels.index(name)
        first, step, log_density = (
            values[:, 0] for values in self._nodes(centre, scale, slice(i, i + 1))
        )
        weights = np.exp(log_density - log_density.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        z = first[:, None] + step[:, None] * np.arange(NODES)
        value = self._link.value(centre[:, None] + scale[:, None] * z)
        mean = (weights * value).sum(axis=-1)
        variance = (weights * (value - mean[:, None]) ** 2).sum(axis=-1)
        used = self.grid.weights > 1e-12

        def cdf(x: np.ndarray) -> np.ndarray:
            below = np.zeros((len(x), len(centre)))
            for row, each in zip(below, self._link.inverse(x), strict=True):
                at = ((each - centre[used]) / scale[used] - first[used]) / step[used]
                lags = np.pi * (np.clip(at, 0, NODES - 1)[:, None] - np.arange(NODES))
                row[used] = (weights[used] * (0.5 + sici(lags)[0] / np.pi)).sum(axis=-1)
            return np.clip(below, 0, 1)

        return Conditional(mean, variance, cdf, (float(value.min()), float(value.max())))

    def _unseen(self, centre: np.ndarray, scale: np.ndarray) -> Conditional:
        """A group not seen: normal on the scale of theta."""

        def cdf(x: np.ndarray) -> np.ndarray:
            return ndtr((self._link.inverse(x) - centre) / scale)

        low, high = self._link.value(
            np.array([(centre - 9 * scale).min(), (centre + 9 * scale).max()])
        )
        bracket = float(low), float(high)
        if not self._finite_moments:
            return Conditional(
                np.full(len(centre), np.nan), np.full(len(centre), np.nan), cdf, bracket
            )
        return Conditional(centre, scale**2, cdf, bracket)

    def complete(
        self, hyper: dict[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        centre = hyper[self._centre]
        if self._scale is None:
            theta = np.repeat(centre[:, None], self._likelihood.n_groups, axis=1)
        else:
            scale = hyper[self._scale.name]
            drawn = [self._draw(centre, scale, groups, rng) for groups in self._chunks(n)]
            theta = centre[:, None] + scale[:, None] * np.concatenate(drawn, axis=1)
        return {**hyper, self._link.name: self._link.value(theta)}

    def _draw(
        self, centre: np.ndarray, scale: np.ndarray, groups: slice, rng: np.random.Generator
    ) -> np.ndarray:
        """Draws of z (n, n_groups): linear interpolant through the nodes, then rejection."""
        first, step, log_density = self._nodes(centre, scale, groups)
        peak = log_density.max(axis=-1)
        density = np.exp(log_density - peak[..., None])
        cumulative = np.cumsum(density, axis=-1)
        z = np.zeros(first.shape)
        waiting, bound = np.ones(first.shape, bool), 1.0
        while waiting.any():
            u = rng.uniform(size=first.shape) * cumulative[..., -1]
            node = (cumulative < u[..., None]).sum(axis=-1)
            at = node + rng.uniform(size=first.shape) - rng.uniform(size=first.shape)
            at = np.clip(at, 0, NODES - 1)
            proposed = _interpolated(density, at)
            candidate = first + step * at
            exact = self._log_conditional(candidate, centre, scale, groups) - peak
            ratio = np.exp(exact) / np.maximum(proposed, 1e-300)
            bound = max(bound, float(ratio[waiting].max()))
            accepted = waiting & (rng.uniform(size=first.shape) * bound < ratio)
            z = np.where(accepted, candidate, z)
            waiting &= ~accepted
        return z


def _interpolated(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Linear interpolation along the last axis of `values`, at a place for each of the others."""
    left = np.minimum(at.astype(int), values.shape[-1] - 2)
    low = np.take_along_axis(values, left[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(values, left[..., None] + 1, axis=-1)[..., 0]
    return low + (at - left) * (high - low)


def identity(name: str) -> Link:
    """Effects reported as they are."""
    return Link(name, np.asarray, np.asarray)


def exponential(name: str) -> Link:
    """Effects reported as their exponential."""

    def log(x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(x, 0))

    return Link(name, np.exp, log)


def poisson(counts: np.ndarray, exposure: np.ndarray) -> Likelihood:
    """Counts with rates exp(theta) times the exposure; constants are left out."""

    def expected(theta: np.ndarray, groups: slice | np.ndarray) -> np.ndarray:
        return exposure[groups] * np.exp(np.minimum(theta, LARGEST))

    return Likelihood(
        lambda theta, groups: counts[groups] * theta - expected(theta, groups),
        lambda theta, groups: counts[groups] - expected(theta, groups),
        len(counts),
    )


def binomial(successes: np.ndarray, trials: np.ndarray) -> Likelihood:
    """Successes with log odds theta; constants are left out."""
    return Likelihood(
        lambda theta, groups: successes[groups] * theta - trials[groups] * np.logaddexp(0, theta),
        lambda theta, groups: successes[groups] - trials[groups] * expit(theta),
        len(successes),
    )
