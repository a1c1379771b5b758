"""Posteriors of count hierarchies by dense quadrature that shares no code with the package.

Gauss-Legendre panels everywhere, with edges at every step of what is integrated.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize
from scipy.special import ndtr

NEGLIGIBLE = 45.0
"""Log density below the peak at which nothing is left to integrate."""


@dataclass(frozen=True)
class Group:
    """Log likelihood of one group's effect, and where it can matter."""

    log: Callable[[np.ndarray], np.ndarray]
    low: float
    high: float

    @classmethod
    def of(cls, log, lowest=-60.0, highest=60.0):
        """`log` is concave; the search stays between the last two."""
        found = optimize.minimize_scalar(
            lambda x: -log(x), bounds=(lowest, highest), options={"xatol": 1e-10}
        )
        peak, top = found.x, -found.fun

        def end(edge):
            if log(edge) > top - NEGLIGIBLE:
                return edge
            return optimize.brentq(lambda x: log(x) - top + NEGLIGIBLE, edge, peak)

        return cls(log, end(lowest), end(highest))


def poisson(count, exposure):
    return Group.of(lambda x: count * x - exposure * np.exp(x))


def binomial(successes, trials):
    return Group.of(lambda x: successes * x - trials * np.logaddexp(0, x))


def panels(edges, order):
    """Nodes and weights (..., n) over consecutive edges along the last axis."""
    x, w = np.polynomial.legendre.leggauss(order)
    edges = np.asarray(edges, float)
    half = np.diff(edges, axis=-1)[..., None] / 2
    nodes = edges[..., :-1, None] + half * (1 + x)
    shape = (*edges.shape[:-1], -1)
    return nodes.reshape(shape), (half * w).reshape(shape)


@dataclass(frozen=True)
class Posterior:
    """theta_i ~ N(mu, tau^2), mu ~ N(prior_mean, prior_sd^2), tau ~ HalfNormal(tau_scale).

    `order` nodes a panel.
    """

    groups: tuple[Group, ...]
    prior_mean: float
    prior_sd: float
    tau_scale: float
    order: int = 8

    def _log_integral(self, group, mu, tau, above=None):
        """Log of the integral over z of normal(z) likelihood(mu + tau z); also up to `above`."""
        low = np.maximum(-9.5, (group.low - mu) / tau)
        high = np.minimum(9.5, (group.high - mu) / tau)
        high = np.maximum(high, low)
        if above is not None:
            high = np.clip((above - mu) / tau, low, high)
        edges = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 3)
        z, weight = panels(edges, 2 * self.order)
        log = group.log(mu[:, None] + tau * z) - z * z / 2
        top = log.max(axis=1)
        with np.errstate(divide="ignore"):
            return top + np.log((weight * np.exp(log - top[:, None])).sum(axis=1))

    def _log_density(self, mu, tau):
        prior = -0.5 * ((mu - self.prior_mean) / self.prior_sd) ** 2 - 0.5 * np.log(2 * np.pi)
        return prior + sum(self._log_integral(group, mu, tau) for group in self.groups)

    def _range_of_mu(self, tau):
        """Where the density of mu matters; the first end above the second if nowhere."""
        prior = np.array([-9.5, 9.5]) * self.prior_sd + self.prior_mean
        low = max(prior[0], *(group.low - 9.5 * tau for group in self.groups))
        high = min(prior[1], *(group.high + 9.5 * tau for group in self.groups))
        if low >= high:
            return low, high
        for _ in range(60):
            mu = np.linspace(low, high, 41)
            log = self._log_density(mu, tau)
            inside = np.flatnonzero(log > log.max() - NEGLIGIBLE)
            first, last = mu[max(inside[0] - 1, 0)], mu[min(inside[-1] + 1, 40)]
            if last - first > 0.5 * (high - low):
                break
            low, high = first, last
        return first, last

    def _given_tau(self, tau, at):
        """Integrals over mu: of the density, mu, and below each x of mu, new, and each theta."""
        low, high = self._range_of_mu(tau)
        if low >= high:
            return -np.inf, np.zeros(1 + sum(map(len, at.values())))
        values = np.concatenate([*at.values(), []])
        steps = (values[:, None] + tau * np.array([-8, -4, 0, 4, 8])).ravel()
        edges = np.unique(np.clip(np.concatenate([np.linspace(low, high, 7), steps]), low, high))
        mu, weight = panels(edges, self.order)
        log = self._log_density(mu, tau)
        density = weight * np.exp(log - log.max())
        found = [density.sum()]
        for name, values in at.items():
            for x in values:
                if name == "centre":
                    below = (mu <= x) * 1.0
                elif name == "new":
                    below = ndtr((x - mu) / tau)
                else:
                    group = self.groups[name]
                    log_below = self._log_integral(group, mu, tau, above=x)
                    below = np.exp(log_below - self._log_integral(group, mu, tau))
                found.append(density @ np.nan_to_num(below))
        return log.max(), np.array(found)

    def cdf(self, at):
        """P(quantity <= x) at values of ``centre``, ``scale``, ``new`` and groups by number."""
        splits = np.log(at.get("scale", []))
        top = np.log(self.tau_scale * 10)
        edges = np.unique(np.concatenate([np.arange(top, -23, -1.0), [-23], splits]))
        log_tau, weight = panels(edges, self.order)
        others = {name: values for name, values in at.items() if name != "scale"}
        rows = [self._given_tau(np.exp(each), others) for each in log_tau]
        log = np.array([row[0] for row in rows]) + log_tau
        log -= 0.5 * (np.exp(log_tau) / self.tau_scale) ** 2
        mass = weight * np.exp(log - log.max())
        integrals = mass @ np.array([row[1] for row in rows])
        total, below = integrals[0], iter(integrals[1:] / integrals[0])
        each = mass * np.array([row[1][0] for row in rows]) / total
        return {
            name: np.array(
                [
                    each[log_tau < np.log(x)].sum() if name == "scale" else next(below)
                    for x in values
                ]
            )
            for name, values in at.items()
        }
