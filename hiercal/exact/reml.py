"""The between-group variance without a prior: REML and moments, for many data sets at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.optimize.elementwise import find_root

CELLS = 256
"""Cells of the search for the largest maximum of the restricted likelihood."""
NODES = 400
"""Nodes on one half of the parabola along which a Laplace transform is inverted."""


def restricted_log_likelihood(y: np.ndarray, sigma: np.ndarray, tau2: np.ndarray) -> np.ndarray:
    """Log likelihood of tau^2 with the mean integrated out under a flat prior, up to a constant.

    -(1/2) {sum log v_i + log sum 1/v_i + sum (y_i - m)^2 / v_i}, v_i = sigma_i^2 + tau^2, m the
    mean weighted by 1/v_i (Viechtbauer 2005, Journal of Educational and Behavioral Statistics 30,
    261).

    Parameters
    ----------
    y : ndarray, shape (n_data_sets, n_groups)
    sigma : ndarray, shape (n_groups,)
    tau2 : ndarray, shape (n_values,)

    Returns
    -------
    ndarray, shape (n_data_sets, n_values)
    """
    y = y - y.mean(axis=1, keepdims=True)  # the sums below would cancel far from zero
    w = 1 / (sigma**2 + tau2[:, None])
    total = w.sum(axis=1)
    misfit = (y * y) @ w.T - (y @ w.T) ** 2 / total
    return -0.5 * (misfit + np.log(total) - np.log(w).sum(axis=1))


def restricted_score(y: np.ndarray, sigma: np.ndarray, tau2: np.ndarray) -> np.ndarray:
    """Derivative of `restricted_log_likelihood` with respect to tau^2, one value a data set.

    (1/2) {sum w^2 (y - m)^2 - sum w + sum w^2 / sum w}.

    Parameters
    ----------
    y : ndarray, shape (n_data_sets, n_groups)
    sigma : ndarray, shape (n_groups,)
    tau2 : ndarray, shape (n_data_sets,)

    Returns
    -------
    ndarray, shape (n_data_sets,)

    Examples
    --------
    >>> from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS
    >>> y, sigma = np.array([RUBIN_EFFECTS]), np.array(RUBIN_STANDARD_ERRORS)
    >>> restricted_score(y, sigma, np.zeros(1)).round(5)
    array([-0.00808])
    """
    w = 1 / (sigma**2 + tau2[:, None])
    total = w.sum(axis=1)
    residual = y - ((w * y).sum(axis=1) / total)[:, None]
    squares = (w * w).sum(axis=1)
    return 0.5 * ((w * w * residual**2).sum(axis=1) - total + squares / total)


def reml(y: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """REML estimates of tau^2: where the restricted likelihood is largest, exactly 0 included.

    The likelihood can have several maxima, one of them at 0 with a negative slope, so that a root
    of the score is not enough. All of them lie below the root of (J - 1) u^2 = S (u + d), with
    u = min sigma^2 + tau^2, S = sum (y - mean y)^2 and d = max sigma^2 - min sigma^2: beyond it
    sum w^2 (y - m)^2 <= S max(w)^2 < (J - 1) min(w) <= sum w - sum w^2 / sum w. The likelihood is
    computed at 257 values from 0 to there, even in log u, and from the largest the score's root
    is found to machine precision. Two maxima within one cell, a few per cent of sigma^2 + tau^2,
    would not be told apart.

    Parameters
    ----------
    y : ndarray, shape (n_data_sets, n_groups)
        Estimated effects.
    sigma : ndarray, shape (n_groups,)
        Their standard errors.

    Returns
    -------
    ndarray, shape (n_data_sets,)

    Examples
    --------
    >>> from hiercal.simulators.eight_schools import RUBIN_EFFECTS, RUBIN_STANDARD_ERRORS
    >>> y, sigma = np.array([RUBIN_EFFECTS, (60, *RUBIN_EFFECTS[1:])]), RUBIN_STANDARD_ERRORS
    >>> reml(y, np.array(sigma)).round(2)
    array([  0.  , 152.72])
    """
    y, sigma = _checked(y, sigma)
    least, largest = sigma.min() ** 2, sigma.max() ** 2
    a = np.var(y, axis=1, ddof=1).max(initial=0.0)
    top = (a + np.sqrt(a * a + 4 * a * (largest - least))) / 2
    tau2 = np.zeros(len(y))
    if top <= least:
        return tau2
    grid = np.geomspace(least, 1.001 * top, CELLS + 1) - least
    grid[0] = 0.0
    best = restricted_log_likelihood(y, sigma, grid).argmax(axis=1)
    rising = restricted_score(y, sigma, grid[best]) > 0
    inside = np.flatnonzero(rising | (best > 0))
    if inside.size == 0:
        return tau2
    low = grid[np.where(rising, best, best - 1)[inside]]
    high = grid[np.where(rising, best + 1, best)[inside]]
    tau2[inside] = _root(
        lambda t, i: restricted_score(y[i.astype(int)], sigma, t), low, high, inside
    )
    return tau2


def der_simonian_laird(y: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Moment estimates of tau^2: max(0, (Q - (J - 1)) / (sum w - sum w^2 / sum w)), w = 1/sigma^2.

    Q = sum w (y - m)^2, m the mean weighted by w (DerSimonian and Laird 1986, Controlled Clinical
    Trials 7, 177).

    Parameters and returned value as of `reml`.

    Examples
    --------
    >>> der_simonian_laird(np.array([[0.0, 2.0], [0.0, 1.0]]), np.ones(2))
    array([1., 0.])
    """
    y, sigma = _checked(y, sigma)
    w = sigma**-2.0
    scale = w.sum() - (w * w).sum() / w.sum()
    return np.maximum(0.0, (_q(y, sigma, np.zeros(len(y))) - (len(w) - 1)) / scale)


def paule_mandel(y: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Moment estimates of tau^2: the root of sum w (y - m)^2 = J - 1, or 0 if there is none.

    w = 1 / (sigma^2 + tau^2), m the mean weighted by w (Paule and Mandel 1982, Journal of Research
    of the National Bureau of Standards 87, 377). The left side falls with tau^2, so the root is
    single; it is at most the sample variance of y, less min sigma^2.

    Parameters and returned value as of `reml`.

    Examples
    --------
    >>> paule_mandel(np.array([[0.0, 2.0], [0.0, 1.0]]), np.ones(2)).round(9)
    array([1., 0.])
    """
    y, sigma = _checked(y, sigma)
    degrees = len(sigma) - 1
    tau2 = np.zeros(len(y))
    inside = np.flatnonzero(_q(y, sigma, tau2) > degrees)
    if inside.size:
        high = np.var(y[inside], axis=1, ddof=1) - 0.999 * sigma.min() ** 2
        tau2[inside] = _root(
            lambda t, i: _q(y[i.astype(int)], sigma, t) - degrees,
            np.zeros(inside.size), high, inside,
        )  # fmt: skip
    return tau2


def plug_in(
    y: np.ndarray, sigma: np.ndarray, tau2: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Group effects given an estimate of tau^2 that is taken for the truth (empirical Bayes).

    Mean (1 - B_i) y_i + B_i m with B_i = sigma_i^2 / (sigma_i^2 + tau^2) and m the weighted mean;
    variance (1 - B_i) sigma_i^2, and with that of m, B_i^2 / sum w, added to it (Morris 1983,
    Journal of the American Statistical Association 78, 47).

    Parameters
    ----------
    y : ndarray, shape (n_data_sets, n_groups)
    sigma : ndarray, shape (n_groups,)
    tau2 : ndarray, shape (n_data_sets,)

    Returns
    -------
    mean, sd, sd_with_mean : ndarray, shape (n_data_sets, n_groups)

    Examples
    --------
    >>> mean, sd, sd_with_mean = plug_in(np.array([[0.0, 4.0]]), np.ones(2), np.zeros(1))
    >>> mean[0], sd[0], sd_with_mean[0].round(4)
    (array([2., 2.]), array([0., 0.]), array([0.7071, 0.7071]))
    """
    w = 1 / (sigma**2 + tau2[:, None])
    total = w.sum(axis=1, keepdims=True)
    shrinkage = sigma**2 * w
    mean = y + shrinkage * ((w * y).sum(axis=1, keepdims=True) / total - y)
    variance = tau2[:, None] * shrinkage  # (1 - B) sigma^2, exactly 0 where tau^2 is
    return mean, np.sqrt(variance), np.sqrt(variance + shrinkage**2 / total)


def probability_of_zero(sigma: np.ndarray, tau: float) -> float:
    """Probability that DerSimonian-Laird's and Paule-Mandel's estimates are exactly 0.

    Both are 0 just where Q <= J - 1, and Q is a sum of independent chi-squares with one degree of
    freedom, weighted by the eigenvalues of its matrix times the variances of y (Biggerstaff and
    Jackson 2008, Statistics in Medicine 27, 6093).

    Parameters
    ----------
    sigma : ndarray, shape (n_groups,)
        Standard errors.
    tau : float
        True standard deviation between groups.

    Examples
    --------
    >>> round(probability_of_zero(np.ones(8), tau=1.0), 4)
    0.1648
    """
    w = np.asarray(sigma, float) ** -2.0
    matrix = np.diag(w) - np.outer(w, w) / w.sum()
    return quadratic_form_cdf(matrix, sigma, tau, len(w) - 1)


def probability_of_falling_score(sigma: np.ndarray, tau: float) -> float:
    """Probability that the restricted likelihood does not rise at tau^2 = 0.

    REML's estimate is then 0, unless the likelihood has a second and larger maximum elsewhere: the
    probability that it is 0 lies below this one.

    Parameters and returned value as of `probability_of_zero`.

    Examples
    --------
    >>> round(probability_of_falling_score(np.ones(8), tau=1.0), 4)
    0.1648
    """
    w = np.asarray(sigma, float) ** -2.0
    centring = np.eye(len(w)) - w / w.sum()
    matrix = centring.T @ np.diag(w * w) @ centring
    return quadratic_form_cdf(matrix, sigma, tau, w.sum() - (w * w).sum() / w.sum())


def quadratic_form_cdf(matrix: np.ndarray, sigma: np.ndarray, tau: float, x: float) -> float:
    """P(y' A y <= x) for independent y_i of mean 0 and variance sigma_i^2 + tau^2.

    y' A y is a sum of chi-squares weighted by eigenvalues e_k (Imhof 1961, Biometrika 48, 419).
    Its Laplace transform prod (1 + 2 s e_k)^(-1/2) has all its singularities on the negative axis,
    so its distribution function is an integral along a parabola round them, by the trapezoidal
    rule (Weideman and Trefethen 2007, Mathematics of Computation 76, 1341), here through the
    saddle point. Imhof's own integral, along the imaginary axis, falls off slowly where there are
    few groups. The error is about 1e-13 from 2 to 3000 groups.

    Parameters
    ----------
    matrix : ndarray, shape (n_groups, n_groups)
        A, symmetric and without negative eigenvalues.
    sigma : ndarray, shape (n_groups,)
    tau, x : float

    Examples
    --------
    >>> round(quadratic_form_cdf(np.eye(2), np.ones(2), tau=0.0, x=2.0), 6)  # 1 - 1 / e
    0.632121
    """
    root = np.sqrt(np.asarray(sigma, float) ** 2 + tau**2)
    eigenvalues = np.linalg.eigvalsh(root[:, None] * matrix * root)
    eigenvalues = eigenvalues[eigenvalues > 1e-12 * eigenvalues[-1]]
    apex = float(
        brentq(
            lambda s: x - (eigenvalues / (1 + 2 * s * eigenvalues)).sum() - 1 / s,
            1e-3 / x, (len(eigenvalues) + 2) / x,
        )
    )  # fmt: skip
    bend = min(1 / (4 * apex), eigenvalues[-1])  # no nearer to the singularities than that
    step = np.sqrt((40 / x + apex) / bend) / NODES
    v = step * (np.arange(NODES) + 0.5)
    s, slope = apex + 1j * v - bend * v**2, 1j - 2 * bend * v
    log_transform = -0.5 * np.log(1 + 2 * s * eigenvalues[:, None]).sum(axis=0)
    # the lower half of the parabola gives the complex conjugate
    return float(step / np.pi * (np.exp(s * x + log_transform) / s * slope).imag.sum())


def one_way_reml(y: np.ndarray, sizes: Sequence[int]) -> tuple[float, float]:
    """REML estimates of tau^2 and sigma^2 from raw observations in groups.

    y_ij ~ N(theta_i, sigma^2), theta_i ~ N(mu, tau^2). Given g = tau^2 / sigma^2 the estimate of
    sigma^2 is (SSW + sum w (m_i - m)^2) / (N - 1), w = 1 / (1/n_i + g), which leaves a likelihood
    of g alone (Searle, Casella and McCulloch 1992, Variance Components, section 6.6); it is
    maximised as in `reml`. With equal sizes tau^2 = max(0, (MSB - MSW) / n).

    Parameters
    ----------
    y : ndarray, shape (n_observations,)
        Group after group.
    sizes : sequence of int
        Observations in each group.

    Examples
    --------
    >>> tau2, sigma2 = one_way_reml(np.array([0.0, 2.0, 5.0, 7.0]), (2, 2))
    >>> round(tau2, 9), round(sigma2, 9)
    (11.5, 2.0)
    """
    n = np.asarray(sizes, float)
    group = np.repeat(np.arange(len(n)), sizes)
    means = np.bincount(group, y) / n
    within, degrees = float(((y - means[group]) ** 2).sum()), len(y) - 1

    def parts(g: float) -> tuple[np.ndarray, np.ndarray, float]:
        w = 1 / (1 / n + g)
        squares = (means - w @ means / w.sum()) ** 2
        return w, squares, within + float(w @ squares)

    def log_likelihood(g: float) -> float:
        w, _, total = parts(g)
        return -0.5 * (degrees * np.log(total) + np.log(w.sum()) - np.log(w).sum())

    def score(g: float) -> float:
        w, squares, total = parts(g)
        return float(degrees / total * (w * w) @ squares - w.sum() + (w * w).sum() / w.sum())

    least = 1 / n.max()
    a = float(np.var(means, ddof=1)) * degrees / within
    top = (a + np.sqrt(a * a + 4 * a * (1 / n.min() - least))) / 2
    g = 0.0
    if top > least:
        grid = np.geomspace(least, 1.001 * top, CELLS + 1) - least
        grid[0] = 0.0
        best = int(np.argmax([log_likelihood(value) for value in grid]))
        if score(grid[best]) > 0:
            g = float(brentq(score, grid[best], grid[best + 1], xtol=1e-14))
        elif best > 0:
            g = float(brentq(score, grid[best - 1], grid[best], xtol=1e-14))
    sigma2 = parts(g)[2] / degrees
    return g * sigma2, sigma2


def mixed_lm(
    y: np.ndarray, sizes: Sequence[int], method: str | None = None
) -> tuple[float, float, bool]:
    """REML estimates of tau^2 and sigma^2 by statsmodels, and whether it says that it converged.

    Parameters
    ----------
    y, sizes
        As of `one_way_reml`.
    method : str, optional
        How it searches, as of ``MixedLM.fit``; by default BFGS, then L-BFGS, then CG.

    Raises
    ------
    ModuleNotFoundError
        If statsmodels is not installed.
    """
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "mixed models of raw observations need statsmodels, which is not installed; install "
            "it with: pip install 'hiercal[studies]'",
            name="statsmodels",
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether it converged is returned
        group = np.repeat(np.arange(len(sizes)), sizes)
        fit = MixedLM(y, np.ones((len(y), 1)), groups=group).fit(reml=True, method=method)
    return float(np.asarray(fit.cov_re)[0, 0]), float(fit.scale), bool(fit.converged)


def _q(y: np.ndarray, sigma: np.ndarray, tau2: np.ndarray) -> np.ndarray:
    """sum w (y - m)^2 at a tau^2 of each data set, shape (n_data_sets,)."""
    w = 1 / (sigma**2 + tau2[:, None])
    residual = y - ((w * y).sum(axis=1) / w.sum(axis=1))[:, None]
    return (w * residual**2).sum(axis=1)


def _root(
    function: Callable[..., np.ndarray], low: np.ndarray, high: np.ndarray, data_set: np.ndarray
) -> np.ndarray:
    solution = find_root(function, (low, high), args=(data_set.astype(float),))
    if not np.all(solution.success):
        where = data_set[~solution.success]
        raise ArithmeticError(f"no root between the ends of the bracket in data sets {where}")
    return solution.x


def _checked(y: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, sigma = np.asarray(y, float), np.asarray(sigma, float)
    if y.ndim != 2 or y.shape[1:] != sigma.shape or len(sigma) < 2:
        raise ValueError(
            f"y has shape {y.shape} and sigma {sigma.shape}; give (n_data_sets, n_groups) and "
            "(n_groups,), with two or more groups"
        )
    return y, sigma
