"""Exact posterior of the normal-normal hierarchy with known standard errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from hiercal.exact.posterior import Posterior

if TYPE_CHECKING:
    from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

ORDER, PANELS, CELLS = 12, 12, 48
"""Gauss-Legendre nodes a panel, panels, and cells of the search for the posterior's support."""
LOG_NEGLIGIBLE = -45.0
ROUGH = 200
"""Values of tau, evenly spread on the log scale, that its median is looked for among."""

_X, _W = np.polynomial.legendre.leggauss(ORDER)
_FINE = ((np.arange(PANELS)[:, None] + (_X + 1) / 2) / PANELS).ravel()
_FINE_WEIGHTS = np.tile(_W / (2 * PANELS), PANELS)


def _antiderivative() -> np.ndarray:
    """Matrix that takes values at the nodes of (-1, 1) to integrals from -1 to each node."""
    legendre = np.polynomial.legendre
    to_coefficients = np.linalg.inv(legendre.legvander(_X, ORDER - 1))
    integrals = np.stack([legendre.legint(c, lbnd=-1) for c in np.eye(ORDER)], axis=1)
    return legendre.legvander(_X, ORDER) @ integrals @ to_coefficients


_CUMULATIVE = _antiderivative() / (2 * PANELS)


@dataclass(frozen=True)
class GivenTau:
    """What is left of y_i ~ N(theta_i, sigma_i^2), theta_i ~ N(mu, tau^2) when tau is known.

    mu ~ N(0, mu_scale^2) and the effects are then normal, and integrate out (Gelman et al. 2013,
    BDA3, section 5.4).

    Attributes
    ----------
    weights : ndarray, shape (n_values, n_groups)
        1 / (sigma_i^2 + tau^2).
    precision : ndarray, shape (n_values,)
        Of mu.
    mean : ndarray, shape (n_data_sets, n_values)
        Of mu.
    """

    weights: np.ndarray
    precision: np.ndarray
    mean: np.ndarray

    @classmethod
    def of(
        cls, y: np.ndarray, sigma2: np.ndarray, mu_precision: float, tau: np.ndarray
    ) -> GivenTau:
        """Of data sets y (n_data_sets, n_groups) and values of tau (n_values,)."""
        weights = 1 / (sigma2 + (tau * tau)[:, None])
        precision = mu_precision + weights.sum(axis=1)
        return cls(weights, precision, y @ weights.T / precision)

    def log_density(self, y: np.ndarray) -> np.ndarray:
        """Log densities of the data sets up to a constant, shape (n_data_sets, n_values)."""
        # sum w (y - M)^2 + M^2 / mu_scale^2 = sum w y^2 - M^2 P
        misfit = (y * y) @ self.weights.T - self.mean * self.mean * self.precision
        log_determinants = np.log(self.precision) - np.log(self.weights).sum(axis=1)
        return -(log_determinants + misfit) / 2


class NormalNormal(Posterior):
    """Posterior of the normal-normal hierarchy with known standard errors.

    y_i ~ N(theta_i, sigma_i^2), theta_i ~ N(mu, tau^2), mu ~ N(0, mu_scale^2), tau ~ any density.
    Everything but tau integrates out (Gelman et al. 2013, BDA3, section 5.4); tau is done by
    Gauss-Legendre quadrature on v = tau / (c + tau), over the panels that hold the posterior.

    Parameters
    ----------
    y, sigma : ndarray, shape (n_groups,)
        Estimates and their standard errors.
    mu_scale : float
        Prior standard deviation of mu.
    log_prior_tau : callable
        Log density of tau, up to a constant, vectorised.
    tau_scale : float
        The order of magnitude of tau under its prior, to begin the search for the posterior's.
    labels : sequence of str
        Names of the groups.
    """

    def __init__(
        self,
        y: np.ndarray,
        sigma: np.ndarray,
        *,
        mu_scale: float,
        log_prior_tau: Callable[[np.ndarray], np.ndarray],
        tau_scale: float,
        labels: Sequence[str],
    ) -> None:
        self._y, self._sigma2 = y, sigma * sigma
        self._mu_precision = mu_scale**-2
        self._log_prior_tau = log_prior_tau
        self._labels = labels
        self._c = self._scale_of_tau(tau_scale)
        self._solve()

    def _given(self, tau: np.ndarray) -> GivenTau:
        return GivenTau.of(self._y[None], self._sigma2, self._mu_precision, tau)

    def _log_density(self, v: np.ndarray) -> np.ndarray:
        """Log posterior density of v, up to a constant."""
        tau = self._c * v / (1 - v)
        return self._log_posterior(tau) - 2 * np.log1p(-v)

    def _log_posterior(self, tau: np.ndarray) -> np.ndarray:
        """Log posterior density of tau, up to a constant."""
        return self._log_prior_tau(tau) + self._given(tau).log_density(self._y[None])[0]

    def _scale_of_tau(self, tau_scale: float) -> float:
        """Median of tau, roughly: c of the coordinate, so that its mass lies about v = 1/2.

        A prior's scale does not do: the data may leave a tau a thousand times smaller.
        """
        largest = max(tau_scale, float(np.ptp(self._y)), float(np.sqrt(self._sigma2.max())))
        smallest = min(tau_scale, float(np.sqrt(self._sigma2.min())))
        tau = np.geomspace(smallest / 100, 100 * largest, ROUGH)
        log_density = self._log_posterior(tau) + np.log(tau)
        below = np.cumsum(np.exp(log_density - log_density.max()))
        return float(tau[np.searchsorted(below, below[-1] / 2)])

    def _solve(self) -> None:
        edges = np.linspace(0, 1, CELLS + 1)
        coarse = self._log_density((edges[1:] + edges[:-1]) / 2)
        held = np.flatnonzero(coarse > coarse.max() + LOG_NEGLIGIBLE)
        low, high = edges[max(held[0] - 1, 0)], edges[min(held[-1] + 2, CELLS)]
        width = high - low
        v = low + width * _FINE
        inner = np.array([low, min(high, 1 - 1e-9)])
        log_density = self._log_density(np.append(v, inner))
        peak = log_density[:-2].max()
        density = np.exp(log_density - peak)
        mass = density[:-2] * _FINE_WEIGHTS
        total = mass.sum()
        self._w = mass / total
        self._tau = self._c * v / (1 - v)
        given = self._given(self._tau)
        self._mu_weights, self._precision, self._mu_mean = (
            given.weights,
            given.precision,
            given.mean[0],
        )

        density /= total * width
        at_nodes = density[:-2].reshape(PANELS, ORDER)
        before = np.concatenate([[0.0], np.cumsum(self._w.reshape(PANELS, ORDER).sum(axis=1))[:-1]])
        cumulative = (before[:, None] + at_nodes @ _CUMULATIVE.T * width).ravel()
        self._grid = np.concatenate([[low], v, [inner[1]]])
        self._grid_cdf = np.concatenate([[0.0], np.clip(cumulative, 0, 1), [1.0]])
        self._grid_pdf = np.concatenate([density[-2:-1], density[:-2], density[-1:]])

    @property
    def names(self) -> tuple[str, ...]:
        return ("mu", "tau", *(f"theta[{label}]" for label in self._labels), "theta_new", "log_lik")

    @cached_property
    def _tau_cdf(self) -> CubicHermiteSpline:
        """Distribution function of v, with its density as slope; error of order 1e-8."""
        from scipy.interpolate import CubicHermiteSpline

        return CubicHermiteSpline(self._grid, self._grid_cdf, self._grid_pdf)

    def _mixture(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances of a quantity given each tau, where it is normal."""
        if name == "mu":
            return self._mu_mean, 1 / self._precision
        if name == "theta_new":
            return self._mu_mean, self._tau**2 + 1 / self._precision
        i = self.names.index(name) - 2
        shrinkage = self._sigma2[i] * self._mu_weights[:, i]
        mean = (1 - shrinkage) * self._y[i] + shrinkage * self._mu_mean
        return mean, (1 - shrinkage) * self._sigma2[i] + shrinkage**2 / self._precision

    @cached_property
    def _residuals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(theta_i - y_i) / sigma_i given tau: means, own variances, loadings on mu's deviation."""
        sigma = np.sqrt(self._sigma2)
        shrinkage = self._sigma2 * self._mu_weights
        means = shrinkage * (self._mu_mean[:, None] - self._y) / sigma
        return means, 1 - shrinkage, shrinkage / sigma / np.sqrt(self._precision)[:, None]

    @cached_property
    def _log_lik_constant(self) -> float:
        return float(-0.5 * np.log(2 * np.pi * self._sigma2).sum())

    def _moments_given_tau(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        if name == "tau":
            return self._tau, np.zeros_like(self._tau)
        if name == "log_lik":
            means, own, loading = self._residuals
            expected = (means**2 + own + loading**2).sum(axis=1)
            trace = (own**2 + 2 * own * loading**2).sum(axis=1) + (loading**2).sum(axis=1) ** 2
            spread = (own * means**2).sum(axis=1) + (loading * means).sum(axis=1) ** 2
            return self._log_lik_constant - expected / 2, (2 * trace + 4 * spread) / 4
        return self._mixture(name)

    def mean(self, name: str) -> float:
        means, _ = self._moments_given_tau(self._known(name))
        return float(self._w @ means)

    def sd(self, name: str) -> float:
        means, variances = self._moments_given_tau(self._known(name))
        return float(np.sqrt(self._w @ (variances + (means - self._w @ means) ** 2)))

    def cdf(self, name: str, x: ArrayLike) -> np.ndarray:
        x = np.asarray(x, float)
        if self._known(name) == "tau":
            tau = np.maximum(x, 0)
            v = np.clip(tau / (self._c + tau), self._grid[0], self._grid[-1])
            return np.where(x <= 0, 0.0, np.clip(self._tau_cdf(v), 0, 1))
        if name == "log_lik":
            return self._log_lik_cdf(x)
        means, variances = self._mixture(name)
        return ndtr((x[..., None] - means) / np.sqrt(variances)) @ self._w

    @cached_property
    def _misfit_cdf(self) -> PchipInterpolator:
        """Distribution function of sum ((y_i - theta_i) / sigma_i)^2, to about 1e-5.

        Its characteristic function is inverted (Gil-Pelaez 1951, Biometrika 38, 481). Given tau the
        residuals are independent normals plus a loading on mu's deviation g, so each node's is
        E exp(A + 2 B g + C g^2), g ~ N(0, 1).
        """
        from scipy.interpolate import PchipInterpolator

        mean, sd = -2 * (self.mean("log_lik") - self._log_lik_constant), 2 * self.sd("log_lik")
        largest = mean + 25 * sd
        step = 2 * np.pi / largest
        s = step * (np.arange(8192) + 0.5)
        means, own, loading = self._residuals
        phi = np.zeros(s.size, complex)
        for w, m, d, c in zip(self._w, means, own, loading, strict=True):
            if w < 1e-14:
                continue
            tilt = 1 - 2j * s[:, None] * d
            k = 1j * s[:, None] / tilt
            a, b, g = k @ (m * m), k @ (m * c), 1 - 2 * (k @ (c * c))
            phi += w * np.exp(a + 2 * b * b / g - 0.5 * (np.log(tilt).sum(axis=1) + np.log(g)))
        q = largest * np.linspace(0, 1, 1001) ** 2  # finest near 0, where the function bends most
        above = 0.5 + (np.exp(-1j * q[:, None] * s) * phi).imag @ (1 / s) * step / np.pi
        below = np.maximum.accumulate(np.clip(1 - above, 0, 1))
        below[0] = 0.0
        return PchipInterpolator(q, below)

    def _log_lik_cdf(self, x: np.ndarray) -> np.ndarray:
        q = -2 * (x - self._log_lik_constant)
        low, high = self._misfit_cdf.x[[0, -1]]
        return 1 - self._misfit_cdf(np.clip(q, low, high))

    def bracket(self, name: str) -> tuple[float, float]:
        if self._known(name) == "tau":
            tau = self._c * self._grid / (1 - self._grid)
            return float(tau[0]), float(tau[-1])
        mean, sd = self.mean(name), self.sd(name)
        if name == "log_lik":
            return mean - 24 * sd, self._log_lik_constant
        return mean - 40 * sd, mean + 40 * sd

    def draws(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        tau = self._draw_tau(n, rng)
        given = self._given(tau)
        mu = given.mean[0] + rng.standard_normal(n) / np.sqrt(given.precision)
        shrinkage = self._sigma2 * given.weights
        spread = np.sqrt((1 - shrinkage) * self._sigma2)
        theta = self._y + shrinkage * (mu[:, None] - self._y)
        theta += spread * rng.standard_normal(theta.shape)
        return {"mu": mu, "tau": tau, "theta": theta}

    def _draw_tau(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Inverse-cdf draws: linear interpolation, then one Newton step on the cubic one."""
        u = rng.uniform(size=n)
        v = np.interp(u, self._grid_cdf, self._grid)
        density = np.interp(v, self._grid, self._grid_pdf)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = (self._tau_cdf(v) - u) / density
        cell = np.searchsorted(self._grid_cdf, u).clip(1, self._grid.size - 1)
        inside = np.isfinite(step)
        v = np.where(inside, v - np.where(inside, step, 0.0), v)
        v = np.clip(v, self._grid[cell - 1], self._grid[cell])
        return self._c * v / (1 - v)
