"""Exact posterior of hierarchies with normal effects and a log-concave likelihood of each group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp

from hiercal.exact.even_densities import EvenDensities, along_rows, interpolated
from hiercal.exact.grid import (
    NEGLIGIBLE,
    Conditional,
    Grid,
    GridPosterior,
    line,
    positive_axis,
    real,
    rounds,
)
from hiercal.exact.likelihoods import Likelihood
from hiercal.exact.mixed_model import Scale

NODES = 40
"""Nodes of the integral over a group's effect."""
EFFECT_NODES = 64
"""Nodes of an effect given the scale, and of its standardised distance from the centre."""
REACH, DROP = 8.0, 60.0
AT_ONCE = 4_000_000
"""Values of the likelihood held in memory together."""
SPACING = 0.16
"""Of the coordinate of the scale, about its logarithm: errors of a few times 1e-6."""
STANDARDISED = "standardised centre"
NEWTON_STEPS, LARGEST_STEP = 8, 1.0
MODE_STEPS = 200
"""Far more than are needed but where a density is looked at that is negligible."""


@dataclass(frozen=True)
class Link:
    """What is reported of an effect: its name, an increasing function of it, and the inverse."""

    name: str
    value: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Slices:
    """The grid, one value of the scale at a time.

    Attributes
    ----------
    scale : ndarray, shape (n_scales,)
    centre, log_density : EvenDensities and ndarray, shape (n_scales, n_points)
        The centre given each scale, and its log density up to a constant.
    place : ndarray, shape (n_nodes,)
        Which scale is each node's.
    """

    scale: np.ndarray
    centre: EvenDensities
    log_density: np.ndarray
    place: np.ndarray


class CountModel(GridPosterior):
    """Posterior of theta_i ~ N(centre, scale^2), data_i ~ likelihood(theta_i).

    Each theta_i is integrated out by the trapezoidal rule, on nodes spread over what its
    log-concave conditional density covers. The scale and the standardised centre w are on a grid:
    centre = m + s w, with m and s about the centre's mode and standard deviation given the scale,
    because the centre may be a thousand times better known at one scale than at another.

    Given centre and scale, an effect's distribution function is a step in the centre when the scale
    is small, and no rule on nodes of the centre integrates a step. So the density of an effect
    given the scale is computed first, which is smooth at any scale, and integrated up to x.

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
        if scale is None:
            axes = [real(self._centre, self._prior_mean, self._prior_sd)]
            self.grid = Grid(self._log_density_of_pooled, axes, points=40)
        else:
            # below the sampling error of the best known group, the likelihood is flat in the scale
            information = likelihood.information(likelihood.estimates, slice(None))
            size = min(scale.size, float(information.max()) ** -0.5)
            axes = [line(STANDARDISED, REACH), positive_axis(scale.name, size, SPACING)]
            self.grid = Grid(self._log_density, axes, points=40)

    @property
    def names(self) -> tuple[str, ...]:
        if self._scale is None:
            return (self._centre, *self._labels)
        return (self._centre, self._scale.name, *self._labels, f"{self._link.name}_new")

    def _log_prior(self, centre: np.ndarray) -> np.ndarray:
        return -0.5 * ((centre - self._prior_mean) / self._prior_sd) ** 2

    def _log_density_of_pooled(self, centre: np.ndarray) -> np.ndarray:
        likelihood = self._likelihood.log(centre[:, None], slice(None)).sum(axis=1)
        return self._log_prior(centre) + likelihood

    def _log_density(self, w: np.ndarray, scale: np.ndarray) -> np.ndarray:
        assert self._scale is not None
        location, sd = self._location(scale)
        centre = location + sd * w
        log_density = self._log_prior(centre) + np.log(sd) + self._scale.log_prior(scale)
        for groups in self._chunks(len(centre)):
            log_density += self._log_integral(*self._nodes(centre, scale, groups)[1:]).sum(axis=1)
        return log_density

    def _location(self, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """About the centre's mode and sd given each scale: reweighted least squares.

        The grid is right wherever these are, and smallest if the first is the mode.
        """
        distinct, which = np.unique(scale, return_inverse=True)
        variance = distinct[:, None] ** 2
        effect = np.tile(self._likelihood.estimates, (len(distinct), 1))
        prior_precision = self._prior_sd**-2
        for _ in range(NEWTON_STEPS):
            information = self._likelihood.information(effect, slice(None))
            moment = information * effect + self._likelihood.score(effect, slice(None))
            share = 1 / (1 + variance * information)
            precision = prior_precision + (information * share).sum(axis=1)
            moments = prior_precision * self._prior_mean + (moment * share).sum(axis=1)
            centre = moments / precision
            target = share * (variance * moment + centre[:, None])
            effect += np.clip(target - effect, -LARGEST_STEP, LARGEST_STEP)
        return centre[which], 1 / np.sqrt(precision)[which]

    def _chunks(self, n: int) -> list[slice]:
        """Groups, as many at once as fit in memory for `n` values of the hyperparameters."""
        size = max(1, AT_ONCE // (n * NODES))
        return [slice(i, i + size) for i in range(0, self._likelihood.n_groups, size)]

    def _log_conditional(
        self, z: np.ndarray, centre: np.ndarray, scale: np.ndarray, groups: slice
    ) -> np.ndarray:
        """Log density (n, n_groups) of z = (theta - centre) / scale, up to a constant."""
        return self._likelihood.log(centre[:, None] + scale[:, None] * z, groups) - z * z / 2

    def _mode(self, centre: np.ndarray, scale: np.ndarray, groups: slice) -> np.ndarray:
        """z (n, n_groups) of the largest density, to 1e-6: z = s score(c + s z).

        Newton's method from the peak of the likelihood, kept between bounds, as the difference of
        the two sides falls in z.
        """
        c, s = centre[:, None], scale[:, None]
        most = s * self._likelihood.score(c, groups)
        low, high = np.minimum(most, 0.0), np.maximum(most, 0.0)
        z = np.clip((self._likelihood.estimates[groups] - c) / s, low, high)
        for _ in range(MODE_STEPS):
            effect = c + s * z
            ahead = s * self._likelihood.score(effect, groups) - z
            low, high = np.where(ahead > 0, z, low), np.where(ahead > 0, high, z)
            to = z + ahead / (1 + s * s * self._likelihood.information(effect, groups))
            to = np.where((to < low) | (to > high), (low + high) / 2, to)
            settled = abs(to - z) <= 1e-6 * np.maximum(abs(z), 1)
            z = to
            if settled.all():
                break
        return z

    def _nodes(
        self, centre: np.ndarray, scale: np.ndarray, groups: slice
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First node and spacing (n, n_groups) of z, and log density (n, n_groups, NODES)."""
        mode = self._mode(centre, scale, groups)
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

    @staticmethod
    def _log_integral(step: np.ndarray, log_density: np.ndarray) -> np.ndarray:
        peak = log_density.max(axis=-1)
        return peak + np.log(np.exp(log_density - peak[..., None]).sum(axis=-1) * step)

    def conditional(self, name: str) -> Conditional:
        if self._scale is None:
            return self._pooled()
        if name == self._centre:
            return self._given_scale(self._slices.centre, identity(name))
        if name in self._labels:
            return self._given_scale(self._effect_density(self._labels.index(name)), self._link)
        return self._given_scale(self._effect_density(None), self._link, self._finite_moments)

    def _pooled(self) -> Conditional:
        """Any effect, where all are the centre."""
        centre = self.grid.nodes[self._centre]

        def cdf(x: np.ndarray) -> np.ndarray:
            below = self.grid.cdf(self._centre, self._link.inverse(x))
            return np.broadcast_to(below, (len(x), len(centre)))

        low, high = self._link.value(np.array(self.grid.bracket(self._centre)))
        bracket = float(low), float(high)
        return Conditional(self._link.value(centre), np.zeros(len(centre)), cdf, bracket)

    @cached_property
    def _slices(self) -> _Slices:
        assert self._scale is not None
        which, place = np.unique(self.grid.places[1], return_inverse=True)
        scale = np.empty(len(which))
        scale[place] = self.grid.nodes[self._scale.name]
        location, sd = self._location(scale)
        w = self.grid.coordinates[0]
        log_density = self.grid.log_table[:, which].T
        first, step = location + sd * w[0], sd * (w[1] - w[0])
        return _Slices(scale, EvenDensities.of(first, step, log_density), log_density, place)

    def _given_scale(
        self, densities: EvenDensities, link: Link, finite_moments: bool = True
    ) -> Conditional:
        place = self._slices.place
        mean, variance = densities.moments(link.value)
        if not finite_moments:
            mean = variance = np.full_like(mean, np.nan)
        nodes = densities.nodes
        low, high = link.value(np.array([nodes.min(), nodes.max()]))
        return Conditional(
            mean[place],
            variance[place],
            lambda x: densities.cdf(link.inverse(x[:, 0]))[:, place],
            (float(low), float(high)),
        )

    def _effect_density(self, group: int | None) -> EvenDensities:
        """Density of an effect given each scale; of a group not seen if `group` is None.

        It is l(theta) times the integral over z, normal, of rest(theta - scale z): l is the group's
        likelihood and rest the density of the centre without that group, known at the grid's
        nodes and smooth between them.
        """
        slices = self._slices
        scale, centres = slices.scale, slices.centre.nodes
        n_nodes = centres.shape[1]
        held = slices.centre.weights > NEGLIGIBLE
        log_rest = slices.log_density
        if group is None:
            low = centres - REACH * scale[:, None]
            high = centres + REACH * scale[:, None]
        else:
            groups = slice(group, group + 1)
            at = centres.ravel(), np.repeat(scale, n_nodes)
            first, step, log_density = self._nodes(*at, groups)
            log_rest = log_rest - self._log_integral(step, log_density).reshape(centres.shape)
            low = centres + scale[:, None] * first.reshape(centres.shape)
            high = low + scale[:, None] * ((NODES - 1) * step).reshape(centres.shape)
        low = np.where(held, low, np.inf).min(axis=1)
        high = np.where(held, high, -np.inf).max(axis=1)
        step = (high - low) / (EFFECT_NODES - 1)
        theta = low[:, None] + step[:, None] * np.arange(EFFECT_NODES)

        # z within the normal's reach, where the centre theta - scale z is on the grid
        ends = [(theta - centres[:, [j]]) / scale[:, None] for j in (-1, 0)]
        nearest, farthest = np.maximum(ends[0], -REACH), np.minimum(ends[1], REACH)
        width = np.maximum(farthest - nearest, 0)
        z = nearest[..., None] + width[..., None] * np.linspace(0, 1, EFFECT_NODES)
        centre = theta[..., None] - scale[:, None, None] * z
        place = (centre - centres[:, :1, None]) / slices.centre.step[:, None, None]
        log_density = along_rows(log_rest, np.clip(place, 0, n_nodes - 1)) - z * z / 2
        with np.errstate(divide="ignore"):
            log_effect = logsumexp(log_density, axis=-1) + np.log(width)
        if group is not None:
            log_effect = log_effect + self._likelihood.log(theta[..., None], groups)[..., 0]
        return EvenDensities.of(low, step, log_effect)

    def complete(
        self, hyper: dict[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        if self._scale is None:
            centre = hyper[self._centre]
            theta = np.repeat(centre[:, None], self._likelihood.n_groups, axis=1)
        else:
            scale = hyper[self._scale.name]
            location, sd = self._location(scale)
            centre = location + sd * hyper[STANDARDISED]
            hyper = {self._centre: centre, self._scale.name: scale}
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
        waiting, bound, more = np.ones(first.shape, bool), 1.0, rounds()
        while waiting.any() and next(more):
            u = rng.uniform(size=first.shape) * cumulative[..., -1]
            node = (cumulative < u[..., None]).sum(axis=-1)
            at = node + rng.uniform(size=first.shape) - rng.uniform(size=first.shape)
            at = np.clip(at, 0, NODES - 1)
            candidate = first + step * at
            exact = self._log_conditional(candidate, centre, scale, groups) - peak
            ratio = np.exp(exact) / np.maximum(interpolated(density, at), 1e-300)
            bound = max(bound, float(ratio[waiting].max()))
            accepted = waiting & (rng.uniform(size=first.shape) * bound < ratio)
            z = np.where(accepted, candidate, z)
            waiting &= ~accepted
        return z


def identity(name: str) -> Link:
    """Effects reported as they are."""
    return Link(name, np.asarray, np.asarray)


def exponential(name: str) -> Link:
    """Effects reported as their exponential."""

    def log(x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(x, 0))

    return Link(name, np.exp, log)
